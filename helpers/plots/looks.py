"""The look that all figures share."""

import textwrap

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from numpy.typing import ArrayLike


def style() -> None:
    """Set the look of all figures: seaborn's white grid, sizes legible at notebook width."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind")
    mpl.rcParams.update({"figure.dpi": 100, "axes.titlesize": 12, "image.interpolation": "nearest"})


def displayable(image: ArrayLike) -> np.ndarray:
    """Grey levels as matplotlib wants them: uint8 (H, W, 3), a single channel three times."""
    image = np.clip(np.rint(np.asarray(image, np.float32)), 0, 255).astype(np.uint8)
    return np.repeat(image, 3, -1) if image.shape[-1] == 1 else image


LINES = ("-", "-.", ":", (0, (7, 1.5)), (0, (4, 1, 1, 1, 1, 1)))  # plain dashes are for published numbers
MARKERS = "osD^vPX"
PALE = sns.color_palette("blend:#fff6dd,#4a9fd0", as_cmap=True)  # dark numbers stay legible on all of it


def looks(count: int) -> list[dict]:
    """Colour, line style and marker of `count` lines, of which no two look alike."""
    palette = sns.color_palette("colorblind", count)
    return [
        {"color": colour, "ls": LINES[n % len(LINES)], "marker": MARKERS[n % len(MARKERS)]}
        for n, colour in enumerate(palette)
    ]


def legend_on_the_right(axis: Axes, title: str | None = None) -> None:
    """Put the legend beside the axis, where it hides nothing."""
    if axis.get_legend_handles_labels()[0]:  # a legend of nothing warns
        axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), title=title, handlelength=3.5)


def shortened(name: str, width: int = 22) -> str:
    """Cut a name between two words, one long word within."""
    text = textwrap.shorten(name, width, placeholder="…")
    return text if text != "…" else f"{name[: width - 1]}…"
