"""The nine noise sets of Mehrotra and Dalal, section 4.2, what their levels may mean, and mixtures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from helpers.backend import tf
from helpers.noise import philox
from helpers.noise.models import MODELS

LEVELS = ("min", "avg", "max")


@dataclass(frozen=True)
class NoiseSet:
    """One noise model at one level: callable as ``noise_set(images, seed=…) -> float32 images``."""

    kind: str  # a key of MODELS
    level: str  # min | avg | max
    value: float  # sigma or amplitude in grey levels, or a fraction
    options: dict = field(default_factory=dict, hash=False)
    reading: str = ""  # of the paper's level: a key of READINGS[kind]

    @property
    def name(self) -> str:
        """Name as used in tables, e.g. ``gaussian max``."""
        return f"{self.kind} {self.level}"

    def __call__(
        self, images: ArrayLike, *, seed: int | tf.Tensor, indices: ArrayLike | None = None, copy: int = 0
    ) -> tf.Tensor:
        """Noisy float32 copies of images (N, H, W, C); see `gaussian` for the arguments."""
        return MODELS[self.kind](images, self.value, seed=seed, indices=indices, copy=copy, **self.options)


# What the paper's levels may mean, by kind: name -> ((min, avg, max), options). The first of each kind is
# the reading of this project; notebook 02 measures all of them. Section 4.2 says: Gaussian "+50/+25/+5
# standard deviations"; periodic 1, 0.5 and 0.25 times (sin(x) + cos(x)) with neither unit nor period, and x
# "a constant", which would be no wave; salt & pepper 0.4, 0.2 and 0.1 % of the pixels in one sentence and
# p = 0.4 in the next. Amplitude 64, period 20 and 1-2-4 % were chosen for coming near to Table 2.
READINGS = {
    "gaussian": {
        "clipped": ((5, 25, 50), {}),
        "wrapped": ((5, 25, 50), {"overflow": "wrap"}),
        "cast": ((5, 25, 50), {"overflow": "cast"}),
    },
    "periodic": {
        "64 grey levels, period 20": ((16, 32, 64), {"period": 20.0}),
        "64 grey levels, x in pixels": ((16, 32, 64), {"period": 2 * np.pi}),
        "unit amplitude on [0, 1]": ((63.75, 127.5, 255), {"period": 2 * np.pi}),
    },
    "salt_and_pepper": {
        "1-2-4 % of values": ((0.01, 0.02, 0.04), {}),
        "1-2-4 % of pixels": ((0.01, 0.02, 0.04), {"per": "pixel"}),
        "0.1-0.2-0.4 % of values": ((0.001, 0.002, 0.004), {}),
        "p = 0.1-0.2-0.4": ((0.1, 0.2, 0.4), {}),
    },
}


def nine_sets(**readings: str) -> tuple[NoiseSet, ...]:
    """Nine `NoiseSet`s in the order of the paper's Table 2, under one reading per kind.

    readings: ``kind="name of a reading"``; a kind left out has its first reading. Raises ValueError for an
    unknown kind or reading.
    """
    for kind, name in readings.items():
        if name not in READINGS.get(kind, {}):
            known = READINGS.get(kind, READINGS)
            raise ValueError(f"unknown reading {kind}={name!r}: choose one of {', '.join(known)}")
    sets = []
    for kind, known in READINGS.items():
        reading = readings.get(kind, next(iter(known)))
        levels, options = known[reading]
        named = zip(LEVELS, levels, strict=True)
        sets += [NoiseSet(kind, level, value, options, reading) for level, value in named]
    return tuple(sets)


def every_reading() -> tuple[NoiseSet, ...]:
    """The sets of every kind under every reading, in the order of `READINGS`."""
    readings = [{kind: name} for kind, known in READINGS.items() for name in known]
    return tuple(s for reading in readings for s in nine_sets(**reading) if s.kind in reading)


NINE_SETS = nine_sets()
# Kinds that no training of this workbook sees: does robustness carry over to them?
UNSEEN_SETS = tuple(
    NoiseSet(kind, level, value, options)
    for kind, values, options in (
        ("shot", (10, 30, 60), {}),
        ("blur", (0.5, 1.0, 2.0), {}),
        ("motion_blur", (3, 6, 12), {"sigma": 10.0}),
        ("jpeg", (50, 80, 95), {}),
    )
    for level, value in zip(LEVELS, values, strict=True)
)


def mixture(
    images: ArrayLike,
    *,
    seed: int | tf.Tensor,
    indices: ArrayLike | None = None,
    copy: int = 0,
    sets: Sequence["NoiseSet"] | None = None,
    clean: float = 0.1,
    weakest: float = 0.0,
) -> tf.Tensor:
    """Each image gets one of the noise sets, drawn uniformly, or (with probability `clean`) none.

    sets: sequence of `NoiseSet`, default `NINE_SETS`. The level is uniform between `weakest` times the value
    of the set and that value: 0 adds weak noise, 1 exactly the sets. Other arguments and result as in
    `gaussian`. Raises ValueError where sets of one kind have different options.
    """
    sets = NINE_SETS if sets is None else tuple(sets)
    for kind in MODELS:
        if any(s.options != t.options for s in sets for t in sets if s.kind == t.kind == kind):
            raise ValueError(f"the {kind} sets of a mixture must share their options")
    images = tf.convert_to_tensor(images)
    draws = philox.draw(philox.UNIFORM, philox.keys(images, seed, indices, copy), philox.MIXTURE, 3)
    choice = tf.cast(draws[:, 0] * len(sets), tf.int32)
    strength = tf.where(draws[:, 1] < clean, 0.0, weakest + (1 - weakest) * draws[:, 2])
    noisy = images
    for kind, model in MODELS.items():
        levels = tf.constant([s.value if s.kind == kind else 0.0 for s in sets], tf.float32)
        options = next((s.options for s in sets if s.kind == kind), None)
        if options is not None:
            level = tf.gather(levels, choice) * strength
            noisy = model(noisy, level, seed=seed, indices=indices, copy=copy, **options)
    return tf.cast(noisy, tf.float32)
