import numpy as np
import pytest
from tiny_networks import small
from tiny_sets import squares

from helpers import gans

TRAIN, TEST = squares(120, 0), squares(90, 1)


class Copies:
    """Stands for a game that returns given images, whatever it is asked."""

    conditional, name = True, "copies"

    def __init__(self, images, logits=None):
        self.images, self.logits = images, logits


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr(gans.judging, "generate", lambda game, labels, seed: game.images[: len(labels)])
    monkeypatch.setattr(
        gans.judging, "judged", lambda game, images, labels: game.logits[images is TEST.images]
    )


@pytest.fixture(scope="module")
def classifier():
    return small(classes=3, side=16)


def values(table, network):
    return table[table["network"] == network].set_index("measure")["value"]


def test_evaluation_counts_as_the_paper_does():
    logits = {True: np.full(90, -2.0), False: np.full(90, 1.0)}  # of real images, of generated ones
    logits[True][:60] = 3.0
    found = values(gans.evaluation({"game": [Copies(TEST.images, logits)]}, TEST, seed=0), "game")
    assert found["accuracy"] == pytest.approx(60 / 180)
    assert found["precision"] == pytest.approx(60 / 150)
    assert found["recall"] == found["real_right"] == pytest.approx(60 / 90)
    assert found["f1"] == pytest.approx(2 * 0.4 * (2 / 3) / (0.4 + 2 / 3))
    assert found["fake_right"] == 0
    real = (60 * np.log1p(np.exp(-3)) + 30 * np.log1p(np.exp(2))) / 90
    assert found["loss"] == pytest.approx((real + np.log1p(np.exp(1))) / 2)


def test_published_values_stand_beside():
    logits = {True: np.ones(90), False: -np.ones(90)}
    table = gans.evaluation(
        {"game": [Copies(TEST.images, logits)]}, TEST, seed=0, published="bagrodia_evaluation"
    )
    beside = table.set_index("measure")["published"]
    assert beside["recall"] == 0.9694 and np.isnan(beside["real_right"])


def test_noise_is_far_from_real_images_and_real_images_are_near(classifier):
    noise = np.random.default_rng(0).integers(0, 256, TEST.images.shape, np.uint8)
    games = {"noise": [Copies(noise)], "one image": [Copies(np.repeat(TEST.images[:1], 90, 0))]}
    table = gans.distances(games, TRAIN, TEST, classifier, seed=0)
    real, noise, one = (values(table, name) for name in (gans.REAL, "noise", "one image"))
    assert real["frechet"] < 0.2 * noise["frechet"] and real["kernel"] < 0.2 * noise["kernel"]
    assert real["precision"] > 0.7 and noise["precision"] < 0.1
    assert real["recall"] > 0.7 and one["recall"] < 0.2
    assert one["variety"] == pytest.approx(0, abs=1e-6)
    assert one["missing"] == pytest.approx(1 - 1 / 3, abs=0.34) and 0 <= real["missing"] <= 1
    assert set(table["images"]) == {45}


def test_images_learned_by_heart_are_seen(classifier):
    table = gans.distances({"thief": [Copies(TRAIN.images)]}, TRAIN, TEST, classifier, seed=0)
    assert values(table, "thief")["memory"] == pytest.approx(0, abs=1e-6)
    assert 0.5 < values(table, gans.REAL)["memory"] < 2


def test_intervals_are_over_trainings_and_missing_where_there_is_one(classifier):
    games = {"two": [Copies(TRAIN.images), Copies(TEST.images)], "one": [Copies(TEST.images)]}
    table = gans.distances(games, TRAIN, TEST, classifier, seed=0).set_index(["network", "measure"])
    row, single = table.loc[("two", "frechet")], table.loc[("one", "frechet")]
    assert row["low"] < row["value"] < row["high"] and row["trainings"] == 2
    assert np.isnan(single["low"]) and single["trainings"] == 1
    share = table.loc[("two", "recall")]
    assert 0 <= share["low"] <= share["value"] <= share["high"] <= 1


def test_agreement_is_of_the_classes_asked_for(classifier):
    found = gans.distances({"game": [Copies(TEST.images)]}, TRAIN, TEST, classifier, seed=0)
    assert 0 <= values(found, "game")["agreement"] <= 1
    unasked = Copies(TEST.images)
    unasked.conditional = False
    found = gans.distances({"game": [unasked]}, TRAIN, TEST, classifier, seed=0)
    assert "agreement" not in values(found, "game")
