from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import precision_recall_fscore_support

from helpers import metrics
from helpers.stability import RESTORATION_SIGMAS, Votes, certified_radius, expected_calibration_error
from helpers.stability import SIGMAS as PAPER_SIGMAS
from helpers.stability.sweeps import BINS

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
    images, counts = len(labels), np.zeros((len(labels), len(sigmas), CLASSES), np.int64)
    failures = np.zeros((images, len(sigmas) + 1), np.int64)
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
    assert table["sigma"].tolist() == [0, *SIGMAS][only_correct:]
    table = table[table["sigma"] > 0]
    assert (table["images"] == kept.sum()).all() and (table["copies"] == COPIES).all()
    np.testing.assert_allclose(table["accuracy"], 100 * RIGHT[kept].mean((0, 2)))
    assert table["accuracy"].is_monotonic_decreasing
    # The images are the sample, not their copies: close to the normal interval of their shares.
    reach = 196 * RIGHT[kept].mean(2).std(0) / np.sqrt(kept.sum())
    np.testing.assert_allclose(table["high"] - table["accuracy"], reach, rtol=0.25)
    np.testing.assert_allclose(table["accuracy"] - table["low"], reach, rtol=0.25)
    assert table[["track_low", "track_high"]].isna().all(axis=None)


def test_accuracy_begins_with_the_answers_without_noise():
    groups = np.arange(40) // 4
    row = VOTES.accuracy(groups).iloc[0].to_dict()
    assert row == {"sigma": 0, **metrics.accuracy_row(CLEAN == LABELS, groups), "copies": 1}
    assert row["low"] < row["accuracy"] < row["high"] < 100
    assert VOTES.accuracy()["images"].dtype == VOTES.accuracy()["copies"].dtype == np.int64


def test_an_accuracy_of_all_copies_has_an_interval():
    perfect = voted(LABELS, LABELS, np.broadcast_to(LABELS[:, None, None], ANSWERED.shape))
    table = perfect.accuracy(np.arange(40) // 4)
    assert (table["accuracy"] == 100).all() and (table["high"] == 100).all()
    assert (table["low"] < 95).all() and (table["track_low"] < table["low"]).all()
    assert table["low"].nunique() == 1  # Wilson's of 40 images, with noise or without


@pytest.mark.parametrize("only_correct", [False, True])
def test_groups_widen_the_interval_where_their_images_agree(only_correct):
    repeated = ("labels", "clean_predictions", "counts")
    twice = replace(VOTES, **{name: np.repeat(getattr(VOTES, name), 4, 0) for name in repeated})
    table = twice.accuracy(np.repeat(np.arange(40), 4).tolist(), only_correct=only_correct)
    assert len(table) == 4 - only_correct
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
        with pytest.raises(ValueError, match=f"40 images but {len(groups)} groups: every image needs its"):
            VOTES.class_threshold_table(NAMES, groups=groups)


def test_without_an_image_right_without_noise_there_is_no_accuracy():
    table = replace(VOTES, clean_predictions=(LABELS + 1) % CLASSES).accuracy(only_correct=True)
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
        lambda: VOTES.class_counts(CLASSES, [3]),
    ):
        with pytest.raises(ValueError, match=UNMEASURED):
            ask()


@pytest.mark.parametrize("sigmas", [None, [4], [4, 1]])
def test_class_report_is_that_of_every_copy(sigmas):
    chosen = range(3) if sigmas is None else [SIGMAS.index(sigma) for sigma in sigmas]
    predicted = ANSWERED[:, chosen]
    labels = np.broadcast_to(LABELS[:, None, None], predicted.shape)
    expected = precision_recall_fscore_support(
        labels.ravel(), predicted.ravel(), labels=range(CLASSES), zero_division=np.nan
    )
    table = VOTES.class_report(NAMES, sigmas)
    assert table.columns.tolist() == ["class", "name", "precision", "recall", "f1", "copies"]
    assert table["name"].tolist() == list(NAMES)
    np.testing.assert_allclose(table[["precision", "recall", "f1", "copies"]].T, expected)
    assert np.isnan(table["recall"]).tolist() == [False, False, False, True]  # the last has no image


@pytest.mark.parametrize("sigmas", [None, [4], [4, 1]])
def test_class_counts_are_the_wrong_copies_and_all_of_every_true_class(sigmas):
    chosen = range(3) if sigmas is None else [SIGMAS.index(sigma) for sigma in sigmas]
    found = VOTES.class_counts(CLASSES, sigmas)
    for label in range(CLASSES):
        right = RIGHT[label == LABELS][:, chosen]
        assert found[label].tolist() == [(~right).sum(), right.size]
    assert found.dtype == np.int64 and found[3].tolist() == [0, 0]
    report = VOTES.class_report(NAMES, sigmas)
    np.testing.assert_array_equal(report["copies"], found[:, 1])


