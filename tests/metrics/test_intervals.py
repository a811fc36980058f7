import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers import metrics
from helpers.metrics import median_interval


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


def test_with_interval_shows_two_decimals():
    table = pd.DataFrame({"accuracy": [94.8298], "low": [94.4298], "high": [95.2025]}, index=[7])
    assert metrics.with_interval(table).to_dict() == {7: "94.83 [94.43, 95.20]"}


def test_median_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = np.array([median_interval(rng.exponential(size=41)) for _ in range(2000)])
    covered = ((found[:, 1] <= np.log(2)) & (np.log(2) <= found[:, 2])).mean()
    assert 0.95 - 0.012 < covered < 0.985
    assert (found[:, 1] < found[:, 0]).all() and (found[:, 0] < found[:, 2]).all()


def test_median_interval_of_few_is_all_of_them():
    assert median_interval([3, 1, 2]) == (2, 1, 3)
    assert median_interval([4.0]) == (4, 4, 4)
    assert median_interval([1, 2]) == (1.5, 1, 2)
    assert np.isnan(median_interval([])).all()


def test_median_interval_takes_the_infinite_as_largest():
    assert median_interval([1, 2, np.inf]) == (2, 1, np.inf)
    assert median_interval([1, np.inf, np.inf])[0] == np.inf
    assert median_interval([1, 2, np.inf, np.inf])[0] == np.inf
    assert median_interval([-np.inf, np.inf]) == (0, -np.inf, np.inf)
    values = [*range(1, 31), *[np.inf] * 10]
    assert np.isfinite(median_interval(values)).all()


def test_one_training_has_no_reach_and_several_have():
    assert metrics.trainings_reach([0.9]) == 0
    assert metrics.trainings_reach([0.8, 0.9]) == pytest.approx(12.706 * 0.05, rel=1e-3)  # t of one degree
    assert metrics.trainings_reach([0.8, 0.9], overlap=4) == pytest.approx(2 * 12.706 * 0.05, rel=1e-3)


def test_an_interval_over_trainings_and_images_covers_both():
    rng = np.random.default_rng(0)
    images = rng.normal(30, 2, 200)
    alike = metrics.crossed_interval(np.stack([images, images]))
    assert alike == pytest.approx(metrics.mean_interval(images))
    apart = metrics.crossed_interval(np.stack([images - 1, images + 1]))
    assert apart[0] == pytest.approx(images.mean())
    assert apart[1] < alike[1] - 1
    assert apart[2] > alike[2] + 1
    assert metrics.crossed_interval(images) == pytest.approx(alike)
