"""Image classifiers. Each takes (N, H, W, C) grey levels in [0, 255], rescales inside and returns logits."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from helpers.backend import keras, tf

layers = keras.layers


def cnn_baseline(image_size: int, classes: int, channels: int = 3) -> keras.Model:
    """The baseline CNN of Mehrotra and Dalal, Figure 8: 234,059 parameters at 40x40x3 and 43 classes.

    image_size: side in pixels, at least 8; classes: number of logits. Returns a keras.Model.
    The paper shows no activations: ReLU inside, and logits at the end.
    """
    if image_size < 8:
        raise ValueError(f"image_size is {image_size}: three poolings need at least 8 pixels")
    return keras.Sequential(
        [
            keras.Input((image_size, image_size, channels)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(classes),
        ],
        name="cnn_baseline",
    )


def logits(
    model: keras.Model,
    images: np.ndarray | tf.Tensor,
    *,
    noise: Callable[..., ArrayLike] | None = None,
    seed: int = 0,
    batch_size: int = 512,
) -> np.ndarray:
    """Logits (N, classes) float32 of model for images (N, H, W, C); ValueError if there are none.

    The batches go through one compiled function, traced once for each model.
    noise: a callable ``noise(batch, seed=…, indices=…)`` such as a `helpers.noise.NoiseSet`, applied on the
    way; the noise of image i is keyed by (seed, i), whatever the batch size.
    """
    if len(images) == 0:
        raise ValueError("no images: logits need at least one")
    forward = _compiled(model)
    parts = []
    for first in range(0, len(images), batch_size):
        batch = images[first : first + batch_size]
        if noise is not None:
            batch = noise(batch, seed=seed, indices=np.arange(first, first + len(batch)))
        parts.append(forward(tf.cast(batch, tf.float32)))
    return tf.concat(parts, 0).numpy()


def probabilities(model: keras.Model, images: np.ndarray | tf.Tensor, **options: object) -> np.ndarray:
    """Softmax of `logits`: (N, classes) in [0, 1]."""
    return tf.nn.softmax(logits(model, images, **options)).numpy()


def predictions(model: keras.Model, images: np.ndarray | tf.Tensor, **options: object) -> np.ndarray:
    """Most likely class of every image, int64 (N,); arguments as in `logits`."""
    return logits(model, images, **options).argmax(1)


@lru_cache(maxsize=16)
def _compiled(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """The model's forward pass as one compiled function, traced once for all calls."""
    images = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    return tf.function(lambda batch: model(batch, training=False), autograph=False).get_concrete_function(
        images
    )
