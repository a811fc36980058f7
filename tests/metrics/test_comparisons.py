import numpy as np
import pytest
from scipy import stats

from helpers import metrics
from helpers.metrics import ratio_row


def test_where_nothing_differs_others_might():
    for equal in (np.ones(40, bool), np.ones((3, 40))):
        row = metrics.difference_row(equal, equal)
        assert row["difference"] == 0 and row["p"] == 1
        assert -row["low"] == row["high"] == pytest.approx(100 * 1.96**2 / (40 + 1.96**2), rel=0.01)


def test_paired_test_by_hand():
    correct = np.repeat([True, False], [20, 20])
    other = correct.copy()
    other[0] = False  # right alone once
    other[20:25] = True  # wrong alone five times
    assert metrics.paired_test(correct, other) == pytest.approx(2 * (1 + 6) / 2**6)
    assert metrics.paired_test(other, correct) == metrics.paired_test(correct, other)
    assert metrics.paired_test(correct, correct) == 1


def test_paired_test_only_counts_disagreements():
    rng = np.random.default_rng(4)
    correct, other = rng.random(500) < 0.8, rng.random(500) < 0.7
    disagree = correct != other
    first = (correct & ~other).sum()
    expected = min(1, 2 * stats.binom.cdf(min(first, disagree.sum() - first), disagree.sum(), 0.5))
    assert metrics.paired_test(correct, other) == pytest.approx(expected)
    assert metrics.paired_test(correct[disagree], other[disagree]) == pytest.approx(expected)


def test_paired_test_refuses_other_images():
    with pytest.raises(ValueError, match=r"same images: \(3,\) and \(2,\) differ"):
        metrics.paired_test([1, 0, 1], [1, 0])


def test_holm_on_a_worked_example():
    np.testing.assert_allclose(metrics.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(metrics.holm([0.6, 0.02, 0.7]), [1, 0.06, 1])  # at most one
    np.testing.assert_allclose(metrics.holm([0.03]), [0.03])


def test_difference_row_is_the_paired_comparison():
    correct, other = np.repeat([[1, 1, 0, 0], [1, 0, 1, 0]], [500, 60, 40, 400], axis=1).astype(bool)
    row = metrics.difference_row(correct, other)
    assert row["difference"] == pytest.approx(2) and row["images"] == 1000
    # Wald: sqrt(b + c - (b - c)^2 / n) / n with b = 60, c = 40
    reach = 100 * 1.959964 * np.sqrt(100 - 20**2 / 1000) / 1000
    assert (row["low"], row["high"]) == (pytest.approx(2 - reach), pytest.approx(2 + reach))
    assert row["p"] == metrics.paired_test(correct, other)


def test_ratio_row_is_paired():
    rng = np.random.default_rng(0)
    others = rng.lognormal(0, 2, 60)
    found = ratio_row(others * rng.lognormal(np.log(1.5), 0.1, 60), others)
    assert found["ratio"] == pytest.approx(1.5, rel=0.05)
    assert found["low"] < found["ratio"] < found["high"] < 1.6
    assert found["p"] < 1e-9
    assert found["pairs"] == 60


def test_ratio_row_ranks_what_is_infinite():
    sizes, others = np.array([1, 1, np.inf, np.inf, 2]), np.array([2, 4, 1, np.inf, np.inf])
    found = ratio_row(sizes, others)
    assert found["pairs"] == 4
    logs = np.log([1 / 2, 1 / 4, 1e9, 1e-9])
    assert found["p"] == pytest.approx(stats.wilcoxon(logs).pvalue)
    assert ratio_row([1, 2], [1, 2])["p"] == 1
