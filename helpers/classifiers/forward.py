"""What a classifier answers, in compiled batches."""

import math
import time
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from helpers.backend import keras, tf


def logits(
    model: keras.Model,
    images: np.ndarray | tf.Tensor,
    *,
    noise: Callable[..., ArrayLike] | None = None,
    seed: int = 0,
    batch_size: int = 512,
) -> np.ndarray:
    """Logits (N, classes) float32 of model for images (N, H, W, C), as `noisy_batches` has them.

    The batches go through one compiled function, traced once for each model. ValueError without images.
    """
    batches = noisy_batches(images, noise, seed=seed, batch_size=batch_size)
    return tf.concat([compiled(model)(batch) for batch in batches], 0).numpy()


def noisy_batches(
    images: np.ndarray | tf.Tensor,
    noise: Callable[..., ArrayLike] | None = None,
    *,
    seed: int = 0,
    batch_size: int = 512,
) -> Iterator[tf.Tensor]:
    """Images (N, H, W, C) in float32 batches, noisy or as they are; ValueError if there are none.

    noise: a callable ``noise(batch, seed=…, indices=…)`` such as a `helpers.noise.NoiseSet`; the noise of
    image i is keyed by (seed, i), whatever the batch size.
    """
    if len(images) == 0:
        raise ValueError("no images: logits need at least one")
    for first in range(0, len(images), batch_size):
        batch = images[first : first + batch_size]
        if noise is not None:
            batch = noise(batch, seed=seed, indices=np.arange(first, first + len(batch)))
        yield tf.cast(batch, tf.float32)


def probabilities(model: keras.Model, images: np.ndarray | tf.Tensor, **options: object) -> np.ndarray:
    """Softmax of `logits`: (N, classes) in [0, 1]."""
    return tf.nn.softmax(logits(model, images, **options)).numpy()


def predictions(model: keras.Model, images: np.ndarray | tf.Tensor, **options: object) -> np.ndarray:
    """Most likely class of every image, int64 (N,); arguments as in `logits`."""
    return logits(model, images, **options).argmax(1)


@lru_cache(maxsize=32)
def compiled(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """The forward pass, float32 images (N, H, W, C) to logits, as one function, traced once for all calls."""
    return _traced(model, (None, *model.input_shape[1:]))


def multiply_adds(model: keras.Model, shape: tuple[int, int, int]) -> int:
    """Multiply-adds for one image of a shape (H, W, C): plain and depthwise convolutions, matrix products.

    Others are not counted, such as Keras' grouped convolutions.
    """
    summed = {"Conv2D": -1, "MatMul": -1, "DepthwiseConv2dNative": 2}  # a kernel's sides that are summed over
    return sum(
        math.prod(operation.inputs[1].shape[: summed[operation.type]]) * math.prod(operation.outputs[0].shape)
        for operation in _traced(model, (1, *shape)).graph.get_operations()
        if operation.type in summed
    )


def milliseconds(
    model: keras.Model, shape: tuple[int, int, int], *, batch_size: int = 256, rounds: int = 3
) -> float:
    """What an image of a shape (H, W, C) costs on this machine, in ms: in the fastest of some batches."""
    images = tf.fill((batch_size, *shape), 128.0)
    compiled(model)(images).numpy()  # the first call plans the memory
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        compiled(model)(images).numpy()
        seconds.append(time.perf_counter() - started)
    return 1000 * min(seconds) / batch_size


def _traced(model: keras.Model, shape: tuple[int | None, ...]) -> Callable[[tf.Tensor], tf.Tensor]:
    forward = tf.function(lambda batch: model(batch, training=False), autograph=False)
    return forward.get_concrete_function(tf.TensorSpec(shape, tf.float32))