def test_class_counts_of_another_number_of_classes_are_refused():
    with pytest.raises(ValueError, match="the votes are for 4 classes, not 43"):
        VOTES.class_counts(43)


@pytest.mark.parametrize("names", [NAMES[:2], (*NAMES, "e")])
def test_class_report_refuses_another_number_of_names(names):
    with pytest.raises(ValueError, match=f"{len(names)} class names need a row and a column each"):
        VOTES.class_report(names)


def test_flips_count_images_that_any_copy_gets_wrong():
    right = CLEAN == LABELS
    for place, sigma in enumerate(SIGMAS):
        answers_of = RIGHT[np.flatnonzero(right), place]
        assert VOTES.flips(sigma) == {
            "flipped": sum(not answers.all() for answers in answers_of),
            "images": right.sum(),
            "flipped_copies": (~answers_of).sum(),
            "copies": answers_of.size,
        }
    few, many = VOTES.flips(1), VOTES.flips(4)
    assert 0 < few["flipped"] <= many["flipped"] <= right.sum() < 40
    assert few["flipped"] < few["flipped_copies"] < many["flipped_copies"] < many["copies"]
    assert {type(value) for value in few.values()} == {int}


def test_nothing_flips_where_nothing_is_right():
    found = replace(VOTES, clean_predictions=(LABELS + 1) % CLASSES).flips(1)
    assert found == {"flipped": 0, "images": 0, "flipped_copies": 0, "copies": 0}


def test_thresholds_are_zero_for_wrong_images_and_infinite_without_failures():
    failures = np.array([[0, 10, 10, 0], [0, 10, 10, 0], [0, 0, 4, 16], [20, 0, 0, 0], [0, 0, 0, 20]])
    labels, clean = np.zeros(5, int), np.array([0, 1, 0, 0, 0])
    votes = replace(VOTES, labels=labels, clean_predictions=clean, failures=failures)
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
        ends = metrics.failure_threshold_interval(VOTES.failures, SIGMAS, share)
        right = CLEAN == LABELS
        np.testing.assert_array_equal(rows[["low", "high"]][right], ends[right])
        assert (rows[["threshold", "low", "high"]][~right] == 0).all(axis=None)
    assert (table["low"] <= table["threshold"]).all() and (table["threshold"] <= table["high"]).all()


def test_class_threshold_table_pools_the_copies_of_a_class():
    table = VOTES.class_threshold_table(NAMES, (0.3, 0.5))
    assert table.columns.tolist() == ["class", "name", "share", "threshold", "low", "high", "images"]
    assert table["name"].tolist() == ["a", "b", "c"] * 2  # of the last class there is no image
    assert table["share"].tolist() == [0.3] * 3 + [0.5] * 3
    for row in table.itertuples():
        members, right = row[1] == LABELS, CLEAN == LABELS
        failed = [COPIES * (members & ~right).sum()]  # without noise: all copies of every wrong image
        failed += (failed[0] + np.cumsum(VOTES.failures[members & right].sum(0))[:-1]).tolist()
        curve = np.array(failed) / (COPIES * members.sum())
        if row.threshold < np.inf:
            reached = np.interp(row.threshold, [0, *SIGMAS], curve)
            np.testing.assert_allclose(reached, max(row.share, curve[0]))
        else:
            assert curve[-1] < row.share
        assert row.low <= row.threshold <= row.high and row.low < row.high
        assert row.images == members.sum()
    assert np.isfinite(table["threshold"]).sum() > 3


