"""Training a classifier, by a recipe, once: what was trained is found again.

`recipes` says how, as data. `batching` draws augmented (`augmentation`), noisy batches that depend on (seed,
epoch, step) alone. `fitting` trains, and goes on after a kill with the same numbers; `keeping` has the
checkpoints and results, in one store for all notebooks.
"""

from helpers.training import augmentation
from helpers.training.batching import batches
from helpers.training.fitting import Trainings, fit, fit_all, seed_everything
from helpers.training.keeping import Trained
from helpers.training.recipes import NEAREST, PAPER, SCHEDULES, Recipe

__all__ = [
    *("NEAREST", "PAPER", "SCHEDULES", "Recipe", "Trained", "Trainings", "augmentation", "batches", "fit"),
    *("fit_all", "seed_everything"),
]
