import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers import metrics


def grey(*levels, side=16):
    return np.stack([np.full((side, side, 3), level, np.uint8) for level in levels])


# Images


def test_psnr_by_hand():
    found = metrics.psnr(grey(100, 0, 7), grey(101, 255, 7))
    np.testing.assert_allclose(found, [10 * np.log10(255**2), 0, np.inf])
    assert found.dtype == np.float64


def test_psnr_averages_the_error_over_an_image():
    noisy = grey(100, 100)
    noisy[0, :8, :, :] += 10  # half of the values: a mean square of 50
    noisy[1, 0, 0, 0] += 10  # one value of 768
    expected = [10 * np.log10(255**2 / 50), 10 * np.log10(255**2 * 768 / 100)]
    np.testing.assert_allclose(metrics.psnr(grey(100, 100), noisy), expected)


def test_psnr_of_bytes_does_not_wrap_around():
    np.testing.assert_allclose(metrics.psnr(grey(3), grey(13)), metrics.psnr(grey(13), grey(3)))
    np.testing.assert_allclose(metrics.psnr(grey(3), grey(13)), 10 * np.log10(255**2 / 100))


def test_psnr_of_known_noise():
    clean = np.full((4, 64, 64, 3), 128.0)
    noisy = clean + np.random.default_rng(0).normal(0, 10, clean.shape)
    np.testing.assert_allclose(metrics.psnr(clean, noisy), 20 * np.log10(255 / 10), atol=0.2)


def test_psnr_refuses_images_of_another_shape():
    with pytest.raises(ValueError, match=r"clean images \(2, .* and noisy images \(1, .* differ in shape"):
        metrics.psnr(grey(1, 2), grey(1))


def test_ssim_of_even_images_by_hand():
    constant = (0.01 * 255) ** 2
    expected = [1, (2 * 50 * 200 + constant) / (50**2 + 200**2 + constant)]
    np.testing.assert_allclose(metrics.ssim(grey(80, 50), grey(80, 200)), expected, atol=1e-5)


def test_ssim_falls_with_noise_and_turns_negative_for_a_negative():
    rng = np.random.default_rng(0)
    clean = rng.uniform(60, 200, (1, 32, 32, 3))
    field = rng.normal(size=clean.shape)
    found = [metrics.ssim(clean, clean + sigma * field)[0] for sigma in (0, 10, 40)]
    assert 1 - 1e-6 < found[0] <= 1 + 1e-6
    assert 1 > found[1] > found[2] > 0
    assert metrics.ssim(clean, 255 - clean)[0] < -0.5


# Intervals


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_against_published_numbers(right, count, low, high):
    correct = np.arange(count) < right
    np.testing.assert_allclose(
        metrics.accuracy_interval(correct), [right / count, low, high], rtol=0, atol=5e-5
    )


def test_interval_of_another_level():
    correct = np.arange(200) < 150
    _, low, high = metrics.accuracy_interval(correct)
    _, lower, higher = metrics.accuracy_interval(correct, level=0.99)
    assert lower < low < 0.75 < high < higher
    groups = np.arange(200) // 5
    _, low, high = metrics.accuracy_interval(correct, groups)
    _, lower, higher = metrics.accuracy_interval(correct, groups, level=0.99)
    assert lower < low < 0.75 < high < higher


def test_interval_by_group_is_wider_where_frames_agree():
    right = np.random.default_rng(1).random(200) < 0.8
    groups = np.repeat(np.arange(200), 10)
    correct = np.repeat(right, 10)
    accuracy, low, high = metrics.accuracy_interval(correct)
    by_group = metrics.accuracy_interval(correct, groups)
    assert by_group[0] == accuracy == right.mean()
    assert by_group[1] < accuracy < by_group[2]
    ratio = (by_group[2] - by_group[1]) / (high - low)
    assert abs(ratio - np.sqrt(10)) < 0.3  # ten times fewer independent answers


def test_interval_by_group_of_single_images_is_that_of_images():
    correct = np.random.default_rng(2).random(400) < 0.7
    by_image, by_group = (
        metrics.accuracy_interval(correct),
        metrics.accuracy_interval(correct, np.arange(400)),
    )
    np.testing.assert_allclose(by_group, by_image, atol=0.01)


