"""Generators and discriminators, the games they play, and how the images that come out are judged.

`networks` holds the papers' networks and this project's, `losses` what they play for, `games` the game, one
Keras model of two networks, `recipes` how it is trained; `flows` is an outsider that needs no second
network. `learning` trains and generates, `judging` says how good that is.
"""

from helpers.gans.flows import Flow, FlowMatching, FlowRecipe, velocity
from helpers.gans.games import Game
from helpers.gans.judging import REAL, distances, evaluation
from helpers.gans.learning import Adversarial, Start, decode, fit_all, generate, imitated, in_grey
from helpers.gans.learning import samples, scores, trained_on, walk
from helpers.gans.losses import OBJECTIVES
from helpers.gans.networks import NETWORKS, Players, dcgan, dense, perceptron, residual
from helpers.gans.recipes import RECIPES, Recipe

__all__ = [
    *("NETWORKS", "OBJECTIVES", "REAL", "RECIPES", "Adversarial", "Flow", "FlowMatching", "FlowRecipe"),
    *("Game", "Players", "Recipe", "Start", "dcgan", "decode", "dense", "distances", "evaluation"),
    *("fit_all", "generate", "imitated", "in_grey", "perceptron", "residual", "samples", "scores"),
    *("trained_on", "velocity", "walk"),
]
