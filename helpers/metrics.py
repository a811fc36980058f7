"""What is measured: image quality, accuracies with intervals and tests, confusions, failures under noise."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from skimage.metrics import structural_similarity
from sklearn.metrics import confusion_matrix

PEAK = 255.0  # the largest grey level
SSIM_WINDOW = 7  # pixels
Groups = ArrayLike | None  # (N,) the track of every image


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
    correct: ArrayLike, groups: Groups = None, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Accuracy with its interval: (accuracy, low, high), each in [0, 1].

    correct: (N,) bool. Without groups, the Wilson interval over images. With groups (N,), a bootstrap over
    whole groups (tracks): frames of one sign are right or wrong together, so their interval is wider; the
    Wilson interval of so many groups where all are right, or all wrong.
    """
    correct = np.asarray(correct, bool)
    if groups is not None or not correct.size:
        return share_interval(correct, groups, level=level, resamples=resamples, seed=seed)
    return correct.mean(), *_wilson(correct.mean(), correct.size, level)


def share_interval(shares: ArrayLike, groups: Groups = None, *, level: float = 0.95, **options: int) -> tuple:
    """`mean_interval` of shares in [0, 1]; where all are equal, Wilson's of so many images or groups.

    Resamples of equal shares are all the same: an interval without width, though other images may differ.
    """
    mean, *ends = mean_interval(shares, groups, level=level, **options)
    if len(np.unique(shares)) == 1:
        ends = _wilson(mean, len(shares) if groups is None else len(np.unique(groups)), level)
    return mean, *ends


def _wilson(share: float, count: int, level: float) -> list[float]:
    """Wilson's score interval of a share in [0, 1] of so many images (Newcombe 1998, method 3)."""
    z = stats.norm.ppf((1 + level) / 2)
    reach = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    ends = share + z**2 / (2 * count) + np.array([-reach, reach])
    return np.clip(ends / (1 + z**2 / count), 0, 1).tolist()


