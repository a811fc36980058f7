from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import precision_recall_fscore_support

from helpers import metrics
from helpers.stability import BINS, RESTORATION_SIGMAS
from helpers.stability import SIGMAS as PAPER_SIGMAS
from helpers.votes import Votes

SIGMAS, COPIES, CLASSES = (1, 2, 4), 20, 4
NAMES = ("a", "b", "c", "d")
COLUMNS = ["sigma", "accuracy", "low", "high", "track_low", "track_high", "images", "copies"]


def answers(count=40, sigmas=3, seed=0):
    """Labels (N,), answers without noise (N,) and answers (N, S, copies): more noise, more errors."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES - 1, count)  # the last class has no image
    clean = np.where(rng.random(count) < 0.2, (labels + 1) % CLASSES, labels)
    ease = rng.random((count, 1, 1))
    failed = rng.random((count, sigmas, COPIES)) > ease ** np.linspace(0.1, 1, sigmas)[:, None]
    return labels, clean, np.where(failed, rng.integers(0, CLASSES, failed.shape), labels[:, None, None])


def voted(labels, clean, answered, sigmas=SIGMAS):
    """The votes of given answers, counted one by one."""
    images, counts = len(labels), np.zeros((len(labels), len(sigmas), CLASSES), np.uint16)
    failures = np.zeros((images, len(sigmas) + 1), np.uint16)
    for image, label in enumerate(labels):
        for copy in range(answered.shape[2]):
            wrong = [s for s in range(len(sigmas)) if answered[image, s, copy] != label]
            failures[image, wrong[0] if wrong else -1] += 1
        for sigma, answer in np.ndindex(answered.shape[1:]):
            counts[image, sigma, answered[image, sigma, answer]] += 1
    nothing = np.zeros((len(sigmas), BINS, 3)), np.zeros((images, len(sigmas), 2, 3), np.float32)
    return Votes(np.array(sigmas, float), answered.shape[2], labels, clean, counts, failures, *nothing)


LABELS, CLEAN, ANSWERED = answers()
VOTES = voted(LABELS, CLEAN, ANSWERED)
RIGHT = np.equal(ANSWERED, LABELS[:, None, None])
UNMEASURED = "sigma 3 was not measured: there is 1, 2, 4"


def test_hits_and_shares_count_the_copies_that_are_right():
    np.testing.assert_array_equal(VOTES.hits, RIGHT.sum(2))
    np.testing.assert_array_equal(VOTES.shares(), RIGHT.mean(2))
    np.testing.assert_array_equal(VOTES.shares([4, 1]), RIGHT.mean(2)[:, [2, 0]])


@pytest.mark.parametrize("only_correct", [False, True])
def test_accuracy_is_a_row_of_every_sigma_with_its_interval(only_correct):
    kept = CLEAN == LABELS if only_correct else np.full(40, True)
    assert 0 < (CLEAN != LABELS).sum() < 20
    table = VOTES.accuracy(only_correct=only_correct)
    assert table.columns.tolist() == COLUMNS
    assert table["sigma"].tolist() == list(SIGMAS)
    assert (table["images"] == kept.sum()).all() and (table["copies"] == COPIES).all()
    np.testing.assert_allclose(table["accuracy"], 100 * RIGHT[kept].mean((0, 2)))
    assert table["accuracy"].is_monotonic_decreasing
    # The images are the sample, not their copies: close to the normal interval of their shares.
    reach = 196 * RIGHT[kept].mean(2).std(0) / np.sqrt(kept.sum())
    np.testing.assert_allclose(table["high"] - table["accuracy"], reach, rtol=0.25)
    np.testing.assert_allclose(table["accuracy"] - table["low"], reach, rtol=0.25)
    assert table[["track_low", "track_high"]].isna().all(axis=None)


@pytest.mark.parametrize("only_correct", [False, True])
def test_groups_widen_the_interval_where_their_images_agree(only_correct):
    twice = replace(
        VOTES, **{name: np.repeat(getattr(VOTES, name), 4, 0) for name in ("labels", "clean", "counts")}
    )
    table = twice.accuracy(np.repeat(np.arange(40), 4).tolist(), only_correct=only_correct)
    by_track = table["track_high"] - table["track_low"]
    np.testing.assert_allclose(by_track / (table["high"] - table["low"]), 2, rtol=0.15)
    alone = VOTES.accuracy(only_correct=only_correct)
    np.testing.assert_allclose(table["accuracy"], alone["accuracy"])
    np.testing.assert_allclose(by_track, alone["high"] - alone["low"], rtol=0.1)


def test_groups_follow_the_images_that_are_kept():
    groups = np.arange(40) // 4
    kept = CLEAN == LABELS
    for place, row in enumerate(VOTES.accuracy(groups, only_correct=True).itertuples()):
        expected = metrics.mean_row(RIGHT[kept, place].mean(1), groups[kept])
        assert (row.track_low, row.track_high) == (expected["track_low"], expected["track_high"])


def test_groups_of_another_length_are_refused():
    for groups in ([0] * 39, [0] * 41):
        with pytest.raises(ValueError, match=f"40 images but {len(groups)} groups: every image needs its"):
            VOTES.accuracy(groups)


def test_without_an_image_right_without_noise_there_is_no_accuracy():
    table = replace(VOTES, clean=(LABELS + 1) % CLASSES).accuracy(only_correct=True)
    assert table.columns.tolist() == COLUMNS
    assert table[COLUMNS[1:6]].isna().all(axis=None)
    assert (table["images"] == 0).all() and (table["copies"] == COPIES).all()


def test_overall_takes_the_sigmas_of_the_restoration_paper_alone():
    assert RESTORATION_SIGMAS == (1, 2, 4, 8, 10, 15, 20, 25, 30, 35, 40)  # Table 4
    measured = sorted({*PAPER_SIGMAS, *RESTORATION_SIGMAS})
    labels, clean, answered = answers(sigmas=len(measured))
    votes = voted(labels, clean, answered, measured)
    right = (answered == labels[:, None, None])[:, [sigma in RESTORATION_SIGMAS for sigma in measured]]
    assert right.shape[1] == 11 < len(measured)
    kept = clean == labels
    row = votes.overall(RESTORATION_SIGMAS, only_correct=True)
    assert row == pytest.approx(metrics.mean_row(right[kept].mean((1, 2))) | {"copies": COPIES}, nan_ok=True)
    assert row["accuracy"] == pytest.approx(100 * right[kept].mean()) and row["images"] == kept.sum()
    assert row["low"] < row["accuracy"] < row["high"]
    assert votes.overall()["accuracy"] == pytest.approx(100 * votes.shares().mean())
    assert votes.overall()["accuracy"] != pytest.approx(row["accuracy"])


def test_a_sigma_that_was_not_measured_is_named():
    for ask in (
        lambda: VOTES.overall([1, 3]),
        lambda: VOTES.shares([3]),
        lambda: VOTES.flips(3),
        lambda: VOTES.class_report(NAMES, [3]),
    ):
        with pytest.raises(ValueError, match=UNMEASURED):
            ask()


@pytest.mark.parametrize("sigmas", [None, [4], [4, 1]])
def test_class_report_is_that_of_every_copy(sigmas):
    chosen = range(3) if sigmas is None else [SIGMAS.index(sigma) for sigma in sigmas]
    predicted = ANSWERED[:, chosen]
    labels = np.broadcast_to(LABELS[:, None, None], predicted.shape)
    expected = precision_recall_fscore_support(
        labels.ravel(), predicted.ravel(), labels=range(CLASSES), zero_division=0
    )
    table = VOTES.class_report(NAMES, sigmas)
    assert table["name"].tolist() == list(NAMES)
    np.testing.assert_allclose(table[["precision", "recall", "f1", "images"]].T, expected)


def test_class_report_does_not_overflow_the_counts_of_an_image():
    votes = replace(VOTES, copies=65_535, counts=np.where(VOTES.counts > 0, 65_535, 0).astype(np.uint16))
    report = votes.class_report(NAMES)
    assert report["images"].sum() == (VOTES.counts > 0).sum() * 65_535


@pytest.mark.parametrize("names", [NAMES[:2], (*NAMES, "e")])
def test_class_report_refuses_another_number_of_names(names):
    with pytest.raises(ValueError, match=f"{len(names)} class names need a row and a column each"):
        VOTES.class_report(names)


def test_flips_count_images_that_any_copy_gets_wrong():
    right = CLEAN == LABELS
    for place, sigma in enumerate(SIGMAS):
        flipped = sum(not RIGHT[image, place].all() for image in np.flatnonzero(right))
        assert VOTES.flips(sigma) == (flipped, right.sum())
    assert 0 < VOTES.flips(1)[0] <= VOTES.flips(4)[0] <= right.sum()


def test_thresholds_are_zero_for_wrong_images_and_infinite_without_failures():
    failures = np.array([[0, 10, 10, 0], [0, 10, 10, 0], [0, 0, 4, 16], [20, 0, 0, 0], [0, 0, 0, 20]])
    labels, clean = np.zeros(5, int), np.array([0, 1, 0, 0, 0])
    votes = replace(VOTES, labels=labels, clean=clean, failures=failures.astype(np.uint16))
    np.testing.assert_allclose(votes.thresholds(0.5), [2, 0, np.inf, 0.5, np.inf])
    np.testing.assert_allclose(votes.thresholds(0.2), [1.4, 0, 4, 0.2, np.inf])
    np.testing.assert_allclose(votes.thresholds(1), [4, 0, np.inf, 1, np.inf])


def test_thresholds_fall_as_the_share_falls():
    few, half = VOTES.thresholds(0.05), VOTES.thresholds(0.5)
    wrong = CLEAN != LABELS
    assert (few <= half).all() and (few[wrong] == 0).all() and (few[~wrong] > 0).all()
    assert np.isfinite(few).any() and np.isinf(half).any()


def test_threshold_table_is_a_row_of_every_image_and_share():
    table = VOTES.threshold_table((0.05, 0.5))
    assert table.columns.tolist() == ["image", "label", "share", "threshold", "low", "high"]
    np.testing.assert_array_equal(table["image"], np.tile(np.arange(40), 2))
    np.testing.assert_array_equal(table["label"], np.tile(LABELS, 2))
    for share, rows in table.groupby("share"):
        np.testing.assert_array_equal(rows["threshold"], VOTES.thresholds(share))
        ends = metrics.failure_threshold_interval(VOTES.failures.astype(int), SIGMAS, share)
        right = CLEAN == LABELS
        np.testing.assert_array_equal(rows[["low", "high"]][right], ends[right])
        assert (rows[["threshold", "low", "high"]][~right] == 0).all(axis=None)
    assert (table["low"] <= table["threshold"]).all() and (table["threshold"] <= table["high"]).all()


def test_class_threshold_table_pools_the_copies_of_a_class():
    table = VOTES.class_threshold_table(NAMES, 0.3)
    assert table.columns.tolist() == ["class", "name", "threshold", "low", "high", "images"]
    assert table["name"].tolist() == ["a", "b", "c"]  # of the last class there is no image
    for row in table.itertuples():
        pooled = VOTES.failures[row[1] == LABELS].sum(0, dtype=int)
        assert row.threshold == metrics.failure_threshold(pooled, SIGMAS, 0.3)
        assert row.low < row.threshold < row.high
        assert row.images == (row[1] == LABELS).sum()


def test_certified_table_counts_the_radii():
    radii = VOTES.radii()
    table = VOTES.certified_table(1.5)
    assert table["sigma"].tolist() == list(SIGMAS)
    np.testing.assert_allclose(table["certified"], 100 * (radii > 0).mean(0))
    np.testing.assert_allclose(table["certified_1.5"], 100 * (radii >= 1.5).mean(0))
    np.testing.assert_allclose(table["median_radius"], np.median(radii, 0))
    assert 0 < table["certified_1.5"].max() < table["certified"].max() < 100
    assert (table["images"] == 40).all() and (table["copies"] == COPIES).all()


def test_radii_follow_the_binomial_bound():
    radii = VOTES.radii(alpha=0.01)
    assert radii.shape == (40, 3)
    for hits in np.unique(RIGHT.sum(2)):
        exact = stats.binomtest(int(hits), COPIES, alternative="greater")
        bound = max(stats.norm.ppf(exact.proportion_ci(0.99, "exact").low), 0)
        images, sigmas = np.nonzero(RIGHT.sum(2) == hits)
        np.testing.assert_allclose(radii[images, sigmas], bound * np.array(SIGMAS)[sigmas], atol=1e-9)
    assert (radii == 0).any() and (radii > 0).any()
    assert (VOTES.radii() <= radii).all()  # a smaller chance of error certifies less


def test_calibration_error_is_the_gap_of_confidence_and_accuracy():
    rng = np.random.default_rng(1)
    confidence = rng.random((3, 500))
    right = rng.random((3, 500)) < confidence * np.array([[1.0], [0.5], [0.2]])
    calibration = np.zeros((3, BINS, 3))
    for (sigma, copy), sure in np.ndenumerate(confidence):
        calibration[sigma, int(sure * BINS)] += 1, sure, right[sigma, copy]
    expected = np.zeros(3)
    for sigma in range(3):
        bins = (confidence[sigma] * BINS).astype(int)
        for number in np.unique(bins):
            inside = bins == number
            gap = abs(confidence[sigma, inside].mean() - right[sigma, inside].mean())
            expected[sigma] += inside.mean() * gap
    found = replace(VOTES, calibration=calibration).calibration_error()
    np.testing.assert_allclose(found, expected)
    assert found[0] < 0.1 < 0.2 < found[1] < found[2] < 0.5
