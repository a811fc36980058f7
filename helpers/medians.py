"""Medians of sizes that may be infinite, with their intervals, and paired comparisons of two such sizes."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats


def median_interval(values: ArrayLike, *, level: float = 0.95) -> tuple[float, float, float]:
    """Median with its interval (median, low, high): two order statistics, exact for any distribution.

    values: (N,), inf and -inf allowed, 0 between the two; NaN for each where there are none. The interval is
    all values where there are too few for one of that level.
    """
    values = np.sort(np.asarray(values, float))
    if not values.size:
        return np.nan, np.nan, np.nan
    cut = int(stats.binom.ppf((1 - level) / 2, values.size, 0.5))  # so many lie outside, at either end
    first = max(cut - 1, 0)
    middle = values[(values.size - 1) // 2], values[values.size // 2]
    middle = 0.0 if np.isinf(middle).all() and middle[0] < middle[1] else np.mean(middle)
    return middle, values[first], values[-1 - first]


def norm_table(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """What every method or network needed: one row for each value of column `by`, in the order they appear.

    table: as `MinimumNoise.table` gives it. Columns `by`, images (those that needed a noise), success and
    rounded (%: flipped, and by whole grey levels too), median_l2 with low and high, median_linf and
    median_psnr (of those found), queries and gradients (means).
    """
    rows = []
    for name, part in table.groupby(by, sort=False):
        part = part[~part["already_wrong"]]
        median, low, high = median_interval(part["l2"].fillna(np.inf))
        row = {by: name, "images": len(part)}
        row |= {share: 100 * part[share].mean() for share in ("success", "rounded")}
        row |= {"median_l2": median, "low": low, "high": high}
        row |= {f"median_{size}": part[size].median() for size in ("linf", "psnr")}
        rows.append(row | {cost: part[cost].mean() for cost in ("queries", "gradients")})
    return pd.DataFrame(rows)


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
