"""What is measured, as numbers with intervals.

`images` says how far a noisy image is from the clean one (PSNR, SSIM). `intervals` puts an interval around
means, shares and medians, over images or whole tracks. `comparisons` pairs two classifiers, or two sizes, on
the same images, with tests and Holm's correction. `classes` reports on every class and on how differently
networks err. `thresholds` finds the noise by which a share of the copies has failed. `generated` says how far
generated images are from real ones, `verification` how well scores tell people apart.
"""

from helpers.metrics.classes import class_report, confusion, diversity, most_confused, per_class_report
from helpers.metrics.comparisons import difference_row, holm, paired_test, ratio_row
from helpers.metrics.generated import density_coverage, frechet_distance, kernel_distance, nearest
from helpers.metrics.generated import precision_recall
from helpers.metrics.images import PEAK, psnr, ssim, strength
from helpers.metrics.intervals import accuracy_interval, accuracy_row, crossed_interval, mean_interval
from helpers.metrics.intervals import mean_row, median_interval, share_interval, trainings_reach
from helpers.metrics.intervals import trainings_interval, with_interval
from helpers.metrics.thresholds import failure_threshold, failure_threshold_interval, group_failure_threshold
from helpers.metrics.verification import equal_error_interval, equal_error_rate, roc

__all__ = [
    *("PEAK", "accuracy_interval", "accuracy_row", "class_report", "confusion", "crossed_interval"),
    *("density_coverage", "difference_row", "diversity", "equal_error_interval", "equal_error_rate"),
    *("failure_threshold", "failure_threshold_interval", "frechet_distance", "group_failure_threshold"),
    *("holm", "kernel_distance", "mean_interval", "mean_row", "median_interval", "most_confused"),
    *("nearest", "paired_test", "per_class_report", "precision_recall", "psnr", "ratio_row", "roc"),
    *("share_interval", "ssim", "strength", "trainings_interval", "trainings_reach", "with_interval"),
]
