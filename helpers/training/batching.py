"""Augmented, noisy batches; the same whoever starts them at whatever epoch."""

from collections.abc import Callable
from functools import partial

import numpy as np

from helpers import noise
from helpers.backend import tf
from helpers.datasets import ImageSet
from helpers.training import augmentation
from helpers.training.recipes import Recipe


def batches(train: ImageSet, recipe: Recipe, *, seed: int, first_epoch: int = 0) -> tf.data.Dataset:
    """Augmented training batches (float32 images in [0, 255], one-hot labels), epoch after epoch.

    As `drawn` in all else.
    """
    images, labels = tf.constant(train.images), tf.constant(train.labels)
    classes = len(train.class_names)
    augment = augmentation.AUGMENTATIONS[recipe.augmentation]

    def batch(indices: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        chosen = augment(tf.gather(images, indices), key)
        if recipe.noise:
            mixed = {"sets": recipe.noise, "clean": recipe.clean, "weakest": recipe.weakest}
            chosen = noise.mixture(chosen, seed=tf.bitcast(key, tf.int64), **mixed)
        return chosen, tf.one_hot(tf.gather(labels, indices), classes)

    order = partial(_order, train.labels, recipe.balanced)
    return drawn(order, batch, recipe.batch_size, recipe.epochs, seed=seed, first_epoch=first_epoch)


def drawn(
    order: Callable[[tuple], tf.Tensor],
    batch: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    size: int,
    epochs: int,
    *,
    seed: int,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Full batches of `size` images, epoch after epoch: ``batch(indices, key)`` of indices ``order(key)``.

    Batch number s of epoch e depends on (seed, e, s) alone, so a training can start at any epoch.
    """

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        indices = tf.data.Dataset.from_tensor_slices(order((seed, epoch)))
        numbered = indices.batch(size, drop_remainder=True).enumerate()
        return numbered.map(lambda step, indices: (epoch, step, indices))

    def keyed(epoch: tf.Tensor, step: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        of_epoch = tf.random.fold_in([seed, 1], tf.cast(epoch, tf.int32))
        return batch(indices, tf.random.fold_in(of_epoch, tf.cast(step, tf.int32)))

    every = tf.data.Dataset.range(first_epoch, epochs).flat_map(epoch_batches)
    return untuned(every.map(keyed, num_parallel_calls=2).prefetch(2))


def validation_batches(validation: ImageSet) -> tf.data.Dataset:
    """Batches of 512 images as they are: float32 in [0, 255], with one-hot labels."""
    classes = len(validation.class_names)
    pairs = tf.data.Dataset.from_tensor_slices((validation.images, validation.labels)).batch(512)
    return untuned(
        pairs.map(lambda images, labels: (tf.cast(images, tf.float32), tf.one_hot(labels, classes)))
    )


def shuffled(count: int, seed: tuple[int, int | tf.Tensor]) -> tf.Tensor:
    """The numbers below `count` in an order of their own for every seed, int32."""
    return tf.random.experimental.stateless_shuffle(tf.range(count), tf.cast(tf.stack(seed), tf.int32))


def untuned(batched: tf.data.Dataset) -> tf.data.Dataset:
    """Without the thread that tunes the pipeline: its pauses double, and the end of a training waits for it.

    With it, a training took up to twice its own time.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batched.with_options(options)


def _order(labels: np.ndarray, balanced: bool, seed: tuple[int, int | tf.Tensor]) -> tf.Tensor:
    """Indices of one epoch: a permutation, or draws in which every class is equally likely."""
    if not balanced:
        return shuffled(len(labels), seed)
    weights = 1 / np.bincount(labels)[labels]
    edges = tf.constant(np.cumsum(weights) / weights.sum(), tf.float32)
    draws = tf.random.stateless_uniform((len(labels),), tf.cast(tf.stack(seed), tf.int32))
    return tf.minimum(tf.searchsorted(edges, draws, side="right"), len(labels) - 1)
