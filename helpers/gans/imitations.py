"""Training sets with generated images, alone or beside real ones, and classifiers that learn from them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from helpers import outputs, training
from helpers.backend import keras
from helpers.datasets import ImageSet, Splits
from helpers.gans.flows import Flow
from helpers.gans.games import Game
from helpers.gans.learning import Source, decode, fit_all, generate
from helpers.gans.recipes import Recipe


class Generated:
    """Images of a game or flow, uint8 (N, H, W, C), made when first looked at: a kept training needs none."""

    def __init__(self, source: Source, labels: np.ndarray, *, size: tuple[int, ...], seed: int):
        """labels: ints (N,); size: (H, W, C); seed: of `generate`."""
        self.shape = (len(labels), *size)
        self._made_by = source, labels, seed

    def __len__(self) -> int:
        """N."""
        return self.shape[0]

    def __getitem__(self, index: np.ndarray | slice) -> np.ndarray:
        """As of the array."""
        return self._made[index]

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        """The array itself, for NumPy and TensorFlow."""
        return np.array(self._made, dtype, copy=copy)

    @cached_property
    def _made(self) -> np.ndarray:
        source, labels, seed = self._made_by
        return generate(source, labels, seed=seed)


def imitated(splits: Splits, source: Source, *, seed: int) -> Splits:
    """The splits with generated training images, of the labels that the real ones have."""
    real = splits.train
    train = replace(real, images=Generated(source, real.labels, size=real.images.shape[1:], seed=seed))
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

    Training k has `count` images of its own, by the k-th seed, or all of them, and meets about as many as
    `splits` and these have in the recipe's epochs. Names: the count; "<count>, augmented", under small
    changes of pose and light; "<count>, generated", `beside` images of a game (start, game: as in `fit_all`)
    that has seen no others, in as many steps as it would make on all; and one for each of others, which have
    as many. ValueError for a count of more than there are.
    """
    if count > (every := len(splits.train)):
        raise ValueError(f"few is {count}, but there are only {every} training images: choose less")
    smalls = [splits if count == every else few(splits, count, seed=seed) for seed in seeds]
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
