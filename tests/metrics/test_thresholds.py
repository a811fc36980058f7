import numpy as np
import pytest
from scipy import stats

from helpers import metrics

SIGMAS = np.array([10.0, 20, 40])


def histograms(count, copies=100, seed=0):
    """Histograms (count, 4) of when copies fail, and the shares (count, 4) that they were drawn from."""
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet(np.ones(4), count)
    return rng.multinomial(copies, chances), chances


def test_failure_threshold_by_hand():
    failures = [
        [50, 0, 0, 50],  # half of them at once
        [100, 0, 0, 0],  # half at half of the first sigma
        [0, 0, 80, 20],  # none up to 20, then 80 % over 20 grey levels
        [40, 0, 20, 40],  # a level stretch
        [30, 10, 9, 51],  # one copy short of half
        [0, 0, 0, 100],
    ]
    found = metrics.failure_threshold(failures, SIGMAS, 0.5)
    np.testing.assert_allclose(found, [10, 5, 32.5, 30, np.inf, np.inf])
    assert found.dtype == np.float64
    np.testing.assert_allclose(
        metrics.failure_threshold(failures, SIGMAS, 0.05), [1, 0.5, 21.25, 1.25, 5 / 3, np.inf]
    )
    np.testing.assert_allclose(
        metrics.failure_threshold([[7, 0, 3, 0], [9, 0, 0, 1]], SIGMAS, 1), [40, np.inf]
    )


def test_failure_threshold_is_where_the_curve_first_has_the_share():
    failures, _ = histograms(400)
    for share in (0.05, 0.37, 0.5):
        found = metrics.failure_threshold(failures, SIGMAS, share)
        for row, threshold in zip(failures, found, strict=True):
            curve = np.cumsum([0, *row[:3]]) / 100
            if np.isinf(threshold):
                assert curve[-1] < share
                continue
            np.testing.assert_allclose(np.interp(threshold, [0, *SIGMAS], curve), share)
            assert np.interp(threshold - 0.01, [0, *SIGMAS], curve) < share


def test_failure_threshold_counts_copies_exactly():
    copies = np.arange(1, 100)
    failures = np.stack([copies, 0 * copies, 0 * copies, 100 - copies], axis=1)
    found = [metrics.failure_threshold(failures, SIGMAS, share / 100) for share in copies]
    assert (np.isfinite(found) == np.triu(np.ones((99, 99)))).all()
    np.testing.assert_allclose(np.diag(found), 10)


def test_failure_threshold_grows_with_the_share_and_scales_with_the_unit():
    failures, _ = histograms(50)
    found = np.array(
        [metrics.failure_threshold(failures, SIGMAS, share) for share in np.linspace(0.02, 1, 40)]
    )
    assert (found[1:] >= found[:-1]).all() and np.isfinite(found).any() and np.isinf(found).any()
    np.testing.assert_allclose(metrics.failure_threshold(3 * failures, SIGMAS / 255, 0.02), found[0] / 255)


def test_failure_threshold_of_a_sweep_that_starts_at_zero():
    np.testing.assert_allclose(
        metrics.failure_threshold([[60, 0, 40], [10, 80, 10]], [0, 8], 0.5), [0, 8 * 40 / 80]
    )


def test_failure_threshold_is_zero_where_the_share_has_failed_without_noise():
    failures = [[50, 0, 0, 50], [20, 60, 0, 20], [20, 0, 0, 80]]
    found = metrics.failure_threshold(failures, [0, 10, 20], 0.5)
    np.testing.assert_allclose(found, [0, 5, np.inf])  # from 20 % at 0 to 80 % at 10


@pytest.mark.parametrize(
    ("failures", "sigmas", "share", "message"),
    [
        ([[1, 2, 3]], SIGMAS, 0.5, r"failures \(1, 3\) of 3 sigmas: one column each, one for never"),
        ([[1, 2, 3, 4]], [10, 40, 20], 0.5, "sigmas .*10.* 40.* 20.*: .* ascend"),
        ([[1, 2, 3, 4]], [-1, 0, 1], 0.5, "ascend from 0"),
        ([[1, 2, 3, 4]], SIGMAS, 0, r"share 0 by .* in \(0, 1\]"),
        ([[1, 2, 3, 4]], SIGMAS, 5, "share 5"),
        ([[1, 2, 3, 4], [0, 0, 0, 0]], SIGMAS, 0.5, "an image without copies"),
    ],
)
def test_failure_thresholds_refuse_what_does_not_fit(failures, sigmas, share, message):
    for measure in (metrics.failure_threshold, metrics.failure_threshold_interval):
        with pytest.raises(ValueError, match=message):
            measure(failures, sigmas, share)


def test_failure_threshold_interval_is_that_of_exact_binomial_bounds():
    failures, _ = histograms(60, copies=37)
    for share, level in ((0.05, 0.95), (0.5, 0.8), (1, 0.95)):
        found = metrics.failure_threshold_interval(failures, SIGMAS, share, level=level)
        for row, ends in zip(failures, found, strict=True):
            tests = [stats.binomtest(int(k), 37) for k in np.cumsum(row)[:-1]]
            bounds = [test.proportion_ci(level, method="exact") for test in tests]
            for end, curve in zip(ends, ([b.high for b in bounds], [b.low for b in bounds]), strict=True):
                if curve[-1] < share:
                    assert end == np.inf
                else:
                    np.testing.assert_allclose(np.interp(end, [0, *SIGMAS], [0, *curve]), share, rtol=1e-6)
                    assert np.interp(end - 0.01, [0, *SIGMAS], [0, *curve]) < share


