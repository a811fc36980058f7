"""The noise sweep of Aghdam, Heravi and Puig (2016), section 4: many noisy copies of every image, streamed.

One unit-normal field per (image, copy) serves all sigmas, scaled: the curves over sigma are smooth and every
copy has a sigma of its own at which it first fails. What is kept are counts, so memory does not grow with the
copies. The work is cut into chunks, each a block of images times a run of copies; a chunk is the same numbers
whoever computes it, so chunks can be cached, resumed and shared out.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from helpers import layers, metrics, model_files, outputs, philox
from helpers.backend import keras, tf
from helpers.votes import Votes

SIGMAS = (1, 2, 4, 8, 10, 14, 18, 20, 25, 30, 35, 40)  # section 4
RESTORATION_SIGMAS = (1, 2, 4, 8, 10, 15, 20, 25, 30, 35, 40)  # Aghdam et al., restoration, Table 4
CACHE = outputs.ROOT / "outputs" / "sweeps"

BLOCK = 128  # images of a chunk, one batch
RUN = 25  # copies of a chunk
BINS = 15  # of the confidence, for the calibration
SAMPLED = 2  # copies of each image that are kept for the scatter of PSNR and score
_SWEEP = 5  # stream of the unit-normal fields, apart from those of the noise models


class Chunk(NamedTuple):
    """A block of images and a run of copies: numbers of the first and behind the last."""

    images: tuple[int, int]
    copies: tuple[int, int]


def sweep(
    model: keras.Model, images: np.ndarray, labels: ArrayLike, *, groups: ArrayLike | None = None, **protocol
) -> pd.DataFrame:
    """Accuracy under Gaussian noise, one row a sigma: `Votes.accuracy` of `votes` under a protocol."""
    return votes(model, images, labels, **protocol).accuracy(groups)


def votes(
    model: keras.Model,
    images: np.ndarray,
    labels: ArrayLike,
    *,
    sigmas: Sequence[float] = SIGMAS,
    copies: int = 150,
    seed: int,
    cache: Path | None = CACHE,
) -> Votes:
    """Let a classifier vote on noisy copies of every image.

    model: classifier with logits; images: (N, H, W, C) in [0, 255]; labels: (N,); sigmas: ascending standard
    deviations in grey levels; copies: noisy copies per image and sigma, clipped to [0, 255]. The noise of
    image i is keyed by (seed, i, copy).
    cache: folder of finished chunks, found again by the content of model, images and protocol; None keeps
    nothing. Raises ValueError where model, images, labels, sigmas or copies do not fit.
    """
    labels, sigmas = _checked(model, images, labels, sigmas, copies)
    parts = _parts(model, images, labels, sigmas, copies, seed, cache, (0, 1))
    return Votes.merged(sigmas, copies, labels, parts)


def fill(
    model: keras.Model,
    images: np.ndarray,
    labels: ArrayLike,
    *,
    sigmas: Sequence[float] = SIGMAS,
    copies: int = 150,
    seed: int,
    cache: Path = CACHE,
    shard: tuple[int, int],
) -> None:
    """Compute one shard of what `votes` needs into the cache, as far as it is not there.

    shard: (number, shards), which takes the chunks number, number + shards, … Other arguments as in `votes`,
    which reads what all shards leave. Raises ValueError where they or shard do not fit.
    """
    labels, sigmas = _checked(model, images, labels, sigmas, copies)
    if not 0 <= shard[0] < shard[1]:
        raise ValueError(f"shard {shard[0]} of {shard[1]}: number them from 0 to {shard[1] - 1}")
    if cache is None:
        raise ValueError("a shard leaves its chunks in the cache: name a folder")
    for _ in _parts(model, images, labels, sigmas, copies, seed, cache, shard):
        pass  # each is in the cache by now


def _parts(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    sigmas: np.ndarray,
    copies: int,
    seed: int,
    cache: Path | None,
    shard: tuple[int, int],
) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
    """Images and counts of a shard's chunks one by one, each read from the cache or computed into it."""
    folder = None if cache is None else _folder(Path(cache), model, images, labels, sigmas, seed)
    mine = _chunks(len(images), copies)[shard[0] :: shard[1]]
    work = [len(sigmas) * (last - first) * (end - start) for (first, last), (start, end) in mine]
    with tqdm(total=sum(work), desc=f"{model.name}, noise sweep", unit="image", unit_scale=True) as bar:
        for chunk, answers in zip(mine, work, strict=True):
            path = folder and folder / _name(chunk)
            part = _stored(path, chunk) if path else None
            if part is not None:
                bar.update(answers)
            else:
                part = _observed(model, images, labels, sigmas, seed, chunk, bar.update)
                if path:
                    with outputs.atomic(path) as partial:
                        np.savez_compressed(partial, **part)
            yield slice(*chunk.images), part


