"""Means, shares and medians with their intervals over images or whole tracks."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

Groups = ArrayLike | None  # (N,) the track of every image


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
    """Wilson's score interval of a share in [0, 1] of so many images."""
    found = stats.binomtest(round(share * count), count).proportion_ci(level, method="wilson")
    return [float(found.low), float(found.high)]


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
    chunk = max(1, 100_000 // count)  # resamples at a time, so that memory stays small
    sums = []
    for first in range(0, resamples, chunk):
        drawn = rng.integers(count, size=(min(chunk, resamples - first), count))
        drawn += count * np.arange(len(drawn))[:, None]  # every resample counts into a row of its own
        sums.append(np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape) @ rows)
    sums = np.concatenate(sums)
    return np.quantile(statistic(sums), [(1 - level) / 2, (1 + level) / 2], method=method)


def accuracy_row(
    correct: ArrayLike,
    groups: Groups = None,
    *,
    interval: Callable = accuracy_interval,
    overlap: float = 1.0,
    **options: float,
) -> dict[str, float]:
    """The columns every table of accuracies has: accuracy, low, high, track_low, track_high (%), images.

    correct: (N,) of one classifier: low and high are the interval by image, track_low and track_high by
    group, NaN where no group has two images. Or (S, N) of S trainings of it: then the accuracy is their mean,
    all of these cover trainings as well, and there are also trainings, image_low, image_high (by image
    alone), worst and best (of the trainings). There, NaN leaves an image out of a
    training. overlap as in `trainings_reach`; others as in `accuracy_interval`.
    """
    correct = np.asarray(correct)
    if correct.ndim == 1:
        by_image, by_track = _both(correct, groups, interval, options)
        return _percent(*by_image, *by_track) | {"images": len(correct)}
    correct = correct.astype(float)
    known = ~np.isnan(correct).all(0)  # an image may be left out of some trainings, by NaN
    correct = correct[~np.isnan(correct).all(1)]
    if not len(correct):
        return _percent(*[np.nan] * 5) | {"images": 0, "trainings": 0}
    shares, means = np.nanmean(correct[:, known], 0), np.nanmean(correct, 1)
    by_image, by_track = _both(shares, groups if groups is None else groups[known], share_interval, options)
    reach, accuracy = trainings_reach(means, overlap), means.mean()
    ends = np.array([*by_image[1:], *by_track]) - by_image[0]  # from the mean, by image and by track
    row = _percent(accuracy, *np.clip(accuracy + np.sign(ends) * np.hypot(ends, reach), 0, 1))
    spread = {"image_low": accuracy + ends[0], "image_high": accuracy + ends[1]}
    spread |= {"worst": means.min(), "best": means.max()}
    row |= {"images": len(shares), "trainings": len(means)}
    return row | {name: 100 * float(value) for name, value in spread.items()}


def trainings_reach(means: ArrayLike, overlap: float = 1.0, *, level: float = 0.95) -> float:
    """How far the mean of S trainings may be off because others would have come out differently.

    means: (S,), one a training; Student's t with S - 1 degrees of freedom, 0 for a single one, of which
    nothing is known. Intervals add this to the reach over images as independent errors add, by squares
    (Zou and Donner 2008). overlap: what the variance is multiplied by where trainings are ensembles that
    share members, see `classifiers.Ensembles`.
    """
    means = np.asarray(means, float)
    if len(means) < 2:
        return 0.0
    return float(
        stats.t.ppf((1 + level) / 2, len(means) - 1) * means.std(ddof=1) * np.sqrt(overlap / len(means))
    )


def trainings_interval(
    means: ArrayLike, low: float = -np.inf, high: float = np.inf
) -> tuple[float, float, float]:
    """Mean of S trainings and the ends of an interval that covers others, within low and high.

    means: (S,), one a training; of a single one nothing is known: its ends are NaN.
    """
    mean, several = float(np.mean(means)), len(means) > 1
    reach = trainings_reach(means) if several else np.nan
    return mean, *np.clip([mean - reach, mean + reach], low, high).tolist()


def crossed_interval(
    values: ArrayLike, groups: Groups = None, **options: float
) -> tuple[float, float, float]:
    """Mean of values (S, N) of S trainings on N images, and the ends of an interval that covers both.

    options: as in `mean_interval`.
    """
    values = np.atleast_2d(np.asarray(values, float))
    mean, *ends = mean_interval(values.mean(0), groups, **options)
    reach = trainings_reach(values.mean(1))
    low, high = (mean + np.sign(end - mean) * np.hypot(end - mean, reach) for end in ends)
    return mean, low, high


def _both(values: np.ndarray, groups: Groups, interval: Callable, options: dict) -> tuple:
    """Mean and interval by image, and the ends by group: NaN where no group has two images."""
    repeated = groups is not None and len(np.unique(groups)) < len(groups)
    by_track = interval(values, groups, **options)[1:] if repeated else (np.nan, np.nan)
    return interval(values, **options), by_track


def _percent(*values: float) -> dict[str, float]:
    columns = ("accuracy", "low", "high", "track_low", "track_high")
    return {name: 100 * float(value) for name, value in zip(columns, values, strict=True)}


def mean_row(values: ArrayLike, groups: Groups = None, **options: float) -> dict[str, float]:
    """`accuracy_row` of a share in [0, 1] an image, say of its copies that are right: by `share_interval`."""
    values = np.asarray(values, float)
    if ((values < 0) | (values > 1)).any():
        raise ValueError(f"shares from {values.min():g} to {values.max():g}: they must lie in [0, 1]")
    return accuracy_row(values, groups, interval=share_interval, **options)


def with_interval(table: pd.DataFrame, decimals: int = 2) -> pd.Series:
    """Text such as ``94.83 [94.43, 95.20]`` for every row with columns accuracy, low and high."""
    rows = zip(table["accuracy"], table["low"], table["high"], strict=True)
    texts = ["{:.{d}f} [{:.{d}f}, {:.{d}f}]".format(*row, d=decimals) for row in rows]
    return pd.Series(texts, table.index)


def median_interval(values: ArrayLike, *, level: float = 0.95) -> tuple[float, float, float]:
    """Median with its interval (median, low, high): two order statistics, exact for any distribution.

    values: (N,), inf and -inf allowed, 0 between the two; NaN for each where there are none. The interval is
    all values where there are too few for one of that level.
    """
    values = np.sort(np.asarray(values, float))
    if not values.size:
        return np.nan, np.nan, np.nan
    middle = values[(values.size - 1) // 2], values[values.size // 2]
    middle = 0.0 if np.isinf(middle).all() and middle[0] < middle[1] else np.mean(middle)
    ends = stats.quantile_test(values, p=0.5).confidence_interval(level)
    return middle, *np.where(np.isnan(ends), values[[0, -1]], ends).tolist()
