"""The boundary of a classifier's decision: the smallest noise that should reach it, and the one that does."""

import numpy as np

from helpers.backend import tf
from helpers.minimum_noise.oracle import Oracle, norms

SCALES = np.geomspace(0.5, 8.0, 8)  # of a noise, tried on the way to the boundary
FINER = 8  # scales tried between two of them
QUESTIONS = len(SCALES) + FINER  # of `crossing`, about each image
MARGIN = 1e-4  # difference of logits that counts as across the boundary: above what rounding does


def smallest_noise(images: np.ndarray, slopes: np.ndarray, rise: np.ndarray) -> np.ndarray:
    """The smallest noise along which a linear score rises as wanted, and with which images stay in [0, 255].

    slopes: (N, H, W, C) of the score; rise: (N,) above 0. It is t · slopes, clipped: t is found by bisection.
    The largest such noise where none rises enough.
    """
    most = rise / np.maximum((slopes**2).sum((1, 2, 3)), 1e-12)  # t if nothing is clipped
    low, high = np.zeros(len(images)), np.full(len(images), 20.0)  # powers of 2 that multiply it

    def noise(power: np.ndarray) -> np.ndarray:
        scaled = (most * 2**power)[:, None, None, None] * slopes
        return np.clip(images + scaled, 0, 255) - images

    for _ in range(20):
        middle = (low + high) / 2
        enough = (slopes * noise(middle)).sum((1, 2, 3)) >= rise
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return noise(high).astype(np.float32)


def crossing(
    oracle: Oracle, which: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images with their noise (N, H, W, C) scaled to just across the boundary; what is found is kept.

    which: (N,) numbers of the images at the oracle. Returns the noisy images, how far the classes are ahead
    there (N, K), and the norms of what was added (N,): inf where no scale crosses the boundary; the noisy
    image is then that of the largest scale.
    """
    rows = np.arange(len(which))
    scales = np.tile(SCALES, (len(rows), 1))
    for again in (True, False):
        noisy = _scaled(oracle.images[which], noise, scales)
        ahead = oracle.ahead(which, noisy)
        crossed = ahead.max(2) > MARGIN
        first = np.where(crossed.any(1), crossed.argmax(1), scales.shape[1] - 1)
        if again:
            last = scales[rows, first]
            before = np.where(first > 0, scales[rows, first - 1], 0.0)
            scales = before[:, None] + (last - before)[:, None] * np.arange(1, FINER + 1) / FINER
    chosen, crossed = noisy.numpy()[rows, first], crossed[rows, first]
    oracle.keep(which, chosen, crossed)
    sizes = np.where(crossed, norms(chosen - oracle.images[which]), np.inf)
    return chosen, ahead[rows, first], sizes


def _scaled(images: np.ndarray, noise: np.ndarray, scales: np.ndarray) -> tf.Tensor:
    scales = tf.constant(scales[..., None, None, None], tf.float32)
    return tf.clip_by_value(images[:, None] + scales * noise[:, None], 0.0, 255.0)
