"""Generators and discriminators, the games they play, and how the images that come out are judged.

`networks` holds the papers' networks and this project's, `losses` what they play for, `games` the game, one
Keras model of two networks, `recipes` how it is trained; `flows` is an outsider that needs no second
network. `learning` trains and generates, `judging` says how good that is, `imitations` has classifiers learn
from it. `translators` make images of images, `translating` says of which.
"""

from helpers.gans.flows import Flow, FlowMatching, FlowRecipe, velocity
from helpers.gans.games import Game
from helpers.gans.imitations import added, beside, few, imitated, trained_on
from helpers.gans.judging import NOISY, REAL, balance, distances, evaluation, perception
from helpers.gans.learning import Adversarial, Start, decode, fit_all, fit_ladder, generate, in_grey
from helpers.gans.learning import samples, scores, walk
from helpers.gans.losses import OBJECTIVES
from helpers.gans.networks import NETWORKS, Players, dcgan, dense, patches, perceptron, residual, unet
from helpers.gans.recipes import RECIPES, Recipe
from helpers.gans.translating import Denoising, Painting, Unpaired, drawings, drawn, rendered, sources
from helpers.gans.translating import translate, translated
from helpers.gans.translators import Cycle, Translation, Translator

__all__ = [
    *("NETWORKS", "NOISY", "OBJECTIVES", "REAL", "RECIPES", "Adversarial", "Cycle", "Denoising", "Flow"),
    *("FlowMatching", "FlowRecipe", "Game", "Painting", "Players", "Recipe", "Start", "Translation"),
    *("Translator", "Unpaired", "added", "balance", "beside", "dcgan", "decode", "dense", "distances"),
    *("drawings", "drawn", "evaluation", "few", "fit_all", "fit_ladder", "generate", "imitated", "in_grey"),
    *("patches", "perception", "perceptron", "rendered", "residual", "samples", "scores", "sources"),
    *("trained_on", "translate", "translated", "unet", "velocity", "walk"),
]
