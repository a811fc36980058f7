"""The 43 German traffic signs of GTSRB, drawn and rendered here: a data set that needs no download.

`names` has the classes by name. `rendering` turns the drawings in `data/signs` into frames of an endless
set, each a function of (seed, index); `scenes` puts a sign into the world: pose, background, light, dirt,
camera. No sensor noise is added, so that the clean signal is known exactly.
"""

from helpers.signs.names import CLASS_NAMES
from helpers.signs.rendering import FRAMES_PER_TRACK, GTSRB_COUNTS, Frame, digest, drawing, frame
from helpers.signs.rendering import labels_and_tracks, pictograms, render

__all__ = [
    *("CLASS_NAMES", "FRAMES_PER_TRACK", "GTSRB_COUNTS", "Frame", "digest", "drawing", "frame"),
    *("labels_and_tracks", "pictograms", "render"),
]
