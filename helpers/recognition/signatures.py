"""Signatures: of every person a small game of its own, whose discriminator knows that person.

Abu-Samaha and Kim (see notebook 11), section "Facial Recognition Security Using GAN", steps 1 to 3: a
generator learns to make look-alikes of a person's few images, and the discriminator to tell them apart.
Theirs meets no other people; here it may meet them, or them alone.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

import numpy as np
from tqdm.auto import tqdm

from helpers import gans, outputs, training
from helpers.backend import keras, tf
from helpers.recognition import stacks

AGAINST = ("generated", "others")
CACHE = outputs.ROOT / "outputs" / "signatures"
_turn = threading.Lock()


@dataclass(frozen=True)
class Recipe:
    """How signatures are trained: all persons of a call at once, by Adam at a constant rate."""

    steps: int = 240
    images: int = 8  # of a person in a step, and of each kind that they are told from
    against: tuple[str, ...] = AGAINST  # what they are told from: look-alikes of a generator, other people
    learning_rate: float = 0.002
    width: int = 8  # maps of the largest side
    ema_decay: float = 0.98  # of the discriminators' averaged weights, which are the signatures

    def __post_init__(self) -> None:
        """Refuse unknown choices and numbers out of range by name."""
        if not self.against or set(self.against) - set(AGAINST):
            raise ValueError(f"against is {self.against}: choose some of {', '.join(AGAINST)}")
        for name in ("steps", "images", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")


@dataclass(frozen=True, eq=False)
class Signatures:
    """Discriminators of P persons, and the generators that they played against, as `stacks` has them."""

    discriminators: list[np.ndarray]
    generators: list[np.ndarray]
    shape: tuple[int, int, int]  # of the images (H, W, C)

    def __len__(self) -> int:
        """Return the number of persons."""
        return len(self.discriminators[0])

    def logits(self, images: np.ndarray, batch_size: int = 64) -> np.ndarray:
        """What each signature says of each image: images (N, H, W, C) in [0, 255] to logits (N, P)."""
        compare = _comparison(tuple(values.shape for values in self.discriminators), self.shape)
        weights = [tf.constant(values) for values in self.discriminators]
        parts = (images[first : first + batch_size] for first in range(0, len(images), batch_size))
        return np.concatenate([compare(weights, tf.constant(part, tf.float32)) for part in parts])

    def part(self, which: slice) -> "Signatures":
        """Those of some persons."""
        kinds = ([values[which] for values in kind] for kind in (self.discriminators, self.generators))
        return Signatures(*kinds, self.shape)

    def generate(self, count: int, *, seed: int) -> np.ndarray:
        """So many look-alikes of each person, uint8 (P, count, H, W, C)."""
        drawn = np.random.default_rng(seed).standard_normal((len(self), count, stacks.LATENTS), np.float32)
        weights = [tf.constant(values) for values in self.generators]
        return np.rint(stacks.generate(weights, tf.constant(drawn), self.shape)).astype(np.uint8)


def enrol(
    persons: Sequence[np.ndarray], others: np.ndarray, recipe: Recipe, *, seed: int, cache: bool = True
) -> Signatures:
    """Train the signatures of some persons at once; the same call a second time loads them.

    persons: of each some images, uint8 (K, H, W, C), changed at random as `training.augmentation.camera`
    does; others: images of other people, uint8 (M, H, W, C); cache: whether what was trained is kept. Raises
    ValueError where a person has no images, sides are not multiples of 8, or there are no others to be told
    from; and FloatingPointError where a loss is no longer finite.
    """
    shape = _checked(persons, others, recipe)
    store = outputs.Store(CACHE)
    images = [outputs.digest(of_one) for of_one in (*persons, others)]
    name = f"{outputs.named(images, asdict(recipe), seed, outputs.rests_on(enrol), tf.__version__)}.npz"
    if not (arrays := store.arrays(name) if cache else None):
        with _turn:  # calls that are alike share their variables
            arrays = _trained(persons, others, recipe, seed, shape)
        if cache:
            store.save(name, arrays)
    kinds = ([arrays[key] for key in sorted(arrays) if key[0] == kind] for kind in "dg")
    return Signatures(*kinds, shape)


def _checked(persons: Sequence[np.ndarray], others: np.ndarray, recipe: Recipe) -> tuple[int, int, int]:
    for number, images in enumerate(persons):
        if len(images) == 0:
            raise ValueError(f"person {number} has no images: a signature needs one at least")
        if images.shape[1:] != persons[0].shape[1:]:
            raise ValueError(f"person {number} has images {images.shape[1:]}, others {persons[0].shape[1:]}")
    if "others" in recipe.against and len(others) == 0:
        raise ValueError("there are no images of other people: take against=('generated',)")
    stacks.eighth(persons[0].shape[1:])
    return tuple(persons[0].shape[1:])


def _trained(
    persons: Sequence[np.ndarray], others: np.ndarray, recipe: Recipe, seed: int, shape: tuple[int, int, int]
) -> dict[str, np.ndarray]:
    grey = all(np.ptp(images, -1).max() == 0 for images in persons)
    games = _games(len(persons), shape, replace(recipe, steps=1), 1 if grey else shape[2])
    games.start(seed)
    most = max(map(len, persons))
    counts = tf.constant([len(images) for images in persons], tf.int32)
    padded = tf.constant(np.stack([np.resize(images, (most, *shape)) for images in persons]))
    bar = tqdm(range(recipe.steps), desc=f"signatures of {len(persons)}", unit="step", mininterval=1)
    for number in bar:
        losses = games.step(padded, counts, tf.constant(others), tf.constant([seed, number]))
    if not np.isfinite(losses).all():
        raise FloatingPointError("the losses of the signatures are not finite: take a lower learning_rate")
    kinds = {"d": games.averages, "g": games.generators}
    return {
        f"{kind}{place}": np.array(weights)
        for kind, several in kinds.items()
        for place, weights in enumerate(several)
    }


class _Games:
    """The variables of so many games, and a step of all of them as one compiled function."""

    def __init__(self, count: int, shape: tuple[int, int, int], recipe: Recipe, channels: int):
        """channels: that a generator makes; of grey images one, or their colours would give it away."""
        self.count, self.shape, self.recipe, self.channels = count, shape, recipe, channels
        kinds = [[keras.Variable(values, trainable=True) for values in kind] for kind in self._first(0)]
        self.discriminators, self.generators = kinds
        self.averages = [keras.Variable(values) for values in self._first(0)[0]]
        self.optimizers = [training.FusedAdam(recipe.learning_rate, beta_1=0.0, beta_2=0.99) for _ in kinds]
        for optimizer, variables in zip(self.optimizers, kinds, strict=True):
            optimizer.build(variables)
        self._fresh = [[np.array(value) for value in optimizer.variables] for optimizer in self.optimizers]
        self.step = tf.function(self._step, autograph=False, reduce_retracing=True)

    def start(self, seed: int) -> None:
        """First weights, drawn from a seed, and optimizers that have seen nothing."""
        discriminators, generators = self._first(seed)
        new = [discriminators, generators, discriminators, *self._fresh]
        held = [self.discriminators, self.generators, self.averages]
        held += [optimizer.variables for optimizer in self.optimizers]
        for variables, values in zip(held, new, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def _first(self, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        rng, width, made = np.random.default_rng(seed), self.recipe.width, (*self.shape[:2], self.channels)
        discriminators = stacks.new_discriminators(rng, self.count, self.shape, width)
        return discriminators, stacks.new_generators(rng, self.count, made, width)

    def _step(self, persons: tf.Tensor, counts: tf.Tensor, others: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        """Both turns of every game; the losses of the last, (2,)."""
        keys = tf.unstack(tf.random.split(key, 5), num=5)
        several, losses = (self.count, self.recipe.images), gans.OBJECTIVES["minimax"]
        chosen = tf.cast(
            tf.random.stateless_uniform(several, keys[0]) * tf.cast(counts[:, None], tf.float32), tf.int32
        )
        own = self._changed(
            tf.gather(persons, tf.minimum(chosen, counts[:, None] - 1), batch_dims=1), keys[1]
        )
        strangers = []
        if "others" in self.recipe.against:
            drawn = tf.random.stateless_uniform(several, keys[2], 0, tf.shape(others)[0], tf.int32)
            strangers.append(self._changed(tf.gather(others, drawn), keys[3]))
        generator_loss = tf.zeros(())
        if "generated" in self.recipe.against:
            latents = tf.random.stateless_normal((*several, stacks.LATENTS), keys[4])
            with tf.GradientTape() as tape:
                made = stacks.generate(_values(self.generators), latents, self.shape)
                judged = stacks.discriminate(_values(self.discriminators), made)
                generator_loss = tf.reduce_sum(tf.reduce_mean(losses.generator(None, judged), 1))
            self._move(1, tape, generator_loss)
            strangers.append(tf.stop_gradient(made))
        with tf.GradientTape() as tape:
            seen = stacks.discriminate(_values(self.discriminators), tf.concat([own, *strangers], 1))
            real, *told = tf.split(seen, 1 + len(strangers), 1)
            found = tf.add_n([losses.discriminator(real, fake) for fake in told]) / len(told)
            loss = tf.reduce_sum(tf.reduce_mean(found, 1))  # of independent games: gradients do not mix
        self._move(0, tape, loss)
        step = tf.cast(key[1], tf.float32)
        kept = tf.minimum(self.recipe.ema_decay, (1 + step) / (10 + step))  # first weights are forgotten soon
        for slow, fast in zip(self.averages, self.discriminators, strict=True):
            slow.assign(kept * slow.value + (1 - kept) * fast.value)
        return tf.stack([loss, generator_loss]) / self.count

    def _changed(self, images: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        flat = tf.reshape(images, (-1, *self.shape))
        return tf.reshape(
            training.augmentation.camera(flat, key), (self.count, self.recipe.images, *self.shape)
        )

    def _move(self, player: int, tape: tf.GradientTape, loss: tf.Tensor) -> None:
        variables = (self.discriminators, self.generators)[player]
        self.optimizers[player].apply(tape.gradient(loss, _values(variables)), variables)


# Traced once for all calls that are alike but for their steps.
_games = lru_cache(maxsize=len(AGAINST) + 1)(_Games)


def _values(variables: Sequence[keras.Variable]) -> list[tf.Tensor]:
    return [variable.value for variable in variables]


@lru_cache(maxsize=8)
def _comparison(kernels: tuple[tuple[int, ...], ...], shape: tuple[int, int, int]) -> Callable:
    """Weights of such shapes and images (N, H, W, C) to logits (N, P), as one function."""

    def compare(weights: stacks.Weights, images: tf.Tensor) -> tf.Tensor:
        return tf.transpose(stacks.discriminate(weights, tf.repeat(images[None], kernels[0][0], 0)))

    specs = [
        [tf.TensorSpec(kernel, tf.float32) for kernel in kernels],
        tf.TensorSpec((None, *shape), tf.float32),
    ]
    return tf.function(compare, autograph=False).get_concrete_function(*specs)
