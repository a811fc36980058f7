"""What is learned: a task says how batches are drawn and how a model is compiled for them."""

import math
from dataclasses import replace
from typing import Protocol

from helpers.backend import keras, tf
from helpers.datasets import ImageSet
from helpers.training.batching import batches, validation_batches
from helpers.training.recipes import Recipe

ops = keras.ops


class Task(Protocol):
    """What `training.fit` asks of a task; a recipe has at least epochs, batch_size and precision."""

    def batches(self, train: ImageSet, recipe: object, *, seed: int, first_epoch: int) -> tf.data.Dataset:
        """Training batches of inputs and targets, epoch after epoch; see `training.drawn`."""

    def validation_batches(self, validation: ImageSet, recipe: object) -> tf.data.Dataset:
        """The same inputs and targets after every epoch."""

    def compiled_with(self, recipe: object, steps: int) -> dict[str, object]:
        """Loss, optimizer and metrics, as `keras.Model.compile` takes them; steps: of an epoch."""

    def alike(self, recipe: object) -> object:
        """What of a recipe a compiled training depends on."""


class Classification:
    """Images to the logits of their classes, by a `Recipe`."""

    batches = staticmethod(batches)

    def validation_batches(self, validation: ImageSet, recipe: Recipe) -> tf.data.Dataset:
        """Images as they are, whatever the recipe does in training."""
        return validation_batches(validation)

    def compiled_with(self, recipe: Recipe, steps: int) -> dict[str, object]:
        """Cross-entropy of smoothed labels, Adam or AdamW, accuracy."""
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing)
        return {"loss": loss, "optimizer": _optimizer(recipe, steps), "metrics": ["accuracy"]}

    def alike(self, recipe: Recipe) -> Recipe:
        """All but how the batches are drawn."""
        return replace(recipe, augmentation="none", noise=(), clean=0.0, weakest=0.0, balanced=False)


@keras.saving.register_keras_serializable("helpers")
class Cosine(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises from a twentieth of its peak, and then falls to zero along a cosine.

    Keras' own has a condition, and AdamW's decay asks for the rate once for every weight: `compact` took half
    as long again to compile by that.
    """

    def __init__(self, peak: float, warmup: int, decay: int):
        """peak: the largest rate; warmup, decay: steps of the rise, or 0, and of the fall, 1 or more."""
        self.peak, self.warmup, self.decay = peak, warmup, decay

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The rate at a step: a scalar."""
        step = ops.cast(step, "float32")
        rise = self.peak * (0.05 + 0.95 * step / max(1, self.warmup))
        fallen = ops.clip((step - self.warmup) / self.decay, 0, 1)
        fall = self.peak * (0.5 + 0.5 * ops.cos(math.pi * fallen))
        return ops.where(step < self.warmup, rise, fall)

    def get_config(self) -> dict[str, float]:
        """What Keras stores to build it anew."""
        return {"peak": self.peak, "warmup": self.warmup, "decay": self.decay}


def cosine(peak: float, epochs: int, steps: int) -> Cosine:
    """A rate that rises for one epoch, or a tenth of the only one, and then falls to zero along a cosine."""
    warmup = steps if epochs > 1 else steps // 10
    return Cosine(peak, warmup, epochs * steps - warmup)


def _optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    rate = recipe.learning_rate
    if recipe.schedule == "cosine":
        rate = cosine(rate, recipe.epochs, steps)
    if recipe.weight_decay:
        return keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
    return keras.optimizers.Adam(rate)
