"""How games are trained, and what comes out of them: images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from helpers import training
from helpers.backend import keras, tf
from helpers.datasets import ImageSet, Splits
from helpers.gans.games import Game
from helpers.gans.networks import NETWORKS
from helpers.gans.recipes import Recipe

BATCH = 256  # images that are made at once


@dataclass(frozen=True)
class Start:
    """Builds a game anew: network of `NETWORKS`, image_size, channels; classes: None without condition.

    width: of the networks that have one, None: theirs.
    """

    network: str
    image_size: int
    channels: int = 3
    classes: int | None = None
    width: int | None = None

    def __call__(self) -> Game:
        """A game; ValueError for an unknown network, and as the network's builder raises it."""
        if self.network not in NETWORKS:
            raise ValueError(f"unknown network {self.network!r}: choose one of {', '.join(NETWORKS)}")
        given = {"classes": self.classes, "width": self.width}
        options = {name: value for name, value in given.items() if value is not None}
        return Game(*NETWORKS[self.network](self.image_size, self.channels, **options), name=self.network)


class Adversarial:
    """Images and their labels, for a `Game`, by a `Recipe`."""

    model = Game  # the code that a training rests on

    def batches(self, train: ImageSet, recipe: Recipe, *, seed: int, first_epoch: int = 0) -> tf.data.Dataset:
        """Images as they are (uint8), labels and a random key, from which all else of a step is drawn."""
        images, labels = tf.constant(train.images), tf.constant(train.labels, tf.int32)

        def batch(indices: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            return tf.gather(images, indices), tf.gather(labels, indices), key

        order = partial(training.shuffled, len(train))
        return training.drawn(
            order, batch, recipe.batch_size, recipe.epochs, seed=seed, first_epoch=first_epoch
        )

    def validation_batches(self, validation: ImageSet, recipe: Recipe) -> tf.data.Dataset:
        """Batches of `BATCH` images, each with the same key after every epoch."""
        pairs = (validation.images, validation.labels.astype(np.int32))
        numbered = tf.data.Dataset.from_tensor_slices(pairs).batch(BATCH).enumerate()
        keyed = numbered.map(lambda number, pair: (*pair, tf.stack([0, tf.cast(number, tf.int32)])))
        return training.untuned(keyed)

    def compiled_with(self, recipe: Recipe, steps: int) -> dict[str, object]:
        """The recipe: a game makes its optimizers itself."""
        return {"recipe": recipe.as_dict()}

    def alike(self, recipe: Recipe) -> Recipe:
        """All of it."""
        return recipe

    def optimizers(self, model: Game) -> list[keras.optimizers.Optimizer]:
        """Both players', with their variables in place."""
        model.build_optimizers()
        return model.optimizers


def in_grey(splits: Splits) -> Splits:
    """The same images in one channel, the mean of all."""
    parts = [
        replace(part, images=np.rint(part.images.mean(-1, keepdims=True)).astype(np.uint8))
        for part in (splits.train, splits.validation, splits.test)
    ]
    return replace(splits, **dict(zip(("train", "validation", "test"), parts, strict=True)))


def fit_all(
    starts: Mapping[str, Callable[[], Game]],
    recipes: Mapping[str, Recipe],
    splits: Splits,
    *,
    seeds: Sequence[int],
    path: Callable[[str], Path] | None = None,
) -> training.Trainings:
    """Train every game by the recipe of its name with every seed; all as in `training.fit_all`."""
    return training.fit_all(starts, recipes, splits, seeds=seeds, path=path, task=Adversarial())


def generate(game: Game, labels: np.ndarray, *, seed: int, first: int = 0) -> np.ndarray:
    """Images of a game, uint8 (N, H, W, C), one for each of labels (N,), ints.

    A game without classes takes of the labels only how many they are. The latent of image k depends on seed
    and first + k alone.
    """
    shape = (first + len(labels), game.latent_size)
    latents = np.random.default_rng(seed).standard_normal(shape, np.float32)[first:]
    return decode(game, latents, labels)


def decode(game: Game, latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """Images, uint8 (N, H, W, C), of latents (N, D), and labels (N,) where the game has classes."""
    if labels is None and game.conditional:
        raise ValueError(f"{game.name} has classes: labels are needed")
    made = [np.empty((0, *game.generator.output_shape[1:]), np.uint8)]
    for start in range(0, len(latents), BATCH):
        part = slice(start, start + BATCH)
        inputs = tf.constant(latents[part], tf.float32)
        if game.conditional:
            inputs = [inputs, tf.constant(labels[part], tf.int32)]
        made.append(np.rint(np.clip(game(inputs), 0, 255)).astype(np.uint8))
    return np.concatenate(made)


def judged(game: Game, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The discriminator's logits (N,) of images (N, H, W, C), which are of classes labels (N,)."""
    found = [
        game.judged(
            tf.constant(images[start : start + BATCH], tf.float32),
            tf.constant(labels[start : start + BATCH], tf.int32),
        )[0]
        for start in range(0, len(images), BATCH)
    ]
    return np.concatenate(found)[:, 0]
