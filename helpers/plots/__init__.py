"""Every figure of the workbook: each function takes numbers and images, and returns a matplotlib figure.

Nothing here knows a model or a data set. `looks` is the style that all share; `pictures` show images,
`accuracies` data sets, trainings and tables of accuracies, `sweeps` what growing noise does, `searches` how
little noise is enough, `restorations` what restorers take away, `recognition` how people are told from
one another.
"""

from helpers.plots.accuracies import class_distribution, confusion_map, game_curves, intervals, level_curves
from helpers.plots.accuracies import per_class, sizes_and_tracks, trade_off, training_curves, transfer_map
from helpers.plots.looks import displayable, style
from helpers.plots.pictures import before_and_after, examples, image_grid, image_rows, noise_grid
from helpers.plots.recognition import error_curves
from helpers.plots.restorations import contraction, densities, gains, learning_curves, psnr_lines, restored
from helpers.plots.searches import margins, norm_against_queries, norm_distribution, sandwich
from helpers.plots.sweeps import SIGMA, accuracy_curves, calibration_curves, certified_accuracy
from helpers.plots.sweeps import class_thresholds, failure_distribution, flips_bar, psnr_scatter

__all__ = [
    *("SIGMA", "accuracy_curves", "before_and_after", "calibration_curves", "certified_accuracy"),
    *("class_distribution", "class_thresholds", "confusion_map", "contraction", "densities", "displayable"),
    *("error_curves", "examples", "failure_distribution", "flips_bar", "gains", "game_curves", "image_grid"),
    *("image_rows", "intervals", "learning_curves", "level_curves", "margins", "noise_grid"),
    *("norm_against_queries", "norm_distribution", "per_class", "psnr_lines", "psnr_scatter", "restored"),
    *("sandwich", "sizes_and_tracks", "style", "trade_off", "training_curves", "transfer_map"),
]
