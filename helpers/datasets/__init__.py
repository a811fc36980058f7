"""Image sets, loaded by name: `load("gtsrb", image_size=48, fit="roi")` gives train, validation and test.

`loading` fits pictures to a square, once, and keeps them on disk (`preparation`); `splits` keeps the frames
of a track on one side. `sources` finds each set's `pictures`, with `gtsrb` and `small_sets` for their
layouts, `archives` to read zips and folders safely, and `downloads` to fetch with checksum and resume.
"""

from helpers.datasets import gtsrb
from helpers.datasets.archives import DataError
from helpers.datasets.loading import load, source_digest
from helpers.datasets.preparation import FITS, read_pictures
from helpers.datasets.sources import NAMES, places, remarks
from helpers.datasets.splits import ImageSet, Splits, split_by_group

__all__ = [
    *("FITS", "NAMES", "DataError", "ImageSet", "Splits", "gtsrb", "load", "places", "read_pictures"),
    *("remarks", "source_digest", "split_by_group"),
]
