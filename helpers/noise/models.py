"""Noise models: images in, noisy images out, keyed by (seed, image, copy)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from helpers.backend import tf
from helpers.noise import philox
from helpers.noise.degradations import degradation


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


def motion_blur(
    images: ArrayLike,
    length: ArrayLike,
    *,
    seed: int | tf.Tensor,
    indices: ArrayLike | None = None,
    copy: int = 0,
    sigma: float = 0.0,
) -> tf.Tensor:
    """A camera that moved along a line while it looked, then Gaussian noise (as in a dim light).

    length: of the line in pixels, scalar or (N,); its direction is uniform and keyed like the other models'
    noise. sigma: of the noise, in grey levels. Length 0 changes nothing, and adds no noise. Beyond the
    border, the nearest pixel counts. Other arguments and result as in `gaussian`.
    """
    images, length = tf.convert_to_tensor(images), _per_image(length)
    keys = philox.keys(images, seed, indices, copy)
    noisy = _add_gaussian(_moved(images, length, keys), tf.constant(sigma, tf.float32), keys, "clip")
    return tf.where(length > 0, noisy, tf.cast(images, tf.float32))


def jpeg(
    images: ArrayLike,
    loss: ArrayLike,
    *,
    seed: int | tf.Tensor = 0,
    indices: ArrayLike | None = None,
    copy: int = 0,
) -> tf.Tensor:
    """What is left of an image in a JPEG file of quality 100 - loss, colours at half the resolution.

    loss: whole number in [0, 99], scalar or (N,); 0 changes nothing. Images in whole grey levels, of one or
    three channels. Called like noise, but nothing is random, as in `blur`.
    """
    images = tf.convert_to_tensor(images)
    if images.shape[0] == 0:  # `tf.map_fn` would not know the shape of no files
        return tf.cast(images, tf.float32)
    return _compressed(images, _per_image(loss))


_KINDS = (gaussian, periodic, salt_and_pepper, shot, blur, motion_blur, jpeg, degradation)
MODELS = {model.__name__: model for model in _KINDS}
OVERFLOWS = ("clip", "wrap", "cast")
_PLACES = 16  # of a moving camera: not a pixel apart up to a length of 15; a power of two divides exactly


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
    added = sigma * _draw_like(philox.NORMAL, images, keys, philox.GAUSSIAN)
    if overflow == "wrap":
        return tf.math.floormod(tf.round(images + added), 256.0)
    if overflow == "cast":
        added = tf.math.floormod(tf.round(added), 256.0)
    return tf.clip_by_value(images + added, 0.0, 255.0)


@tf.function(reduce_retracing=True)
def _add_impulses(images: tf.Tensor, fraction: tf.Tensor, keys: philox.Keys, per: str) -> tf.Tensor:
    draw = _draw_like(philox.UNIFORM, images, keys, philox.SALT_AND_PEPPER, 1 if per == "pixel" else None)
    noisy = tf.where(draw < fraction, 255.0, tf.cast(images, tf.float32))
    return tf.where(draw < fraction / 2, 0.0, noisy)


@tf.function(reduce_retracing=True)
def _add_waves(images: tf.Tensor, amplitude: tf.Tensor, period: tf.Tensor, keys: philox.Keys) -> tf.Tensor:
    # Sines in float64: a float32 sine differs in its last bit with the place of the value in the batch.
    turns = tf.cast(philox.draw(philox.UNIFORM, keys, philox.PERIODIC, 2), tf.float64)
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
    added = tf.cast(deviation, tf.float32) * _draw_like(philox.NORMAL, images, keys, philox.SHOT)
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


@tf.function(reduce_retracing=True)
def _moved(images: tf.Tensor, length: tf.Tensor, keys: philox.Keys) -> tf.Tensor:
    # The stream of the waves, which no image has together with this: all eight are given out.
    turn = tf.cast(philox.draw(philox.UNIFORM, keys, philox.PERIODIC, 1), tf.float64)
    along = [
        tf.cast(part, tf.float32) * length[..., 0, 0] for part in (tf.cos(np.pi * turn), tf.sin(np.pi * turn))
    ]
    images, still = tf.cast(images, tf.float32), tf.zeros_like(along[0])
    places = [
        tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=tf.concat(
                [still + 1, still, step * along[0], still, still + 1, step * along[1], still, still], 1
            ),
            output_shape=tf.shape(images)[1:3],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        )
        for step in np.linspace(-0.5, 0.5, _PLACES)
    ]
    return tf.add_n(places) / _PLACES


@tf.function(reduce_retracing=True)
def _compressed(images: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
    images = tf.cast(images, tf.float32)
    loss = tf.broadcast_to(loss[:, 0, 0, 0], tf.shape(images)[:1])
    whole, quality = tf.cast(tf.round(images), tf.uint8), 100 - tf.cast(loss, tf.int32)
    files = tf.map_fn(
        lambda pair: tf.image.adjust_jpeg_quality(*pair), (whole, quality), fn_output_signature=tf.uint8
    )
    return tf.where(loss[:, None, None, None] > 0, tf.cast(files, tf.float32), images)