def _chunks(images: int, copies: int) -> list[Chunk]:
    # No block of a single image: there the last bits of a dense layer depend on the number of threads.
    edges = [*range(0, max(images - 1, 1), BLOCK), images]
    runs = [(first, min(first + RUN, copies)) for first in range(0, copies, RUN)]
    return [Chunk(block, run) for block in pairwise(edges) for run in runs]


def _name(chunk: Chunk) -> str:
    return f"{chunk.images[0]:06d}-{chunk.copies[0]:04d}-{chunk.copies[1]:04d}.npz"


def _observed(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    sigmas: np.ndarray,
    seed: int,
    chunk: Chunk,
    advance: Callable[[int], object],
) -> dict[str, np.ndarray]:
    """What the classifier answers to one chunk, as the fields of `Votes`."""
    first, last = chunk.images
    clean = tf.constant(images[first:last], tf.float32)
    truth, scales = tf.constant(labels[first:last], tf.int32), tf.constant(sigmas, tf.float32)
    observe = _compiled(model)
    answers = []
    for copy in range(*chunk.copies):
        normal = _field(clean, *(tf.constant(key, tf.int64) for key in (seed, first, copy)))
        answers.append(observe(clean, normal, scales, truth))
        advance(len(sigmas) * len(truth))
    answered = tf.stack(answers).numpy()  # (copies, S, 3, images)
    found = _reduced(answered, labels[first:last], model.output_shape[-1])
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
    return tf.reshape(philox.draw(philox.NORMAL, keys, _SWEEP, values), tf.shape(images))


def _folder(
    cache: Path, model: keras.Model, images: np.ndarray, labels: np.ndarray, sigmas: np.ndarray, seed: int
) -> Path:
    """Where the chunks of this model, these images and this protocol lie."""
    protocol = {
        "model": model_files.digest(model),
        "images": [str(images.dtype), images.shape, hashlib.sha256(np.ascontiguousarray(images)).hexdigest()],
        "labels": labels.tolist(),
        "sigmas": sigmas.tolist(),
        "seed": int(seed),
        "code": [outputs.code(module) for module in (__file__, layers.__file__, philox.__file__)],
        "tensorflow": tf.__version__,
    }
    return cache / hashlib.sha256(json.dumps(protocol).encode()).hexdigest()[:24]


def _stored(path: Path, chunk: Chunk) -> dict[str, np.ndarray] | None:
    """A finished chunk; None if there is none, or what is there is damaged."""
    fields = {"counts", "failures", "calibration"}
    fields |= {"clean_predictions", "sampled"} if chunk.copies[0] == 0 else set()
    try:
        with path.open("rb") as opened, np.load(opened) as file:  # NumPy does not close what it refuses
            return dict(file) if set(file) == fields else None
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return None


def _checked(
    model: keras.Model, images: np.ndarray, labels: ArrayLike, sigmas: Sequence[float], copies: int
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and sigmas as arrays; ValueError where something does not fit."""
    labels, sigmas = np.asarray(labels), np.asarray(sigmas, np.float64)
    model_files.check(model, images, labels)
    ascending = sigmas.ndim == 1 and len(sigmas) and sigmas[0] > 0 and (sigmas[1:] > sigmas[:-1]).all()
    if not ascending or sigmas[-1] == np.inf:
        raise ValueError(f"sigmas {sigmas.tolist()}: give ascending standard deviations above zero")
    if copies < 1:
        raise ValueError(f"copies is {copies}: it must be at least 1")
    return labels, sigmas
