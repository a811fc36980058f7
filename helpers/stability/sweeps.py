"""The noise sweep of Aghdam, Heravi and Puig (2016), section 4: many noisy copies of every image, streamed.

One unit-normal field per (image, copy) serves all sigmas, scaled: the curves over sigma are smooth and every
copy has a sigma of its own at which it first fails. What is kept are counts, so memory does not grow with the
copies. The work is cut into chunks, each a block of images times a run of copies; a chunk is the same numbers
whoever computes it, so chunks can be kept, resumed and shared out.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from helpers import classifiers, metrics, outputs
from helpers.backend import keras, tf
from helpers.noise import philox
from helpers.stability.votes import Votes

SIGMAS = (1, 2, 4, 8, 10, 14, 18, 20, 25, 30, 35, 40)  # section 4
RESTORATION_SIGMAS = (1, 2, 4, 8, 10, 15, 20, 25, 30, 35, 40)  # Aghdam et al., restoration, Table 4
CACHE = outputs.ROOT / "outputs" / "sweeps"

BLOCK = 128  # images of a chunk, one batch
RUN = 25  # copies of a chunk
BINS = 15  # of the confidence, for the calibration
SAMPLED = 2  # copies of each image that are kept for the scatter of PSNR and score
_EVERY = {"counts", "failures", "calibration"}  # fields of every chunk
_FIRST = {"clean_predictions", "sampled"}  # of the first run of copies only


class Chunk(NamedTuple):
    """A block of images and a run of copies: numbers of the first and behind the last."""

    images: tuple[int, int]
    copies: tuple[int, int]

    @property
    def name(self) -> str:
        """The file that it is kept in."""
        return f"{self.images[0]:06d}-{self.copies[0]:04d}-{self.copies[1]:04d}.npz"


class Sweep:
    """A classifier, images and a protocol of noise: what is asked, and the chunks that answer it."""

    def __init__(
        self,
        model: keras.Model,
        images: np.ndarray,
        labels: ArrayLike,
        sigmas: Sequence[float] = SIGMAS,
        copies: int = 150,
        *,
        seed: int,
        cache: Path | None = CACHE,
    ):
        """Set up, computing nothing.

        model: classifier with logits; images: (N, H, W, C) in [0, 255]; labels: (N,); sigmas: ascending
        standard deviations in grey levels; copies: noisy copies per image and sigma, clipped to [0, 255]. The
        noise of image i is keyed by (seed, i, copy).
        cache: folder of finished chunks, found again by the content of model, images and protocol; None keeps
        nothing. Raises ValueError where model, images, labels, sigmas or copies do not fit.
        """
        self.model, self.images, self.copies, self.seed, self.cache = model, images, copies, seed, cache
        self.labels, self.sigmas = np.asarray(labels), np.asarray(sigmas, np.float64)
        classifiers.check(model, images, self.labels)
        ascending = self.sigmas.ndim == 1 and len(self.sigmas) and (np.diff(self.sigmas, prepend=0) > 0).all()
        if not ascending or self.sigmas[-1] == np.inf:
            raise ValueError(f"sigmas {self.sigmas.tolist()}: give ascending standard deviations above zero")
        if copies < 1:
            raise ValueError(f"copies is {copies}: it must be at least 1")

    def chunks(self) -> list[Chunk]:
        """All chunks: the runs of copies of one block after the other."""
        # No block of a single image: there the last bits of a dense layer depend on the number of threads.
        edges = [*range(0, max(len(self.images) - 1, 1), BLOCK), len(self.images)]
        runs = [(first, min(first + RUN, self.copies)) for first in range(0, self.copies, RUN)]
        return [Chunk(block, run) for block in pairwise(edges) for run in runs]

    def votes(self) -> Votes:
        """What the classifier answers to all copies."""
        return Votes.merged(self.sigmas, self.copies, self.labels, self._parts(self.chunks()))

    def fill(self, shard: tuple[int, int]) -> None:
        """Compute one shard of the chunks into the cache, as far as it is not there.

        shard: (number, shards), which takes the chunks number, number + shards, … Raises ValueError where it
        does not fit, or without a cache.
        """
        number, shards = shard
        if not 0 <= number < shards:
            raise ValueError(f"shard {number} of {shards}: number them from 0 to {shards - 1}")
        if self.cache is None:
            raise ValueError("a shard leaves its chunks in the cache: name a folder")
        for _ in self._parts(self.chunks()[number::shards]):
            pass  # each is in the cache by now

    @cached_property
    def store(self) -> outputs.Store | None:
        """Where the chunks of this model, these images and this protocol lie."""
        if self.cache is None:
            return None
        pixels = hashlib.sha256(np.ascontiguousarray(self.images)).hexdigest()
        asked = [str(self.images.dtype), self.images.shape, pixels]
        asked += [self.labels.tolist(), self.sigmas.tolist()]
        model, code = classifiers.digest(self.model), outputs.rests_on(_observed)
        name = outputs.named(model, asked, int(self.seed), code, tf.__version__)
        return outputs.Store(Path(self.cache) / name)

    def _parts(self, chunks: list[Chunk]) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
        """Images and counts of chunks one by one, each read from the cache or computed into it."""
        work = [len(self.sigmas) * (last - first) * (end - start) for (first, last), (start, end) in chunks]
        title = f"{self.model.name}, noise sweep"
        with tqdm(total=sum(work), desc=title, unit="image", unit_scale=True) as bar:
            for chunk, answers in zip(chunks, work, strict=True):
                part = self._stored(chunk)
                if part is not None:
                    bar.update(answers)
                else:
                    part = self._computed(chunk, bar.update)
                yield slice(*chunk.images), part

    def _stored(self, chunk: Chunk) -> dict[str, np.ndarray] | None:
        part = self.store.arrays(chunk.name) if self.store else None
        wanted = _EVERY | _FIRST if chunk.copies[0] == 0 else _EVERY
        return part if part is not None and set(part) == wanted else None

    def _computed(self, chunk: Chunk, advance: Callable[[int], object]) -> dict[str, np.ndarray]:
        block = slice(*chunk.images)
        asked = self.images[block], self.labels[block], self.sigmas, self.seed
        part = _observed(self.model, *asked, chunk, advance)
        if self.store:
            self.store.save(chunk.name, part)
        return part


def sweep(
    model: keras.Model, images: np.ndarray, labels: ArrayLike, *, groups: ArrayLike | None = None, **protocol
) -> pd.DataFrame:
    """Accuracy under Gaussian noise, one row a sigma: `Votes.accuracy` of a `Sweep` under a protocol."""
    return Sweep(model, images, labels, **protocol).votes().accuracy(groups)


def _observed(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    sigmas: np.ndarray,
    seed: int,
    chunk: Chunk,
    advance: Callable[[int], object],
) -> dict[str, np.ndarray]:
    """What the classifier answers to the images of a chunk, with their labels, as the fields of `Votes`."""
    first = chunk.images[0]
    clean = tf.constant(images, tf.float32)
    truth, scales = tf.constant(labels, tf.int32), tf.constant(sigmas, tf.float32)
    observe = _compiled(model)
    answers = []
    for copy in range(*chunk.copies):
        normal = _field(clean, *(tf.constant(key, tf.int64) for key in (seed, first, copy)))
        answers.append(observe(clean, normal, scales, truth))
        advance(len(sigmas) * len(truth))
    answered = tf.stack(answers).numpy()  # (copies, S, 3, images)
    found = _reduced(answered, labels, model.output_shape[-1])
    if chunk.copies[0] == 0:
        found["clean_predictions"] = observe(clean, clean, tf.zeros(1), truth)[0, 0].numpy().astype(np.int64)
        found["sampled"] = _sampled(answered[:SAMPLED], clean, scales, seed, first)
    return found


def _sampled(answered: np.ndarray, clean: tf.Tensor, scales: tf.Tensor, seed: int, first: int) -> np.ndarray:
    """PSNR, probability of the true class and answer of the first copies: (images, S, copies, 3)."""
    errors = []
    for copy in range(len(answered)):
        normal = _field(clean, *(tf.constant(key, tf.int64) for key in (seed, first, copy)))
        errors.append(_squared_errors(clean, normal, scales))
    with np.errstate(divide="ignore"):
        psnr = 10 * np.log10(metrics.PEAK**2 / np.array(errors))
    kept = np.stack([psnr, answered[:, :, 2], answered[:, :, 0]], -1)  # (copies, S, images, 3)
    return kept.transpose(2, 1, 0, 3).astype(np.float32)


def _reduced(answered: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """Counts over the copies of a chunk. answered: (copies, S, 3, images), as `_compiled` yields it."""
    _, sigmas, _, images = answered.shape
    predicted, confidence = answered[:, :, 0].astype(np.int64), answered[:, :, 1]
    wrong = predicted != labels
    place = (np.arange(images) * sigmas + np.arange(sigmas)[:, None]) * classes + predicted
    counts = np.bincount(place.ravel(), minlength=images * sigmas * classes)
    first = np.where(wrong.any(1), wrong.argmax(1), sigmas)  # (copies, images)
    place = np.arange(images) * (sigmas + 1) + first
    failures = np.bincount(place.ravel(), minlength=images * (sigmas + 1))
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1) + BINS * np.arange(sigmas)[:, None]
    calibration = [
        np.bincount(bins.ravel(), weights, sigmas * BINS).reshape(sigmas, BINS)
        for weights in (None, confidence.ravel().astype(np.float64), (~wrong).ravel())
    ]
    return {
        "counts": counts.reshape(images, sigmas, classes),
        "failures": failures.reshape(images, sigmas + 1),
        "calibration": np.stack(calibration, -1),
    }


@lru_cache(maxsize=4)
def _compiled(model: keras.Model) -> Callable[..., tf.Tensor]:
    """The classifier on one field of noise at all sigmas, traced once a model.

    Returns float32 (S, 3, N): answer, its probability, and the probability of the true class. One call for
    all sigmas lets one sigma's small operations run beside another's convolutions.
    """
    images = tf.TensorSpec((None, *model.input_shape[1:]))
    signature = [images, images, tf.TensorSpec((None,)), tf.TensorSpec((None,), tf.int32)]

    @tf.function(autograph=False, input_signature=signature)
    def observe(clean: tf.Tensor, normal: tf.Tensor, sigmas: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        def answers(sigma: tf.Tensor) -> tf.Tensor:
            scores = tf.nn.softmax(model(_noisy(clean, normal, sigma), training=False))
            answer = tf.cast(tf.argmax(scores, 1), tf.float32)
            return tf.stack([answer, tf.reduce_max(scores, 1), tf.gather(scores, labels, batch_dims=1)])

        return tf.map_fn(answers, sigmas)

    return observe.get_concrete_function()


@tf.function(autograph=False, reduce_retracing=True)
def _squared_errors(clean: tf.Tensor, normal: tf.Tensor, sigmas: tf.Tensor) -> tf.Tensor:
    """Mean squared error of each image at each sigma, (S, N) float64."""

    def error(sigma: tf.Tensor) -> tf.Tensor:
        squares = tf.math.squared_difference(_noisy(clean, normal, sigma), clean)
        return tf.reduce_mean(tf.cast(squares, tf.float64), (1, 2, 3))

    return tf.map_fn(error, sigmas, fn_output_signature=tf.float64)


def _noisy(clean: tf.Tensor, normal: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(clean + sigma * normal, 0.0, 255.0)


@tf.function(autograph=False, reduce_retracing=True)
def _field(images: tf.Tensor, seed: tf.Tensor, first: tf.Tensor, copy: tf.Tensor) -> tf.Tensor:
    """Unit-normal noise (N, H, W, C) for consecutive images, of which the first has number `first`."""
    keys = philox.keys(images, seed, None, copy)._replace(indices=tf.cast([first], tf.uint64))
    values = tf.reduce_prod(tf.shape(images)[1:])
    return tf.reshape(philox.draw(philox.NORMAL, keys, philox.SWEEP, values), tf.shape(images))