def test_interval_by_group_weights_groups_of_unequal_size():
    correct = np.repeat([True, False], [90, 10])
    groups = np.repeat([7, 3, 9], [45, 45, 10])
    accuracy, low, high = metrics.accuracy_interval(correct, groups)
    assert accuracy == 0.9
    assert low == 0  # the small wrong group alone, drawn three times in 1 of 27 resamples
    assert high == 1


def test_interval_by_group_is_the_same_in_every_run_and_order():
    rng = np.random.default_rng(3)
    correct, groups = rng.random(300) < 0.6, np.arange(300) // 6
    first = metrics.accuracy_interval(correct, groups)
    assert metrics.accuracy_interval(correct, groups) == first
    assert metrics.accuracy_interval(correct, groups, seed=1) != first
    order = rng.permutation(300)
    assert metrics.accuracy_interval(correct[order], groups[order]) == first


def test_an_accuracy_of_no_images_is_refused():
    with pytest.raises(ValueError, match="no images"):
        metrics.accuracy_interval([])


def test_row_of_a_table_is_in_percent():
    correct, groups = np.arange(40) % 4 > 0, np.arange(40) // 4 % 7
    row = metrics.accuracy_row(correct, groups)
    assert list(row) == ["accuracy", "low", "high", "track_low", "track_high", "images"]
    expected = [*metrics.accuracy_interval(correct), *metrics.accuracy_interval(correct, groups)[1:]]
    np.testing.assert_allclose(list(row.values())[:5], 100 * np.array(expected))
    assert row["accuracy"] == 75
    assert row["images"] == 40
    alone = metrics.accuracy_row(correct, np.arange(40))
    without = metrics.accuracy_row(correct)
    assert np.isnan([alone["track_low"], alone["track_high"], without["track_low"]]).all()
    assert alone["low"] == row["low"]


# Tests


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


# Classes

NAMES = ("left", "right", "stop", "never")
LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
PREDICTED = np.array([0, 0, 1, 1, 1, 0, 2, 2, 2, 1])


def test_per_class_report_by_hand():
    report = metrics.per_class_report(LABELS, PREDICTED, NAMES)
    assert list(report) == ["class", "name", "precision", "recall", "f1", "images"]
    assert list(report["name"]) == list(NAMES)
    assert list(report["images"]) == [4, 2, 4, 0]
    np.testing.assert_allclose(report["precision"], [2 / 3, 1 / 4, 1, 0])
    np.testing.assert_allclose(report["recall"], [1 / 2, 1 / 2, 3 / 4, 0])
    np.testing.assert_allclose(report["f1"], [4 / 7, 1 / 3, 6 / 7, 0])


def test_confusion_has_true_classes_in_rows():
    expected = [[2, 2, 0, 0], [1, 1, 0, 0], [0, 1, 3, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(metrics.confusion(LABELS, PREDICTED, 4), expected)


def test_most_confused_names_the_frequent_errors_first():
    table = metrics.most_confused(LABELS, PREDICTED, NAMES)
    assert table.to_dict("list") == {
        "true": ["left", "right", "stop"],
        "predicted": ["right", "left", "right"],
        "images": [2, 1, 1],
        "share": [0.5, 0.5, 0.25],
    }
    assert len(metrics.most_confused(LABELS, PREDICTED, NAMES, count=2)) == 2
    assert metrics.most_confused(LABELS, LABELS, NAMES).empty


def test_ssim_refuses_images_below_its_window():
    with pytest.raises(ValueError, match="SSIM needs at least 7"):
        metrics.ssim(np.zeros((1, 6, 9, 3)), np.zeros((1, 6, 9, 3)))


def test_with_interval_shows_two_decimals():
    table = pd.DataFrame({"accuracy": [94.8298], "low": [94.4298], "high": [95.2025]}, index=[7])
    assert metrics.with_interval(table).to_dict() == {7: "94.83 [94.43, 95.20]"}


def test_difference_row_is_the_paired_comparison():
    correct, other = np.repeat([[1, 1, 0, 0], [1, 0, 1, 0]], [500, 60, 40, 400], axis=1).astype(bool)
    row = metrics.difference_row(correct, other)
    assert row["difference"] == pytest.approx(2) and row["images"] == 1000
    # Wald: sqrt(b + c - (b - c)^2 / n) / n with b = 60, c = 40
    reach = 100 * 1.959964 * np.sqrt(100 - 20**2 / 1000) / 1000
    assert (row["low"], row["high"]) == (pytest.approx(2 - reach), pytest.approx(2 + reach))
    assert row["p"] == metrics.paired_test(correct, other)
