"""How games are trained, and what comes out of them: images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from helpers import outputs, training
from helpers.backend import keras, tf
from helpers.datasets import ImageSet, Splits
from helpers.gans.flows import Flow
from helpers.gans.games import Game
from helpers.gans.networks import NETWORKS
from helpers.gans.recipes import Recipe

BATCH = 256  # images that are made at once
Source = Game | Flow  # what makes images of latents, and of classes where it has some


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


def generate(source: Source, labels: np.ndarray, *, seed: int, first: int = 0) -> np.ndarray:
    """Images of a game or flow, uint8 (N, H, W, C), one for each of labels (N,), ints.

    One without classes takes of the labels only how many they are. The latent of image k depends on seed and
    first + k alone.
    """
    shape = (first + len(labels), *source.latent_shape)
    latents = np.random.default_rng(seed).standard_normal(shape, np.float32)[first:]
    return decode(source, latents, labels)


def samples(
    sources: Mapping[str, Sequence[Source]], labels: np.ndarray, *, seed: int
) -> dict[str, np.ndarray]:
    """Images of the first training of each name, as `generate` makes them."""
    return {name: generate(several[0], labels, seed=seed) for name, several in sources.items()}


def decode(source: Source, latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """Images, uint8 (N, H, W, C), of latents (N, …).

    labels: ints (N,), or shares (N, K) of the K classes, where the source has classes, else ValueError.
    """
    if labels is None and source.conditional:
        raise ValueError(f"{source.name} has classes: labels are needed")
    made = []
    for start in range(0, len(latents), BATCH):
        part = slice(start, start + BATCH)
        inputs = tf.constant(latents[part], tf.float32)
        if source.conditional:
            chosen = np.asarray(labels[part])
            shares = source.shares(chosen) if chosen.ndim == 1 else tf.constant(chosen, tf.float32)
            inputs = [inputs, shares]
        made.append(np.rint(np.clip(source(inputs), 0, 255)).astype(np.uint8))
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


def imitated(splits: Splits, source: Source, *, seed: int, share: float = 1.0) -> Splits:
    """The splits with generated training images, of the labels that the real ones have.

    share: of the images that are generated, drawn at random; the others stay real.
    """
    labels = splits.train.labels
    chosen = np.random.default_rng(seed).permutation(len(labels))[: round(share * len(labels))]
    images = np.array(splits.train.images)
    images[chosen] = generate(source, labels[chosen], seed=seed)
    digest = outputs.named(splits.digest, source.digest(), seed, share)
    return replace(splits, train=replace(splits.train, images=images), digest=digest)
