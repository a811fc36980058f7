"""Noise models, and the nine noise sets of Mehrotra and Dalal, section 4.2 and Figure 4.

Every model is ``f(images, level, *, seed, indices=None, copy=0) -> float32 images`` with grey levels in
[0, 255]. Randomness is keyed by (seed, image index, copy), see `philox`, so an image gets the same noise in
any batch, shard or order. A level is one number or one per image. All models are TensorFlow code: they run
eagerly on arrays and inside an input pipeline alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from helpers import philox
from helpers.backend import tf

# Streams keep the draws of different models apart under one seed.
GAUSSIAN, SALT_AND_PEPPER, PERIODIC, MIXTURE, SHOT = range(5)


def gaussian(
    images: ArrayLike,
    sigma: ArrayLike,
    *,
    seed: int | tf.Tensor,
    indices: ArrayLike | None = None,
    copy: int = 0,
    overflow: str = "clip",
) -> tf.Tensor:
    """Additive white Gaussian noise.

    images: (N, H, W, C) in [0, 255]; sigma: standard deviation in grey levels, scalar or (N,).
    indices: (N,) image numbers that key the noise, default 0 … N-1; copy: which independent repetition.
    overflow: what happens outside [0, 255]. ``clip`` saturates the sum; ``wrap`` takes it modulo 256, as
    unchecked uint8 arithmetic does; ``cast`` takes the noise alone modulo 256, as its conversion to uint8
    does, and saturates the sum: negative noise turns into white.
    Returns float32 (N, H, W, C) in [0, 255]. Raises ValueError for another overflow.
    """
    if overflow not in OVERFLOWS:
        raise ValueError(f"unknown overflow {overflow!r}: choose one of {', '.join(OVERFLOWS)}")
    images = tf.convert_to_tensor(images)
    keys = philox.keys(images, seed, indices, copy)
    return _add_gaussian(images, _per_image(sigma), keys, overflow)


def salt_and_pepper(
    images: ArrayLike,
    fraction: ArrayLike,
    *,
    seed: int | tf.Tensor,
    indices: ArrayLike | None = None,
    copy: int = 0,
    per: str = "channel",
) -> tf.Tensor:
    """Impulse noise: a fraction of the values becomes 0 or 255, half and half.

    fraction: expected share of changed values in [0, 1], scalar or (N,). per: ``channel`` hits every colour
    value on its own (coloured specks), ``pixel`` hits whole pixels (black and white specks).
    Other arguments, result and key as in `gaussian`. Raises ValueError for another ``per``.
    """
    if per not in ("channel", "pixel"):
        raise ValueError(f"unknown per {per!r}: choose channel or pixel")
    images = tf.convert_to_tensor(images)
    return _add_impulses(images, _per_image(fraction), philox.keys(images, seed, indices, copy), per)


def periodic(
    images: ArrayLike,
    amplitude: ArrayLike,
    *,
    seed: int | tf.Tensor,
    indices: ArrayLike | None = None,
    copy: int = 0,
    period: float = 8.0,
) -> tf.Tensor:
    """Additive wave pattern: amplitude · (sin(2πx/period + φ) + cos(2πy/period + ψ)), clipped to [0, 255].

    amplitude: grey levels, scalar or (N,), so that the pattern spans ±2 · amplitude and its standard
    deviation is `amplitude`; period: pixels per wave. The phases φ (columns) and ψ (rows) are uniform and
    keyed like the other models' noise. All channels get the same pattern.
    """
    images = tf.convert_to_tensor(images)
    keys = philox.keys(images, seed, indices, copy)
    return _add_waves(images, _per_image(amplitude), tf.cast(period, tf.float64), keys)


def shot(
    images: ArrayLike,
    sigma: ArrayLike,
    *,
    seed: int | tf.Tensor,
    indices: ArrayLike | None = None,
    copy: int = 0,
) -> tf.Tensor:
    """Shot noise of a camera: the variance grows with the light, sigma² · image / 255.

    sigma: standard deviation at white in grey levels, scalar or (N,). Poisson counts are taken as normal
    (Foi et al. 2008, equation 3), as of some ten photons a pixel. Other arguments and result: `gaussian`.
    """
    images = tf.convert_to_tensor(images)
    return _add_shot(images, _per_image(sigma), philox.keys(images, seed, indices, copy))


def blur(
    images: ArrayLike,
    sigma: ArrayLike,
    *,
    seed: int | tf.Tensor = 0,
    indices: ArrayLike | None = None,
    copy: int = 0,
) -> tf.Tensor:
    """Gaussian blur, weights renormalised at the borders; sigma: pixels, scalar or (N,), 0 changes nothing.

    A degradation called like noise, but nothing is random: seed, indices and copy do not matter.
    """
    return _blur(tf.convert_to_tensor(images), _per_image(sigma))


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
    draws = philox.draw(philox.UNIFORM, philox.keys(images, seed, indices, copy), MIXTURE, 3)
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


MODELS = {model.__name__: model for model in (gaussian, periodic, salt_and_pepper, shot, blur)}
OVERFLOWS = ("clip", "wrap", "cast")
LEVELS = ("min", "avg", "max")


@dataclass(frozen=True)
class NoiseSet:
    """One noise model at one level: callable as ``noise_set(images, seed=…) -> float32 images``."""

    kind: str  # a key of MODELS
    level: str  # min | avg | max
    value: float  # sigma or amplitude in grey levels, or a fraction
    options: dict = field(default_factory=dict, hash=False)

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
        levels, options = known[readings.get(kind, next(iter(known)))]
        sets += [NoiseSet(kind, level, value, options) for level, value in zip(LEVELS, levels, strict=True)]
    return tuple(sets)


NINE_SETS = nine_sets()
# Two kinds that no training of this workbook sees: does robustness carry over to them?
UNSEEN_SETS = tuple(
    NoiseSet(kind, level, value)
    for kind, values in (("shot", (10, 30, 60)), ("blur", (0.5, 1.0, 2.0)))
    for level, value in zip(LEVELS, values, strict=True)
)


def _per_image(level: ArrayLike) -> tf.Tensor:
    """A level as a float32 tensor that broadcasts over (N, H, W, C)."""
    return tf.reshape(tf.cast(level, tf.float32), (-1, 1, 1, 1))


def _draw_like(
    distribution: Callable[..., tf.Tensor],
    images: tf.Tensor,
    keys: philox.Keys,
    stream: int,
    channels: int | None = None,
) -> tf.Tensor:
    shape = tf.shape(images)
    shape = shape if channels is None else tf.concat([shape[:3], [channels]], 0)
    return tf.reshape(philox.draw(distribution, keys, stream, tf.reduce_prod(shape[1:])), shape)


@tf.function(reduce_retracing=True)
def _add_gaussian(images: tf.Tensor, sigma: tf.Tensor, keys: philox.Keys, overflow: str) -> tf.Tensor:
    images = tf.cast(images, tf.float32)
    added = sigma * _draw_like(philox.NORMAL, images, keys, GAUSSIAN)
    if overflow == "wrap":
        return tf.math.floormod(tf.round(images + added), 256.0)
    if overflow == "cast":
        added = tf.math.floormod(tf.round(added), 256.0)
    return tf.clip_by_value(images + added, 0.0, 255.0)


@tf.function(reduce_retracing=True)
def _add_impulses(images: tf.Tensor, fraction: tf.Tensor, keys: philox.Keys, per: str) -> tf.Tensor:
    draw = _draw_like(philox.UNIFORM, images, keys, SALT_AND_PEPPER, 1 if per == "pixel" else None)
    noisy = tf.where(draw < fraction, 255.0, tf.cast(images, tf.float32))
    return tf.where(draw < fraction / 2, 0.0, noisy)


@tf.function(reduce_retracing=True)
def _add_waves(images: tf.Tensor, amplitude: tf.Tensor, period: tf.Tensor, keys: philox.Keys) -> tf.Tensor:
    # Sines in float64: a float32 sine differs in its last bit with the place of the value in the batch.
    turns = tf.cast(philox.draw(philox.UNIFORM, keys, PERIODIC, 2), tf.float64)
    pixels = [tf.range(tf.shape(images)[axis], dtype=tf.float64) / period for axis in (2, 1)]
    along_x = tf.sin(2 * np.pi * (pixels[0] + turns[:, :1]))[:, None, :, None]
    along_y = tf.cos(2 * np.pi * (pixels[1] + turns[:, 1:]))[:, :, None, None]
    along_x, along_y = tf.cast(along_x, tf.float32), tf.cast(along_y, tf.float32)
    return tf.clip_by_value(tf.cast(images, tf.float32) + amplitude * (along_x + along_y), 0.0, 255.0)


@tf.function(reduce_retracing=True)
def _add_shot(images: tf.Tensor, sigma: tf.Tensor, keys: philox.Keys) -> tf.Tensor:
    images = tf.cast(images, tf.float32)
    # In float64: float32 roots and products differ in their last bit with the place and size of the batch.
    deviation = tf.cast(sigma, tf.float64) * tf.sqrt(tf.cast(images, tf.float64) / 255)
    added = tf.cast(deviation, tf.float32) * _draw_like(philox.NORMAL, images, keys, SHOT)
    return tf.clip_by_value(images + added, 0.0, 255.0)


@tf.function(reduce_retracing=True)
def _blur(images: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    images = tf.cast(images, tf.float32)
    shape = tf.shape(images)
    sigma = tf.broadcast_to(sigma[..., 0], (shape[0], 1, 1))
    rows, columns = (_blur_weights(shape[axis], sigma) for axis in (1, 2))
    along_y = tf.einsum("nij,njxc->nixc", rows, images)
    return tf.clip_by_value(tf.einsum("nij,nyjc->nyic", columns, along_y), 0.0, 255.0)


def _blur_weights(side: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """Weights (N, side, side) of every pixel in every blurred one; sigma: (N, 1, 1)."""
    place = tf.range(side, dtype=tf.float32)
    distance = (place[:, None] - place) / tf.maximum(sigma, 1e-3)
    return tf.nn.softmax(-(distance**2) / 2)
