"""The figures of the search for minimum noise: what was found, how small it is, and what it cost.

As `plots`: each function takes numbers, knows no model, and returns a matplotlib figure in the look of
`plots.style`. Norms are L2 in grey levels.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers.plots.looks import legend_on_the_right, looks

NORM = "L2 norm of the noise (grey levels)"


def norm_distribution(table: pd.DataFrame, title: str, by: str = "method") -> Figure:
    """Share of the images for which a noise of at most a norm was found, a step line for each value of `by`.

    table: columns `by`, l2 (NaN where nothing was found) and already_wrong: images that needed none, which
    are left out.
    """
    figure, axis = plt.subplots(figsize=(10, 4.8), layout="constrained")
    table = table[~table["already_wrong"]]
    for look, (name, part) in zip(looks(table[by].nunique()), _groups(table, by), strict=True):
        found = np.sort(part["l2"].dropna())
        share = 100 * np.arange(1, len(found) + 1) / len(part)
        label = f"{name} ({np.median(part['l2'].fillna(np.inf)):.0f})"
        axis.step(found, share, where="post", label=label, color=look["color"], ls=look["ls"])
    axis.set(xlabel=NORM, ylabel="images flipped (%)", title=title, ylim=(0, 101))
    _logarithmic(axis, "x")
    legend_on_the_right(axis, f"{by} (median norm)")
    return figure


def margins(table: pd.DataFrame, title: str) -> Figure:
    """How far beyond the boundary each method ends: a box of the margins per method.

    table: columns method, margin (probability of the answer minus that of the true class) and success.
    """
    groups = _groups(table, "method")
    boxes = [part.loc[part["success"], "margin"].to_numpy() for _, part in groups]
    figure, axis = plt.subplots(figsize=(9, 0.5 * len(groups) + 2), layout="constrained")
    look = {"color": sns.color_palette("colorblind")[0]}
    styles = {"patch_artist": True, "boxprops": look, "medianprops": {"color": "black"}, "widths": 0.6}
    axis.boxplot(boxes, orientation="horizontal", tick_labels=[name for name, _ in groups], **styles)
    axis.invert_yaxis()
    axis.set(xlabel="score of the answer minus score of the true class", title=title)
    axis.set_xscale("symlog", linthresh=1e-3)
    axis.set_xlim(left=0)
    return figure


def norm_against_queries(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]], levels: Mapping[str, float], title: str
) -> Figure:
    """Median norm against the questions asked, a line per method.

    curves: method -> (questions, median norms), inf where fewer than half the images are flipped yet; levels:
    norms of methods that see gradients, drawn as dashed lines.
    """
    figure, axis = plt.subplots(figsize=(10, 4.8), layout="constrained")
    for look, (method, (questions, norms)) in zip(looks(len(curves)), curves.items(), strict=True):
        known = np.where(np.isfinite(norms), norms, np.nan)
        axis.plot(questions, known, label=method, ms=5, **look)
    for method, norm in levels.items():
        axis.axhline(norm, color="0.4", ls="--", lw=1, label=f"{method}, which sees gradients: {norm:.0f}")
    axis.set(xlabel="questions asked per image", ylabel=f"median {NORM}", title=title)
    _logarithmic(axis, "xy")
    legend_on_the_right(axis)
    return figure


def sandwich(table: pd.DataFrame, title: str) -> Figure:
    """For every image, what is certified, what was found, and what random noise needs, on one axis.

    table: columns radius (certified for the majority under noise), distance (of the smallest noise found) and
    chance (norm of the random noise that flips half the copies); inf or NaN: not known. Images are sorted by
    distance.
    """
    table = table.sort_values("distance").reset_index(drop=True)
    figure, axis = plt.subplots(figsize=(10, 4.8), layout="constrained")
    labels = {"chance": "random noise, half the copies", "distance": "smallest found", "radius": "certified"}
    colours = sns.color_palette("colorblind", 3)
    for (column, label), colour, marker in zip(labels.items(), colours, "^ov", strict=True):
        values = table[column].replace(np.inf, np.nan).where(table[column] > 0)
        known = f"{label} ({values.notna().sum()} of {len(table)} images)"
        axis.plot(values.index + 1, values, marker, ms=4, color=colour, label=known)
    axis.set(xlabel="images, by the smallest noise found", ylabel=NORM, title=title)
    _logarithmic(axis, "y")
    legend_on_the_right(axis)
    return figure


def _logarithmic(axis: Axes, directions: str) -> None:
    """Logarithmic axes, where there is anything to show: without, matplotlib stops."""
    for direction in directions:
        if np.isfinite(axis.dataLim.minpos["xy".index(direction)]):
            axis.set(**{f"{direction}scale": "log"})


def _groups(table: pd.DataFrame, by: str) -> list[tuple[str, pd.DataFrame]]:
    return list(table.groupby(by, sort=False))
