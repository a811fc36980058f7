import numpy as np
import pytest

from helpers import noise, recognition
from helpers.recognition.comparison import Matches, _spread


def by_hand():
    """Two folds of two people, one training: five probes, of which the fourth is nearer to the other."""
    odds = [np.array([[3.0, 0], [1, -1], [-2, 2]]), np.array([[0.0, 1], [-1, 4]])]
    shown = [np.array([0, 0, 1]), np.array([0, 1])]
    return Matches({"one": [odds]}, shown, {"one": [[0.5, 0.5]]}, [("a", "b"), ("c", "d")], 2)


def test_ranks_and_the_open_set_are_those_counted_by_hand():
    row = by_hand().errors().iloc[0]
    assert row["rank_1"] == 80 and np.isnan(row["rank_5"])  # of two people all are among the first five
    assert row["rank_1_low"] < 80 < row["rank_1_high"] <= 100
    assert row["named"] == 80  # all but the fourth
    assert row["false_accepts"] == 20  # only the fourth's other entry reaches 0.5
    assert (row["people"], row["probes"], row["entries"], row["trainings"]) == (4, 5, 2, 1)
    assert row["grade_own"] > 8 > row["grade_other"]


def test_ranks_count_the_first_ones_where_there_are_more():
    odds = np.tile(np.arange(16.0), (16, 1))  # whoever is shown, the last entry matches best
    found = Matches({"one": [[odds]]}, [np.arange(16)], {"one": [[0.0]]}, [tuple("abcdefghijklmnop")], 1)
    row = found.errors().iloc[0]
    assert row["rank_1"] == pytest.approx(100 / 16) and row["rank_5"] == pytest.approx(500 / 16)
    assert row["rank_10"] == pytest.approx(1000 / 16)
    less = Matches({"one": [[odds[:8, :8]]]}, [np.arange(8)], {"one": [[0.0]]}, [tuple("abcdefgh")], 1)
    assert np.isnan(less.errors().iloc[0]["rank_10"])


def test_probes_of_one_person_are_no_independent_witnesses():
    """Twice as many probes that repeat the others tell nothing new."""
    rng = np.random.default_rng(0)
    odds = {name: rng.normal(2.0 * np.eye(10), 1.5) for name in ("one", "other")}
    few, many = (
        Matches(
            {name: [[found.repeat(times, 0)]] for name, found in odds.items()},
            [np.arange(10).repeat(times)],
            {name: [[0.0]] for name in odds},
            [tuple("abcdefghij")],
            1,
        ).differences([("one", "other")])
        for times in (1, 10)
    )
    assert few["p"].iloc[0] == pytest.approx(many["p"].iloc[0], abs=0.15)
    assert many["people"].iloc[0] == 10


def test_the_equal_error_rate_is_of_all_pairs():
    own, others = [3, 1, 2, 0, 4], [0, -1, -2, 1, -1]
    from helpers import metrics

    assert by_hand().errors().iloc[0]["eer"] == pytest.approx(100 * metrics.equal_error_rate(own, others))


def test_a_clip_is_the_mean_of_its_frames():
    clips = by_hand().clips(2)
    np.testing.assert_allclose(clips.log_odds["one"][0][0], [[2, -0.5]])
    assert clips.shown[0].tolist() == [0]


def test_clips_longer_than_all_probes_are_refused():
    with pytest.raises(ValueError, match="take fewer frames"):
        by_hand().clips(3)


def test_systems_recognise_patterns_and_tables_say_so(recognisers):
    found = recognition.matches(recognisers)
    errors = found.errors().set_index("system")
    assert set(errors.index) == set(recognition.SYSTEMS), errors
    for system in ("embedding", "both layers", "others only"):
        assert errors.loc[system, "rank_1"] > 80 and errors.loc[system, "eer"] < 15
    assert (errors["eer_low"] <= errors["eer"]).all() and (errors["eer"] <= errors["eer_high"]).all()
    table = found.differences([("both layers", "embedding"), ("embedding", "embedding")])
    assert table["eer"].iloc[1] == table["rank_1"].iloc[1] == 0
    curves = found.curves()
    assert curves["false_accepts"].between(0, 100).all() and curves["false_rejects"].max() == 100


def test_against_everybody_the_others_stand_behind_who_is_tested(recognisers):
    systems = ["eigenfaces", "embedding", "signature", "both layers"]
    found, few = recognition.against_everybody(recognisers, systems), recognition.matches(recognisers)
    assert list(found.log_odds) == systems
    for name, rows in found.log_odds.items():
        for row, expected in zip(rows, few.log_odds[name], strict=True):
            for odds, first in zip(row, expected, strict=True):
                assert odds.shape[1] == 18
                np.testing.assert_allclose(odds[:, : first.shape[1]], first, atol=0.01)
    errors, before = found.errors().set_index("system"), few.errors().set_index("system")
    assert set(errors["entries"]) == {18} and set(errors["people"]) == {12}
    assert (errors["rank_1"] <= before.loc[errors.index, "rank_1"]).all()
    assert (errors["rank_5"] >= errors["rank_1"]).all()
    assert errors.loc["both layers", "rank_5"] > 80
    with pytest.raises(ValueError, match="unknown system 'pixels': choose some of eigenfaces"):
        recognition.against_everybody(recognisers, ["pixels"])


def test_noise_on_the_probes_makes_it_harder_and_is_keyed_by_a_seed(recognisers):
    strongest = noise.NINE_SETS[2]
    one, same = (recognition.matches(recognisers, strongest, seed=0).errors() for _ in range(2))
    assert one.equals(same)
    clean = recognition.matches(recognisers).errors()
    assert one["eer"].mean() > clean["eer"].mean()


def test_look_alikes_are_measured_by_person(recognisers, folds):
    table = recognition.look_alikes(recognisers[:1])
    assert table["name"].tolist() == [*folds[0].tested.names, *folds[1].tested.names]
    assert (table[["own", "one", "made", "share"]] > 0).all(axis=None) and table["alike"].between(-1, 1).all()


def test_the_spread_is_the_mean_distance_of_pairs():
    rows = np.random.default_rng(0).normal(size=(5, 7))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = [1 - rows[i] @ rows[j] for i in range(5) for j in range(5) if i != j]
    assert _spread(rows) == pytest.approx(np.mean(pairs))
    assert _spread(rows[[0, 0, 0]]) == pytest.approx(0)
