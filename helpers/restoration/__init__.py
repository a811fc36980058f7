"""Restorers: images (N, H, W, C) in [0, 255] in, restored images of the same size and range out.

`networks` builds them: L3 to L11 of Aghdam et al., the network they compare with, and this project's own,
`compact`. Each is padded, to be used, and has an `unpadded` twin, to be trained; `fuse` puts one in front of
a classifier. `learning` trains them: the paper's recipe and this project's. `filters` has the classic ones.
`comparison` lets all restore the same degraded images; `contraction` asks whether they bring images nearer to
each other.
"""

from helpers.restoration.comparison import Restored, compare, examples
from helpers.restoration.contraction import changes, constants, local_constants, upper_bound
from helpers.restoration.filters import FILTERS
from helpers.restoration.learning import PAPER, Momentum, Recipe, Restoration, fine_tune, fit_all
from helpers.restoration.learning import psnr, recipe_named
from helpers.restoration.networks import DEPTHS, compact, fuse, has_shortcut, margin, multiply_adds
from helpers.restoration.networks import network, pattern, sizes, srcnn, unpadded

__all__ = [
    *("DEPTHS", "FILTERS", "PAPER", "Momentum", "Recipe", "Restoration", "Restored"),
    *("changes", "compact", "compare", "constants", "examples", "fine_tune", "fit_all", "fuse"),
    *("has_shortcut", "local_constants", "margin", "multiply_adds", "network", "pattern", "psnr"),
    *("recipe_named", "sizes", "srcnn", "unpadded", "upper_bound"),
]
