from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import precision_recall_fscore_support

from helpers import metrics

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
    row = metrics.difference_row(values, others)
    reach = stats.norm.interval(0.95, (values - others).mean(), stats.sem(values - others, ddof=0))
    assert [row["low"], row["high"]] == pytest.approx(100 * np.array(reach))
    assert row["difference"] == pytest.approx(100 * (values.mean() - others.mean()))
    assert row["images"] == 400
    equal = metrics.difference_row(values, values)
    assert equal["difference"] == 0 and equal["high"] == pytest.approx(
        100 * 1.96**2 / (400 + 1.96**2), rel=0.01
    )
