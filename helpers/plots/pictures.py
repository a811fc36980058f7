"""Figures that show images."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import metrics
from helpers.plots.looks import displayable


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


def image_rows(rows: Mapping[str, np.ndarray], title: str) -> Figure:
    """Pictures in named rows. rows: name -> (N, H, W, C) in [0, 255], equally many in each."""
    columns = max(map(len, rows.values()))
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(columns + 1.5, len(rows) + 0.6), layout="constrained", squeeze=False
    )
    for row, (name, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(row, images, strict=True):
            axis.imshow(displayable(image))
            axis.set(xticks=[], yticks=[])
            axis.grid(visible=False)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=11)
    figure.suptitle(title)
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


MIDDLE = 128  # grey level that shows no noise


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
