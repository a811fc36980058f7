"""The search of Aghdam, Heravi and Puig (2016), section 3: noises that evolve."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from helpers.backend import keras, tf
from helpers.minimum_noise.oracle import BATCH, MinimumNoise, Oracle, progress
from helpers.noise import philox

# Section 3: tournaments of 5, mutations in [-10, 10], the end after 50 generations without improvement.
TOURNAMENT = 5
STEP = 10.0  # grey levels
PATIENCE = 50
# What section 3 leaves open.
MUTATED = 0.1  # share of the genes that a mutation changes
BEYOND = 0.25  # how far intermediate crossover reaches beyond both parents, as a share of their distance
NORM_WEIGHT = 0.01  # lambda, per grey level
RIGHT_WEIGHT = 100.0  # beta


def boundary_objective(
    shares: tf.Tensor, labels: tf.Tensor, sizes: tf.Tensor, norm_weight: float = NORM_WEIGHT
) -> tf.Tensor:
    """Equations (2) and (3): psi + lambda · ||r||, least where an image is only just misclassified.

    shares: (…, K) probabilities; labels: (…,) true classes; sizes: (…,) norms of the noise in grey levels;
    norm_weight: lambda. psi is beta times the probability of the true class while that is the highest, else
    how much the highest is above it.
    """
    own = tf.gather(shares, labels, batch_dims=len(labels.shape))
    highest = tf.reduce_max(shares, -1)
    return tf.where(own >= highest, RIGHT_WEIGHT * own, highest - own) + norm_weight * sizes


def score_objective(
    shares: tf.Tensor, labels: tf.Tensor, sizes: tf.Tensor, norm_weight: float = NORM_WEIGHT
) -> tf.Tensor:
    """Equation (1), after Szegedy et al.: the probability of the true class + lambda · ||r||.

    Weighed by beta as in `boundary_objective`, which takes the same arguments, so that the two differ only
    beyond the boundary.
    """
    own = tf.gather(shares, labels, batch_dims=len(labels.shape))
    return RIGHT_WEIGHT * own + norm_weight * sizes


def evolutionary(
    model: keras.Model,
    images: np.ndarray,
    labels: ArrayLike,
    *,
    generations: int = 1000,
    population: int = 50,
    seed: int,
    mutated: float = MUTATED,
    objective: Callable[..., tf.Tensor] = boundary_objective,
) -> MinimumNoise:
    """The evolutionary search of Aghdam et al. 2016, section 3.

    model, images, labels as in `search`; population: noises that evolve for each image, of the image's size;
    generations: at most; mutated: share of the genes that a mutation changes, 0.001 to 1; objective:
    `boundary_objective` or `score_objective`, minimised.
    Parents win tournaments; an offspring is their arithmetic, intermediate or uniform crossover, each equally
    likely, and some of its genes mutate; the best noise survives. The last of these that makes an image wrong
    is the result, as the objective wants it: it need not be the smallest on the way. An image is finished
    after `PATIENCE` generations that improve nothing. The populations of many images evolve at once, one call
    of the model a generation. Interrupts and errors as in `search`.
    """
    if min(generations, population) < 1:
        raise ValueError(f"{generations} generations of {population}: both must be at least 1")
    if not 0.001 <= mutated <= 1:
        raise ValueError(f"mutated is {mutated}: it is a share from 0.001 to 1")
    oracle = Oracle(model, images, labels)
    evolution = _Evolution(oracle, objective, population, mutated, seed)
    wanted, together = np.flatnonzero(~oracle.already_wrong), max(1, BATCH // population)
    with oracle.interruptible(), progress(oracle, 1 + population * generations) as show:
        for first in range(0, len(wanted), together):
            evolution.run(wanted[first : first + together], generations, show)
    return oracle.result()


class Population(NamedTuple):
    """Noises that evolve for each of N images, P an image.

    noise: (N, P, D) grey levels, the D values of an image in a row; fitness: (N, P) the objective, which is
    minimised; wrong: (N, P) bool, whether the image is misclassified with it.
    """

    noise: tf.Tensor
    fitness: tf.Tensor
    wrong: tf.Tensor

    def joined(self, other: "Population") -> "Population":
        """These noises and others for the same images."""
        return Population(*(tf.concat(pair, 1) for pair in zip(self, other, strict=True)))

    def best(self) -> "Population":
        """The fittest noise of every image, the first of several: P = 1."""
        fittest = tf.argmin(self.fitness, 1)[:, None]
        return Population(*(tf.gather(part, fittest, batch_dims=1) for part in self))

    def of(self, rows: np.ndarray) -> "Population":
        """The noises for some of the images."""
        return Population(*(tf.gather(part, rows) for part in self))


@dataclass(frozen=True, eq=False)
class _Evolution:
    """What `evolutionary` was asked for: whose images, what counts as fit, and how noises are bred.

    size: noises an image; mutated: share of the genes. In the methods, which: (N,) numbers of images.
    """

    oracle: Oracle
    objective: Callable[..., tf.Tensor]
    size: int
    mutated: float
    seed: int

    def run(self, which: np.ndarray, generations: int, show: Callable[[], None]) -> None:
        """Let the noises for some images evolve until each is finished; the oracle keeps what is found."""
        born, elite = self.first(which), None
        least, idle = np.full(len(which), np.inf), np.zeros(len(which), int)
        for generation in range(1, generations + 1):
            grown = self.assessed(which, born)
            grown = grown if elite is None else elite.joined(grown)
            elite = grown.best()
            fitness, wrong = elite.fitness.numpy()[:, 0], elite.wrong.numpy()[:, 0]
            better = fitness < least
            noisy = self.noisy(which, elite.noise).numpy()
            self.oracle.replace(which[better & wrong], noisy[better & wrong])
            least, idle = fitness, np.where(better, 0, idle + 1)
            show()
            going = np.flatnonzero(idle < PATIENCE)
            if not len(going) or generation == generations:
                return
            if len(going) < len(which):  # converged images drop out
                which, least, idle = which[going], least[going], idle[going]
                grown, elite = grown.of(going), elite.of(going)
            born = self.offspring(which, grown, generation)

    def first(self, which: np.ndarray) -> tf.Tensor:
        """The first noises (N, P, D): one mutation of every gene."""
        clean = self._clean(which)
        steps = STEP * (2 * self._drawn(which, 0, clean.shape[-1]) - 1)
        return tf.clip_by_value(clean + steps, 0.0, 255.0) - clean

    def offspring(self, which: np.ndarray, parents: Population, generation: int) -> tf.Tensor:
        """Noises (N, P, D) of the next generation."""
        clean = self._clean(which)
        draws = self._drawn(which, generation, 2 * TOURNAMENT + 2 + clean.shape[-1])
        return _bred(clean, parents.noise, parents.fitness, draws, tf.constant(self.mutated))

    def assessed(self, which: np.ndarray, noise: tf.Tensor) -> Population:
        """Noises (N, P, D) with their fitness, by a question to the model about each; it is counted."""
        labels = tf.repeat(tf.constant(self.oracle.labels[which])[:, None], noise.shape[1], 1)
        shares = tf.nn.softmax(self.oracle.scores(self.noisy(which, noise)))
        shares = tf.reshape(shares, (*noise.shape[:2], -1))
        fitness = self.objective(shares, labels, tf.norm(noise, axis=-1))
        self.oracle.checked(which, fitness.numpy())
        self.oracle.count(which, noise.shape[1])
        return Population(noise, fitness, tf.argmax(shares, -1, labels.dtype) != labels)

    def noisy(self, which: np.ndarray, noise: tf.Tensor) -> tf.Tensor:
        """Images (N · P, H, W, C) with their noises (N, P, D)."""
        return tf.reshape(self._clean(which) + noise, (-1, *self.oracle.images.shape[1:]))

    def _clean(self, which: np.ndarray) -> tf.Tensor:
        return tf.reshape(self.oracle.images[which], (len(which), 1, -1))

    def _drawn(self, which: np.ndarray, generation: int, each: int) -> tf.Tensor:
        """Uniform random numbers (N, P, each)."""
        values = _draws(*map(tf.constant, (which, generation, self.seed, self.size * each)))
        return tf.reshape(values, (-1, self.size, each))


@tf.function(autograph=False, jit_compile=True, reduce_retracing=True)  # fused: a tenth of the time
def _bred(
    clean: tf.Tensor, noise: tf.Tensor, fitness: tf.Tensor, draws: tf.Tensor, mutated: tf.Tensor
) -> tf.Tensor:
    """Offspring (N, P, D) of noises (N, Q, D) with their fitness (N, Q), for clean images (N, 1, D).

    draws: (N, P, 2 · `TOURNAMENT` + 2 + D) uniform random numbers; mutated: share of the genes.
    """
    contest, rest = draws[..., : 2 * TOURNAMENT], draws[..., 2 * TOURNAMENT :]
    rivals = tf.cast(contest * tf.cast(tf.shape(fitness)[1], tf.float32), tf.int32)
    parents = []
    for some in (rivals[..., :TOURNAMENT], rivals[..., TOURNAMENT:]):
        winner = tf.argmin(tf.gather(fitness, some, batch_dims=1), -1)[..., None]
        parents.append(tf.gather(noise, tf.gather(some, winner, batch_dims=2)[..., 0], batch_dims=1))
    operator, common, genes = rest[..., :1], rest[..., 1:2], rest[..., 2:]
    # Drawing is slow: of the 23 bits of a gene's number, 8 serve its crossover and 15 its mutation.
    crossing = tf.floor(genes * 2**8) / 2**8
    mutating = (genes - crossing) * 2**23  # 0 … 2^15 - 1
    intermediate = (1 + 2 * BEYOND) * crossing - BEYOND
    uniform = tf.cast(crossing < 0.5, tf.float32)
    share = tf.where(operator < 1 / 3, common, tf.where(operator < 2 / 3, intermediate, uniform))
    below = tf.round(mutated * 2**15)
    step = tf.where(mutating < below, STEP * ((2 * mutating + 1) / below - 1), 0.0)
    child = parents[1] + share * (parents[0] - parents[1]) + step
    return tf.clip_by_value(clean + child, 0.0, 255.0) - clean


@tf.function(autograph=False, reduce_retracing=True)
def _draws(which: tf.Tensor, generation: tf.Tensor, seed: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Uniform random numbers (N, size), keyed by seed, image and generation."""
    return philox.draw(philox.UNIFORM, philox.keys(which, seed, which, generation), philox.EVOLUTION, size)