def mean_interval(
    values: ArrayLike, groups: Groups = None, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Mean of finite values (N,), percentile bootstrap over images or whole groups: (mean, low, high)."""
    values = np.asarray(values, float)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"values {values.shape}: a mean needs one finite number an image")
    rows = np.stack([values, np.ones_like(values)], axis=1)
    ends = _bootstrap(lambda sums: np.divide(*sums.T), rows, groups, "linear", level, resamples, seed)
    return values.mean(), *ends


def _bootstrap(
    statistic: Callable, rows: np.ndarray, groups: Groups, method: str, level=0.95, resamples=2000, seed=0
) -> np.ndarray:
    """Percentile interval (2,) of the statistic of summed rows (N, D), resampled singly or in groups (N,)."""
    if len(rows) == 0:
        raise ValueError("no images: a share, mean or threshold needs at least one")
    if groups is not None:
        if len(groups) != len(rows):
            raise ValueError(f"{len(rows)} images but {len(groups)} groups: every image needs its group")
        _, members = np.unique(groups, return_inverse=True)
        rows = np.stack([np.bincount(members, column) for column in rows.T], axis=1)
    rows, count, rng = rows.astype(float), len(rows), np.random.default_rng(seed)
    draws = (rng.integers(count, size=count) for _ in range(resamples))
    sums = np.array([np.bincount(drawn, minlength=count) @ rows for drawn in draws])
    return np.quantile(statistic(sums), [(1 - level) / 2, (1 + level) / 2], method=method)


def accuracy_row(
    correct: ArrayLike, groups: Groups = None, *, interval: Callable = accuracy_interval, **options: float
) -> dict[str, float]:
    """The columns every table of accuracies has: accuracy, low, high, track_low, track_high (%), images.

    low, high: interval by image; track_low, track_high: by group, NaN where no group has two images.
    Arguments as in `accuracy_interval`.
    """
    by_image = interval(correct, **options)
    repeated = groups is not None and len(np.unique(groups)) < len(groups)
    by_track = interval(correct, groups, **options)[1:] if repeated else (np.nan, np.nan)
    columns = ("accuracy", "low", "high", "track_low", "track_high")
    percent = {name: 100 * float(value) for name, value in zip(columns, (*by_image, *by_track), strict=True)}
    return percent | {"images": len(correct)}


def mean_row(values: ArrayLike, groups: Groups = None, **options: float) -> dict[str, float]:
    """`accuracy_row` of a share in [0, 1] an image, say of its copies that are right: by `share_interval`."""
    values = np.asarray(values, float)
    if ((values < 0) | (values > 1)).any():
        raise ValueError(f"shares from {values.min():g} to {values.max():g}: they must lie in [0, 1]")
    return accuracy_row(values, groups, interval=share_interval, **options)


def with_interval(table: pd.DataFrame) -> pd.Series:
    """Text such as ``94.83 [94.43, 95.20]`` for every row with columns accuracy, low and high."""
    rows = zip(table["accuracy"], table["low"], table["high"], strict=True)
    return pd.Series([f"{accuracy:.2f} [{low:.2f}, {high:.2f}]" for accuracy, low, high in rows], table.index)


def difference_row(correct: ArrayLike, other: ArrayLike, *, level: float = 0.95) -> dict[str, float]:
    """`mean_difference_row` of two classifiers, correct and other (N,) bool, with p of `paired_test`."""
    row = mean_difference_row(correct, other, level=level)
    return row | {"p": paired_test(correct, other), "images": row.pop("images")}


def mean_difference_row(values: ArrayLike, others: ArrayLike, *, level: float = 0.95) -> dict[str, float]:
    """Columns difference, low, high (points) and images of two classifiers on the same images.

    values, others: (N,), say the share of an image's copies that are right; the difference is the mean of
    the first minus that of the second, its interval by image: Wald's for pairs.
    """
    steps = np.asarray(values, float) - np.asarray(others, float)
    reach = stats.norm.ppf((1 + level) / 2) * steps.std() / np.sqrt(len(steps))
    mean, low, high = (100 * float(x) for x in (steps.mean(), steps.mean() - reach, steps.mean() + reach))
    return {"difference": mean, "low": low, "high": high, "images": len(steps)}


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

    labels, predicted: (N,) integers below len(class_names). A class never predicted has precision 0; a
    class without images has no recall (NaN), and without predictions too, neither precision nor F1.
    """
    return class_report(confusion(labels, predicted, len(class_names)), class_names)


def class_report(counts: ArrayLike, class_names: Sequence[str]) -> pd.DataFrame:
    """As `per_class_report`, from counts (K, K) of images or of their copies: true classes in rows."""
    counts, classes = np.asarray(counts), np.arange(len(class_names))
    if counts.shape != (len(classes), len(classes)):
        raise ValueError(f"counts {counts.shape}: {len(classes)} class names need a row and a column each")
    right, images, found = np.diag(counts), counts.sum(1), counts.sum(0)
    precision = _ratio(right, found, empty=np.where(images > 0, 0, np.nan))
    scores = {"precision": precision, "recall": _ratio(right, images, empty=np.nan)}
    scores |= {"f1": _ratio(2 * right, images + found, empty=np.nan), "images": images}
    return pd.DataFrame({"class": classes, "name": class_names} | scores)


def _ratio(part: np.ndarray, whole: np.ndarray, empty: ArrayLike = 0.0) -> np.ndarray:
    """The quotient part / whole of two arrays of one shape; `empty` (a number or such an array) over 0."""
    return np.divide(part, whole, out=np.full(whole.shape, empty), where=whole != 0)


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
    found, names = errors[true, wrong], np.asarray(class_names)
    share = _ratio(found, counts.sum(1)[true])
    table = pd.DataFrame({"true": names[true], "predicted": names[wrong], "images": found, "share": share})
    return table[table["images"] > 0]


def failure_threshold(failures: ArrayLike, sigmas: ArrayLike, share: float) -> np.ndarray:
    """The sigma by which a share in (0, 1] of the copies have failed: (N,), in the unit of sigmas.

    failures: (N, S+1), how many copies of an image fail first at sigma number s, in the last column never, or
    (..., S+1); sigmas: (S,) ascending from 0. Linear between the sigmas, from no failure at 0; infinite where
    fewer fail. Copies that fail without noise are those of a first sigma of 0.
    """
    failed, copies = _failed(failures, sigmas, share)
    return _crossing(failed / copies, sigmas, share)


def failure_threshold_interval(
    failures: ArrayLike, sigmas: ArrayLike, share: float, *, level: float = 0.95
) -> np.ndarray:
    """Interval (N, 2) of every `failure_threshold` over the image's copies, perhaps infinite.

    Ends where the exact bounds (Clopper and Pearson 1934) of the share that has failed by each sigma reach
    `share`: the upper bound first. So the interval has a width even where no copy fails.
    """
    failed, copies = _failed(failures, sigmas, share)
    tail, lasting = (1 - level) / 2, copies - failed
    upper = np.where(lasting > 0, stats.beta.ppf(1 - tail, failed + 1, np.maximum(lasting, 1)), 1)
    lower = np.where(failed > 0, stats.beta.ppf(tail, np.maximum(failed, 1), lasting + 1), 0)
    return np.stack([_crossing(bound, sigmas, share) for bound in (upper, lower)], axis=-1)


def _failed(failures: ArrayLike, sigmas: ArrayLike, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Copies that have failed by every sigma (..., S) and all copies (..., 1); refuses what does not fit."""
    failed, sigmas = np.cumsum(failures, axis=-1), np.asarray(sigmas)
    if failed.shape[-1:] != (len(sigmas) + 1,):
        raise ValueError(f"failures {failed.shape} of {len(sigmas)} sigmas: one column each, one for never")
    if (np.diff(sigmas) <= 0).any() or sigmas[0] < 0 or not 0 < share <= 1:
        raise ValueError(f"share {share:g} by sigmas {sigmas}: share in (0, 1], sigmas ascend from 0")
    if not failed[..., -1].all():
        raise ValueError("an image without copies: a threshold needs at least one")
    return failed[..., :-1], failed[..., -1:]


def _crossing(curves: np.ndarray, sigmas: ArrayLike, share: float) -> np.ndarray:
    """Where ascending curves (..., S) reach a share, linear between the sigmas: (...), perhaps infinite."""
    grid = np.array([0, *sigmas, np.inf])  # by an infinite sigma, every copy fails
    curves = np.pad(curves, [(0, 0)] * (curves.ndim - 1) + [(1, 1)], constant_values=(0, 1))
    after = (curves < share).sum(-1, keepdims=True)
    low, high = np.take_along_axis(curves, after - 1, -1), np.take_along_axis(curves, after, -1)
    return (grid[after - 1] + (share - low) / (high - low) * (grid[after] - grid[after - 1]))[..., 0]


def group_failure_threshold(
    failures: ArrayLike, sigmas: ArrayLike, share: float, groups: Groups = None, **options: float
) -> tuple[float, float, float]:
    """`failure_threshold` of the copies of all images (N, S+1), such as a class: (threshold, low, high).

    Bootstrap over images or whole groups, with the options of `mean_interval`; an end may be infinite.
    """
    threshold, rows = failure_threshold(np.sum(failures, 0), sigmas, share), np.asarray(failures)
    ends = _bootstrap(lambda sums: failure_threshold(sums, sigmas, share), rows, groups, "nearest", **options)
    return float(threshold), *ends.tolist()


def diversity(predicted: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """How differently M networks err, as means over pairs of them; predicted: (M, N), labels: (N,).

    disagreement (Skalak 1996, Ho 1998): share of images on which exactly one is right; double_fault (Giacinto
    and Roli 2001): on which both are wrong; q_statistic: Yule's, in [-1, 1], 0 if they err independently
    (Kuncheva and Whitaker 2003); same_wrong: share of double faults on one wrong class. NaN where undefined.
    """
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.ndim != 2 or len(predicted) < 2:
        raise ValueError(f"predictions {predicted.shape}: diversity needs two networks or more, in rows")
    if predicted.shape[1:] != labels.shape or labels.size == 0:
        raise ValueError(f"predictions {predicted.shape} and labels {labels.shape} share no images")
    first, second = np.triu_indices(len(predicted), 1)
    right, other = (predicted == labels)[first], (predicted == labels)[second]
    both, neither = (right & other).sum(1), (~right & ~other).sum(1)
    one, two = (right & ~other).sum(1), (other & ~right).sum(1)
    same = (~right & (predicted[first] == predicted[second])).sum(1)
    pairs = {
        "disagreement": (one + two) / labels.size,
        "double_fault": neither / labels.size,
        "q_statistic": _ratio(both * neither - one * two, both * neither + one * two, empty=np.nan),
        "same_wrong": _ratio(same, neither, empty=np.nan),
    }
    return pd.DataFrame(pairs).mean().to_dict()
