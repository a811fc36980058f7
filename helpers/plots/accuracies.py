"""Figures of data sets, trainings and accuracies."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, LogLocator, MaxNLocator
from numpy.typing import ArrayLike

from helpers.plots.looks import PALE, legend_on_the_right, looks


def class_distribution(splits: Mapping[str, ArrayLike], class_names: Sequence[str]) -> Figure:
    """Bars of images per class. splits: name -> labels (N,)."""
    figure, axis = plt.subplots(figsize=(11, 4), layout="constrained")
    bottom = np.zeros(len(class_names))
    for name, labels in splits.items():
        counts = np.bincount(labels, minlength=len(class_names))
        axis.bar(np.arange(len(class_names)), counts, bottom=bottom, label=name, width=0.8)
        bottom += counts
    axis.set(xlabel="class", ylabel="images", title="Images per class")
    axis.set_xticks(np.arange(0, len(class_names), -(-len(class_names) // 22)))
    axis.grid(axis="x", visible=False)
    axis.legend()
    return figure


def sizes_and_tracks(sizes: ArrayLike, groups: ArrayLike) -> Figure:
    """Histograms of the native longer side in pixels and of the number of frames in a track.

    sizes: (N, 2) height and width; groups: (N,) track of each image.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.5), layout="constrained")
    sides = np.max(sizes, 1)
    width = max(1, round(np.ptp(sides) / 40))  # whole pixels, so that all bars hold equally many sizes
    left.hist(sides, bins=np.arange(sides.min(), sides.max() + width + 1, width) - 0.5)
    left.set(xlabel="longer side in pixels", ylabel="images", title="Native sizes")
    frames = np.unique(groups, return_counts=True)[1]
    right.hist(frames, bins=np.arange(0.5, frames.max() + 1.5))
    right.set(xlabel="frames in a track", ylabel="tracks", title=f"{len(frames):,} tracks")
    return figure


def intervals(
    table: pd.DataFrame,
    *,
    title: str,
    y: str = "set",
    x: str = "accuracy",
    low: str = "low",
    high: str = "high",
    hue: str = "model",
    xlabel: str = "accuracy (%)",
    published: str | None = None,
) -> Figure:
    """Dots with intervals, one row per `y` and colour per `hue`; `published` is a column drawn as crosses.

    table: DataFrame, one row per dot.
    """
    rows, hues = list(dict.fromkeys(table[y])), list(dict.fromkeys(table[hue]))
    figure, axis = plt.subplots(figsize=(9, 0.42 * len(rows) + 1.6), layout="constrained")
    offsets = np.linspace(-0.22, 0.22, len(hues)) if len(hues) > 1 else [0.0]
    for name, offset in zip(hues, offsets, strict=True):
        part = table[table[hue] == name]
        place = np.array([rows.index(value) for value in part[y]]) + offset
        reach = np.abs(part[[low, high]].to_numpy().T - part[x].to_numpy())
        axis.errorbar(part[x], place, xerr=reach, fmt="o", ms=5, capsize=2, label=name)
    if published is not None:
        known = table.dropna(subset=[published]).drop_duplicates(y)
        place = [rows.index(value) for value in known[y]]
        axis.plot(known[published], place, "x", color="black", ms=8, mew=2, label="published (GTSRB)")
    axis.set_yticks(range(len(rows)), rows)
    axis.invert_yaxis()
    axis.set(xlabel=xlabel, title=title)
    if len(hues) > 1 or published is not None:
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def level_curves(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    hue: str,
    column: str,
    title: str,
    ylabel: str,
    low: str | None = None,
    high: str | None = None,
    xlabel: str | None = None,
    log: bool = False,
) -> Figure:
    """One panel per `column` value: `y` against the levels `x`, a line per `hue`.

    low, high: columns of the interval; a line whose name begins with "published" is dashed and black;
    xlabel: by default the name of `x`; log: the levels are numbers, on a logarithmic axis.
    """
    panels, hues = list(dict.fromkeys(table[column])), list(dict.fromkeys(table[hue]))
    figure, axes = plt.subplots(
        1, len(panels), figsize=(4 * len(panels), 4.4), layout="constrained", sharey=True, squeeze=False
    )
    for name, axis in zip(panels, axes[0], strict=True):
        for line in hues:
            part = table[(table[column] == name) & (table[hue] == line)]
            if len(part):
                look = {"color": "black", "ls": "--"} if line.startswith("published") else {}
                axis.plot(part[x], part[y], marker="o", label=line, **look)
            if len(part) and low is not None:
                axis.fill_between(part[x], part[low], part[high], alpha=0.2)
        axis.set(title=name, xlabel=xlabel or x)
        if log:  # else the scale is left alone: to set it takes the names from the ticks
            _logarithmic(axis, sorted(set(table[x])))
        if len(axis.lines) > 1:
            axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.28))
    axes[0, 0].set_ylabel(ylabel)
    figure.suptitle(title)
    return figure


