"""The figures of the stability notebook: what noise of growing sigma does to each network.

As `plots`: each function takes numbers, knows no model, and returns a matplotlib figure in the look of
`plots.style`. Sigma, thresholds and radii are in grey levels, shares and accuracies in percent. Networks
differ by colour, line style and marker, so that a figure can be read without seeing colours.
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
from helpers.plots.looks import legend_on_the_right, looks, shortened

SIGMA = "noise sigma (grey levels)"
CROWD = 4  # curves: the bands of more hide each other
RIGHT, WRONG = "0.6", "#c00000"  # far apart in lightness as well as in hue


def accuracy_curves(table: pd.DataFrame, title: str, published: pd.DataFrame | None = None) -> Figure:
    """Accuracy against sigma, a line per network, and of up to `CROWD` the band of its interval.

    table: columns network, sigma, accuracy, low, high in percent; sigma 0 is without noise, a row whose sigma
    is NaN (all sigmas taken together) is left out. published: network, sigma, accuracy of a paper, dashed
    black lines with a marker of its own per network.
    """
    figure, axis = plt.subplots(figsize=(10, 4.8), layout="constrained")
    _network_lines(axis, table, "accuracy", band=("low", "high"))
    if published is not None:
        known = published.dropna(subset=["sigma"]).sort_values("sigma")
        for number, (network, part) in enumerate(known.groupby("network", sort=False)):
            look = {"color": "black", "ls": "--", "marker": "x+1234"[number % 6], "ms": 8, "mew": 1.5}
            axis.plot(part["sigma"], part["accuracy"], label=f"{network} (published)", **look)
    axis.set(xlabel=SIGMA, ylabel="accuracy (%)", title=title)
    legend_on_the_right(axis)
    return figure


def calibration_curves(table: pd.DataFrame, title: str) -> Figure:
    """How far confidence is from accuracy against sigma, a line per network: the signed gap, then the error.

    table: columns network, sigma, gap (mean confidence minus accuracy) and ece (expected calibration error)
    in percent; a row whose sigma is NaN is left out.
    """
    figure, (gaps, errors) = plt.subplots(2, 1, figsize=(10, 6.6), layout="constrained", sharex=True)
    _network_lines(gaps, table, "gap")
    gaps.axhline(0, color="black", lw=1, zorder=1)
    gaps.set(ylabel="confidence - accuracy (points)")
    _network_lines(errors, table, "ece")
    errors.set(xlabel=SIGMA, ylabel="expected calibration error (%)")
    errors.set_ylim(bottom=0)
    legend_on_the_right(gaps)
    figure.suptitle(title)
    return figure


def psnr_scatter(
    sampled: np.ndarray,
    labels: ArrayLike,
    class_names: Sequence[str],
    title: str,
    classes: Sequence[int] | None = None,
    columns: int = 8,
    counts: ArrayLike | None = None,
) -> Figure:
    """Score of the true class against PSNR, a panel per class, as in Figures 3 to 7 of Aghdam et al. 2016.

    sampled: (N, S, C, 3), for C copies of N images at S sigmas: PSNR in dB, score of the true class in
    [0, 1], predicted class; a copy that equals its image, of infinite PSNR, is not shown. labels: (N,).
    classes: those to show, all by default. A panel's title says how many of its points are misclassified;
    counts: (classes, 2), misclassified and all copies of every class, to say that of a whole sweep instead.
    Raises ValueError if `counts` has another shape.
    """
    if counts is not None and np.shape(counts) != (len(class_names), 2):
        raise ValueError(
            f"counts of shape {np.shape(counts)} do not fit {len(class_names)} classes: "
            f"give one row (misclassified, all) for every class, shape {(len(class_names), 2)}"
        )
    classes = range(len(class_names)) if classes is None else classes
    rows = max(1, -(-len(classes) // columns))
    columns = max(1, -(-len(classes) // rows))  # no wider than these rows need
    size = (max(5.5, 1.65 * columns + 0.6), max(3.6, 1.6 * rows + 1.1))
    shape = {"sharex": True, "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(rows, columns, figsize=size, **shape)
    for axis in axes.flat[len(classes) :]:
        axis.axis("off")
    for number, (label, axis) in enumerate(zip(classes, axes.flat, strict=False)):
        points = sampled[np.asarray(labels) == label].reshape(-1, 3)
        shown = _points(axis, points[np.isfinite(points[:, 0])], label)
        failed, total = shown if counts is None else np.asarray(counts)[label]
        axis.set_title(f"{shortened(class_names[label])}\nclass {label}: {failed}/{total}", fontsize=9)
        axis.grid(lw=0.5)
        axis.tick_params(labelsize=9, labelbottom=number + columns >= len(classes))
    axes[0, 0].set(ylim=(-0.05, 1.05), yticks=(0, 0.5, 1))
    figure.suptitle(f"{title}\nred, and counted in the titles: misclassified; grey: correct", fontsize=12)
    figure.supxlabel("PSNR (dB)", fontsize=12)
    figure.supylabel("score of the true class", fontsize=12)
    return figure


def failure_distribution(
    thresholds: Mapping[str, ArrayLike], title: str, xlabel: str, *, largest: float
) -> Figure:
    """Share of the images that have failed by each sigma, a step line per network.

    thresholds: network -> (N,) sigma at which an image fails first, inf if it never does, NaN to leave it
    out. largest: the largest sigma tried.
    """
    figure, axis = plt.subplots(figsize=(10, 4.8), layout="constrained")
    for look, (network, values) in zip(looks(len(thresholds)), thresholds.items(), strict=True):
        values = np.sort(np.asarray(values, float))
        values = values[~np.isnan(values)]
        levels = np.unique([0, *values[values <= largest], largest])
        share = _percent(np.searchsorted(values, levels, side="right"), len(values))
        label = f"{network} ({100 - share[-1]:.1f} % never)" if len(values) else f"{network} (no image)"
        # on beyond the largest sigma, so that the failures at it are a step to see
        x, y = [*levels, 2 * largest], [*share, share[-1]]
        axis.step(x, y, where="post", color=look["color"], ls=look["ls"], label=label)
    axis.set(xlabel=xlabel, ylabel="images that have failed (%)", title=title, xlim=(0, 1.04 * largest))
    axis.set_ylim(0, max(1, axis.get_ylim()[1]))
    legend_on_the_right(axis)
    return figure


def class_thresholds(table: pd.DataFrame, title: str, *, largest: float) -> Figure:
    """Threshold of every class with its interval, the most fragile class on top.

    table: columns name, threshold, low, high in grey levels; inf: never up to `largest`, the largest sigma
    tried, drawn as an arrow at the right edge.
    """
    table = table.sort_values("threshold", kind="stable")
    values, low, high = (np.asarray(table[name], float) for name in ("threshold", "low", "high"))
    never, place = np.isinf(values), np.arange(len(table))
    figure, axis = plt.subplots(figsize=(10, 0.25 * len(table) + 2), layout="constrained")
    dot, arrow = sns.color_palette("colorblind", 2)
    edge = 1.04 * largest  # beyond every sigma that was tried
    axis.hlines(place, np.minimum(low, edge), np.minimum(high, edge), color="0.5", lw=1.5)
    axis.plot(values[~never], place[~never], "o", ms=6, color=dot, label="threshold and its interval")
    if never.any():
        label = f"never up to sigma {largest:g}"
        look = {"ms": 9, "color": arrow, "clip_on": False, "zorder": 5}
        axis.plot(np.full(never.sum(), edge), place[never], ">", label=label, **look)
    axis.set_yticks(place, table["name"], fontsize=10)
    axis.set(xlabel=SIGMA, title=title, xlim=(0, edge), ylim=(len(table) - 0.4, -0.6))
    axis.grid(axis="y", alpha=0.4)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def certified_accuracy(radii: Mapping[float, ArrayLike], title: str) -> Figure:
    """Share of the images certified at a radius of r or more, against r; a line per smoothing sigma.

    radii: sigma -> (N,) certified L2 radius in grey levels, 0 for an image with none.
    """
    figure, axis = plt.subplots(figsize=(9, 4.8), layout="constrained")
    palette = sns.color_palette("viridis", len(radii))
    for colour, (sigma, values) in zip(palette, sorted(radii.items()), strict=True):
        values = np.sort(np.asarray(values, float))
        reached = np.unique(values[values > 0])
        share = _percent(len(values) - np.searchsorted(values, reached), len(values))
        start = share[:1] if len(reached) else _percent(0, len(values))
        last = reached[-1:]  # behind the largest radius, nothing is certified
        x, y = np.concatenate([[0], reached, last]), np.concatenate([start, share, np.zeros(len(last))])
        axis.step(x, y, where="pre", color=colour, lw=2, label=f"{sigma:g}")
    if not any(np.any(np.asarray(values, float) > 0) for values in radii.values()):
        axis.text(0.5, 0.5, "none: too few votes, or too few alike", transform=axis.transAxes, ha="center")
    axis.set(xlabel="L2 radius r (grey levels)", ylabel="images certified at r or more (%)", title=title)
    axis.set_xlim(left=0)
    axis.set_ylim(0, max(1, axis.get_ylim()[1]))
    legend_on_the_right(axis, title="smoothing sigma\n(grey levels)")
    return figure


def flips_bar(table: pd.DataFrame, title: str) -> Figure:
    """Bars of the correctly classified images of which at least one copy at sigma 1 is misclassified.

    table: columns network, flipped (such images), images (all correctly classified ones) and copies (of each
    image), a row a training, of which the bar shows the mean; others are not shown. A line on each bar is the
    Wilson interval over images.
    """
    means = table.groupby("network", sort=False)[["flipped", "images", "copies"]].mean().reset_index()
    counts = zip(means["flipped"], means["images"], strict=True)
    known = [
        metrics.accuracy_interval(np.arange(round(whole)) < round(part)) if whole else (0.0, np.nan, np.nan)
        for part, whole in counts
    ]
    share, low, high = 100 * np.array(known).reshape(-1, 3).T
    share = np.divide(100 * means["flipped"], means["images"].where(means["images"] > 0)).fillna(0).to_numpy()
    trainings = table.groupby("network", sort=False).size().to_numpy()
    place, ends = np.arange(len(means)), np.fmax(share, high)
    figure, axis = plt.subplots(figsize=(9, 0.45 * len(means) + 1.8), layout="constrained")
    axis.barh(place, share, color=sns.color_palette("colorblind", 1), height=0.7)
    axis.hlines(place, low, high, color="black", lw=1.5)
    for row, y, x, several in zip(means.itertuples(), place, ends, trainings, strict=True):
        text = f"{row.flipped:,.3g} / {row.images:,.0f} in {row.copies:,.0f} copies"
        text += f", mean of {several} trainings" if several > 1 else ""
        axis.annotate(text, (x, y), (6, 0), textcoords="offset points", va="center", fontsize=11)
    axis.set_yticks(place, means["network"])
    axis.invert_yaxis()
    axis.set_xlim(0, 2 * max(ends, default=0) or 1)  # room for the numbers
    axis.set(xlabel="correctly classified images that sigma 1 flips (%)", title=title)
    axis.grid(axis="y", visible=False)
    axis.grid(axis="x", alpha=0.4)
    return figure


def _points(axis: Axes, points: np.ndarray, label: int) -> tuple[int, int]:
    """Draw (P, 3) of PSNR, score and predicted class; return how many miss the class `label`, and P."""
    wrong = points[:, 2] != label
    for chosen, colour in ((~wrong, RIGHT), (wrong, WRONG)):  # the rare red ones on top
        # squares fall on whole pixels: tens of thousands of points add little to the file
        look = {"ms": 2, "mew": 0, "color": colour, "rasterized": True}
        axis.plot(points[chosen, 0], points[chosen, 1], "s", **look)
    return int(wrong.sum()), len(points)


def _network_lines(axis: Axes, table: pd.DataFrame, y: str, band: tuple[str, str] | None = None) -> None:
    """Draw `y` against sigma, a line with markers per network; band: columns of an interval around a few."""
    networks = list(dict.fromkeys(table["network"]))
    table = table.dropna(subset=["sigma"]).sort_values("sigma")
    banded = band is not None and len(networks) <= CROWD
    for network, look in zip(networks, looks(len(networks)), strict=True):
        part = table[table["network"] == network]
        axis.plot(part["sigma"], part[y], ms=6, label=network, **look)
        if banded:
            axis.fill_between(
                part["sigma"], *(part[edge] for edge in band), color=look["color"], alpha=0.15, lw=0
            )


def _percent(part: ArrayLike, whole: int | np.ndarray) -> np.ndarray:
    """Return shares in percent, at least (1,); NaN where the whole is nothing."""
    return np.atleast_1d(100 * np.asarray(part, float) / (whole if np.all(whole) else np.nan))
