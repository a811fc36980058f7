"""Seeds, recipes and a training that is cached, and resumes where it was killed."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from helpers import augmentation, layers, noise, outputs, philox
from helpers.backend import keras, tf
from helpers.datasets import ImageSet
from helpers.noise import NoiseSet


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained. The defaults are this project's own recipe."""

    epochs: int = 24
    learning_rate: float = 0.003  # peak of the cosine schedule, or the constant rate
    schedule: str = "cosine"  # cosine (one epoch of warm-up, then to zero) | constant
    batch_size: int = 128
    weight_decay: float = 0.02  # of AdamW; 0 is plain Adam
    label_smoothing: float = 0.1
    augmentation: str = "camera"  # a key of augmentation.AUGMENTATIONS
    noise: tuple[NoiseSet, ...] = ()  # noise.mixture of these sets over every batch
    clean: float = 0.1  # share of the images that the noise leaves as they are
    weakest: float = 0.0  # of a set's level: noise is drawn between that share of it and all of it
    balanced: bool = False  # draw all classes equally often
    precision: str = "float32"  # of the arithmetic: a choice of layers.PRECISIONS

    def __post_init__(self) -> None:
        """Refuse unknown choices and numbers out of range by name."""
        choices = {
            "schedule": SCHEDULES,
            "augmentation": augmentation.AUGMENTATIONS,
            "precision": layers.PRECISIONS,
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}: choose one of {', '.join(known)}")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")


SCHEDULES = ("cosine", "constant")
# Mehrotra and Dalal, section 4.3: Adam, learning rate 0.01, 10 epochs; the batch size is Keras' default.
PAPER = Recipe(
    epochs=10,
    learning_rate=0.01,
    schedule="constant",
    batch_size=32,
    weight_decay=0.0,
    label_smoothing=0.0,
    augmentation="none",
)
# The printed rate nearly stops the training; Adam's usual rate comes nearest to the paper's accuracies.
NEAREST = replace(PAPER, learning_rate=0.001)


class Trained(NamedTuple):
    """A trained model with its history: one row an epoch (epoch, loss, accuracy, val_loss, val_accuracy).

    The history is measured in the recipe's precision.
    """

    model: keras.Model
    history: pd.DataFrame
    seconds: float  # of training, over all interruptions


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and the Keras backend, and make TensorFlow's kernels deterministic."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def fit(
    build: Callable[[], keras.Model],
    train: ImageSet,
    validation: ImageSet,
    recipe: Recipe,
    *,
    seed: int,
    path: str | Path,
    data: str,
) -> Trained:
    """Train ``build()`` on an image set by a recipe; the same call a second time loads the result.

    build: function without arguments that returns an uncompiled classifier with logits; train, validation:
    `datasets.ImageSet`; path: where the finished model goes (.keras); data: digest of the
    data, such as `datasets.Splits.digest`.
    The model computes in float32 whatever the recipe's precision, so it serves on any processor.
    A checkpoint beside `path` after every epoch lets a killed training go on with the same numbers as an
    uninterrupted one. A stored model made from other data, recipe, seed or code is trained anew.
    Returns `Trained`. Raises ValueError where the sets are too small for one batch.
    """
    path = Path(path)
    seed_everything(seed)
    keras.utils.clear_session()  # layer names, part of the key, count from the start
    model = build()
    key = _key(model, recipe, seed, data, len(train))
    finished, checkpoint = _Stored(path, key), _Stored(path.with_suffix(".part.keras"), key)
    if state := finished.load():
        return state
    steps = len(train) // recipe.batch_size
    if steps == 0:
        raise ValueError(f"{len(train)} training images do not fill a batch of {recipe.batch_size}")
    if state := checkpoint.load():
        model, rows, before = state.model, state.history.to_dict("records"), state.seconds
    else:
        rows, before = [], 0.0
        model = layers.with_precision(model, recipe.precision)
        model.compile(
            optimizer=_optimizer(recipe, steps),
            loss=keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=recipe.label_smoothing
            ),
            metrics=["accuracy"],
            jit_compile=False,  # XLA is slower than oneDNN on a CPU
        )
    classes = len(train.class_names)
    keeper = _Keeper(checkpoint, rows, before, recipe.epochs * steps, path.stem)
    model.fit(
        batches(train, recipe, seed=seed, first_epoch=len(rows)),
        validation_data=_validation(validation, classes),
        initial_epoch=len(rows),
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[keeper],
    )
    model = layers.with_precision(model, "float32")
    trained = finished.save(model, keeper.rows, keeper.seconds(), optimizer=False)
    checkpoint.remove()
    return trained


