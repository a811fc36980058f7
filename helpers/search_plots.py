"""The figures of the search for minimum noise: what was found, how small it is, and what it cost.

As `plots`: each function takes numbers, knows no model, and returns a matplotlib figure in the look of
`plots.style`. Norms are L2 in grey levels.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import metrics
from helpers.plots import displayable

NORM = "L2 norm of the noise (grey levels)"
MIDDLE = 128  # grey level that shows no noise
LINES = ("-", "-.", ":", "--")


def examples(
    images: np.ndarray, noise: np.ndarray, before: Sequence[str], after: Sequence[str], title: str
) -> Figure:
    """Image, its noise magnified, and noisy image, a row each, as in Figures 1 and 2 of Aghdam et al. 2016.

    images, noise: (N, H, W, C) in grey levels; before, after: what to write under image and noisy image. The
    factor of each noise, its norm and the PSNR stand under it; no noise is shown as grey.
    """
    sizes = np.sqrt(np.square(noise, dtype=np.float64).sum((1, 2, 3)))
    quality = metrics.psnr(images, images.astype(np.float32) + noise)
    rows = max(1, len(images))  # no image at all: empty frames
    shape = {"squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(rows, 3, figsize=(9, 2.6 * rows + 0.6), **shape)
    for number, (image, added, size, decibels) in enumerate(zip(images, noise, sizes, quality, strict=True)):
        factor = MIDDLE / max(np.abs(added).max(), 1e-6)
        magnified = f"noise × {factor:.3g}\nnorm {size:.1f}, PSNR {decibels:.1f} dB"
        shown = (image, before[number]), (MIDDLE + factor * added, magnified), (image + added, after[number])
        for axis, (pixels, text) in zip(axes[number], shown, strict=True):
            axis.imshow(displayable(pixels), interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.set_xlabel(text, fontsize=10)
    figure.suptitle(title)
    return figure


def norm_distribution(table: pd.DataFrame, title: str, by: str = "method") -> Figure:
    """Share of the images for which a noise of at most a norm was found, a step line for each value of `by`.

    table: columns `by`, l2 (NaN where nothing was found) and already_wrong: images that needed none, which
    are left out.
    """
    figure, axis = plt.subplots(figsize=(10, 4.8), layout="constrained")
    table = table[~table["already_wrong"]]
    for look, (name, part) in zip(_looks(table[by].nunique()), _groups(table, by), strict=True):
        found = np.sort(part["l2"].dropna())
        share = 100 * np.arange(1, len(found) + 1) / len(part)
        label = f"{name} ({np.median(part['l2'].fillna(np.inf)):.0f})"
        axis.step(found, share, where="post", label=label, **look)
    axis.set(xlabel=NORM, ylabel="images flipped (%)", title=title, ylim=(0, 101))
    _logarithmic(axis, "x")
    _legend_on_the_right(axis, f"{by} (median norm)")
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
    for look, (method, (questions, norms)) in zip(_looks(len(curves)), curves.items(), strict=True):
        known = np.where(np.isfinite(norms), norms, np.nan)
        axis.plot(questions, known, label=method, marker="o", ms=4, **look)
    for method, norm in levels.items():
        axis.axhline(norm, color="0.4", ls="--", lw=1, label=f"{method}, which sees gradients: {norm:.0f}")
    axis.set(xlabel="questions asked per image", ylabel=f"median {NORM}", title=title)
    _logarithmic(axis, "xy")
    _legend_on_the_right(axis)
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
    _legend_on_the_right(axis)
    return figure


def _logarithmic(axis: Axes, directions: str) -> None:
    """Logarithmic axes, where there is anything to show: without, matplotlib stops."""
    for direction in directions:
        if np.isfinite(axis.dataLim.minpos["xy".index(direction)]):
            axis.set(**{f"{direction}scale": "log"})


def _groups(table: pd.DataFrame, by: str) -> list[tuple[str, pd.DataFrame]]:
    return list(table.groupby(by, sort=False))


def _looks(count: int) -> list[dict]:
    palette = sns.color_palette("colorblind", count)
    return [{"color": colour, "ls": LINES[n % len(LINES)], "lw": 1.8} for n, colour in enumerate(palette)]


def _legend_on_the_right(axis: Axes, title: str | None = None) -> None:
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), title=title, handlelength=3)
