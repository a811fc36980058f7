"""The smallest noise that changes a classifier's answer, searched for with its scores alone.

`evolutionary` is the search of Aghdam, Heravi and Puig (2016), section 3. `search` is this project's own: an
evolution strategy with structured mutations, which needs far fewer questions.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from helpers import philox
from helpers.atoms import Atoms, Slopes
from helpers.backend import keras, tf
from helpers.oracle import BATCH, MinimumNoise, Oracle, norms

# Section 3: tournaments of 5, mutations in [-10, 10], the end after 50 generations without improvement.
TOURNAMENT = 5
STEP = 10.0  # grey levels
PATIENCE = 50
# What section 3 leaves open.
MUTATED = 0.1  # share of the genes that a mutation changes
BEYOND = 0.25  # how far intermediate crossover reaches beyond both parents, as a share of their distance
NORM_WEIGHT = 0.01  # lambda, per grey level
RIGHT_WEIGHT = 100.0  # beta
_EVOLUTION = 6  # stream of the draws

OFFSPRING = 150  # of `search`, per image and generation
PROBES = 5  # one of so many repeats an atom, to see how fast slopes change
MUTATION = 5.0  # grey levels: the norm of a mutation of `search`
SCALES = np.geomspace(0.5, 8.0, 8)  # of a noise, tried on the way to the boundary
FINER = 8  # scales tried between two of them
SELECTION = 2 * (len(SCALES) + FINER)  # questions that choose the next parent
TOGETHER = 16  # images searched at once
MARGIN = 1e-4  # difference of logits that counts as across the boundary: above what rounding does


def boundary_objective(shares: tf.Tensor, labels: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """Equations (2) and (3): psi + lambda · ||r||, least where an image is only just misclassified.

    shares: (…, K) probabilities; labels: (…,) true classes; sizes: (…,) norms of the noise in grey levels.
    psi is beta times the probability of the true class while that is the highest, else how much the highest
    is above it.
    """
    own = tf.gather(shares, labels, batch_dims=len(labels.shape))
    highest = tf.reduce_max(shares, -1)
    return tf.where(own >= highest, RIGHT_WEIGHT * own, highest - own) + NORM_WEIGHT * sizes


def score_objective(shares: tf.Tensor, labels: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """Equation (1), after Szegedy et al.: the probability of the true class + lambda · ||r||.

    Weighed by beta as in `boundary_objective`, which takes the same arguments, so that the two differ only
    beyond the boundary.
    """
    own = tf.gather(shares, labels, batch_dims=len(labels.shape))
    return RIGHT_WEIGHT * own + NORM_WEIGHT * sizes


def evolutionary(
    model: keras.Model,
    images: np.ndarray,
    labels: ArrayLike,
    *,
    generations: int = 1000,
    population: int = 50,
    seed: int,
    objective: Callable[..., tf.Tensor] = boundary_objective,
) -> MinimumNoise:
    """The evolutionary search of Aghdam et al. 2016, section 3.

    model, images, labels as in `search`; population: noises that evolve for each image, of the image's size;
    generations: at most; objective: `boundary_objective` or `score_objective`, minimised.
    Parents win tournaments; an offspring is their arithmetic, intermediate or uniform crossover, each equally
    likely, and some of its genes mutate; the best noise survives. An image is finished after `PATIENCE`
    generations that improve nothing. The populations of many images evolve at once, one call of the model a
    generation. Interrupts and errors as in `search`.
    """
    oracle = Oracle(model, images, labels)
    wanted = np.flatnonzero(~oracle.already_wrong)
    together = max(1, BATCH // population)

    @tf.function(autograph=False, reduce_retracing=True)
    def assessed(clean: tf.Tensor, noise: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Objective of noises (N, P, D), and which are misclassified."""
        labels = tf.repeat(label[:, None], tf.shape(noise)[1], 1)
        noisy = tf.reshape(clean + noise, (-1, *oracle.images.shape[1:]))
        shares = tf.nn.softmax(oracle.scores(noisy))
        shares = tf.reshape(shares, (*tf.unstack(tf.shape(noise)[:2]), shares.shape[-1]))
        wrong = tf.argmax(shares, -1, labels.dtype) != labels
        return objective(shares, labels, tf.norm(noise, axis=-1)), wrong

    with suppress(KeyboardInterrupt), _progress(oracle, 1 + population * generations) as show:
        for first in range(0, len(wanted), together):
            _evolve(oracle, wanted[first : first + together], assessed, generations, population, seed, show)
    return oracle.result()


