import tracemalloc
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import precision_recall_fscore_support

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


@pytest.mark.parametrize(("right", "count"), [(0, 7), (7, 7), (3, 8), (12_000, 12_630)])
def test_wilson_interval_against_scipy(right, count):
    for level in (0.95, 0.8):
        expected = stats.binomtest(right, count).proportion_ci(level, method="wilson")
        ends = metrics.accuracy_interval(np.arange(count) < right, level=level)[1:]
        np.testing.assert_allclose(ends, expected, atol=1e-12)
        assert 0 <= ends[0] < ends[1] <= 1


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


@pytest.mark.parametrize("right", [True, False])
def test_interval_by_group_has_a_width_where_all_images_are_right_or_all_wrong(right):
    correct, groups = np.full(60, right), np.arange(60) // 6
    of_ten = metrics.accuracy_interval(np.full(10, right))
    np.testing.assert_allclose(metrics.accuracy_interval(correct, groups), of_ten)
    assert of_ten[2] - of_ten[1] > 0.25
    with pytest.raises(ValueError, match="60 images but 10 groups"):
        metrics.accuracy_interval(correct, groups[:10])


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


# Means


def test_mean_interval_is_the_percentile_bootstrap():
    values = np.random.default_rng(0).gamma(2, 5, 60)
    drawn = np.random.default_rng(8).integers(60, size=(500, 60))
    expected = np.quantile(values[drawn].mean(1), [0.05, 0.95])
    mean, *ends = metrics.mean_interval(values, level=0.9, resamples=500, seed=8)
    assert mean == values.mean()
    np.testing.assert_allclose(ends, expected)


def test_mean_interval_has_the_width_of_normal_theory_in_any_range():
    values = np.random.default_rng(1).normal(-40, 7, 900)
    mean, low, high = metrics.mean_interval(values)
    reach = 1.96 * values.std() / 30
    np.testing.assert_allclose([low, high], [mean - reach, mean + reach], atol=0.1 * reach)
    scaled = metrics.mean_interval(1000 - 3 * values)
    np.testing.assert_allclose(scaled, [1000 - 3 * mean, 1000 - 3 * high, 1000 - 3 * low])


def test_mean_interval_covers_the_mean_about_as_often_as_it_says():
    samples = np.random.default_rng(2).beta(0.5, 2, (200, 60))  # a mean of 0.2
    ends = np.array([metrics.mean_interval(row, level=0.9, resamples=200)[1:] for row in samples])
    covered = ((ends[:, 0] <= 0.2) & (ends[:, 1] >= 0.2)).mean()
    assert 0.82 < covered < 0.96


