"""The smallest noise that changes a classifier's answer, searched for with its scores alone.

`search` is this project's own: an evolution strategy with structured mutations, which needs far fewer
questions than the paper's (see `evolution`).

lead    how far another class, a rival, is ahead of the true one, in logits: below 0 where the answer is right
slope   what a lead gains per grey level along one atom, a pattern of unit norm
rise    what a lead has to gain, from the clean image on, to reach 0, if its slopes hold on
"""

import numpy as np
from numpy.typing import ArrayLike

from helpers.backend import keras, tf
from helpers.minimum_noise import boundary
from helpers.minimum_noise.atoms import Atoms, Slopes
from helpers.minimum_noise.oracle import BATCH, MinimumNoise, Oracle, progress

OFFSPRING = 100  # of `search`, per image and generation: at least so many,
GROWTH = 0.1  # and at least this share of the questions asked before
PROBES = 5  # one of so many repeats an atom, to see how fast slopes change
MUTATION = 2.0  # grey levels: the norm of a mutation of `search`
RIVALS = 20  # classes whose lead over the true one is followed, the likeliest first
TARGETS = 2  # of them are aimed at in a generation
LEAST = 0.3  # of the lead of the true class over another, that noise is thought to have to close
SELECTION = (TARGETS + 1) * boundary.QUESTIONS  # questions that choose the next parent
TOGETHER = 16  # images searched at once


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
    with oracle.interruptible(), progress(oracle, queries) as show:
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
