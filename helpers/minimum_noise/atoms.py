"""Patterns that a search adds to images, and what it knows of their effect on a score.

The patterns (atoms) are cosines within blocks of about 8 x 8 pixels in three opponent colours: together an
orthonormal basis of all images, in which few atoms carry most of a classifier's gradient.
"""

import numpy as np

from helpers.backend import tf

BLOCK = 8  # pixels, about: the side of the blocks
# Grey, red against green, yellow against blue.
OPPONENT = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]]) / np.sqrt([[3], [2], [6]])
COLOUR_ENERGY = (1.0, 0.4, 0.3)  # of a gradient, before anything is known of it
STEEPNESS = 4.0  # its energy falls to half at this sum of squared frequencies
DOUBT = 2.0  # measurements that the guess above is worth
ROUNDS = 3  # of the fit that separates places from kinds


class Atoms:
    """Orthonormal atoms of images (H, W, C), numbered 0 … H·W·C - 1.

    count: D; place: (D,) number of an atom's block; kind: (D,) number of its frequencies and colour; guess:
    (D,) the energy that a gradient is expected to have in it, up to a factor.
    """

    def __init__(self, height: int, width: int, channels: int):
        """Sides in pixels, and channels; three are taken for red, green and blue."""
        self.shape, self.count = (height, width, channels), height * width * channels
        (rows, row_block, row_frequency), (columns, column_block, column_frequency) = map(
            _cosines, (height, width)
        )
        colours = OPPONENT if channels == 3 else np.eye(channels)
        self._factors = [tf.constant(factor, tf.float32) for factor in (rows, columns, colours)]
        row, column, colour = np.unravel_index(np.arange(self.count), self.shape)
        self.place = row_block[row] * (column_block.max() + 1) + column_block[column]
        frequencies = row_frequency[row], column_frequency[column]
        self.kind = (frequencies[0] * (column_frequency.max() + 1) + frequencies[1]) * channels + colour
        energy = COLOUR_ENERGY if channels == 3 else np.ones(channels)
        self.guess = np.array(energy)[colour] / (1 + (frequencies[0] ** 2 + frequencies[1] ** 2) / STEEPNESS)

    def images(self, chosen: np.ndarray) -> tf.Tensor:
        """The chosen atoms (…,) as images (…, H, W, C) of unit norm."""
        factors = zip(self._factors, np.unravel_index(chosen, self.shape), strict=True)
        return tf.einsum("...i,...j,...c->...ijc", *(tf.gather(factor, place) for factor, place in factors))

    def sums(self, weights: np.ndarray) -> tf.Tensor:
        """Images (N, H, W, C) that are the sums of all atoms, weighted: (N, D)."""
        weights = tf.reshape(tf.cast(weights, tf.float32), (-1, *self.shape))
        return tf.einsum("nuvk,ui,vj,kc->nijc", weights, *self._factors)

    def weights(self, images: np.ndarray) -> np.ndarray:
        """What `sums` needs to give images (N, H, W, C) back: (N, D)."""
        weights = tf.einsum("nijc,ui,vj,kc->nuvk", tf.cast(images, tf.float32), *self._factors)
        return tf.reshape(weights, (len(images), -1)).numpy()