def _evolve(
    oracle: Oracle,
    which: np.ndarray,
    assessed: Callable[..., tuple[tf.Tensor, tf.Tensor]],
    generations: int,
    population: int,
    seed: int,
    show: Callable[[], None],
) -> None:
    """Let the populations of some images evolve until each is finished."""
    clean, labels = tf.constant(oracle.images[which]), tf.constant(oracle.labels[which])
    clean = tf.reshape(clean, (len(which), 1, -1))
    born, elite = _first(clean, which, population, seed), None
    best, idle = np.full(len(which), np.inf), np.zeros(len(which), int)
    for generation in range(1, generations + 1):
        fitness, wrong = assessed(clean, born, labels)
        oracle.checked(which, fitness.numpy())
        oracle.count(which, population)
        grown = born, fitness, wrong
        if elite is not None:
            grown = [tf.concat(pair, 1) for pair in zip(elite, grown, strict=True)]
        leader = tf.argmin(grown[1], 1)[:, None]
        elite = [tf.gather(part, leader, batch_dims=1) for part in grown]
        noisy = tf.reshape(clean + elite[0], (-1, *oracle.images.shape[1:])).numpy()
        oracle.keep(which, noisy, elite[2].numpy()[:, 0])
        value = elite[1].numpy()[:, 0]
        idle = np.where(value < best, 0, idle + 1)
        best = value
        show()
        going = np.flatnonzero(idle < PATIENCE)
        if not len(going):
            return
        if len(going) < len(which):  # converged images drop out
            which, best, idle = which[going], best[going], idle[going]
            clean, labels = tf.gather(clean, going), tf.gather(labels, going)
            grown, elite = ([tf.gather(part, going) for part in parts] for parts in (grown, elite))
        born = _bred(clean, *grown[:2], _draws(clean, which, generation, population, seed))


def _first(clean: tf.Tensor, which: np.ndarray, population: int, seed: int) -> tf.Tensor:
    """The first noises (N, P, D): one mutation of every gene."""
    keys = philox.keys(clean, seed, which, 0)
    draws = philox.draw(philox.UNIFORM, keys, _EVOLUTION, population * clean.shape[-1])
    steps = STEP * (2 * tf.reshape(draws, (len(which), population, -1)) - 1)
    return tf.clip_by_value(clean + steps, 0.0, 255.0) - clean


