"""Restorers: images (N, H, W, C) in [0, 255] in, restored images of the same size and range out.

`networks` builds them: L3 to L11 of Aghdam et al. and the network they compare with, each padded, to be used,
and `unpadded`, to be trained; `fuse` puts one in front of a classifier.
"""

from helpers.restoration.networks import DEPTHS, fuse, has_shortcut, margin, multiply_adds, network, pattern
from helpers.restoration.networks import srcnn, unpadded

__all__ = [
    *("DEPTHS", "fuse", "has_shortcut", "margin", "multiply_adds", "network", "pattern", "srcnn", "unpadded"),
]
