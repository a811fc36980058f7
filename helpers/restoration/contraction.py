"""Does a restorer bring images nearer to each other? Its Lipschitz constant from below and from above."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers import classifiers, noise
from helpers.backend import keras, tf
from helpers.restoration.networks import convolutions, has_shortcut, margin

STEPS = 20  # of a power iteration


def changes(restorer: keras.Model, images: np.ndarray, sigmas: Sequence[float], *, seed: int) -> pd.DataFrame:
    """How much of a Gaussian noise is left in the output (restoration, Figure 3, bottom left).

    images: (N, H, W, C) in [0, 255]; noise is clipped with the image. Returns a row per image and sigma:
    image, sigma, noise (its L2 norm in grey levels), change (of the output), ratio (of the two).
    """
    forward, rows = classifiers.compiled(restorer), []
    clean = tf.cast(images, tf.float32)
    still = forward(clean)
    for sigma in sigmas:
        noisy = noise.gaussian(clean, sigma, seed=seed)
        before, after = _norms(noisy - clean).numpy(), _norms(forward(noisy) - still).numpy()
        rows.append(
            pd.DataFrame(
                {
                    "image": np.arange(len(images)),
                    "sigma": float(sigma),
                    "noise": before,
                    "change": after,
                    "ratio": after / before,
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def local_constants(
    restorer: keras.Model, images: np.ndarray, *, seed: int, steps: int = STEPS
) -> np.ndarray:
    """Largest factor by which a tiny change of each image grows, (N,): the norm of the Jacobian there.

    By power iteration, from a random direction: a lower bound of the Lipschitz constant. Where it is above 1,
    the restorer is no contraction, whatever random noise does to it.
    """
    clean = tf.cast(images, tf.float32)
    direction = tf.random.stateless_normal(clean.shape, [seed, 0])
    for _ in range(steps):
        direction, factor = _power_step(restorer, clean, direction)
    return factor.numpy()


def upper_bound(restorer: keras.Model, image_size: int, *, seed: int = 0, steps: int = 5 * STEPS) -> float:
    """A Lipschitz constant that holds for all images of a size: product of the norms of all convolutions.

    Each norm by power iteration on maps as large as those of the network, as near as its steps lead (from
    below); the slopes of the activations are at most 1. A shortcut adds 1. Raises ValueError where the
    convolutions are no chain.
    """
    size, bound = image_size + 2 * margin(restorer), 1.0
    for layer in convolutions(restorer):
        if layer.padding != "valid":
            raise ValueError(f"{restorer.name} is no chain of 'valid' convolutions: no bound for it")
        bound *= _norm_of(layer.kernel, size, seed, steps)
        size -= layer.kernel_size[0] - 1
    return bound + (1.0 if has_shortcut(restorer) else 0.0)


def constants(
    restorers: Mapping[str, keras.Model], images: np.ndarray, sigmas: Sequence[float], *, seed: int
) -> pd.DataFrame:
    """What is known of each restorer's Lipschitz constant, a row each.

    images: square ones, (N, H, H, C). Columns restorer, random (largest ratio of `changes`), local_median and
    local (median and largest of `local_constants`), share (% of the images above 1), bound (`upper_bound`;
    NaN where there is none), images. The constant lies between local and bound.
    """
    rows = []
    for name, restorer in restorers.items():
        local = local_constants(restorer, images, seed=seed)
        row = {"restorer": name, "random": changes(restorer, images, sigmas, seed=seed)["ratio"].max()}
        row |= {"local_median": np.median(local), "local": local.max(), "share": 100 * (local > 1).mean()}
        chain = all(layer.padding == "valid" for layer in convolutions(restorer))
        bound = upper_bound(restorer, images.shape[1], seed=seed) if chain else np.nan
        rows.append(row | {"bound": bound, "images": len(images)})
    return pd.DataFrame(rows)


def _power_step(
    restorer: keras.Model, images: tf.Tensor, direction: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """With J the Jacobian at each image: J' J times the normalised direction, and the length of J times it.

    Not compiled: TensorFlow's optimiser of graphs complains about this mixture of both modes.
    """
    direction = _normalised(direction)
    with tf.autodiff.ForwardAccumulator(images, direction) as forward:
        moved = forward.jvp(restorer(images, training=False))
    with tf.GradientTape() as tape:
        tape.watch(images)
        along = tf.reduce_sum(restorer(images, training=False) * tf.stop_gradient(moved))
    return tape.gradient(along, images), _norms(moved)


def _norm_of(kernel: tf.Tensor, size: int, seed: int, steps: int) -> float:
    """The largest singular value of a 'valid' convolution of maps of a size."""
    kernel = tf.convert_to_tensor(kernel)
    maps = tf.random.stateless_normal((1, size, size, kernel.shape[2]), [seed, 1])
    for _ in range(steps):
        moved = tf.nn.conv2d(_normalised(maps), kernel, 1, "VALID")
        maps = tf.nn.conv2d_transpose(moved, kernel, maps.shape, 1, "VALID")
    return float(_norms(moved)[0])


def _norms(images: tf.Tensor) -> tf.Tensor:
    """L2 norm of each image, (N,)."""
    return tf.sqrt(tf.reduce_sum(tf.square(images), (1, 2, 3)))


def _normalised(images: tf.Tensor) -> tf.Tensor:
    return images / tf.maximum(_norms(images), 1e-12)[:, None, None, None]