class Slopes:
    """What is known of the slopes of R scores of each of N images along all atoms.

    estimate: (N, R, D) slopes; certainty: (N, D) the share of a slope's variance that its estimate explains,
    1 where it was just measured, 0 where never; it fades as the image moves on.
    """

    def __init__(self, atoms: Atoms, count: int, scores: int):
        """Nothing is known yet of the slopes along `atoms` of so many scores of so many images."""
        self.atoms = atoms
        self.estimate = np.zeros((count, scores, atoms.count), np.float32)
        self.certainty = np.zeros((count, atoms.count), np.float32)
        self._age = np.zeros_like(self.certainty)
        self._places, self._kinds = (
            np.eye(numbers.max() + 1, dtype=np.float32)[numbers] for numbers in (atoms.place, atoms.kind)
        )

    def choose(self, offspring: int, probes: int) -> np.ndarray:
        """Atoms worth measuring next, (N, offspring): the least known of those expected to matter.

        probes of them are the steepest of those measured longest ago: they tell how fast slopes fade.
        """
        doubt = self.expected() * (1 - self.certainty)
        if not probes or not self.certainty.any():
            return _largest(doubt, offspring)
        again = _largest(np.sqrt(self.energy()) * self._age, probes)
        np.put_along_axis(doubt, again, -1, 1)
        return np.concatenate([again, _largest(doubt, offspring - probes)], 1)

    def energy(self) -> np.ndarray:
        """Squared slope of every atom, mean over the scores, (N, D)."""
        return np.einsum("nrd,nrd->nd", self.estimate, self.estimate) / self.estimate.shape[1]

    def learn(self, chosen: np.ndarray, slopes: np.ndarray) -> None:
        """Take up what was measured: chosen (N, P) atoms and their slopes (N, R, P).

        What was not measured fades as much as the chosen ones have since they were measured before.
        """
        before = np.take_along_axis(self.estimate, chosen[:, None], 2)
        again = (np.take_along_axis(self.certainty, chosen, 1) > 0)[:, None]
        common, whole = (before * slopes * again).sum((1, 2)), (before**2 * again).sum((1, 2))
        kept = np.clip(np.divide(common, whole, out=np.ones_like(whole), where=whole > 0), 0, 1)[:, None]
        self.estimate *= kept[..., None]
        self.certainty *= kept**2
        self._age += 1
        np.put_along_axis(self.estimate, chosen[:, None], slopes.astype(np.float32), 2)
        np.put_along_axis(self.certainty, chosen, 1.0, 1)
        np.put_along_axis(self._age, chosen, 0.0, 1)

    def expected(self) -> np.ndarray:
        """Expected squared slope of every atom, (N, D): the product of one factor a place and one a kind.

        Fitted in turns to what is certain, beside `Atoms.guess` worth `DOUBT` measurements.
        """
        seen = self.certainty
        energy = self.energy() * seen
        total = (seen * self.atoms.guess).sum(1, keepdims=True)
        scale = np.divide(energy.sum(1, keepdims=True), total, out=np.ones_like(total), where=total > 0)
        guess = (scale * self.atoms.guess).astype(np.float32)
        by_place = np.ones((len(seen), self._places.shape[1]), np.float32)
        by_kind = np.ones((len(seen), self._kinds.shape[1]), np.float32)
        prior = DOUBT * guess.mean(1, keepdims=True)
        for _ in range(ROUNDS):
            for factor, other, member, others in (
                (by_place, by_kind, self._places, self.atoms.kind),
                (by_kind, by_place, self._kinds, self.atoms.place),
            ):
                predicted = (seen * guess * other[:, others]) @ member
                factor[:] = (energy @ member + prior) / (predicted + prior)
        return guess * by_place[:, self.atoms.place] * by_kind[:, self.atoms.kind]


def _cosines(side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosine transform of `side` pixels in blocks: matrix (side, side); block and frequency of each row."""
    matrix, block, frequency = np.zeros((side, side)), np.zeros(side, int), np.zeros(side, int)
    for number, pixels in enumerate(np.array_split(np.arange(side), max(1, round(side / BLOCK)))):
        along = np.arange(len(pixels))
        cosines = np.cos(np.pi * (along + 0.5) * along[:, None] / len(pixels))
        matrix[np.ix_(pixels, pixels)] = cosines / np.linalg.norm(cosines, axis=1, keepdims=True)
        block[pixels], frequency[pixels] = number, along
    return matrix, block, frequency


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Numbers of the largest values in each row, (N, count)."""
    return np.argpartition(-values, count - 1, axis=1)[:, :count]
