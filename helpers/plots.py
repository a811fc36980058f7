"""Every figure of the workbook. Each function takes numbers and images, and returns a matplotlib figure."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from numpy.typing import ArrayLike


def style() -> None:
    """Set the look of all figures: seaborn's white grid, sizes legible at notebook width."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind")
    mpl.rcParams.update({"figure.dpi": 100, "axes.titlesize": 12, "image.interpolation": "nearest"})


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


def image_grid(
    images: np.ndarray | Sequence[ArrayLike],
    titles: Sequence[str] | None = None,
    *,
    columns: int = 10,
    title: str | None = None,
    size: float = 1.0,
) -> Figure:
    """Pictures in a grid. images: (N, H, W, C) in [0, 255]; titles: one short text an image."""
    rows = -(-len(images) // columns)
    height = size * (1.25 if titles is not None else 1.05)
    figure, axes = plt.subplots(
        rows, columns, figsize=(columns * size, rows * height + 0.5), layout="constrained", squeeze=False
    )
    for number, axis in enumerate(axes.flat):
        axis.axis("off")
        if number < len(images):
            axis.imshow(displayable(images[number]))
            if titles is not None:
                axis.set_title(titles[number], fontsize=8)
    figure.suptitle(title)
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


def noise_grid(
    images: np.ndarray, row_titles: Sequence[str], column_titles: Sequence[str], title: str
) -> Figure:
    """Noise kinds in rows, levels in columns, as in Figure 4. images: (rows, columns, H, W, C)."""
    rows, columns = images.shape[:2]
    figure, axes = plt.subplots(
        rows, columns, figsize=(2 * columns, 2 * rows + 0.6), layout="constrained", squeeze=False
    )
    for (row, column), axis in np.ndenumerate(axes):
        axis.imshow(displayable(images[row, column]))
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
        if row == 0:
            axis.set_title(column_titles[column])
    for axis, name in zip(axes[:, 0], row_titles, strict=True):
        axis.set_ylabel(name)
    figure.suptitle(title)
    return figure


def intervals(
    table: pd.DataFrame,
    *,
    y: str,
    x: str,
    low: str,
    high: str,
    hue: str,
    title: str,
    xlabel: str,
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
) -> Figure:
    """One panel per `column` value: `y` against the levels `x`, a line per `hue`.

    low, high: columns of the interval; a line whose name begins with "published" is dashed and black.
    """
    panels, hues = list(dict.fromkeys(table[column])), list(dict.fromkeys(table[hue]))
    figure, axes = plt.subplots(
        1, len(panels), figsize=(4 * len(panels), 3.6), layout="constrained", sharey=True, squeeze=False
    )
    for name, axis in zip(panels, axes[0], strict=True):
        for line in hues:
            part = table[(table[column] == name) & (table[hue] == line)]
            if len(part):
                look = {"color": "black", "ls": "--"} if line.startswith("published") else {}
                axis.plot(part[x], part[y], marker="o", label=line, **look)
            if len(part) and low is not None:
                axis.fill_between(part[x], part[low], part[high], alpha=0.2)
        axis.set(title=name, xlabel=x)
        if len(axis.lines) > 1:
            axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.28))
    axes[0, 0].set_ylabel(ylabel)
    figure.suptitle(title)
    return figure


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


def confusion_map(counts: np.ndarray, title: str) -> Figure:
    """Heat map of a confusion matrix (classes, classes), in the manner of Figure 14; logarithmic colours."""
    figure, axis = plt.subplots(figsize=(9.5, 8.5), layout="constrained")
    look = {"norm": mpl.colors.LogNorm(1, max(2, counts.max())), "cmap": "viridis", "square": True}
    sns.heatmap(counts, mask=counts < 1, ax=axis, cbar_kws={"label": "images"}, **look)
    axis.set(xlabel="predicted class", ylabel="true class", title=title)
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


def before_and_after(
    clean: ArrayLike, noisy: ArrayLike, labels: ArrayLike, before: ArrayLike, after: ArrayLike, title: str
) -> Figure:
    """Pairs of pictures with true → predicted class, as in Figures 12 and 13; wrong answers in red.

    clean, noisy: (N, H, W, C) in [0, 255]; labels, before, after: (N,) classes.
    """
    count = max(1, len(clean))  # no picture at all: an empty frame
    figure, axes = plt.subplots(
        2, count, figsize=(max(4, 1.7 * count), 4.4), layout="constrained", squeeze=False
    )
    for row, (images, answers) in enumerate(((clean, before), (noisy, after))):
        for axis, image, label, answer in zip(axes[row], images, labels, answers, strict=False):
            axis.imshow(displayable(image))
            axis.set(xticks=[], yticks=[])
            axis.set_title(
                f"{label} → {answer}", fontsize=10, color="black" if label == answer else "#c00000"
            )
    axes[0, 0].set_ylabel("before noise")
    axes[1, 0].set_ylabel("after noise")
    figure.suptitle(title)
    return figure


def displayable(image: ArrayLike) -> np.ndarray:
    """Grey levels as matplotlib wants them: uint8 (H, W, 3), a single channel three times."""
    image = np.clip(np.rint(np.asarray(image, np.float32)), 0, 255).astype(np.uint8)
    return np.repeat(image, 3, -1) if image.shape[-1] == 1 else image
