"""How well scores tell a person's own images from those of others.

A genuine score compares an image with the entry of the person it shows, an impostor score with another's;
higher means more alike. Scores hang together by the person shown, so intervals resample persons.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from helpers.metrics.intervals import share_interval, trainings_reach

CHUNK = 100  # resamples at a time


def roc(genuine: ArrayLike, impostor: ArrayLike) -> pd.DataFrame:
    """Errors at every threshold: columns threshold, false_accepts, false_rejects, shares in [0, 1].

    genuine, impostor: scores (N,) and (M,); what reaches a threshold is accepted. The last threshold is
    infinite and accepts nothing. Raises ValueError without scores of a kind, or where one is not a number.
    """
    kinds = {"genuine": np.asarray(genuine, float), "impostor": np.asarray(impostor, float)}
    for name, scores in kinds.items():
        if not scores.size:
            raise ValueError(f"no {name} scores: rates of errors need both kinds")
        if np.isnan(scores).any():
            raise ValueError(f"{np.isnan(scores).sum()} of the {name} scores are not numbers")
    wanted = np.repeat([True, False], [len(scores) for scores in kinds.values()])
    thresholds, rates = _rates(np.concatenate(list(kinds.values())), wanted, np.ones((1, len(wanted))))
    return pd.DataFrame({"threshold": thresholds, "false_accepts": rates[0, 0], "false_rejects": rates[1, 0]})


def equal_error_rate(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """Share of false accepts where it equals that of false rejects, in [0, 1]; arguments as in `roc`.

    Between two thresholds the rates are joined by a line.
    """
    return float(
        _crossing(roc(genuine, impostor)[["false_accepts", "false_rejects"]].to_numpy().T[:, None])[0]
    )


def equal_error_interval(
    scores: Sequence[ArrayLike],
    genuine: Sequence[ArrayLike],
    persons: Sequence[ArrayLike],
    *,
    less: Sequence[ArrayLike] | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Mean equal error rate of S trainings, and an interval over persons and trainings: (rate, low, high).

    The persons shown are resampled, not the entries. Where all resamples agree, the interval is Wilson's of
    so many persons.
    scores: of each training (N,); genuine: (N,) bool, whether the image shows the entry's person; persons:
    (N,) whom it shows; less: the scores of another system for the same pairs, whose rate is taken away.
    """
    known, rates = np.unique(np.concatenate([np.asarray(shown) for shown in persons])), []
    drawn = np.random.default_rng(seed).multinomial(
        len(known), np.full(len(known), 1 / len(known)), resamples
    )
    resampled = np.zeros(resamples)
    for number, (own, shown) in enumerate(zip(genuine, persons, strict=True)):
        own, members = np.asarray(own, bool), np.searchsorted(known, shown)
        for sign, system in ((1, scores), (-1, less)):
            if system is not None:
                score = np.asarray(system[number], float)
                rates.append(sign * equal_error_rate(score[own], score[~own]))
                resampled += sign * np.fromiter(_weighted(score, own, drawn[:, members]), float)
    rates = np.reshape(rates, (len(scores), -1)).sum(1)
    mean, reach = rates.mean(), trainings_reach(rates, level=level)
    ends = np.nanquantile(resampled / len(scores), [(1 - level) / 2, (1 + level) / 2])
    if less is None and ends[0] == ends[1]:  # of so many people nobody erred: others may
        ends = share_interval(np.full(len(known), mean), np.arange(len(known)), level=level)[1:]
    low, high = (mean + sign * np.hypot(end - mean, reach) for sign, end in zip((-1, 1), ends, strict=True))
    if less is None:
        low, high = np.clip([low, high], 0, 1)
    return float(mean), float(low), float(high)


def _weighted(scores: np.ndarray, wanted: np.ndarray, weights: np.ndarray) -> Iterator[float]:
    """Equal error rates where score i counts weights[r, i] times; NaN where a kind is missing."""
    for first in range(0, len(weights), CHUNK):
        yield from _crossing(_rates(scores, wanted, weights[first : first + CHUNK])[1])


def _rates(scores: np.ndarray, wanted: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds (T,), and false accepts and rejects at each, (2, R, T), by R rows of weights (R, N)."""
    order = np.argsort(scores, kind="stable")
    scores, wanted = scores[order], wanted[order]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(scores)) + 1, [len(scores)]])  # equal ones together
    counts = np.stack([weights[:, order] * kind for kind in (~wanted, wanted)]).astype(float)
    below = np.pad(counts.cumsum(2), ((0, 0), (0, 0), (1, 0)))[:, :, starts]
    with np.errstate(invalid="ignore"):  # a resample may lack a kind
        accepted, rejected = below / below[:, :, -1:]
    return np.append(scores[starts[:-1]], np.inf), np.stack([1 - accepted, rejected])


def _crossing(rates: np.ndarray) -> np.ndarray:
    """Where false accepts and rejects, (2, R, T), are equal: (R,)."""
    accepts, rejects = rates
    gaps = rejects - accepts
    after = np.argmax(gaps >= 0, 1)[:, None]  # the last threshold rejects all, so there is one; not the first
    low, high = (np.take_along_axis(gaps, place, 1) for place in (after - 1, after))
    ends = [np.take_along_axis(rejects, place, 1) for place in (after - 1, after)]
    with np.errstate(invalid="ignore"):
        return (ends[0] + low / (low - high) * (ends[1] - ends[0]))[:, 0]
