"""Noise: images in, noisy images out, the same for an image whatever the batch, shard or order.

`models` has the kinds (gaussian, periodic, salt_and_pepper, shot, blur, motion_blur, jpeg), each called as
``model(images, level, seed=…)``. `sets` names levels of them: the nine sets of Mehrotra and Dalal, what
their ambiguous levels may mean, four kinds that no training sees, and the mixture that classifiers train on.
`degradations` has what restorers train on. `philox` makes the random values, keyed by (seed, image, copy),
and gives out its streams.
"""

from helpers.noise import philox
from helpers.noise.degradations import DENSITIES, Density, degradation
from helpers.noise.models import MODELS, OVERFLOWS, blur, gaussian, jpeg, motion_blur, periodic
from helpers.noise.models import salt_and_pepper, shot
from helpers.noise.sets import LEVELS, NINE_SETS, READINGS, UNSEEN_SETS, NoiseSet, every_reading, mixture
from helpers.noise.sets import nine_sets

__all__ = [
    *("DENSITIES", "LEVELS", "MODELS", "NINE_SETS", "OVERFLOWS", "READINGS", "UNSEEN_SETS", "Density"),
    *("NoiseSet", "blur", "degradation", "every_reading", "gaussian", "jpeg", "mixture", "motion_blur"),
    *("nine_sets", "periodic", "philox", "salt_and_pepper", "shot"),
]
