"""How games are trained, and what comes out of them: images."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

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

    def __call__(self) -> Game:
        """A game; ValueError for an unknown network, and as the network's builder raises it."""
        if self.network not in NETWORKS:
            raise ValueError(f"unknown network {self.network!r}: choose one of {', '.join(NETWORKS)}")
        if self.network == "dense" and self.classes:
            raise ValueError("dense has no classes: choose another network, or none")
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
        """The recipe: a game makes its optimizers itself."""
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
    source: Source, latents: np.ndarray, shares: np.ndarray | None = None, steps: int = 10
) -> np.ndarray:
    """Images on the way from one latent, and one mixture of classes, to another: uint8 (steps, H, W, C).

    latents: (2, …), shares: (2, K) of the K classes. The latent keeps a norm between those of the ends: in
    the middle of a straight line it would be shorter than nearly all that the source has seen.
    """
    far = np.linspace(0, 1, steps)
    flat = np.reshape(latents, (2, -1))
    between = np.outer(1 - far, flat[0]) + np.outer(far, flat[1])
    ends = np.linalg.norm(flat, axis=1)
    between *= ((1 - far) * ends[0] + far * ends[1])[:, None] / np.linalg.norm(between, axis=1, keepdims=True)
    mixed = None if shares is None else np.outer(1 - far, shares[0]) + np.outer(far, shares[1])
    return decode(source, between.reshape(steps, *source.latent_shape), mixed)


def imitated(splits: Splits, source: Source, *, seed: int) -> Splits:
    """The splits with generated training images, of the labels that the real ones have."""
    train = replace(splits.train, images=generate(source, splits.train.labels, seed=seed))
    code = outputs.rests_on(decode, Flow, Game)
    return replace(splits, train=train, digest=outputs.named(splits.digest, source.digest(), code, seed))


def beside(splits: Splits, others: Splits) -> Splits:
    """The splits with the training images of others behind their own, in groups of their own.

    Where their own are fewer, each stands there as often as makes about half of all: what is learned from
    them is then not a matter of how seldom they are met.
    """
    one, other = splits.train, others.train
    other = replace(other, groups=other.groups - other.groups.min() + one.groups.max() + 1)
    parts = [one] * max(1, round(len(other) / len(one))) + [other]
    arrays = ("images", "labels", "groups", "sizes")
    both = {name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays}
    digest = outputs.named(splits.digest, others.digest, outputs.rests_on(beside))
    return replace(splits, train=replace(one, **both), digest=digest)


def few(splits: Splits, count: int, *, seed: int) -> Splits:
    """The splits with so many images to train and as many to validate, as `ImageSet.part` chooses them."""
    digest = outputs.named(splits.digest, count, seed, outputs.rests_on(ImageSet))
    parts = {name: getattr(splits, name).part(count, seed) for name in ("train", "validation")}
    return replace(splits, **parts, digest=digest)


def trained_on(
    sets: Mapping[str, Iterable[Splits]],
    build: training.Build,
    recipe: training.Recipe,
    *,
    seeds: Sequence[int],
) -> dict[str, list[keras.Model]]:
    """Classifiers of made training images: number k of a name learns on the k-th splits, by the k-th seed.

    Shmelkov et al. (2018) call the accuracy of one that has seen only generated images GAN-train. sets: such
    as `imitated` makes, one after the other; build, recipe: of `training.fit`.
    """
    return {
        name: [
            training.fit(
                build,
                made.train,
                made.validation,
                recipe,
                seed=seed,
                data=made.digest,
                title=f"on {name}, training {number + 1} of {len(seeds)}",
            ).model
            for number, (made, seed) in enumerate(zip(several, seeds, strict=True))
        ]
        for name, several in sets.items()
    }


def added(
    splits: Splits,
    count: int,
    build: training.Build,
    recipe: training.Recipe,
    *,
    start: Callable[[], Game],
    game: Recipe,
    seeds: Sequence[int],
    others: Mapping[str, Splits] = MappingProxyType({}),
) -> dict[str, list[keras.Model]]:
    """Classifiers of a few real images, and of these and what may stand in for more.

    Training k has `count` images of its own, by the k-th seed, and meets about as many as `splits` and these
    have in the recipe's epochs. Names: the count; "<count>, augmented", under small changes of pose and
    light; "<count>, generated", `beside` images of a game (start, game: as in `fit_all`) that has seen no
    others, in as many steps as it would make on all; and one for each of others, which have as many.
    """
    smalls, every = [few(splits, count, seed=seed) for seed in seeds], len(splits.train)
    longer = replace(recipe, epochs=round(recipe.epochs * (1 + every / count)))
    found = trained_on({f"{count}": smalls}, build, longer, seeds=seeds)
    augmented = replace(longer, augmentation="camera")
    found |= trained_on({f"{count}, augmented": smalls}, build, augmented, seeds=seeds)
    batch, steps = min(game.batch_size, count), game.epochs * (every // game.batch_size)
    alone = {f"of {count}": replace(game, epochs=round(steps / (count // batch)), batch_size=batch)}
    made = []
    for small, seed in zip(smalls, seeds, strict=True):
        player = fit_all({f"of {count}": start}, alone, small, seeds=[seed]).models[f"of {count}"][0]
        made.append(imitated(splits, player, seed=seed))
    sets = {"generated": made} | {name: [other] * len(smalls) for name, other in others.items()}
    both = {
        f"{count}, {name}": (beside(*pair) for pair in zip(smalls, several, strict=True))
        for name, several in sets.items()
    }
    together = every + count * max(1, round(every / count))
    halves = replace(recipe, epochs=max(1, round(recipe.epochs * (every + count) / together)))
    return found | trained_on(both, build, halves, seeds=seeds)