def trade_off(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    title: str,
    xlabel: str,
    ylabel: str,
    name: str = "network",
    costs: bool = True,
) -> Figure:
    """What can be had together: a point per row, and a grey line through those that no other row beats.

    table: DataFrame; the interval of a column `accuracy` is in low and high, that of another, such as
    `noisy`, in noisy_low and noisy_high, if there is one. name: column of the legend. costs: `x` is a cost,
    the less the better, drawn on a logarithmic axis; else the more the better.
    """
    figure, axis = plt.subplots(figsize=(9, 5), layout="constrained")
    reaches = [_reach(table, column) for column in (x, y)]
    for place, look in enumerate(looks(len(table))):
        row = table.iloc[place]
        bars = {
            side: reach[:, [place]]
            for side, reach in zip(("xerr", "yerr"), reaches, strict=True)
            if reach is not None
        }
        style = {"color": look["color"], "marker": look["marker"], "ls": "", "ms": 8, "capsize": 2}
        axis.errorbar([row[x]], [row[y]], label=row[name], **bars, **style)
    best = table.dropna(subset=[x, y]).sort_values([x, y], ascending=[costs, False])
    front = best[~(best[y] <= best[y].cummax().shift())]
    axis.step(front[x], front[y], where="post", color="0.6", lw=1, zorder=0)
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if costs:
        _logarithmic(axis)
    legend_on_the_right(axis)
    return figure


def _logarithmic(axis: Axes, levels: Sequence[float] = ()) -> None:
    """Make the horizontal axis logarithmic, with marks at these levels, or at 1, 2 and 5: 43, 4.3 k, 20 M."""
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(levels) if len(levels) else LogLocator(subs=(1, 2, 5)))
    short = EngFormatter()
    axis.xaxis.set_major_formatter(
        lambda value, _: short(float(f"{value:.3g}")) if value >= 1 else f"{value:.3g}"
    )
    axis.minorticks_off()


def _reach(table: pd.DataFrame, column: str) -> np.ndarray | None:
    """How far the interval of a column reaches down and up, (2, rows), if it has one."""
    low, high = ("low", "high") if column == "accuracy" else (f"{column}_low", f"{column}_high")
    if low not in table:
        return None
    return np.abs(table[[low, high]].to_numpy().T - table[column].to_numpy())


def training_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Loss and accuracy against epochs. histories: name -> DataFrame as in `training.Trained`."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    palette = sns.color_palette(n_colors=len(histories))
    for (name, history), colour in zip(histories.items(), palette, strict=True):
        for axis, metric in zip(axes, ("loss", "accuracy"), strict=True):
            axis.plot(history["epoch"], history[metric], "--", color=colour)
            axis.plot(history["epoch"], history[f"val_{metric}"], "-", color=colour, label=name)
    for axis, metric in zip(axes, ("cross entropy", "accuracy"), strict=True):
        axis.set(
            xlabel="epoch",
            ylabel=metric,
            title=f"{metric.capitalize()} (solid: validation, dashed: training)",
        )
    axes[1].legend()
    return figure


