"""Training a model, by a recipe, once: what was trained is found again.

`tasks` says what is learned: to classify here, to restore in `restoration`. `recipes` says how, as data;
`optimizers` has Adam in one kernel. `batching` draws augmented (`augmentation`), noisy batches that depend on
(seed, epoch, step) alone. `fitting` trains, and goes on after a kill with the same numbers; `keeping` has the
checkpoints and results, in one store for all notebooks, and `strips` what a generator makes on its way.
`starts` is for trainings that go on from trained weights, `transfer` for those of new classes, or of few
images.
"""

from helpers.training import augmentation
from helpers.training.batching import batches, drawn, shuffled, untuned
from helpers.training.fitting import Build, Trainings, fit, fit_all, fit_ladder, seed_everything
from helpers.training.keeping import Trained
from helpers.training.optimizers import FusedAdam
from helpers.training.recipes import NEAREST, PAPER, SCHEDULES, Recipe
from helpers.training.starts import Copy, Pretrained, start_by
from helpers.training.tasks import Classification, Task, cosine
from helpers.training.transfer import Unfrozen, features, fit_few, fit_outputs, without_output

__all__ = [
    *("NEAREST", "PAPER", "SCHEDULES", "Build", "Classification", "Copy", "FusedAdam"),
    *("Pretrained", "Recipe", "Task", "Trained", "Trainings", "Unfrozen", "augmentation"),
    *("batches", "cosine", "drawn", "features", "fit", "fit_all", "fit_few", "fit_ladder"),
    *("fit_outputs", "seed_everything", "shuffled", "start_by", "untuned", "without_output"),
]
