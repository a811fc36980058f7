import numpy as np
import pytest
from scipy import stats

from helpers.stability import certified_radius, expected_calibration_error

SIGMAS = (1, 2, 4)


def test_calibration_error_by_hand():
    bins = [[0, 0, 0], [10, 4, 5], [30, 27, 15]]  # gaps 0.1 of 10 copies, 0.4 of 30
    assert expected_calibration_error([bins]) == pytest.approx([(10 * 0.1 + 30 * 0.4) / 40])


def test_calibration_error_of_the_extremes():
    perfect, sure_and_wrong, nothing = [[8, 2, 2], [4, 3, 3]], [[0, 0, 0], [5, 5, 0]], [[0, 0, 0]] * 2
    found = expected_calibration_error([perfect, sure_and_wrong, nothing])
    np.testing.assert_allclose(found, [0, 1, np.nan])


def test_calibration_error_against_the_definition():
    rng = np.random.default_rng(9)
    confidence = rng.random((3, 500))
    right = rng.random((3, 500)) < confidence ** np.array([[1], [2], [4]])  # ever more overconfident
    bins = (10 * confidence).astype(int)
    calibration, expected = np.zeros((3, 10, 3)), np.zeros(3)
    for sigma in range(3):
        for number in range(10):
            inside = bins[sigma] == number
            sure, true = confidence[sigma, inside], right[sigma, inside]
            calibration[sigma, number] = inside.sum(), sure.sum(), true.sum()
            expected[sigma] += inside.mean() * abs(true.mean() - sure.mean())
    found = expected_calibration_error(calibration)
    np.testing.assert_allclose(found, expected)
    assert found[0] < 0.1 < found[1] < found[2] < 1


def test_certified_radius_has_the_exact_lower_bound():
    for copies, alpha in ((100, 0.001), (37, 0.05)):
        hits = np.arange(copies + 1)
        radius = certified_radius(hits, copies, 25.0, alpha=alpha)
        tests = [stats.binomtest(k, copies, alternative="greater") for k in hits.tolist()]
        lower = np.array([test.proportion_ci(1 - alpha, method="exact").low for test in tests])
        np.testing.assert_allclose(radius, np.where(lower > 0.5, 25 * stats.norm.ppf(lower), 0), atol=1e-9)
        assert (np.diff(radius) >= 0).all() and (radius[: copies // 2 + 1] == 0).all() and radius[-1] > 0


def test_certified_radius_of_unanimous_votes():
    # all of n votes: p is the n-th root of alpha
    expected = 12 * stats.norm.ppf(0.001 ** (1 / 1000))
    assert certified_radius(1000, 1000, 12) == pytest.approx(expected)
    assert certified_radius(9, 9, 12) == 0  # too few to be certain
    assert certified_radius(10, 10, 12) > 0
    assert certified_radius(0, 1, 12, alpha=0.9) == 0  # the bound of no hit is 0


@pytest.mark.parametrize("chance", [0.5, 0.7, 0.95])
def test_certified_radius_is_too_large_as_rarely_as_it_says(chance):
    hits = np.arange(201)
    radius = certified_radius(hits, 200, 1.0, alpha=0.01)
    too_large = stats.binom.pmf(hits, 200, chance)[radius > stats.norm.ppf(chance)].sum()
    assert 0 < too_large <= 0.01


def test_certified_radius_of_a_sweep_is_in_the_unit_of_its_sigmas():
    hits = np.array([[99, 80, 40], [100, 100, 10]])
    radius = certified_radius(hits, 100, SIGMAS)
    assert radius.shape == (2, 3)
    np.testing.assert_allclose(radius, SIGMAS * certified_radius(hits, 100, 1))
    assert (certified_radius(hits, 100, SIGMAS, alpha=0.1) >= radius).all()


def test_certified_radius_refuses_impossible_votes():
    for hits, message in ([3, 101], "3 to 101 hits of 100 copies"), ([-1, 2], "-1 to 2 hits"):
        with pytest.raises(ValueError, match=message):
            certified_radius(hits, 100, 25)
    for alpha in (0, 1, 5):
        with pytest.raises(ValueError, match=f"alpha {alpha}: a probability of error"):
            certified_radius(99, 100, 25, alpha=alpha)
