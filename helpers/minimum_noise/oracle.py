"""A classifier that answers questions about images, and the smallest noise found for each of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from helpers import classifiers, metrics
from helpers.backend import keras, tf

BATCH = 1024  # images of one call of the model
RULED_OUT = -1e4  # logit of a class that a model rules out with minus infinity, which has no slope


@dataclass(frozen=True, eq=False)
class MinimumNoise:
    """The smallest noise found for each of N images.

    noise: (N, H, W, C) float32 in grey levels, not rounded; image + noise lies in [0, 255]; zero where none
    was found or needed. norms: (N,) its L2 norm; inf where none was found, 0 where the answer was wrong
    already. queries, gradients: (N,) images that the model was asked about, and backward passes. predicted:
    (N,) class of image + noise. margin: (N,) its probability minus that of the true class. already_wrong:
    (N,) bool. trace: columns image, queries, norm, a row for every improvement. interrupted: whether somebody
    stopped the search before its end.
    """

    noise: np.ndarray
    norms: np.ndarray
    queries: np.ndarray
    gradients: np.ndarray
    predicted: np.ndarray
    margin: np.ndarray
    already_wrong: np.ndarray
    trace: pd.DataFrame
    interrupted: bool = False

    @property
    def success(self) -> np.ndarray:
        """Where a noise was needed and found, (N,) bool."""
        return ~self.already_wrong & np.isfinite(self.norms)

    def after(self, queries: int) -> np.ndarray:
        """Norms (N,) that were reached within so many queries; inf and 0 as in `norms`."""
        known = self.trace[self.trace["queries"] <= queries].groupby("image")["norm"].last()
        norms = np.where(self.already_wrong, 0.0, np.inf)
        norms[known.index] = known
        return norms

    def table(self, model: keras.Model, images: np.ndarray, labels: ArrayLike, method: str) -> pd.DataFrame:
        """One row an image, with the name of the method.

        Columns image, label, method, l2, linf, psnr, queries, gradients, predicted, margin, success, rounded,
        already_wrong. l2 and linf in grey levels, psnr in dB; they are NaN where no noise was found. rounded:
        whether the noisy image fools the model in whole grey levels too, as a file would store it.
        """
        noisy = images.astype(np.float32) + self.noise
        psnr = metrics.psnr(images, noisy)
        sizes = {"l2": self.norms, "linf": np.abs(self.noise).max((1, 2, 3)), "psnr": psnr}
        columns = {"image": np.arange(len(images)), "label": np.asarray(labels), "method": method}
        columns |= {name: np.where(self.success, values, np.nan) for name, values in sizes.items()}
        columns |= {"queries": self.queries, "gradients": self.gradients, "predicted": self.predicted}
        wrong = classifiers.predictions(model, np.rint(noisy)) != labels
        columns |= {"margin": self.margin, "success": self.success, "rounded": self.success & wrong}
        columns |= {"already_wrong": self.already_wrong}
        return pd.DataFrame(columns)


class Oracle:
    """A classifier that is asked for scores only, and counts for each image how often.

    It remembers for each image the noise that was kept.
    """

    def __init__(self, model: keras.Model, images: np.ndarray, labels: ArrayLike):
        """model: with logits or probabilities; images: (N, H, W, C) in [0, 255]; labels: (N,) true classes.

        Raises ValueError where they do not fit.
        """
        self.labels = np.asarray(labels)
        classifiers.check(model, images, self.labels)
        self.labels = self.labels.astype(np.int64)  # TensorFlow does not index with every kind of integer
        self.images = np.asarray(images, np.float32)
        self.scores = classifiers.compiled(classifiers.with_logits(model, self.images))
        self.queries = np.zeros(len(images), np.int64)
        self.noise, self.norms = np.zeros_like(self.images), np.full(len(images), np.inf)
        self._trace: list[tuple[np.ndarray, ...]] = []
        self.interrupted = False
        self.clean = self.ahead(np.arange(len(images)), self.images[:, None])[:, 0]
        self.already_wrong = self.clean.max(1) > 0
        self.norms[self.already_wrong] = 0

    def ahead(self, which: np.ndarray, candidates: tf.Tensor) -> np.ndarray:
        """How far every class is ahead of the true one, in logits: (N, P, K), -inf for the true class itself.

        which: (N,) numbers of the images that the candidates (N, P, H, W, C) belong to. Raises ValueError,
        with the image named, where a score is not a number.
        """
        rows, each = candidates.shape[:2]
        flat = tf.reshape(candidates, (-1, *self.images.shape[1:]))
        labels = tf.constant(np.repeat(self.labels[which], each))
        parts = [slice(first, first + BATCH) for first in range(0, rows * each, BATCH)]
        found = tf.concat([_ahead(self.scores(flat[part]), labels[part]) for part in parts], 0)
        self.count(which, each)
        return self.checked(which, found.numpy().reshape(rows, each, -1))

    def count(self, which: np.ndarray, questions: int) -> None:
        """Note that the model was asked so often about each of some images."""
        self.queries[which] += questions

    def checked(self, which: np.ndarray, found: np.ndarray) -> np.ndarray:
        """The scores (N, …) themselves; ValueError if one of them is not a number."""
        bad = np.isnan(found.reshape(len(which), -1)).any(1)
        if bad.any():
            raise ValueError(f"the model answers image {which[bad][0]} with a score that is not a number")
        return found

    def keep(self, which: np.ndarray, noisy: np.ndarray, wrong: np.ndarray) -> None:
        """Keep the noisy images (N, H, W, C) that are wrong (N,), with less noise than what was kept."""
        better = wrong & (norms(noisy - self.images[which]) < self.norms[which])
        if better.any():
            self.replace(which[better], noisy[better])

    def replace(self, which: np.ndarray, noisy: np.ndarray) -> None:
        """Keep these noisy images (N, H, W, C), whatever was kept before."""
        self.noise[which] = noisy - self.images[which]
        self.norms[which] = norms(self.noise[which])
        self._trace.append((which, self.queries[which], self.norms[which]))

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """An interrupt (Ctrl-C, the stop button) ends what is done in this context, and is noted."""
        try:
            yield
        except KeyboardInterrupt:
            self.interrupted = True

    def result(self, gradients: np.ndarray | None = None) -> MinimumNoise:
        """What was found, after a last question about every image: noise that it denies was not found."""
        everyone = np.arange(len(self.images))
        self.count(everyone, 1)
        noisy = tf.constant(self.images + self.noise)
        parts = [self.scores(noisy[first : first + BATCH]) for first in range(0, len(noisy), BATCH)]
        shares = self.checked(everyone, tf.nn.softmax(tf.concat(parts, 0)).numpy())
        denied = (shares.argmax(1) == self.labels) & ~self.already_wrong
        self.noise[denied], self.norms[denied] = 0, np.inf
        trace = [np.concatenate(column) for column in zip(*self._trace, strict=True)] or TRACE.values()
        return MinimumNoise(
            self.noise,
            self.norms,
            self.queries,
            np.zeros_like(self.queries) if gradients is None else gradients,
            shares.argmax(1),
            shares.max(1) - shares[everyone, self.labels],
            self.already_wrong,
            pd.DataFrame(dict(zip(TRACE, trace, strict=True))),
            self.interrupted,
        )


TRACE = {"image": np.zeros(0, int), "queries": np.zeros(0, int), "norm": np.zeros(0)}


def norms(noise: np.ndarray) -> np.ndarray:
    """L2 norm of each of some images (N, H, W, C)."""
    return np.sqrt(np.square(noise, dtype=np.float64).sum((1, 2, 3)))


@tf.function(reduce_retracing=True)
def _ahead(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    logits = tf.where(logits == -np.inf, RULED_OUT, logits)
    own = tf.one_hot(labels, tf.shape(logits)[1], on_value=True, off_value=False)
    return tf.where(own, -np.inf, logits - tf.gather(logits, labels, batch_dims=1)[:, None])


@contextmanager
def progress(oracle: Oracle, queries: int) -> Iterator[Callable[[], None]]:
    """A bar over the questions about all images, with the median norm and the success so far."""
    wanted = ~oracle.already_wrong
    with tqdm(total=queries * int(wanted.sum()), desc="minimum noise", unit="query", unit_scale=True) as bar:

        def show() -> None:
            found = oracle.norms[wanted]
            bar.n = int(oracle.queries[wanted].sum())
            bar.set_postfix(median=f"{np.median(found):.0f}", success=f"{np.isfinite(found).mean():.0%}")

        yield show