def game_curves(histories: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Losses of both players against epochs, and how often the discriminator is right, a row a game.

    histories: name -> DataFrame as in `training.Trained`, of a `gans.Game`. As Figure 15. Where both kinds of
    images are right equally often, it is pairs of them that are ordered.
    """
    shape = {"squeeze": False, "layout": "constrained", "sharex": "row"}
    figure, axes = plt.subplots(len(histories), 2, figsize=(11, 2.8 * len(histories) + 0.6), **shape)
    names = {"real_right": "real images", "fake_right": "generated images", "pairs_right": "pairs of both"}
    for row, (name, history) in zip(axes, histories.items(), strict=True):
        alike = history["real_right"].equals(history["fake_right"])
        right = ("pairs_right",) if alike else ("real_right", "fake_right")
        kinds = {"loss": ("generator_loss", "discriminator_loss"), "right (%)": right}
        for axis, (ylabel, columns) in zip(row, kinds.items(), strict=True):
            factor = 100 if "%" in ylabel else 1
            for column in columns:
                label = names.get(column, column.removesuffix("_loss"))
                axis.plot(history["epoch"], factor * history[column], marker=".", label=label)
            axis.set(title=name, ylabel=ylabel, xlabel="epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.legend(fontsize=9)
        row[1].set_ylim(-5, 105)
    figure.suptitle(title)
    return figure


def confusion_map(counts: np.ndarray, title: str) -> Figure:
    """Heat map of a confusion matrix (classes, classes) with its counts (Figure 14); logarithmic colours."""
    side = max(5.0, 0.29 * len(counts))  # inches: three digits have their place in a cell
    figure, axis = plt.subplots(figsize=(side + 1, side), layout="constrained")
    look = {"norm": mpl.colors.LogNorm(1, max(2, counts.max())), "cmap": "viridis", "square": True}
    texts = np.where(counts, counts.astype(int).astype(str), "")
    look |= {"annot": texts, "fmt": "", "annot_kws": {"fontsize": 6.5 if len(counts) > 15 else 9}}
    mask = (counts < 1) & counts.any()  # of nothing but zeros, seaborn would look for the least in vain
    sns.heatmap(counts, mask=mask, ax=axis, cbar_kws={"label": "images", "shrink": 0.8}, **look)
    axis.set(xlabel="predicted class", ylabel="true class", title=title)
    axis.tick_params(axis="y", rotation=0)
    axis.grid(visible=False)
    return figure


def per_class(reports: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Precision and recall of every class; what is not defined (NaN) leaves its place free.

    reports: model name -> `metrics.per_class_report`.
    """
    figure, axes = plt.subplots(2, 1, figsize=(11, 5), layout="constrained", sharex=True)
    last = max(report["class"].max() for report in reports.values())
    for axis, metric in zip(axes, ("precision", "recall"), strict=True):
        for name, report in reports.items():
            axis.plot(report["class"], report[metric], "o", ms=5, alpha=0.8, label=name)
        axis.set(ylabel=metric)
    axes[0].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    axes[1].set(xlabel="class", xlim=(-1, last + 1))
    figure.suptitle(title)
    return figure


def transfer_map(
    matrix: pd.DataFrame, title: str, unit: str = "accuracy (%)", of_rows: str = "trained on"
) -> Figure:
    """Heat map with numbers of what was trained on one thing (rows) and tested on another (columns).

    matrix: DataFrame (trained on, tested on) of numbers in `unit`; a NaN leaves its cell blank. of_rows: what
    the rows are, if something else.
    """
    rows, columns = matrix.shape
    values = matrix.to_numpy(float)
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if len(known) else (0, 1)
    figure, axis = plt.subplots(
        figsize=(max(5, 0.85 * columns + 3.5), max(3, 0.55 * rows + 2.2)), layout="constrained"
    )
    if matrix.size:
        look = {"annot": True, "fmt": ".1f", "annot_kws": {"fontsize": 11, "color": "0.1"}, "cmap": PALE}
        labels = {"xticklabels": list(matrix.columns), "yticklabels": list(matrix.index)}
        sns.heatmap(values, vmin=low, vmax=high, ax=axis, cbar_kws={"label": unit}, **labels, **look)
        axis.tick_params(axis="y", rotation=0)
        plt.setp(axis.get_xticklabels(), rotation=40, ha="right", rotation_mode="anchor")
    axis.set(xlabel="tested on", ylabel=of_rows, title=title)
    axis.grid(visible=False)
    return figure
