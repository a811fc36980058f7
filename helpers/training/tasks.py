"""What is learned: a task says how batches are drawn and how a model is compiled for them."""

from dataclasses import replace
from typing import Protocol

from helpers.backend import keras, tf
from helpers.datasets import ImageSet
from helpers.training.batching import batches, validation_batches
from helpers.training.optimizers import FusedAdam
from helpers.training.recipes import Recipe


class Task(Protocol):
    """What `training.fit` asks of a task; a recipe has at least epochs, batch_size and precision.

    One whose models have several optimizers has a method `optimizers` too: of a compiled model, those, with
    their variables in place. One whose models make images has a method `pictures`: of a model, some of them,
    uint8 (K, H, W, C), always of the same latents; they become the training's strip. One that has data beside
    those that it is given has their `digest`.
    """

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


def cosine(peak: float, epochs: int, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """A rate that rises for one epoch, or a tenth of the only one, and then falls to zero along a cosine."""
    warmup = steps if epochs > 1 else steps // 10
    return keras.optimizers.schedules.CosineDecay(
        peak / 20 if warmup else peak,
        epochs * steps - warmup,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )


def _optimizer(recipe: Recipe, steps: int) -> FusedAdam:
    rate = recipe.learning_rate
    if recipe.schedule == "cosine":
        rate = cosine(rate, recipe.epochs, steps)
    return FusedAdam(rate, weight_decay=recipe.weight_decay or None)
