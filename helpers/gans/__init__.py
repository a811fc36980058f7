"""Generators and discriminators, the games they play, and how the images that come out are judged.

`networks` holds the papers' networks and this project's, `losses` what they play for, `games` the game, one
Keras model of two networks, `recipes` how it is trained; `flows` is an outsider that needs no second
network. `learning` trains and generates; `judges` and, of its own players, `judging` say how good that is;
`imitations` teaches it to classifiers. `translators` make images of images, `translating` says of which.
"""

from helpers.gans.flows import Flow, FlowMatching, FlowRecipe, velocity
from helpers.gans.games import Game
from helpers.gans.imitations import added, beside, few, imitated, trained_on
from helpers.gans.judges import NOISY, RANDOM, REAL, Judge
from helpers.gans.judging import balance, evaluation
from helpers.gans.learning import Adversarial, Start, decode, fit_all, fit_ladder, generate, in_grey
from helpers.gans.learning import samples, scores, walk
from helpers.gans.losses import OBJECTIVES
from helpers.gans.networks import NETWORKS, Players, dcgan, dense, patches, perceptron, residual, unet
from helpers.gans.recipes import RECIPES, Recipe
from helpers.gans.translating import Denoising, Painting, Unpaired, drawings, drawn, rendered, sources
from helpers.gans.translating import translate, translated
from helpers.gans.translators import Cycle, Translation, Translator

__all__ = [
    *("Adversarial", "Cycle", "Denoising", "Flow", "FlowMatching", "FlowRecipe", "Game", "Judge"),
    *("NETWORKS", "NOISY", "OBJECTIVES", "Painting", "Players", "RANDOM", "REAL", "RECIPES", "Recipe"),
    *("Start", "Translation", "Translator", "Unpaired", "added", "balance", "beside", "dcgan", "decode"),
    *("dense", "drawings", "drawn", "evaluation", "few", "fit_all", "fit_ladder", "generate", "imitated"),
    *("in_grey", "patches", "perceptron", "rendered", "residual", "samples", "scores", "sources"),
    *("trained_on", "translate", "translated", "unet", "velocity", "walk"),
]
