import numpy as np
import pytest

from helpers.minimum_noise.atoms import Atoms, Slopes

SHAPES = [(10, 12, 3), (8, 8, 1), (5, 20, 2)]


@pytest.mark.parametrize("shape", SHAPES)
def test_atoms_are_an_orthonormal_basis_of_all_images(shape):
    atoms = Atoms(*shape)
    size = np.prod(shape)
    every = atoms.images(np.arange(size)).numpy().reshape(size, -1)
    np.testing.assert_allclose(every @ every.T, np.eye(size), atol=1e-5)


def test_sums_are_weighted_sums_of_the_images():
    atoms = Atoms(*SHAPES[0])
    weights = np.random.default_rng(0).normal(size=(2, 360))
    expected = np.einsum("nd,dijc->nijc", weights, atoms.images(np.arange(360)).numpy())
    np.testing.assert_allclose(atoms.sums(weights), expected, atol=1e-4)


def test_weights_are_those_whose_sum_an_image_is():
    atoms = Atoms(*SHAPES[0])
    images = np.random.default_rng(0).uniform(0, 255, (2, *SHAPES[0])).astype(np.float32)
    np.testing.assert_allclose(atoms.sums(atoms.weights(images)), images, atol=1e-3)


def test_an_atom_lies_in_its_block_and_the_first_kind_is_flat_and_grey():
    atoms = Atoms(16, 24, 3)
    assert len(np.unique(atoms.place)) == 2 * 3
    assert len(np.unique(atoms.kind)) == 8 * 8 * 3
    images = atoms.images(np.arange(len(atoms.kind))).numpy()
    for place in range(6):
        rows, columns = np.divmod(place, 3)
        block = images[atoms.place == place, 8 * rows : 8 * rows + 8, 8 * columns : 8 * columns + 8]
        np.testing.assert_allclose((block**2).sum((1, 2, 3)), 1, atol=1e-5)
    (flat,) = images[(atoms.place == 0) & (atoms.kind == 0)]
    np.testing.assert_allclose(flat[:8, :8], 1 / np.sqrt(8 * 8 * 3), atol=1e-6)


def test_blocks_of_other_sides_are_nearly_equal():
    assert [np.bincount(Atoms(side, 8, 1).place)[0] for side in (28, 30, 5)] == [7 * 8, 8 * 8, 5 * 8]


def separable(atoms, rng):
    """Slopes whose variance is a factor of their place times a factor of their kind."""
    place = rng.uniform(0.2, 3, atoms.place.max() + 1) ** 2
    kind = rng.uniform(0.2, 3, atoms.kind.max() + 1) ** 2
    return atoms.guess * place[atoms.place] * kind[atoms.kind]


def test_expected_slopes_are_learnt_from_those_measured():
    atoms, rng = Atoms(24, 24, 3), np.random.default_rng(0)
    variance = separable(atoms, rng)
    truth = rng.normal(0, np.sqrt(variance), (4, len(variance)))
    slopes = Slopes(atoms, 4, 1)
    half = np.stack([rng.permutation(len(variance))[: len(variance) // 2] for _ in range(4)])
    slopes.learn(half, np.take_along_axis(truth, half, 1)[:, None])
    found = slopes.expected()
    for row in range(4):
        rest = np.setdiff1d(np.arange(len(variance)), half[row])
        known = np.corrcoef(np.log(found[row, rest]), np.log(variance[rest]))[0, 1]
        guessed = np.corrcoef(np.log(atoms.guess[rest]), np.log(variance[rest]))[0, 1]
        assert known > 0.85 > guessed + 0.05


def test_what_is_unknown_is_chosen_first_and_what_was_measured_longest_ago_again():
    atoms = Atoms(8, 8, 1)
    slopes = Slopes(atoms, 2, 3)
    first = slopes.choose(40, probes=5)
    assert all(len(set(row)) == 40 for row in first)
    np.testing.assert_array_equal(np.sort(atoms.guess[first[0]])[::-1], np.sort(atoms.guess)[::-1][:40])
    slopes.learn(first, np.ones((2, 3, 40)))
    second = slopes.choose(20, probes=5)
    assert [len(set(old) & set(new)) for old, new in zip(first, second, strict=True)] == [5, 5]


def test_slopes_fade_as_those_measured_again_do():
    slopes = Slopes(Atoms(8, 8, 1), 2, 2)
    chosen = np.tile(np.arange(10), (2, 1))
    slopes.learn(chosen, np.full((2, 2, 10), [[4.0], [8.0]]))
    again = np.tile(np.arange(3), (2, 1))
    measured = np.array([[[2.0], [4.0]], [[-1.0], [-2.0]]]).repeat(3, 2)
    slopes.learn(again, measured)
    np.testing.assert_allclose(slopes.estimate[..., :3], measured)
    kept = np.array([[[2.0], [4.0]], [[0.0], [0.0]]]).repeat(7, 2)  # half, or nothing
    np.testing.assert_allclose(slopes.estimate[..., 3:10], kept)
    np.testing.assert_allclose(slopes.certainty[:, 3:10], [[0.25] * 7, [0] * 7])
    assert not slopes.estimate[..., 10:].any()
