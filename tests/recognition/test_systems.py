import numpy as np
import pytest

from helpers import classifiers, recognition
from helpers.recognition.systems import scaled

SHOWN = np.repeat(np.arange(10), 20)
OWN = SHOWN[:, None] == np.arange(10)


def test_a_scale_finds_the_odds_that_made_the_scores():
    rng = np.random.default_rng(0)
    scores = rng.normal(2.0 * OWN, 1)  # log-odds 2 x - 2 by Bayes
    scale = scaled([scores], SHOWN, 0.05)
    assert scale.slopes[0] == pytest.approx(2, abs=0.35)
    assert scale.offset == pytest.approx(-2, abs=0.4)


def test_two_measures_are_better_than_each_and_one_of_chance_counts_little():
    rng = np.random.default_rng(0)
    one, other, chance = rng.normal(2.0 * OWN, 1), rng.normal(2.0 * OWN, 1), rng.normal(size=OWN.shape)
    both, with_chance = scaled([one, other], SHOWN, 0.05), scaled([one, chance], SHOWN, 0.05)
    assert abs(with_chance.slopes[1]) < 0.1 * with_chance.slopes[0]
    right = [(values.argmax(1) == SHOWN).mean() for values in (both([one, other]), one)]
    assert right[0] > right[1] + 0.05


def test_the_threshold_lets_as_many_strangers_pass_as_asked_for():
    rng = np.random.default_rng(0)
    scale = scaled([rng.normal(2.0 * OWN, 1)], SHOWN, 0.1)
    for entries in (5, 40, 400):
        strangers = scale([rng.normal(size=(5000, entries))]).max(1)
        assert (strangers >= scale.threshold(entries)).mean() == pytest.approx(0.1, abs=0.011)


def test_grades_go_from_one_to_ten():
    np.testing.assert_allclose(recognition.grade([-50, 0, 50, np.log(3)]), [1, 5.5, 10, 7.75])


def test_a_decision_says_nobody_exactly_where_no_entry_reaches_the_threshold(recognisers, folds):
    recogniser, probes = recognisers[0][0], np.concatenate([folds[0].tested.probes, folds[0].held.probes])
    scores = recogniser.scores(probes)
    for system in recognition.NETWORKS:
        logits = classifiers.logits(recogniser.decision(system), probes)
        expected = scores[system] - recogniser.scales[system].threshold(len(folds[0].tested.names))
        np.testing.assert_allclose(logits[:, 1:], expected, atol=2e-3)
        assert (logits[:, 0] == 0).all()


def test_what_is_no_network_decides_nothing(recognisers):
    with pytest.raises(ValueError, match="eigenfaces is no network"):
        recognisers[0][0].decision("eigenfaces")
    with pytest.raises(ValueError, match="unknown system 'magic'"):
        recognisers[0][0].decision("magic")


def test_unknown_systems_are_refused(folds, options):
    with pytest.raises(ValueError, match="unknown system 'magic'"):
        recognition.Recogniser(folds[0], seed=0, systems=("magic",), **options)
