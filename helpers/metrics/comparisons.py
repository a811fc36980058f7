"""Two classifiers, or two sizes, on the same images: paired differences, ratios and tests."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from helpers.metrics.intervals import median_interval, trainings_reach


def difference_row(
    correct: ArrayLike, other: ArrayLike, *, overlap: float = 1.0, level: float = 0.95
) -> dict[str, float]:
    """Columns difference, low, high (points), p and images of two classifiers on the same images.

    correct, other: (N,), right or not, or the share of an image's copies that are right; the difference is
    the mean of the first minus that of the second, its interval by image: Wald's for pairs, and where no
    image differs from another, as far as Wilson's reaches for a share of none; p is of
    `paired_test` where they are bool, else of a z-test. Or (S, N) of S trainings of each, paired by training
    and image: then the interval covers trainings too (overlap as in `trainings_reach`), p is of a t-test over
    both, and there are also trainings, image_low and image_high.
    """
    correct, other = np.asarray(correct), np.asarray(other)
    if correct.shape != other.shape:
        raise ValueError(f"a paired test needs the same images: {correct.shape} and {other.shape} differ")
    steps = np.atleast_2d(correct.astype(float) - other.astype(float))
    mean, by_image, trainings = steps.mean(), steps.mean(0), steps.mean(1)
    error = by_image.std() / np.sqrt(by_image.size)
    z = stats.norm.ppf((1 + level) / 2)
    reach = z * error if error else z**2 / (by_image.size + z**2)
    both = np.hypot(reach, trainings_reach(trainings, overlap, level=level))
    row = {"difference": 100 * mean, "low": 100 * (mean - both), "high": 100 * (mean + both)}
    if len(trainings) > 1:
        p = _crossed_test(mean, error, trainings, overlap)
    else:
        whole = correct.dtype == other.dtype == bool
        p = paired_test(correct.ravel(), other.ravel()) if whole else _z_test(mean, error)
    row = {name: float(value) for name, value in row.items()} | {"p": p, "images": by_image.size}
    if correct.ndim == 1:
        return row
    ends = {"image_low": 100 * float(mean - reach), "image_high": 100 * float(mean + reach)}
    return row | {"trainings": len(trainings)} | ends


def _z_test(mean: float, error: float) -> float:
    return float(2 * stats.norm.sf(abs(mean) / error)) if error else float(mean == 0)


def _crossed_test(mean: float, error: float, trainings: np.ndarray, overlap: float) -> float:
    """Two-sided p of a mean over trainings and images; Satterthwaite's degrees of freedom."""
    variances = np.array([error**2, overlap * trainings.var(ddof=1) / len(trainings)])
    if not variances.any():
        return float(mean == 0)
    freedom = variances.sum() ** 2 / (variances[1] ** 2 / (len(trainings) - 1) + 1e-300)
    return float(2 * stats.t.sf(abs(mean) / np.sqrt(variances.sum()), max(freedom, 1)))


def paired_test(correct: ArrayLike, other: ArrayLike) -> float:
    """McNemar's exact test of two classifiers on the same images: two-sided p-value.

    correct, other: (N,) bool. Only images on which exactly one of them is right count.
    """
    correct, other = np.asarray(correct, bool), np.asarray(other, bool)
    if correct.shape != other.shape:
        raise ValueError(f"a paired test needs the same images: {correct.shape} and {other.shape} differ")
    first, second = int((correct & ~other).sum()), int((other & ~correct).sum())
    return 1.0 if first + second == 0 else float(stats.binomtest(first, first + second).pvalue)


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's correction of several p-values, in their order."""
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values)
    scaled = p_values[order] * np.arange(len(order), 0, -1)
    corrected = np.empty_like(scaled)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return corrected


def ratio_row(sizes: ArrayLike, others: ArrayLike) -> dict[str, float]:
    """Compare two sizes of the same N things: median of sizes / others with its interval, and a paired test.

    Columns ratio, low, high, p (Wilcoxon's signed-rank test of the logarithms, two-sided), pairs. A pair of
    which one is infinite counts as the largest or smallest ratio; pairs of two infinite ones are left out.
    """
    sizes, others = np.asarray(sizes, float), np.asarray(others, float)
    known = np.isfinite(sizes) | np.isfinite(others)
    with np.errstate(divide="ignore"):
        logs = np.log(sizes[known]) - np.log(others[known])
    ratio, low, high = np.exp(median_interval(logs))
    bound = 1 + np.abs(logs[np.isfinite(logs)]).max(initial=0)  # only ranks matter to the test
    logs = np.clip(logs, -bound, bound)
    p = stats.wilcoxon(logs).pvalue if logs.any() else 1.0
    return {"ratio": ratio, "low": low, "high": high, "p": p, "pairs": int(known.sum())}