def batches(train: ImageSet, recipe: Recipe, *, seed: int, first_epoch: int = 0) -> tf.data.Dataset:
    """Augmented training batches (float32 images in [0, 255], one-hot labels), epoch after epoch.

    Batch number s of epoch e depends on (seed, e, s) alone, so a training can start at any epoch.
    """
    images, labels = tf.constant(train.images), tf.constant(train.labels)
    classes = len(train.class_names)
    augment = augmentation.AUGMENTATIONS[recipe.augmentation]

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.data.Dataset.from_tensor_slices(_order(train.labels, recipe.balanced, (seed, epoch)))
        numbered = order.batch(recipe.batch_size, drop_remainder=True).enumerate()
        return numbered.map(lambda step, indices: (epoch, step, indices))

    def batch(epoch: tf.Tensor, step: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        key = tf.random.fold_in(
            tf.random.fold_in([seed, 1], tf.cast(epoch, tf.int32)), tf.cast(step, tf.int32)
        )
        chosen = augment(tf.gather(images, indices), key)
        if recipe.noise:
            mixed = {"sets": recipe.noise, "clean": recipe.clean, "weakest": recipe.weakest}
            chosen = noise.mixture(chosen, seed=tf.bitcast(key, tf.int64), **mixed)
        return chosen, tf.one_hot(tf.gather(labels, indices), classes)

    epochs = tf.data.Dataset.range(first_epoch, recipe.epochs).flat_map(epoch_batches)
    return epochs.map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _order(labels: np.ndarray, balanced: bool, seed: tuple[int, int | tf.Tensor]) -> tf.Tensor:
    """Indices of one epoch: a permutation, or draws in which every class is equally likely."""
    seed = tf.cast(tf.stack(seed), tf.int32)
    if not balanced:
        return tf.random.experimental.stateless_shuffle(tf.range(len(labels)), seed)
    weights = 1 / np.bincount(labels)[labels]
    edges = tf.constant(np.cumsum(weights) / weights.sum(), tf.float32)
    draws = tf.random.stateless_uniform((len(labels),), seed)
    return tf.minimum(tf.searchsorted(edges, draws, side="right"), len(labels) - 1)


def _validation(validation: ImageSet, classes: int) -> tf.data.Dataset:
    pairs = tf.data.Dataset.from_tensor_slices((validation.images, validation.labels)).batch(512)
    return pairs.map(lambda images, labels: (tf.cast(images, tf.float32), tf.one_hot(labels, classes)))


def _optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    rate = recipe.learning_rate
    if recipe.schedule == "cosine":
        warmup = steps if recipe.epochs > 1 else 0
        rate = keras.optimizers.schedules.CosineDecay(
            rate / 20 if warmup else rate,
            recipe.epochs * steps - warmup,
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    if recipe.weight_decay:
        return keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
    return keras.optimizers.Adam(rate)


def _key(model: keras.Model, recipe: Recipe, seed: int, data: str, count: int) -> str:
    """Digest of everything the trained weights depend on."""
    code = [outputs.code(module.__file__) for module in (augmentation, layers, noise, philox)]
    code.append(outputs.code(__file__))
    text = json.dumps([model.to_json(), asdict(recipe), seed, data, count, code])
    return hashlib.sha256(text.encode()).hexdigest()


class _Stored:
    """A model file and, beside it, its key, history and seconds as JSON."""

    def __init__(self, path: Path, key: str):
        self.path, self.key = path, key
        self.record = path.with_suffix(".json")

    def load(self) -> Trained | None:
        if not (self.path.exists() and self.record.exists()):
            return None
        record = json.loads(self.record.read_text(encoding="utf-8"))
        # A kill between the two files leaves the record of another model: then it is trained anew.
        if record["key"] != self.key or record["model"] != outputs.sha256(self.path):
            return None
        return Trained(keras.models.load_model(self.path), pd.DataFrame(record["history"]), record["seconds"])

    def save(self, model: keras.Model, rows: list[dict], seconds: float, *, optimizer: bool) -> Trained:
        with outputs.atomic(self.path) as temporary:
            model.save(temporary, include_optimizer=optimizer)
        record = {"key": self.key, "model": outputs.sha256(self.path), "seconds": seconds, "history": rows}
        outputs.write_json(self.record, record)
        return Trained(model, pd.DataFrame(rows), seconds)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)


class _Keeper(keras.callbacks.Callback):
    """Shows the progress, and keeps a checkpoint and the history after every epoch."""

    def __init__(self, checkpoint: _Stored, rows: list[dict], before: float, total: int, name: str):
        super().__init__()
        self.checkpoint, self.rows, self.before = checkpoint, rows, before
        self.total, self.name = total, name

    def seconds(self) -> float:
        return self.before + time.perf_counter() - self.started

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.started = time.perf_counter()
        done = int(self.model.optimizer.iterations)
        self.bar = tqdm(total=self.total, initial=done, desc=self.name, unit="batch", mininterval=1)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.bar.update(1)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.rows.append({"epoch": epoch + 1} | {name: float(value) for name, value in logs.items()})
        self.bar.set_postfix({name: f"{logs[name]:.3f}" for name in ("loss", "val_accuracy") if name in logs})
        self.checkpoint.save(self.model, self.rows, self.seconds(), optimizer=True)

    def on_train_end(self, logs: dict | None = None) -> None:
        self.bar.close()
