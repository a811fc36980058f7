"""The noise by which a share of an image's copies has failed."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from helpers.metrics.intervals import Groups, _bootstrap


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
