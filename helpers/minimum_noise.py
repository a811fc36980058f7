"""The smallest noise that changes a classifier's answer, searched for with its scores alone.

`evolutionary` is the search of Aghdam, Heravi and Puig (2016), section 3. `search` is this project's own: an
evolution strategy with structured mutations, which needs far fewer questions.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from helpers import boundary, philox
from helpers.atoms import Atoms, Slopes
from helpers.backend import keras, tf
from helpers.oracle import BATCH, MinimumNoise, Oracle

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

OFFSPRING = 100  # of `search`, per image and generation: at least so many,
GROWTH = 0.1  # and at least this share of the questions asked before
PROBES = 5  # one of so many repeats an atom, to see how fast slopes change
MUTATION = 2.0  # grey levels: the norm of a mutation of `search`
RIVALS = 20  # classes whose lead over the true one is followed, the likeliest first
TARGETS = 2  # of them are aimed at in a generation
LEAST = 0.3  # of the lead of the true class over another, that noise is thought to have to close
SELECTION = (TARGETS + 1) * boundary.QUESTIONS  # questions that choose the next parent
TOGETHER = 16  # images searched at once


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
    wanted = np.flatnonzero(~oracle.already_wrong)
    together = max(1, BATCH // population)

    def assessed(clean: tf.Tensor, noise: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Objective of noises (N, P, D), and which are misclassified."""
        labels = tf.repeat(label[:, None], noise.shape[1], 1)
        noisy = tf.reshape(clean + noise, (-1, *oracle.images.shape[1:]))
        shares = tf.nn.softmax(oracle.scores(noisy))
        shares = tf.reshape(shares, (*noise.shape[:2], -1))
        wrong = tf.argmax(shares, -1, labels.dtype) != labels
        return objective(shares, labels, tf.norm(noise, axis=-1)), wrong

    with oracle.interruptible(), _progress(oracle, 1 + population * generations) as show:
        for first in range(0, len(wanted), together):
            some = wanted[first : first + together]
            _evolve(oracle, some, assessed, generations, population, mutated, seed, show)
    return oracle.result()


def _evolve(
    oracle: Oracle,
    which: np.ndarray,
    assessed: Callable[..., tuple[tf.Tensor, tf.Tensor]],
    generations: int,
    population: int,
    mutated: float,
    seed: int,
    show: Callable[[], None],
) -> None:
    """Let the populations of some images evolve until each is finished."""
    clean, labels = tf.constant(oracle.images[which]), tf.constant(oracle.labels[which])
    clean = tf.reshape(clean, (len(which), 1, -1))
    genes = clean.shape[-1]

    def drawn(generation: int, each: int) -> tf.Tensor:
        values = _draws(*map(tf.constant, (which, generation, seed, population * each)))
        return tf.reshape(values, (-1, population, each))

    born, elite = _first(clean, drawn(0, genes)), None
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
        value, wrong = (part.numpy()[:, 0] for part in elite[1:])
        noisy = tf.reshape(clean + elite[0], (-1, *oracle.images.shape[1:])).numpy()
        better = wrong & (value < best)
        oracle.replace(which[better], noisy[better])
        idle = np.where(value < best, 0, idle + 1)
        best = value
        show()
        going = np.flatnonzero(idle < PATIENCE)
        if not len(going) or generation == generations:
            return
        if len(going) < len(which):  # converged images drop out
            which, best, idle = which[going], best[going], idle[going]
            clean, labels = tf.gather(clean, going), tf.gather(labels, going)
            grown, elite = ([tf.gather(part, going) for part in parts] for parts in (grown, elite))
        draws = drawn(generation, 2 * TOURNAMENT + 2 + genes)
        born = _bred(clean, *grown[:2], draws, tf.constant(mutated))


