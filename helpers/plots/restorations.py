"""The figures of the restoration notebook: what restorers take away, and what they leave.

As `plots`: each function takes numbers and images, knows no model, and returns a matplotlib figure.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.plots.looks import displayable, legend_on_the_right, looks
from helpers.plots.pictures import MIDDLE
from helpers.plots.sweeps import SIGMA


def densities(values: Mapping[str, np.ndarray], title: str) -> Figure:
    """Histograms of noise values in grey levels, a panel a density, on a logarithmic axis.

    values: name -> values of any shape; those that are 0 are left out, their share is in the panel's title.
    """
    columns = min(4, max(1, len(values)))
    rows = max(1, -(-len(values) // columns))
    shape = {"sharex": True, "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(rows, columns, figsize=(2.9 * columns, 2.3 * rows + 0.6), **shape)
    for axis in axes.flat[len(values) :]:
        axis.axis("off")
    for (name, found), axis in zip(values.items(), axes.flat, strict=False):
        changed = found[found != 0]
        axis.hist(changed, 101, density=True, log=True, histtype="stepfilled", color=looks(1)[0]["color"])
        axis.set_title(f"{name}\n{changed.size / found.size:.0%} changed", fontsize=10)
    figure.supxlabel("noise (grey levels)", fontsize=12)
    figure.supylabel("density", fontsize=12)
    figure.suptitle(title)
    return figure


def learning_curves(histories: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """PSNR of validation images, without border, against epochs. histories: name -> epoch and val_psnr."""
    figure, axis = plt.subplots(figsize=(9, 4), layout="constrained")
    for (name, history), look in zip(histories.items(), looks(len(histories)), strict=True):
        axis.plot(history["epoch"], history["val_psnr"], label=name, **look)
    axis.set(xlabel="epoch", ylabel="PSNR (dB)", title=title)
    last = max(history["epoch"].max() for history in histories.values())
    axis.set_xlim(0.5, last + 0.5)
    axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)  # else half epochs, of one epoch
    legend_on_the_right(axis)
    return figure


def psnr_lines(
    before: np.ndarray,
    after: Mapping[str, np.ndarray],
    lines: pd.DataFrame,
    title: str,
    *,
    most: float = np.inf,
    points: int = 300,
) -> Figure:
    """PSNR of restored against that of noisy images, points and the fitted lines (restoration, Figure 3).

    before: PSNR in dB of M samples; after: restorer -> the same of the restored ones; lines: restorer,
    psnr_0, psnr_1, …, the coefficients; most: PSNR before, in dB, at which the figure ends; points: of every
    restorer that are shown, evenly picked.
    """
    shown = before <= most
    before, after = before[shown], {name: found[shown] for name, found in after.items()}
    figure, axis = plt.subplots(figsize=(9, 5), layout="constrained")
    picked = np.linspace(0, before.size - 1, min(points, before.size)).astype(int)
    ends = np.linspace(before.min(), before.max(), 50)
    coefficients = lines.set_index("restorer")
    for (name, found), look in zip(after.items(), looks(len(after)), strict=True):
        axis.scatter(before[picked], found[picked], s=9, alpha=0.35, color=look["color"], linewidths=0)
        fitted = np.polynomial.Polynomial(coefficients.loc[name].to_numpy(float))(ends)
        axis.plot(ends, fitted, label=name, color=look["color"], ls=look["ls"], lw=2)
    axis.plot(ends, ends, color="black", lw=1, label="unchanged")
    axis.set(xlabel="PSNR of the noisy image (dB)", ylabel="PSNR of the restored image (dB)", title=title)
    legend_on_the_right(axis)
    return figure


def gains(table: pd.DataFrame, title: str) -> Figure:
    """Gain against the sigma of the noise. table: noise (sigma), restorer, gain, low, high (dB)."""
    table = table.assign(sigma=table["noise"].astype(float))
    figure, axis = plt.subplots(figsize=(9, 4.5), layout="constrained")
    names = list(dict.fromkeys(table["restorer"]))
    for name, look in zip(names, looks(len(names)), strict=True):
        part = table[table["restorer"] == name].sort_values("sigma")
        axis.plot(part["sigma"], part["gain"], label=name, **look)
        axis.fill_between(part["sigma"], part["low"], part["high"], color=look["color"], alpha=0.15)
    axis.axhline(0, color="black", lw=1)
    axis.set(xlabel=SIGMA, ylabel="gain in PSNR (dB)", title=title)
    legend_on_the_right(axis)
    return figure


def contraction(changes: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Change of the output against the size of the noise (restoration, Figure 3, bottom left).

    changes: restorer -> a table with columns noise and change, L2 norms in grey levels.
    """
    figure, axis = plt.subplots(figsize=(9, 4.8), layout="constrained")
    furthest = max((part["noise"].max() for part in changes.values()), default=1.0)
    for (name, part), look in zip(changes.items(), looks(len(changes)), strict=True):
        style = {"color": look["color"], "marker": look["marker"], "s": 12, "alpha": 0.5, "linewidths": 0}
        axis.scatter(part["noise"], part["change"], label=name, **style)
    axis.plot([0, furthest], [0, furthest], color="black", lw=1, label="as large as the noise")
    axis.set(xlabel="L2 norm of the noise (grey levels)", ylabel="L2 change of the output", title=title)
    legend_on_the_right(axis)
    return figure


def restored(
    clean: np.ndarray,
    noisy: np.ndarray,
    patterns: np.ndarray,
    results: np.ndarray,
    quality: Sequence[tuple[float, float]],
    title: str,
) -> Figure:
    """Clean, noisy, pattern, pattern magnified, restored: a row an image, as in Figure 2.

    All (N, H, W, C) in grey levels; quality: PSNR of noisy and restored, under the pictures.
    """
    rows = max(1, len(clean))
    shape = {"squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(rows, 5, figsize=(11, 2.35 * rows + 0.6), **shape)
    for row, image, changed, pattern, result, (before, after) in zip(
        axes, clean, noisy, patterns, results, quality, strict=True
    ):
        magnified = MIDDLE * pattern / max(np.abs(pattern).max(), 1e-6)
        shown = (image, changed, MIDDLE + pattern, MIDDLE + magnified, result)
        texts = ("", f"{before:.1f} dB", "", "", f"{after:.1f} dB")
        for axis, pixels, text in zip(row, shown, texts, strict=True):
            axis.imshow(displayable(pixels))
            axis.set(xticks=[], yticks=[])
            axis.set_xlabel(text, fontsize=10)
    for axis, name in zip(
        axes[0], ("clean", "noisy", "pattern", "pattern, magnified", "restored"), strict=True
    ):
        axis.set_title(name)
    figure.suptitle(title)
    return figure