@tf.function(autograph=False, reduce_retracing=True)
def _bred(clean: tf.Tensor, noise: tf.Tensor, fitness: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Offspring (N, P, D) of noises (N, Q, D) with their fitness (N, Q), for clean images (N, 1, D).

    draws: (N, P, 2 · `TOURNAMENT` + 2 + 2 · D) uniform random numbers.
    """
    contest, rest = draws[..., : 2 * TOURNAMENT], draws[..., 2 * TOURNAMENT :]
    rivals = tf.cast(contest * tf.cast(tf.shape(fitness)[1], tf.float32), tf.int32)
    parents = []
    for some in (rivals[..., :TOURNAMENT], rivals[..., TOURNAMENT:]):
        winner = tf.argmin(tf.gather(fitness, some, batch_dims=1), -1)[..., None]
        parents.append(tf.gather(noise, tf.gather(some, winner, batch_dims=2)[..., 0], batch_dims=1))
    operator, common = rest[..., :1], rest[..., 1:2]
    crossing, mutating = tf.split(rest[..., 2:], 2, -1)
    intermediate = (1 + 2 * BEYOND) * crossing - BEYOND
    uniform = tf.cast(crossing < 0.5, tf.float32)
    share = tf.where(operator < 1 / 3, common, tf.where(operator < 2 / 3, intermediate, uniform))
    step = tf.where(mutating < MUTATED, STEP * (2 * mutating / MUTATED - 1), 0.0)
    child = parents[1] + share * (parents[0] - parents[1]) + step
    return tf.clip_by_value(clean + child, 0.0, 255.0) - clean


def _draws(clean: tf.Tensor, which: np.ndarray, generation: int, population: int, seed: int) -> tf.Tensor:
    """Uniform random numbers for `_bred`, keyed by seed, image and generation."""
    each = 2 * TOURNAMENT + 2 + 2 * clean.shape[-1]
    keys = philox.keys(clean, seed, which, generation)
    values = philox.draw(philox.UNIFORM, keys, _EVOLUTION, population * each)
    return tf.reshape(values, (len(which), population, each))


def search(
    model: keras.Model, images: np.ndarray, labels: ArrayLike, *, queries: int = 5000, seed: int
) -> MinimumNoise:
    """An evolution strategy for the smallest noise that makes a classifier wrong, from its scores alone.

    model: classifier with logits or probabilities; images: (N, H, W, C) in [0, 255]; labels: (N,); queries:
    images that the model may be asked about for each. The result for an image depends on it,
    its number and the seed, not on the other images.

    A generation has four steps. Mutation: every offspring differs from its parent in one atom (see `atoms`),
    those that are expected to matter and least known. Recombination: their changes of the margin (the highest
    other score minus the true class's) are slopes, and weigh the atoms. Projection: of all noises that reach
    the boundary if these slopes hold on, the smallest one inside [0, 255]. Selection: it, and its middle with
    the best noise so far, are scaled to just across the real boundary; the smaller one is the next parent.
    An interrupt (Ctrl-C, the stop button) ends the search with what it has found. Raises as `Oracle`.
    """
    oracle = Oracle(model, images, labels)
    atoms = Atoms(*oracle.images.shape[1:])
    wanted = np.flatnonzero(~oracle.already_wrong)
    with suppress(KeyboardInterrupt), _progress(oracle, queries) as show:
        for first in range(0, len(wanted), TOGETHER):
            which = wanted[first : first + TOGETHER]
            parent, height = oracle.images[which], oracle.clean_margins[which]
            slopes = Slopes(atoms, len(which))
            draws = [np.random.default_rng((seed, image)) for image in which]
            while (left := queries - 1 - oracle.queries[which[0]]) > SELECTION:
                offspring = min(OFFSPRING, left - SELECTION)
                chosen = slopes.choose(offspring, offspring // PROBES)
                steps = MUTATION * np.array([2.0 * draw.integers(0, 2, offspring) - 1 for draw in draws])
                heights = oracle.margins(which, _mutated(parent, atoms.images(chosen), steps))
                slopes.learn(chosen, (heights - height[:, None]) / steps)
                parent, height = _selected(oracle, which, parent, height, atoms.sums(slopes.estimate))
                show()
    return oracle.result()


def _mutated(parent: np.ndarray, atoms: tf.Tensor, steps: np.ndarray) -> tf.Tensor:
    """Every parent (N, H, W, C) with each of P atoms added, times steps (N, P), inside [0, 255]."""
    steps = tf.constant(steps[..., None, None, None], tf.float32)
    return tf.clip_by_value(parent[:, None] + steps * atoms, 0.0, 255.0)


def _selected(
    oracle: Oracle, which: np.ndarray, parent: np.ndarray, height: np.ndarray, slopes: tf.Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """The next parents, and their margins. slopes: (N, H, W, C) of the margins around the parents."""
    image, slopes = oracle.images[which], slopes.numpy()
    rise = (slopes * (parent - image)).sum((1, 2, 3)) - height  # of the margin from the clean image on
    new = smallest_noise(image, slopes, np.maximum(rise, 1e-3 * np.abs(height)))
    found = np.isfinite(oracle.norms[which])[:, None, None, None]
    middle = np.where(found, (new + oracle.noise[which]) / 2, new)
    options = [_across(oracle, which, noise) for noise in (new, middle)]
    sizes = [np.where(heights > MARGIN, norms(noisy - image), np.inf) for noisy, heights in options]
    second = sizes[1] < sizes[0]
    (first_image, first_height), (second_image, second_height) = options
    chosen = np.where(second[:, None, None, None], second_image, first_image)
    return chosen, np.where(second, second_height, first_height)


def smallest_noise(images: np.ndarray, slopes: np.ndarray, rise: np.ndarray) -> np.ndarray:
    """The smallest noise along which a linear score rises as wanted, and with which images stay in [0, 255].

    slopes: (N, H, W, C) of the score; rise: (N,) above 0. It is t · slopes, clipped: t is found by bisection.
    The largest such noise where none rises enough.
    """
    most = rise / np.maximum((slopes**2).sum((1, 2, 3)), 1e-12)  # t if nothing is clipped
    low, high = np.zeros(len(images)), np.full(len(images), 20.0)  # powers of 2 that multiply it

    def noise(power: np.ndarray) -> np.ndarray:
        scaled = (most * 2**power)[:, None, None, None] * slopes
        return np.clip(images + scaled, 0, 255) - images

    for _ in range(20):
        middle = (low + high) / 2
        enough = (slopes * noise(middle)).sum((1, 2, 3)) >= rise
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return noise(high).astype(np.float32)


def _across(oracle: Oracle, which: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images with the noise scaled to just across the boundary, and their margins; what is found is kept.

    Where no scale crosses it, the largest.
    """
    rows = np.arange(len(which))
    scales = np.tile(SCALES, (len(rows), 1))
    for again in (True, False):
        noisy = _scaled(oracle.images[which], noise, scales)
        heights = oracle.margins(which, noisy)
        crossed = np.where((heights > MARGIN).any(1), (heights > MARGIN).argmax(1), len(scales[0]) - 1)
        if again:
            last = scales[rows, crossed]
            before = np.where(crossed > 0, scales[rows, crossed - 1], 0.0)
            scales = before[:, None] + (last - before)[:, None] * np.arange(1, FINER + 1) / FINER
    chosen = noisy.numpy()[rows, crossed]
    oracle.keep(which, chosen, heights[rows, crossed] > MARGIN)
    return chosen, heights[rows, crossed]


def _scaled(images: np.ndarray, noise: np.ndarray, scales: np.ndarray) -> tf.Tensor:
    scales = tf.constant(scales[..., None, None, None], tf.float32)
    return tf.clip_by_value(images[:, None] + scales * noise[:, None], 0.0, 255.0)


@contextmanager
def _progress(oracle: Oracle, queries: int) -> Iterator[Callable[[], None]]:
    """A bar over the questions about all images, with the median norm and the success so far."""
    wanted = ~oracle.already_wrong
    with tqdm(total=queries * int(wanted.sum()), desc="minimum noise", unit="query", unit_scale=True) as bar:

        def show() -> None:
            found = oracle.norms[wanted]
            bar.n = int(oracle.queries[wanted].sum())
            bar.set_postfix(median=f"{np.median(found):.0f}", success=f"{np.isfinite(found).mean():.0%}")

        yield show
