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
        members: Sequence[keras.Model] = (),
    ):
        """Set up, computing nothing.

        model: classifier with logits; images: (N, H, W, C) in [0, 255]; labels: (N,); sigmas: ascending
        standard deviations in grey levels; copies: noisy copies per image and sigma, clipped to [0, 255]. The
        noise of image i is keyed by (seed, i, copy).
        members: of an ensemble, so that `fill_all` asks a model once that several ensembles share.
        cache: folder of finished chunks, found again by the content of model, images and protocol; None keeps
        nothing. Raises ValueError where model, images, labels, sigmas or copies do not fit.
        """
        self.model, self.images, self.copies, self.seed, self.cache = model, images, copies, seed, cache
        self.members = tuple(members) or (model,)
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
        name = outputs.named(model, len(self.members), asked, int(self.seed), code, tf.__version__)
        return outputs.Store(Path(self.cache) / name)

    def _parts(self, chunks: list[Chunk]) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
        """Images and counts of chunks one by one, each read from the cache or computed into it."""
        work = [_answered_by(chunk, [self]) for chunk in chunks]
        title = f"{self.model.name}, noise sweep"
        with tqdm(total=sum(work), desc=title, unit="image", unit_scale=True, delay=1) as bar:
            for chunk, answers in zip(chunks, work, strict=True):
                part = self._stored(chunk)
                if part is not None:
                    bar.update(answers)
                else:
                    (part,) = _computed([self], chunk, bar.update)
                yield slice(*chunk.images), part

    def _stored(self, chunk: Chunk) -> dict[str, np.ndarray] | None:
        part = self.store.arrays(chunk.name) if self.store else None
        wanted = _EVERY | _FIRST if chunk.copies[0] == 0 else _EVERY
        return part if part is not None and set(part) == wanted else None


def fill_all(sweeps: Sequence[Sweep]) -> None:
    """Compute into their caches what is missing there, of sweeps of the same images under the same protocol.

    They go through each chunk together, so that a model which several ensembles share is asked once.
    """
    missing: dict[Chunk, list[Sweep]] = {}
    for each in sweeps:
        for chunk in each.chunks():
            if each._stored(chunk) is None:
                missing.setdefault(chunk, []).append(each)
    total = sum(_answered_by(chunk, waiting) for chunk, waiting in missing.items())
    with tqdm(total=total, desc="noise sweep", unit="image", unit_scale=True, disable=not total) as bar:
        for chunk, waiting in missing.items():
            _computed(waiting, chunk, bar.update)


def sweep(
    model: keras.Model, images: np.ndarray, labels: ArrayLike, *, groups: ArrayLike | None = None, **protocol
) -> pd.DataFrame:
    """Accuracy under Gaussian noise, one row a sigma: `Votes.accuracy` of a `Sweep` under a protocol."""
    return Sweep(model, images, labels, **protocol).votes().accuracy(groups)


def _answered_by(chunk: Chunk, sweeps: Sequence[Sweep]) -> int:
    """How many answers a chunk has, of all sweeps together."""
    (first, last), (start, end) = chunk
    return len(sweeps) * len(sweeps[0].sigmas) * (last - first) * (end - start)


def _computed(
    sweeps: Sequence[Sweep], chunk: Chunk, advance: Callable[[int], object]
) -> list[dict[str, np.ndarray]]:
    """One chunk of sweeps that differ in their models alone, kept where they have a store."""
    asked, block = sweeps[0], slice(*chunk.images)
    teams = [each.members for each in sweeps]
    parts = _observed(
        teams, asked.images[block], asked.labels[block], asked.sigmas, asked.seed, chunk, advance
    )
    for each, part in zip(sweeps, parts, strict=True):
        if each.store:
            each.store.save(chunk.name, part)
    return parts


def _observed(
    teams: Sequence[Sequence[keras.Model]],
    images: np.ndarray,
    labels: np.ndarray,
    sigmas: np.ndarray,
    seed: int,
    chunk: Chunk,
    advance: Callable[[int], object],
) -> list[dict[str, np.ndarray]]:
    """What teams of models answer to the images of a chunk, by mean probability: the fields of `Votes`."""
    clean, truth = tf.constant(images, tf.float32), tf.constant(labels, tf.int32)
    scales, first = tf.constant(sigmas, tf.float32), chunk.images[0]
    models = {id(model): model for team in teams for model in team}

    def answers(normal: tf.Tensor, scales: tf.Tensor) -> list[np.ndarray]:
        scores = {key: _compiled(model)(clean, normal, scales) for key, model in models.items()}
        return [_answers([scores[id(model)] for model in team], truth).numpy() for team in teams]

    answered = []
    for copy in range(*chunk.copies):
        normal = _field(clean, *(tf.constant(key, tf.int64) for key in (seed, first, copy)))
        answered.append(answers(normal, scales))
        advance(len(teams) * len(sigmas) * len(truth))
    parts = []
    for team, of_team in zip(teams, zip(*answered, strict=True), strict=True):
        parts.append(_reduced(np.stack(of_team), labels, team[0].output_shape[-1]))
    if chunk.copies[0] == 0:
        alone = answers(clean, tf.zeros(1))
        psnr = _psnr_of_copies(len(answered[:SAMPLED]), clean, scales, seed, first)
        for number, part in enumerate(parts):
            part["clean_predictions"] = alone[number][0, 0].astype(np.int64)
            sampled = np.stack([copies[number] for copies in answered[:SAMPLED]])
            kept = np.stack([psnr, sampled[:, :, 2], sampled[:, :, 0]], -1)  # (copies, S, images, 3)
            part["sampled"] = kept.transpose(2, 1, 0, 3).astype(np.float32)
    return parts


@tf.function(autograph=False, reduce_retracing=True)
def _answers(scores: list[tf.Tensor], labels: tf.Tensor) -> tf.Tensor:
    """Answer, its probability, that of the true class: float32 (S, 3, N) of the mean of some (S, N, K)."""
    mean = tf.add_n(scores) / len(scores) if len(scores) > 1 else scores[0]
    answer = tf.cast(tf.argmax(mean, 2), tf.float32)
    true = tf.gather(mean, tf.broadcast_to(labels, tf.shape(answer)), batch_dims=2)
    return tf.stack([answer, tf.reduce_max(mean, 2), true], 1)


def _psnr_of_copies(copies: int, clean: tf.Tensor, scales: tf.Tensor, seed: int, first: int) -> np.ndarray:
    """PSNR of the first copies in dB, (copies, S, images)."""
    errors = []
    for copy in range(copies):
        normal = _field(clean, *(tf.constant(key, tf.int64) for key in (seed, first, copy)))
        errors.append(_squared_errors(clean, normal, scales))
    with np.errstate(divide="ignore"):
        return 10 * np.log10(metrics.PEAK**2 / np.array(errors))


def _reduced(answered: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """Counts over the copies of a chunk. answered: (copies, S, 3, images), as `_answers` yields them."""
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


@lru_cache(maxsize=32)
def _compiled(model: keras.Model) -> Callable[..., tf.Tensor]:
    """The classifier's probabilities (S, N, K) on one field of noise at all sigmas, traced once a model.

    One call for all sigmas lets one sigma's small operations run beside another's convolutions.
    """
    images = tf.TensorSpec((None, *model.input_shape[1:]))

    @tf.function(autograph=False, input_signature=[images, images, tf.TensorSpec((None,))])
    def observe(clean: tf.Tensor, normal: tf.Tensor, sigmas: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda sigma: tf.nn.softmax(model(_noisy(clean, normal, sigma), training=False)), sigmas
        )

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
