"""Random changes of training images that keep their class: geometry and light, batched, in the pipeline.

Every function is ``f(images, seed, …) -> float32 images`` for a batch (N, H, W, C) in [0, 255]; `seed` is a
pair of integers (or an int32 tensor of two), so the result depends on arguments only.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from helpers.backend import tf


def camera(images: ArrayLike, seed: Sequence[int] | tf.Tensor) -> tf.Tensor:
    """Small rotations, shifts, scales and shears, and changes of light: what the camera does to a sign."""
    geometry, light = _split(seed, 2)
    images = affine(images, geometry, rotation=12, shift=0.1, scale=0.2, shear=0.15)
    return photometric(images, light, brightness=0.25, contrast=0.5)


def paper(images: ArrayLike, seed: Sequence[int] | tf.Tensor) -> tf.Tensor:
    """Section 4.1 of Mehrotra and Dalal: rotation, contrast 0.6, horizontal and vertical flips.

    "Random rotation of 40 degrees" is read as up to 40 degrees either way. The flips turn signs into signs
    of another class (keep left becomes keep right), so this augmentation teaches wrong labels.
    """
    geometry, light, flips = _split(seed, 3)
    images = affine(images, geometry, rotation=40)
    images = photometric(images, light, contrast=0.6)
    flip = tf.random.stateless_uniform((2, tf.shape(images)[0], 1, 1, 1), flips) < 0.5
    images = tf.where(flip[0], images[:, :, ::-1], images)
    return tf.where(flip[1], images[:, ::-1], images)


AUGMENTATIONS = {"none": lambda images, seed: tf.cast(images, tf.float32), "camera": camera, "paper": paper}


def affine(
    images: ArrayLike,
    seed: Sequence[int] | tf.Tensor,
    *,
    rotation: float = 0.0,
    shift: float = 0.0,
    scale: float = 0.0,
    shear: float = 0.0,
) -> tf.Tensor:
    """Random affine map about the centre, bilinear, borders filled with the nearest value.

    rotation: largest angle in degrees either way; shift: largest share of the side; scale: the side grows
    or shrinks by at most this share; shear: largest tangent. All uniform and independent, x and y too.
    """
    images = tf.cast(images, tf.float32)
    shape = tf.shape(images)
    height, width = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
    draws = tf.random.stateless_uniform((6, shape[0]), seed, -1.0, 1.0)
    angle, lean = draws[0] * (rotation * np.pi / 180), draws[1] * shear
    zoom_x, zoom_y = tf.unstack(tf.exp(draws[2:4] * np.log1p(scale)))
    # The matrix takes output to input coordinates, as ImageProjectiveTransformV3 wants it.
    a, b = zoom_x * tf.cos(angle), zoom_x * (lean * tf.cos(angle) - tf.sin(angle))
    c, d = zoom_y * tf.sin(angle), zoom_y * (lean * tf.sin(angle) + tf.cos(angle))
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    offset_x = centre_x - a * centre_x - b * centre_y + draws[4] * shift * width
    offset_y = centre_y - c * centre_x - d * centre_y + draws[5] * shift * height
    zero = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, offset_x, c, d, offset_y, zero, zero], 1),
        output_shape=shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def photometric(
    images: ArrayLike, seed: Sequence[int] | tf.Tensor, *, brightness: float = 0.0, contrast: float = 0.0
) -> tf.Tensor:
    """Random light: x -> mean + gain · (x - mean) + offset, clipped to [0, 255].

    contrast: the gain is uniform in [1 - contrast, 1 + contrast]; brightness: the offset is uniform in
    ±brightness · 255; mean: the image's own mean.
    """
    images = tf.cast(images, tf.float32)
    draws = tf.random.stateless_uniform((2, tf.shape(images)[0], 1, 1, 1), seed, -1.0, 1.0)
    mean = tf.reduce_mean(images, (1, 2, 3), keepdims=True)
    changed = mean + (1 + contrast * draws[0]) * (images - mean) + 255 * brightness * draws[1]
    return tf.clip_by_value(changed, 0.0, 255.0)


def _split(seed: Sequence[int] | tf.Tensor, count: int) -> list[tf.Tensor]:
    return tf.unstack(tf.random.split(seed, count), num=count)