def _first(clean: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """The first noises (N, P, D): one mutation of every gene; draws: (N, P, D) uniform random numbers."""
    return tf.clip_by_value(clean + STEP * (2 * draws - 1), 0.0, 255.0) - clean


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
    return philox.draw(philox.UNIFORM, philox.keys(which, seed, which, generation), _EVOLUTION, size)


def search(
    model: keras.Model, images: np.ndarray, labels: ArrayLike, *, queries: int = 5000, seed: int
) -> MinimumNoise:
    """An evolution strategy for the smallest noise that makes a classifier wrong, from its scores alone.

    model: classifier with logits or probabilities; images: (N, H, W, C) in [0, 255]; labels: (N,); queries:
    images that the model may be asked about for each. The result for an image depends on it,
    its number and the seed, not on the other images.

    A generation has four steps. Mutation: every offspring differs from its parent in one atom (see `atoms`),
    those that are expected to matter and least known. Recombination: what they change in the lead of a rival
    class over the true one are its slopes, and weigh the atoms. Projection: for the rivals that these slopes
    put nearest, the smallest noise inside [0, 255] that reaches them if the slopes hold on. Selection: these,
    and the middle of the first and the best noise so far, are scaled to just across the real boundary; the
    smallest is the next parent. Generations grow, because small gains need slopes that are known well.
    An interrupt (Ctrl-C, the stop button) ends the search with what it has found. Raises as `Oracle`.
    """
    least = SELECTION + 3  # with the image itself, one offspring, and the last look
    if queries < least:
        raise ValueError(f"queries is {queries}: a search asks at least {least} times about an image")
    oracle = Oracle(model, images, labels)
    atoms = Atoms(*oracle.images.shape[1:])
    wanted = np.flatnonzero(~oracle.already_wrong)
    rivals = np.argsort(-oracle.clean, 1)[:, : min(RIVALS, oracle.clean.shape[1] - 1)]
    with oracle.interruptible(), _progress(oracle, queries) as show:
        for first in range(0, len(wanted), TOGETHER):
            which = wanted[first : first + TOGETHER]
            parent, leads = oracle.images[which], _of(oracle.clean[which], rivals[which])
            slopes = Slopes(atoms, *leads.shape)
            draws = [np.random.default_rng((seed, image)) for image in which]
            while (left := queries - 1 - oracle.queries[which[0]]) > SELECTION:
                offspring = max(OFFSPRING, int(GROWTH * oracle.queries[which[0]]))
                offspring = min(offspring, left - SELECTION, atoms.count)
                chosen = slopes.choose(offspring, offspring // PROBES)
                steps = MUTATION * np.array([2.0 * draw.integers(0, 2, offspring) - 1 for draw in draws])
                born = _born(oracle, which, parent, atoms, chosen, steps)
                changes = _of(born, rivals[which][:, None]) - leads[:, None]
                slopes.learn(chosen, np.moveaxis(changes / steps[..., None], 1, 2))
                parent, ahead = _selected(oracle, which, rivals[which], parent, leads, slopes)
                leads = _of(ahead, rivals[which])
                show()
    return oracle.result()


def _of(scores: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Scores of chosen classes, on the last axis."""
    return np.take_along_axis(scores, classes, -1)


def _born(
    oracle: Oracle, which: np.ndarray, parent: np.ndarray, atoms: Atoms, chosen: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """How far the classes are ahead (N, P, K) of parents plus steps (N, P) along the chosen atoms (N, P)."""
    each, found = max(1, BATCH // len(which)), []
    for first in range(0, chosen.shape[1], each):  # as many as one call of the model takes
        part = slice(first, first + each)
        some = tf.constant(steps[:, part, None, None, None], tf.float32) * atoms.images(chosen[:, part])
        found.append(oracle.ahead(which, tf.clip_by_value(parent[:, None] + some, 0.0, 255.0)))
    return np.concatenate(found, 1)


def _selected(
    oracle: Oracle,
    which: np.ndarray,
    rivals: np.ndarray,
    parent: np.ndarray,
    leads: np.ndarray,
    slopes: Slopes,
) -> tuple[np.ndarray, np.ndarray]:
    """The next parents (N, H, W, C), and how far the classes are ahead there (N, K).

    rivals: (N, R) classes; leads: (N, R) how far they are ahead at the parents; slopes: of that, around them.
    """
    image = oracle.images[which]
    rise = np.einsum("nrd,nd->nr", slopes.estimate, slopes.atoms.weights(parent - image)) - leads
    rise = np.maximum(rise, -LEAST * _of(oracle.clean[which], rivals))  # wanted, from the clean image on
    steepness = np.linalg.norm(slopes.estimate, axis=2)
    nearest = np.argsort(rise / np.maximum(steepness, 1e-12), 1)
    noises = []
    for target in nearest[:, :TARGETS].T[..., None]:
        along = np.take_along_axis(slopes.estimate, target[..., None], 1)[:, 0]
        along = slopes.atoms.sums(along).numpy()
        noises.append(boundary.smallest_noise(image, along, _of(rise, target)[:, 0]))
    found = np.isfinite(oracle.norms[which])[:, None, None, None]
    noises.append(np.where(found, (noises[0] + oracle.noise[which]) / 2, noises[0]))
    options = (boundary.crossing(oracle, which, noise) for noise in noises)
    noisy, ahead, sizes = (np.stack(parts) for parts in zip(*options, strict=True))
    best = sizes.argmin(0), np.arange(len(which))
    return noisy[best], ahead[best]


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
