"""Many small networks of one shape, computed together: weights have an axis in front, one row a network.

A discriminator is three convolutions of 4 by 4 pixels that halve the side, and a dense layer; a generator is
a dense layer and three transposed convolutions that double it (Abu-Samaha and Kim ask for these). Each
convolution is one matrix product for all networks, of windows that are cut by moving blocks about: Keras has
none with a kernel for each image, and TensorFlow's grouped ones are slow to learn on a CPU.
"""

from collections.abc import Sequence

import numpy as np

from helpers.backend import tf

LATENTS = 64
SLOPE = 0.2  # of the leaky ReLU
FAINT = 4.0  # standard deviation in grey levels of an image that gets half the variance of others
Weights = Sequence[tf.Tensor]  # kernels (P, inputs, outputs), each before its biases (P, outputs)


def new_discriminators(
    rng: np.random.Generator, count: int, shape: tuple[int, int, int], width: int
) -> list[np.ndarray]:
    """First weights of so many, for images of a shape (H, W, C); width: maps of the largest side.

    Raises ValueError where the sides are not multiples of 8.
    """
    small = eighth(shape)
    sides = [(16 * shape[2], width), (16 * width, 2 * width), (32 * width, 4 * width), (small * 4 * width, 1)]
    return _new(rng, count, sides, [1, 1, 1, 0.5])


def new_generators(
    rng: np.random.Generator, count: int, shape: tuple[int, int, int], width: int
) -> list[np.ndarray]:
    """First weights of so many; arguments and errors as in `new_discriminators`."""
    small = eighth(shape)
    sides = [(LATENTS, small * 4 * width), (4 * width, 32 * width), (2 * width, 16 * width)]
    # A pixel of a transposed convolution is the sum of four products.
    weights = _new(rng, count, [*sides, (width, 16 * shape[2])], [1, 0.5, 0.5, 0.25])
    for place, outputs in ((3, 2 * width), (5, width), (7, shape[2])):
        weights[place] = weights[place][:, :outputs]
    return weights


def discriminate(weights: Weights, images: tf.Tensor) -> tf.Tensor:
    """Logits (P, N) of images (P, N, H, W, C) in [0, 255], each network's own; P, H, W, C are static."""
    mean, variance = tf.nn.moments(images, (2, 3, 4), keepdims=True)  # in bright light as in dim light
    maps = (images - mean) * tf.math.rsqrt(variance + FAINT**2)
    for kernels, biases in _pairs(weights[:-2]):
        maps = _leaky(_product(windows(maps), kernels) + _beside(biases, maps))
    kernels, biases = weights[-2:]
    features = tf.reshape(maps, (kernels.shape[0], -1, kernels.shape[1]))
    return (tf.matmul(features, kernels) + biases[:, None])[..., 0]


def generate(weights: Weights, latents: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    """Images (P, N, H, W, C) in [0, 255] of a shape (H, W, C), of latents (P, N, LATENTS).

    Of generators that make a single channel it is repeated C times.
    """
    kernels, biases = weights[:2]
    values = tf.matmul(_even(latents), kernels) + biases[:, None]
    sides = shape[0] // 8, shape[1] // 8
    maps = tf.reshape(values, (kernels.shape[0], -1, *sides, kernels.shape[2] // (sides[0] * sides[1])))
    for kernels, biases in _pairs(weights[2:]):
        maps = overlap(_product(_even(_leaky(maps)), kernels))
        maps = maps + _beside(biases, maps)
    return tf.repeat(127.5 * (tf.tanh(maps) + 1), shape[2] // maps.shape[-1], -1)


def windows(maps: tf.Tensor) -> tf.Tensor:
    """Windows of 4 by 4 at every second pixel: (P, N, H, W, C) to (P, N, H/2, W/2, 16 C), zeros outside."""
    padded = tf.pad(_flat(maps), [[0, 0], [1, 1], [1, 1], [0, 0]])
    blocks = tf.nn.space_to_depth(padded, 2)
    found = tf.concat([blocks[:, y : y - 1 or None, x : x - 1 or None] for y, x in _CORNERS], -1)
    return tf.reshape(found, (maps.shape[0], -1, *found.shape[1:]))


def overlap(found: tf.Tensor) -> tf.Tensor:
    """The adjoint of `windows`: (P, N, H, W, 16 C) laid where they were cut, and added: twice the side."""
    parts = tf.split(_flat(found), 4, -1)
    pads = [[[0, 0], [y, 1 - y], [x, 1 - x], [0, 0]] for y, x in _CORNERS]
    blocks = tf.add_n([tf.pad(part, pad) for part, pad in zip(parts, pads, strict=True)])
    maps = tf.nn.depth_to_space(blocks, 2)[:, 1:-1, 1:-1]
    return tf.reshape(maps, (found.shape[0], -1, *maps.shape[1:]))


def eighth(shape: tuple[int, int, int]) -> int:
    """Pixels that are left of a shape (H, W, C) after three halvings; ValueError where a side is odd then."""
    if shape[0] % 8 or shape[1] % 8:
        raise ValueError(f"images of {shape[0]}x{shape[1]} pixels: sides must be multiples of 8")
    return shape[0] * shape[1] // 64


_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


def _new(
    rng: np.random.Generator, count: int, sides: Sequence[tuple[int, int]], gains: Sequence[float]
) -> list[np.ndarray]:
    """Kernels after He et al. (2015), times a gain, and biases of zero."""
    found = []
    for (inputs, outputs), gain in zip(sides, gains, strict=True):
        kernels = gain * np.sqrt(2 / inputs) * rng.standard_normal((count, inputs, outputs), np.float32)
        found += [kernels.astype(np.float32), np.zeros((count, outputs), np.float32)]
    return found


def _product(values: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
    """The last axis of (P, N, H, W, C) times each network's kernel (P, C, F)."""
    rows = tf.reshape(values, (values.shape[0], -1, values.shape[-1]))
    return tf.reshape(tf.matmul(rows, kernels), (values.shape[0], -1, *values.shape[2:-1], kernels.shape[-1]))


def _beside(biases: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    return tf.reshape(biases, (biases.shape[0], *[1] * (len(maps.shape) - 2), biases.shape[-1]))


def _flat(maps: tf.Tensor) -> tf.Tensor:
    return tf.reshape(maps, (-1, *maps.shape[2:]))


def _pairs(weights: Weights) -> list[tuple[tf.Tensor, tf.Tensor]]:
    return list(zip(weights[::2], weights[1::2], strict=True))


def _leaky(values: tf.Tensor) -> tf.Tensor:
    return tf.maximum(values, SLOPE * values)


def _even(values: tf.Tensor) -> tf.Tensor:
    """Every pixel's values at a mean square of 1 (Karras et al. 2018, section 4.2)."""
    return values * tf.math.rsqrt(tf.reduce_mean(tf.square(values), -1, keepdims=True) + 1e-8)
