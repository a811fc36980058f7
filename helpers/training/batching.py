"""Augmented, noisy batches; the same whoever starts them at whatever epoch."""

import numpy as np

from helpers import noise
from helpers.backend import tf
from helpers.datasets import ImageSet
from helpers.training import augmentation
from helpers.training.recipes import Recipe


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


def validation_batches(validation: ImageSet) -> tf.data.Dataset:
    """Batches of 512 images as they are: float32 in [0, 255], with one-hot labels."""
    classes = len(validation.class_names)
    pairs = tf.data.Dataset.from_tensor_slices((validation.images, validation.labels)).batch(512)
    return pairs.map(lambda images, labels: (tf.cast(images, tf.float32), tf.one_hot(labels, classes)))
