"""Stability under noise, after Aghdam, Heravi and Puig (2016), section 4: many noisy copies of every image.

`sweeps` asks a classifier about them, in chunks that are kept and may be shared out; `votes` has what it
answered, as counts, and what follows: accuracies, failure thresholds, reports per class; `comparison` sets
networks side by side. `certainty` says how sure one may be: certified radii and calibration.
"""

from helpers.stability.certainty import certified_radius, expected_calibration_error
from helpers.stability.comparison import EVERY_SIGMA, PROTOCOLS, Comparison, compare
from helpers.stability.sweeps import CACHE, RESTORATION_SIGMAS, SIGMAS, Sweep, sweep
from helpers.stability.votes import Votes

__all__ = [
    *("CACHE", "EVERY_SIGMA", "PROTOCOLS", "RESTORATION_SIGMAS", "SIGMAS", "Comparison", "Sweep", "Votes"),
    *("certified_radius", "compare", "expected_calibration_error", "sweep"),
]
