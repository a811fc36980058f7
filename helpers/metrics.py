"""What is measured: image quality, accuracies with their intervals and tests, confusions."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from skimage.metrics import structural_similarity
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

PEAK = 255.0  # the largest grey level
SSIM_WINDOW = 7  # pixels


def psnr(clean: ArrayLike, noisy: ArrayLike) -> np.ndarray:
    """Peak signal-to-noise ratio in dB against 255, one value an image; infinite where nothing differs.

    clean, noisy: (N, H, W, C) grey levels in [0, 255]. Returns float64 (N,). ValueError if the shapes differ.
    """
    clean, noisy = np.asarray(clean), np.asarray(noisy)
    _check_pairs(clean, noisy)
    error = np.square(np.subtract(clean, noisy, dtype=np.float32), dtype=np.float32)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(PEAK**2 / error.mean((1, 2, 3), dtype=np.float64))


def ssim(clean: ArrayLike, noisy: ArrayLike) -> np.ndarray:
    """Structural similarity (Wang et al. 2004) in [-1, 1], one value an image; arguments as in `psnr`."""
    clean, noisy = np.asarray(clean, np.float32), np.asarray(noisy, np.float32)
    _check_pairs(clean, noisy)
    if min(clean.shape[1:3]) < SSIM_WINDOW:
        raise ValueError(f"images of {clean.shape[1:3]} pixels: SSIM needs at least {SSIM_WINDOW} each way")
    pairs = zip(clean, noisy, strict=True)
    return np.array([structural_similarity(a, b, data_range=PEAK, channel_axis=-1) for a, b in pairs])


def _check_pairs(clean: np.ndarray, noisy: np.ndarray) -> None:
    if clean.shape != noisy.shape:
        raise ValueError(f"clean images {clean.shape} and noisy images {noisy.shape} differ in shape")


def accuracy_interval(
    correct: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Accuracy with its interval: (accuracy, low, high), each in [0, 1].

    correct: (N,) bool. Without groups, the Wilson interval over images. With groups (N,), a bootstrap over
    whole groups (tracks): frames of one sign are right or wrong together, so their interval is wider.
    """
    correct = np.asarray(correct, bool)
    if correct.size == 0:
        raise ValueError("no images: an accuracy needs at least one")
    accuracy = correct.mean()
    if groups is None:
        interval = stats.binomtest(int(correct.sum()), correct.size).proportion_ci(level, method="wilson")
        return accuracy, interval.low, interval.high
    _, members = np.unique(groups, return_inverse=True)
    sizes, hits = np.bincount(members), np.bincount(members, correct)
    drawn = np.random.default_rng(seed).integers(len(sizes), size=(resamples, len(sizes)))
    shares = hits[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2])
    return accuracy, low, high


def accuracy_row(correct: ArrayLike, groups: ArrayLike | None = None, **options: float) -> dict[str, float]:
    """The columns every table of accuracies has: accuracy, low, high, track_low, track_high (%), images.

    low, high: interval by image; track_low, track_high: by group, NaN where no group has two images.
    Arguments as in `accuracy_interval`.
    """
    by_image = accuracy_interval(correct, **options)
    repeated = groups is not None and len(np.unique(groups)) < len(groups)
    by_track = accuracy_interval(correct, groups, **options)[1:] if repeated else (np.nan, np.nan)
    columns = ("accuracy", "low", "high", "track_low", "track_high")
    percent = {name: 100 * float(value) for name, value in zip(columns, (*by_image, *by_track), strict=True)}
    return percent | {"images": len(correct)}


def with_interval(table: pd.DataFrame) -> pd.Series:
    """Text such as ``94.83 [94.43, 95.20]`` for every row with columns accuracy, low and high."""
    rows = zip(table["accuracy"], table["low"], table["high"], strict=True)
    return pd.Series([f"{accuracy:.2f} [{low:.2f}, {high:.2f}]" for accuracy, low, high in rows], table.index)


def difference_row(correct: ArrayLike, other: ArrayLike, *, level: float = 0.95) -> dict[str, float]:
    """The columns of a paired comparison: difference, low, high (points), p of `paired_test`, images.

    correct, other: (N,) bool, two classifiers on the same images; the difference is the first minus the
    second, its interval the Wald interval for paired proportions.
    """
    p = paired_test(correct, other)
    steps = np.asarray(correct, bool).astype(float) - np.asarray(other, bool)
    reach = stats.norm.ppf((1 + level) / 2) * steps.std() / np.sqrt(len(steps))
    low, high = steps.mean() - reach, steps.mean() + reach
    return {
        "difference": 100 * steps.mean(),
        "low": 100 * low,
        "high": 100 * high,
        "p": p,
        "images": len(steps),
    }


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


def per_class_report(labels: ArrayLike, predicted: ArrayLike, class_names: Sequence[str]) -> pd.DataFrame:
    """Precision, recall and F1 of every class: columns class, name, precision, recall, f1, images.

    labels, predicted: (N,) integers below len(class_names). A class never predicted has precision 0.
    """
    classes = np.arange(len(class_names))
    scores = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    columns = dict(zip(("precision", "recall", "f1", "images"), scores, strict=True))
    return pd.DataFrame({"class": classes, "name": class_names} | columns)


def confusion(labels: ArrayLike, predicted: ArrayLike, classes: int) -> np.ndarray:
    """Counts (classes, classes): true classes in rows, predicted in columns."""
    return confusion_matrix(labels, predicted, labels=np.arange(classes))


def most_confused(
    labels: ArrayLike, predicted: ArrayLike, class_names: Sequence[str], count: int = 10
) -> pd.DataFrame:
    """The most frequent errors: columns true, predicted, images, share (of the true class)."""
    counts = confusion(labels, predicted, len(class_names))
    errors = counts - np.diag(np.diag(counts))
    worst = np.argsort(-errors, axis=None, kind="stable")[:count]
    true, wrong = np.unravel_index(worst, errors.shape)
    found = errors[true, wrong]
    names = np.asarray(class_names)
    table = pd.DataFrame(
        {
            "true": names[true],
            "predicted": names[wrong],
            "images": found,
            "share": found / np.maximum(counts.sum(1)[true], 1),
        }
    )
    return table[table["images"] > 0]
