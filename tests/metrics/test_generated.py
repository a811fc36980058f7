import numpy as np
import pytest
from scipy.linalg import sqrtm

from helpers import metrics

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(600, 5)) @ RNG.normal(size=(5, 5))


def test_the_distance_of_two_normal_distributions_is_the_one_on_paper():
    other = RNG.normal(size=(800, 5)) * [1, 2, 1, 1, 0.5] + [0, 0, 3, 0, 0]
    covariances = [np.cov(found, rowvar=False) for found in (REAL, other)]
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = np.square(REAL.mean(0) - other.mean(0)).sum() + np.trace(sum(covariances) - 2 * root)
    assert metrics.frechet_distance(REAL, other) == pytest.approx(expected)
    assert metrics.frechet_distance(other, REAL) == pytest.approx(expected)


def test_a_set_is_at_no_distance_from_itself_and_a_shift_counts_squared():
    assert metrics.frechet_distance(REAL, REAL[::-1]) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet_distance(REAL, REAL + np.array([3, 4, 0, 0, 0])) == pytest.approx(25)


def test_fewer_images_than_features_are_no_trouble():
    few = RNG.normal(size=(10, 40))
    assert metrics.frechet_distance(few, few) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet_distance(few, RNG.normal(size=(12, 40))) > 10


def test_the_kernel_distance_is_zero_on_average_for_two_samples_of_one_distribution():
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        one, other = rng.normal(size=(2, 100, 8))
        found.append(metrics.kernel_distance(one, other, seed=0, subsets=1, size=100)[0])
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))  # unbiased: both signs
    assert min(found) < 0 < max(found)


def test_the_kernel_distance_of_two_points_is_that_of_their_kernel():
    one, other = np.array([[1.0, 0], [1, 0]]), np.array([[0.0, 2], [0, 2]])
    kernel = [(1 / 2 + 1) ** 3, (4 / 2 + 1) ** 3, 1.0]
    assert metrics.kernel_distance(one, other, seed=0)[0] == pytest.approx(kernel[0] + kernel[1] - 2)


def test_the_kernel_distance_grows_with_a_shift_and_has_an_error_that_falls_with_subsets():
    mean, error = metrics.kernel_distance(REAL, REAL + 1, seed=0, subsets=10, size=100)
    further, _ = metrics.kernel_distance(REAL, REAL + 2, seed=0, subsets=10, size=100)
    assert 0 < mean < further
    assert 0 < metrics.kernel_distance(REAL, REAL + 1, seed=0, subsets=160, size=100)[1] < error


def test_missing_kinds_lower_the_recall_and_strange_images_the_precision():
    kinds = [RNG.normal(size=(200, 3)) * 0.1 + place for place in (0, 5)]
    real = np.concatenate(kinds)
    precision, recall = metrics.precision_recall(real, kinds[0] + 0.001)
    assert precision > 0.95
    assert recall == pytest.approx(0.5, abs=0.05)
    precision, recall = metrics.precision_recall(real, np.concatenate([real + 0.001, real + 50]))
    assert precision == pytest.approx(0.5, abs=0.05)
    assert recall > 0.95


def test_frames_of_a_track_are_no_neighbours_of_each_other():
    """Tracks of ten frames that hardly differ: without groups, nothing new is within their small radii."""
    tracks = RNG.normal(size=(2, 60, 3)) * 5
    real, other = (np.repeat(places, 10, 0) + RNG.normal(size=(600, 3)) * 0.01 for places in tracks)
    groups = np.repeat(np.arange(60), 10)
    assert max(metrics.precision_recall(real, other)) < 0.05
    both = metrics.precision_recall(real, other, groups=groups, generated_groups=groups)
    assert min(both) > 0.7
    alone = np.arange(600)
    assert metrics.precision_recall(real, other, groups=alone) == metrics.precision_recall(real, other)
    with pytest.raises(ValueError, match="1 groups: the largest leaves fewer than 3"):
        metrics.precision_recall(real, other, groups=np.zeros(600))


def test_density_and_coverage_are_those_counted_by_hand():
    """On a line, with one neighbour each: radii 1, 1 and 8, neighbourhoods [-1, 1], [0, 2] and [1, 17]."""
    real, made = np.array([[0.0], [1.0], [9.0]]), np.array([[-0.5], [0.5], [100.0], [101.0]])
    density, coverage = metrics.density_coverage(real, made, neighbours=1)
    assert density == pytest.approx(3 / 4) and coverage == pytest.approx(2 / 3)


def test_one_stray_real_image_makes_noise_precise_but_not_dense():
    stray, noise = np.full((1, 5), 100.0), RNG.normal(size=(500, 5)) * 10 + 40
    real = np.concatenate([RNG.normal(size=(600, 5)), stray])
    assert metrics.precision_recall(real, noise)[0] > 0.9
    assert metrics.density_coverage(real, noise)[0] < 0.5
    assert metrics.density_coverage(real, RNG.normal(size=(600, 5)))[0] == pytest.approx(1, abs=0.2)


def test_the_nearest_is_found():
    distances, places = metrics.nearest([[0.0, 0], [9, 9]], [[9.0, 8], [0, 3], [5, 5]])
    assert distances.tolist() == [3, 1]
    assert places.tolist() == [1, 0]


def test_other_features_and_too_few_are_refused():
    with pytest.raises(ValueError, match=r"\(600, 5\) and \(4, 3\): two sets \(N, D\) and \(M, D\)"):
        metrics.frechet_distance(REAL, np.zeros((4, 3)))
    with pytest.raises(ValueError, match="sets of 600 and 1 features: 2 of each"):
        metrics.frechet_distance(REAL, REAL[:1])
    with pytest.raises(ValueError, match="sets of 3 and 600 features: 4 of each"):
        metrics.precision_recall(REAL[:3], REAL)