def test_failure_threshold_interval_holds_the_threshold_and_narrows_with_the_copies():
    failures, _ = histograms(300, copies=50)
    for share in (0.05, 0.5):
        threshold = metrics.failure_threshold(failures, SIGMAS, share)
        low, high = metrics.failure_threshold_interval(failures, SIGMAS, share).T
        assert (low <= threshold).all() and (threshold <= high).all()
        assert (low < high)[np.isfinite(low)].all()
        closer, below = metrics.failure_threshold_interval(20 * failures, SIGMAS, share).T
        np.testing.assert_allclose(metrics.failure_threshold(20 * failures, SIGMAS, share), threshold)
        assert (closer >= low).all() and (below <= high).all()
        finite = np.isfinite(high)
        narrower = (below[finite] - closer[finite]) / (high[finite] - low[finite])
        assert np.median(narrower) < 0.35  # about 1 / sqrt(20)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_failure_threshold_interval_covers_the_truth_as_often_as_it_says_or_more(share):
    failures, chances = histograms(1000)
    truth = metrics.failure_threshold(chances, SIGMAS, share)
    low, high = metrics.failure_threshold_interval(failures, SIGMAS, share, level=0.9).T
    assert 0.89 < ((low <= truth) & (truth <= high)).mean() < 0.99


def test_failure_threshold_interval_may_end_at_infinity_and_keeps_a_width_at_the_border():
    failures = [[0, 0, 0, 100], [0, 1, 3, 96], [90, 0, 0, 10], [0, 0, 100, 0], [0, 0, 0, 9]]
    ends = metrics.failure_threshold_interval(failures, SIGMAS, 0.05)
    assert (ends[0] == np.inf).all()  # of a hundred copies without failure, less than 5 % can fail
    assert 10 < ends[1, 0] < 40 and ends[1, 1] == np.inf
    assert 0 < ends[2, 0] < 10 * 0.05 / 0.9 < ends[2, 1] < 1
    none, every = 1 - 0.025 ** (1 / 100), 0.025 ** (1 / 100)  # upper bound of none, lower bound of all
    np.testing.assert_allclose(ends[3], 20 + 20 * np.array([(0.05 - none) / (1 - none), 0.05 / every]))
    assert ends[4].tolist() == [pytest.approx(10 * 0.05 / (1 - 0.025 ** (1 / 9))), np.inf]  # too few copies
    assert metrics.failure_threshold_interval(np.zeros((0, 4), int), SIGMAS, 0.05).shape == (0, 2)


def test_failure_threshold_of_a_set_pools_its_copies_and_draws_its_images():
    failures, _ = histograms(30)
    threshold, low, high = metrics.group_failure_threshold(failures, SIGMAS, 0.5)
    pooled = failures.sum(0)
    assert threshold == metrics.failure_threshold([pooled], SIGMAS, 0.5)[0]
    drawn = np.random.default_rng(7).integers(30, size=(4000, 30))
    resampled = metrics.failure_threshold(failures[drawn].sum(1), SIGMAS, 0.5)
    np.testing.assert_allclose([low, high], np.quantile(resampled, [0.025, 0.975]), atol=0.6)
    assert low < threshold < high
    wider = metrics.group_failure_threshold(failures, SIGMAS, 0.5, level=0.99, resamples=4000)
    assert wider[0] == threshold and wider[1] < low and wider[2] > high


def test_failure_threshold_of_a_set_by_track_is_wider():
    failures, _ = histograms(60)
    frames, tracks = np.repeat(failures, 9, axis=0), np.repeat(np.arange(60), 9)
    by_frame = metrics.group_failure_threshold(frames, SIGMAS, 0.5)
    by_track = metrics.group_failure_threshold(frames, SIGMAS, 0.5, tracks)
    assert by_frame[0] == by_track[0]
    assert (by_track[2] - by_track[1]) / (by_frame[2] - by_frame[1]) == pytest.approx(3, rel=0.2)
    alone = metrics.group_failure_threshold(failures, SIGMAS, 0.5)
    np.testing.assert_allclose(by_track, alone)


def test_failure_threshold_of_a_set_may_be_infinite():
    never, once = [[0, 0, 0, 10]] * 4, [[10, 0, 0, 0]]
    assert metrics.group_failure_threshold(never, SIGMAS, 0.05) == (np.inf, np.inf, np.inf)
    threshold, low, high = metrics.group_failure_threshold(never + once, SIGMAS, 0.05)
    assert (threshold, high) == (10 * 0.05 / 0.2, np.inf)
    assert 0.5 < low < threshold
    assert metrics.group_failure_threshold(once, SIGMAS, 0.5) == (5, 5, 5)
    with pytest.raises(ValueError, match="without copies"):
        metrics.group_failure_threshold(np.zeros((0, 4)), SIGMAS, 0.5)