def test_class_threshold_is_zero_where_the_share_is_wrong_without_noise():
    labels, clean = np.repeat([0, 1], 10), np.repeat([1, 0, 1], [2, 8, 10])  # 2 of 10 wrong, none of 10
    failures = np.tile([0, COPIES // 2, 0, COPIES // 2], (20, 1))
    votes = replace(VOTES, labels=labels, clean_predictions=clean, failures=failures)
    table = votes.class_threshold_table(NAMES, (0.2, 0.3, 0.5))
    first, second = (table[table["class"] == label] for label in (0, 1))
    # of the first class 20 % have failed up to sigma 1, 60 % by sigma 2
    np.testing.assert_allclose(first["threshold"], [0, 1.25, 1.75])
    np.testing.assert_allclose(second["threshold"], [1.4, 1.6, 2])
    assert first["low"].tolist()[:2] == [0, 0] and second["low"].tolist() == second["threshold"].tolist()


def test_class_thresholds_by_group_are_wider_where_their_images_agree():
    repeated = ("labels", "clean_predictions", "counts", "failures")
    often = replace(VOTES, **{name: np.repeat(getattr(VOTES, name), 9, 0) for name in repeated})
    by_image = often.class_threshold_table(NAMES, (0.3,))
    by_track = often.class_threshold_table(NAMES, (0.3,), np.repeat(np.arange(40), 9).tolist())
    np.testing.assert_array_equal(by_image["threshold"], by_track["threshold"])
    assert (by_track["low"] <= by_image["low"]).all() and (by_track["high"] > by_image["high"]).all()


def test_certified_table_counts_the_radii():
    radii = VOTES.radii()
    table = VOTES.certified_table()
    columns = ["sigma", "copies", "certified", "median_radius", "radius_90", "largest", "images"]
    assert table.columns.tolist() == columns
    assert table["sigma"].tolist() == list(SIGMAS)
    np.testing.assert_allclose(table["certified"], 100 * (radii > 0).mean(0))
    np.testing.assert_allclose(table["median_radius"], np.median(radii, 0))
    np.testing.assert_allclose(table["radius_90"], np.sort(radii, 0)[[35, 36]].T @ [0.9, 0.1])
    # all of 20 votes: p is the 20th root of alpha
    np.testing.assert_allclose(table["largest"], np.array(SIGMAS) * stats.norm.ppf(0.001 ** (1 / COPIES)))
    assert (radii.max(0) <= table["largest"]).all() and (radii.max(0) == table["largest"]).any()
    assert 0 < table["certified"].min() < table["certified"].max() < 100
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


def test_calibration_table_compares_confidence_and_accuracy():
    rng = np.random.default_rng(1)
    confidence = rng.random((3, 500))
    right = rng.random((3, 500)) < confidence * np.array([[1.0], [0.5], [0.2]])
    calibration = np.zeros((3, BINS, 3))
    for (sigma, copy), sure in np.ndenumerate(confidence):
        calibration[sigma, int(sure * BINS)] += 1, sure, right[sigma, copy]
    table = replace(VOTES, calibration=calibration).calibration_table()
    assert table.columns.tolist() == ["sigma", "accuracy", "confidence", "gap", "ece"]
    assert table["sigma"].tolist() == list(SIGMAS)
    np.testing.assert_allclose(table["accuracy"], 100 * right.mean(1))
    np.testing.assert_allclose(table["confidence"], 100 * confidence.mean(1))
    np.testing.assert_allclose(table["gap"], 100 * (confidence.mean(1) - right.mean(1)))
    np.testing.assert_allclose(table["ece"], 100 * expected_calibration_error(calibration))
    assert (table["gap"].abs() <= table["ece"]).all() and table["gap"].max() > 30


def test_a_gap_below_zero_is_too_little_confidence():
    calibration = np.zeros((3, BINS, 3))
    calibration[:, 0], calibration[:, -1] = (10, 1, 10), (10, 10, 0)  # errors of both signs cancel in the gap
    calibration[2, -1] = 0
    table = replace(VOTES, calibration=calibration).calibration_table()
    np.testing.assert_allclose(table["gap"], [5, 5, -90])
    np.testing.assert_allclose(table["ece"], [95, 95, 90])


# Merging


def test_parts_are_added_up_as_they_come():
    def part(images, runs):
        chosen = {"counts": VOTES.counts[images], "failures": VOTES.failures[images]}
        calibration = np.full((3, BINS, 3), float(images.stop - images.start))
        for run in range(runs):
            once = {"clean_predictions": CLEAN[images], "sampled": VOTES.sampled[images] + np.inf}
            yield images, chosen | {"calibration": calibration} | (once if run == 0 else {})

    parts = [*part(slice(0, 30), 2), *part(slice(30, 40), 2)]
    found = Votes.merged(VOTES.sigmas, 2 * COPIES, LABELS, iter(parts))
    for name in ("counts", "failures"):
        np.testing.assert_array_equal(getattr(found, name), 2 * getattr(VOTES, name))
        assert getattr(found, name).dtype == np.int64
    np.testing.assert_array_equal(found.clean_predictions, CLEAN)
    assert (found.calibration == 80).all() and (found.sampled == np.inf).all()
    np.testing.assert_array_equal(parts[0][1]["counts"], VOTES.counts[:30])  # what came in stays as it was


def test_radius_table_has_the_largest_radius_of_every_image():
    radii = certified_radius(VOTES.hits, VOTES.copies, SIGMAS, alpha=0.05 / len(SIGMAS))
    table = VOTES.radius_table(alpha=0.05)
    assert table.columns.tolist() == ["image", "label", "radius", "sigma"]
    np.testing.assert_allclose(table["radius"], radii.max(1))
    some = table["radius"] > 0
    assert some.any()
    assert not some.all()
    for row in table[some].itertuples():
        assert radii[row.image, list(SIGMAS).index(row.sigma)] == row.radius
    assert table.loc[~some, "sigma"].isna().all()
