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
PICTURES = 10  # of a row of a game's strip
Condition = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
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

    def __post_init__(self) -> None:
        """ValueError for an unknown network, and for classes where it has none."""
        if self.network not in NETWORKS:
            raise ValueError(f"unknown network {self.network!r}: choose one of {', '.join(NETWORKS)}")
        if self.network == "dense" and self.classes:
            raise ValueError("dense has no classes: choose another network, or none")

    def __call__(self) -> Game:
        """A game; ValueError as the network's builder raises it."""
        given = {"classes": self.classes, "width": self.width}
        options = {name: value for name, value in given.items() if value is not None}
        return Game(*NETWORKS[self.network](self.image_size, self.channels, **options), name=self.network)


class Adversarial:
    """Images and their labels, for a `Game`, by a `Recipe`."""

    model = Game  # the code that a training rests on
    digest: str | None = None  # of data that it has beside those that it is given

    def batches(self, train: ImageSet, recipe: Recipe, *, seed: int, first_epoch: int = 0) -> tf.data.Dataset:
        """Images as they are (uint8), labels and a random key, from which all else of a step is drawn."""
        order = partial(training.shuffled, len(train))
        return training.drawn(
            order, self._batch(train), recipe.batch_size, recipe.epochs, seed=seed, first_epoch=first_epoch
        )

    def validation_batches(self, validation: ImageSet, recipe: Recipe) -> tf.data.Dataset:
        """Batches of `BATCH` images, each with the same key after every epoch."""
        batch = self._batch(validation)
        numbered = tf.data.Dataset.range(len(validation)).batch(BATCH).enumerate()
        keyed = numbered.map(lambda number, indices: batch(indices, tf.stack([0, tf.cast(number, tf.int32)])))
        return training.untuned(keyed)

    def pictures(self, model: Game) -> np.ndarray:
        """Of the first ten classes, where it has as many; always of the same latents."""
        classes = model.generator.inputs[1].shape[-1] if model.conditional else 1
        return generate(model, np.arange(PICTURES) % classes, seed=0)

    def condition(self, part: ImageSet) -> Condition:
        """What the players are told: a function of images (N, H, W, C), their indices and a random key."""
        labels = tf.constant(part.labels, tf.int32)
        return lambda images, indices, key: tf.gather(labels, indices)

    def _batch(self, part: ImageSet) -> Callable[[tf.Tensor, tf.Tensor], tuple]:
        images, condition = tf.constant(part.images), self.condition(part)

        def batch(indices: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            chosen = tf.gather(images, indices)
            return chosen, condition(chosen, indices, key), key

        return batch

    def compiled_with(self, recipe: Recipe, steps: int) -> dict[str, object]:
        """The recipe: a game makes its optimizers itself. ValueError where it asks for what that ignores."""
        recipe.refuse(self.model.ignored)
        return {"recipe": recipe.as_dict()}

    def alike(self, recipe: Recipe) -> Recipe:
        """All but its length: rates are constant."""
        return replace(recipe, epochs=1)

    def optimizers(self, model: Game) -> list[keras.optimizers.Optimizer]:
        """Both players', with their variables in place."""
        model.build_optimizers()
        return model.optimizers


GAME = Adversarial()


def in_grey(splits: Splits) -> Splits:
    """The same images in one channel, the mean of all."""
    parts = [
        replace(part, images=np.rint(part.images.mean(-1, keepdims=True)).astype(np.uint8))
        for part in (splits.train, splits.validation, splits.test)
    ]
    digest = outputs.named(splits.digest, outputs.rests_on(in_grey))
    return replace(splits, **dict(zip(("train", "validation", "test"), parts, strict=True)), digest=digest)


def fit_all(
    starts: Mapping[str, Callable[[], Game]],
    recipes: Mapping[str, Recipe],
    splits: Splits,
    *,
    seeds: Sequence[int],
    path: Callable[[str], Path] | None = None,
    task: Adversarial = GAME,
) -> training.Trainings:
    """Train every game by the recipe of its name with every seed; all as in `training.fit_all`."""
    return training.fit_all(starts, recipes, splits, seeds=seeds, path=path, task=task)


def fit_ladder(
    start: Callable[[], Game],
    recipe: Recipe,
    epochs: Sequence[int],
    splits: Splits,
    *,
    seeds: Sequence[int],
    path: Callable[[str], Path] | None = None,
) -> training.Trainings:
    """A game a seed, and what it is after several numbers of epochs; all as in `training.fit_ladder`."""
    return training.fit_ladder(start, recipe, epochs, splits, seeds=seeds, path=path, task=GAME)


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
    return np.rint(np.clip(_made(source, latents, labels), 0, 255)).astype(np.uint8)


def scores(game: Game, test: ImageSet, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The discriminator's logits of images (N,), and of as many generated ones, before they are rounded."""
    shape = (len(test), *game.latent_shape)
    made = _made(game, np.random.default_rng(seed).standard_normal(shape, np.float32), test.labels)
    return _logits(game, test.images, test.labels), _logits(game, made, test.labels)


def _made(source: Source, latents: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
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
        made.append(np.asarray(source(inputs)))
    return np.concatenate(made)


def _logits(game: Game, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    parts = [slice(start, start + BATCH) for start in range(0, len(images), BATCH)]
    typed = (tf.constant(images, tf.float32), tf.constant(labels, tf.int32))
    return np.concatenate([game.scored(*(values[part] for values in typed))[0] for part in parts])[:, 0]


def walk(
    source: Source,
    latents: np.ndarray,
    shares: np.ndarray | None = None,
    steps: int | Sequence[float] = 10,
) -> np.ndarray:
    """Images on the way from one latent, and one mixture of classes, to another: uint8 (steps, H, W, C).

    latents: (2, …), shares: (2, K) of the K classes; steps: so many, as far apart, or how far each is, in
    [0, 1]. The latent keeps a norm between those of the ends: in the middle of a straight line it would be
    shorter than nearly all that the source has seen.
    """
    far = np.linspace(0, 1, steps) if isinstance(steps, int) else np.asarray(steps, float)
    flat = np.reshape(latents, (2, -1))
    between = np.outer(1 - far, flat[0]) + np.outer(far, flat[1])
    ends = np.linalg.norm(flat, axis=1)
    between *= ((1 - far) * ends[0] + far * ends[1])[:, None] / np.linalg.norm(between, axis=1, keepdims=True)
    mixed = None if shares is None else np.outer(1 - far, shares[0]) + np.outer(far, shares[1])
    return decode(source, between.reshape(len(far), *source.latent_shape), mixed)
