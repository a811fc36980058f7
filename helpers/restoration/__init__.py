"""Restorers: images (N, H, W, C) in [0, 255] in, restored images of the same size and range out.

`networks` builds them: L3 to L11 of Aghdam et al. and the network they compare with, each padded, to be used,
and `unpadded`, to be trained; `fuse` puts one in front of a classifier. `learning` trains them: the paper's
`Recipe` and this project's.
"""

from helpers.restoration.learning import PAPER, Momentum, Recipe, Restoration, fit_all, psnr
from helpers.restoration.networks import DEPTHS, fuse, has_shortcut, margin, multiply_adds, network, pattern
from helpers.restoration.networks import srcnn, unpadded

__all__ = [
    *("DEPTHS", "PAPER", "Momentum", "Recipe", "Restoration", "fit_all", "fuse", "has_shortcut", "margin"),
    *("multiply_adds", "network", "pattern", "psnr", "srcnn", "unpadded"),
]