def test_mean_interval_by_group_is_that_of_accuracies_for_right_and_wrong():
    rng = np.random.default_rng(3)
    correct, groups = rng.random(300) < 0.6, rng.integers(0, 40, 300)
    assert metrics.mean_interval(correct, groups) == metrics.accuracy_interval(correct, groups)
    shares = np.repeat(rng.random(100), 9)  # nine frames of a track alike: three times as wide
    ends = metrics.mean_interval(shares)[1:], metrics.mean_interval(shares, np.arange(900) // 9)[1:]
    assert np.diff(ends[1]) / np.diff(ends[0]) == pytest.approx(3, rel=0.15)


def test_mean_interval_of_equal_values_has_no_width():
    np.testing.assert_allclose(metrics.mean_interval([0.3] * 7), [0.3] * 3)
    np.testing.assert_allclose(metrics.mean_interval([4]), [4] * 3)


def test_mean_interval_never_holds_all_resamples():
    values = np.linspace(0, 1, 12_630)
    tracemalloc.start()
    metrics.mean_interval(values, resamples=200)  # 20 MB at once
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6


@pytest.mark.parametrize(
    ("values", "groups", "message"),
    [
        ([], None, "no images"),
        ([1, np.inf], None, r"values \(2,\): a mean needs one finite number"),
        ([1, np.nan], [0, 0], "one finite number an image"),
        ([[1, 2]], None, r"values \(1, 2\)"),
        ([1, 2, 3], [0, 1], "3 images but 2 groups"),
    ],
)
def test_a_mean_of_other_values_is_refused(values, groups, message):
    with pytest.raises(ValueError, match=message):
        metrics.mean_interval(values, groups)


def test_row_of_means_has_the_columns_of_accuracies():
    rng = np.random.default_rng(4)
    shares, groups = rng.integers(0, 101, 90) / 100, np.arange(90) // 6
    row = metrics.mean_row(shares, groups, resamples=300)
    assert list(row) == list(metrics.accuracy_row([True]))
    by_image, by_track = (metrics.mean_interval(shares, by, resamples=300) for by in (None, groups))
    np.testing.assert_allclose(list(row.values()), [*np.multiply(100, [*by_image, *by_track[1:]]), 90])
    correct = shares > 0.5
    whole, binary = metrics.accuracy_row(correct, groups), metrics.mean_row(correct, groups)
    assert all(whole[name] == binary[name] for name in ("accuracy", "track_low", "track_high", "images"))
    assert np.isnan(metrics.mean_row(shares)["track_low"])


@pytest.mark.parametrize("share", [0, 0.25, 1])
def test_row_of_equal_means_has_the_wilson_interval_of_its_images_and_of_its_groups(share):
    row = metrics.mean_row([share] * 20, np.arange(20) // 5)
    for ends, count in ((("low", "high"), 20), (("track_low", "track_high"), 4)):
        expected = stats.binomtest(int(share * count), count).proportion_ci(0.95, method="wilson")
        np.testing.assert_allclose([row[end] for end in ends], 100 * np.array(expected), atol=1e-9)
    nearly = metrics.mean_row([share] * 19 + [0.5], np.arange(20) // 5)
    assert nearly["high"] - nearly["low"] < row["high"] - row["low"]
    assert row["accuracy"] == 100 * share and row["images"] == 20


@pytest.mark.parametrize("shares", [[0.5, 1.01], [-0.2, 1], [np.inf, 0]])
def test_row_of_means_refuses_what_is_no_share(shares):
    with pytest.raises(ValueError, match=rf"shares from {min(shares):g} to {max(shares):g}: .* in \[0, 1\]"):
        metrics.mean_row(shares)


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
    np.testing.assert_allclose(report["precision"], [2 / 3, 1 / 4, 1, np.nan])
    np.testing.assert_allclose(report["recall"], [1 / 2, 1 / 2, 3 / 4, np.nan])
    np.testing.assert_allclose(report["f1"], [4 / 7, 1 / 3, 6 / 7, np.nan])


def test_per_class_report_of_classes_never_predicted_and_without_images():
    report = metrics.per_class_report([0, 0, 1], [0, 3, 0], NAMES)
    np.testing.assert_allclose(report["precision"], [1 / 2, 0, np.nan, 0])  # class 3 only by mistake
    np.testing.assert_allclose(report["recall"], [1 / 2, 0, np.nan, np.nan])
    np.testing.assert_allclose(report["f1"], [1 / 2, 0, np.nan, 0])


def test_class_report_of_counts_against_scikit_learn():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 9, 700)
    predicted = np.where(rng.random(700) < 0.6, labels, rng.integers(0, 8, 700))
    counts = metrics.confusion(labels, predicted, 10)  # class 9 never occurs, class 8 by being right only
    report = metrics.class_report(counts, [f"sign {i}" for i in range(10)])
    expected = precision_recall_fscore_support(labels, predicted, labels=np.arange(10), zero_division=np.nan)
    np.testing.assert_allclose(report[["precision", "recall", "f1", "images"]].T, expected, rtol=1e-14)
    pd.testing.assert_frame_equal(report, metrics.per_class_report(labels, predicted, report["name"]))


def test_class_report_of_copies_has_the_shares_of_their_images():
    counts = metrics.confusion(LABELS, PREDICTED, 4)
    once, often = metrics.class_report(counts, NAMES), metrics.class_report(100 * counts, NAMES)
    assert list(often["images"]) == [400, 200, 400, 0]
    pd.testing.assert_frame_equal(once.drop(columns="images"), often.drop(columns="images"))


def test_class_report_refuses_counts_of_other_classes():
    with pytest.raises(ValueError, match=r"counts \(3, 3\): 4 class names need a row and a column each"):
        metrics.class_report(np.eye(3), NAMES)


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


# Failures under noise

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


# Ensembles


def test_diversity_by_hand():
    labels = np.zeros(10, int)
    first = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2]
    other = [0, 0, 0, 1, 2, 0, 1, 1, 1, 1]  # 3 both right, 4 both wrong (2 alike), 2 and 1 alone
    expected = {
        "disagreement": 0.3,
        "double_fault": 0.4,
        "q_statistic": (12 - 2) / (12 + 2),
        "same_wrong": 0.5,
    }
    assert metrics.diversity([first, other], labels) == pytest.approx(expected)


def test_diversity_is_a_mean_over_pairs():
    rng = np.random.default_rng(10)
    labels = rng.integers(0, 5, 400)
    predicted = np.where(rng.random((4, 400)) < 0.7, labels, rng.integers(0, 5, (4, 400)))
    pairs = [metrics.diversity(pair, labels) for pair in combinations(predicted, 2)]
    assert metrics.diversity(predicted, labels) == pytest.approx(pd.DataFrame(pairs).mean().to_dict())
    right = predicted == labels
    apart = [(one != two).mean() for one, two in combinations(right, 2)]
    assert metrics.diversity(predicted, labels)["disagreement"] == pytest.approx(np.mean(apart))
    assert abs(metrics.diversity(predicted, labels)["q_statistic"]) < 0.2  # drawn independently
    assert metrics.diversity(predicted, labels)["same_wrong"] == pytest.approx(1 / 4, abs=0.1)


def test_diversity_of_the_extremes():
    labels = np.array([0, 1, 2, 0])
    half, other_half = np.array([0, 1, 0, 1]), np.array([1, 2, 2, 0])
    assert metrics.diversity([half, half], labels) == {
        "disagreement": 0,
        "double_fault": 0.5,
        "q_statistic": 1,
        "same_wrong": 1,
    }
    found = metrics.diversity([half, other_half], labels)
    assert (found["disagreement"], found["double_fault"], found["q_statistic"]) == (1, 0, -1)
    assert np.isnan(found["same_wrong"])
    for same, double in (labels, 0), (labels + 1, 1):  # all right, all wrong
        found = metrics.diversity([same, same], labels)
        assert (found["disagreement"], found["double_fault"]) == (0, double)
        assert np.isnan(found["q_statistic"])
    with_a_perfect_one = metrics.diversity([half, half, labels], labels)
    assert with_a_perfect_one["q_statistic"] == 1  # two pairs of three have none


def test_diversity_refuses_a_single_network_and_other_images():
    for single in ([[0, 1]], [0, 1]):
        with pytest.raises(ValueError, match="diversity needs two networks or more"):
            metrics.diversity(single, [0, 1])
    with pytest.raises(ValueError, match=r"predictions \(2, 2\) and labels \(3,\) share no images"):
        metrics.diversity([[0, 1], [1, 1]], [0, 1, 1])
    with pytest.raises(ValueError, match="share no images"):
        metrics.diversity([[], []], [])


def test_the_difference_of_paired_shares_has_its_interval():
    rng = np.random.default_rng(0)
    values, others = rng.random((2, 400)) * 0.5 + [[0.4], [0.3]]
    row = metrics.mean_difference_row(values, others)
    reach = stats.norm.interval(0.95, (values - others).mean(), stats.sem(values - others, ddof=0))
    assert [row["low"], row["high"]] == pytest.approx(100 * np.array(reach))
    assert row["difference"] == pytest.approx(100 * (values.mean() - others.mean()))
    assert row["images"] == 400
    assert metrics.mean_difference_row(values, values)["high"] == 0
