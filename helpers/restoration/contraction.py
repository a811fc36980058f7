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


def upper_bound(restorer: keras.Model, image_size: int) -> float:
    """A Lipschitz constant that holds for all images of a size: product of the norms of all convolutions.

    The slopes of the activations are at most 1. A shortcut adds 1. Raises ValueError where the convolutions
    are no chain.
    """
    if not _is_chain(restorer):
        raise ValueError(f"{restorer.name} is no chain of 'valid' convolutions: no bound for it")
    size, bound = image_size + 2 * margin(restorer), 1.0
    for layer in convolutions(restorer):
        bound *= _norm_above(keras.ops.convert_to_numpy(layer.kernel), size)
        size -= layer.kernel_size[0] - 1
    return bound + (1.0 if has_shortcut(restorer) else 0.0)


def constants(
    restorers: Mapping[str, keras.Model],
    images: np.ndarray,
    changed: Mapping[str, pd.DataFrame],
    *,
    seed: int,
) -> pd.DataFrame:
    """What is known of each restorer's Lipschitz constant, a row each.

    images: square ones, (N, H, H, C); changed: restorer -> `changes` of it. Columns restorer, random (largest
    ratio of `changes`), local_median and local (median and largest of `local_constants`), above_1 (% of the
    images where it is), bound (`upper_bound`; NaN where there is none), images. The constant lies between
    local and bound.
    """
    rows = []
    for name, restorer in restorers.items():
        local = local_constants(restorer, images, seed=seed)
        row = {"restorer": name, "random": changed[name]["ratio"].max()}
        row |= {"local_median": np.median(local), "local": local.max(), "above_1": 100 * (local > 1).mean()}
        bound = upper_bound(restorer, images.shape[1]) if _is_chain(restorer) else np.nan
        rows.append(row | {"bound": bound, "images": len(images)})
    return pd.DataFrame(rows)


def _is_chain(restorer: keras.Model) -> bool:
    return all(layer.padding == "valid" for layer in convolutions(restorer))


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


def _norm_above(kernel: np.ndarray, size: int) -> float:
    """Not less than the largest singular value of a 'valid' convolution of maps of a size.

    Of the convolution that goes on around the edges, of which that one is a part, it is exact: the largest of
    the kernel's matrices, one for each frequency (Sedghi et al., The singular values of convolutional layers,
    2019). kernel: (k, k, in, out); size: of the maps in pixels, at least k.
    """
    if kernel.shape[2] > kernel.shape[3]:
        kernel = kernel.swapaxes(2, 3)  # so that the products below are the smaller ones
    frequencies = size if kernel.shape[0] > 1 else 1  # of a single pixel, all have the same matrix
    largest = 0.0
    for row in np.fft.rfft(kernel.astype(np.float64), frequencies, axis=0):  # one by one: they are large
        matrices = np.fft.fft(row, frequencies, axis=0)
        largest = max(largest, np.linalg.eigvalsh(matrices @ matrices.conj().swapaxes(1, 2)).max())
    return float(np.sqrt(largest))


def _norms(images: tf.Tensor) -> tf.Tensor:
    """L2 norm of each image, (N,)."""
    return tf.sqrt(tf.reduce_sum(tf.square(images), (1, 2, 3)))


def _normalised(images: tf.Tensor) -> tf.Tensor:
    return images / tf.maximum(_norms(images), 1e-12)[:, None, None, None]
