from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tiny_sets import squares

from helpers import classifiers, gans, training
from helpers.backend import keras

TRAIN, TEST = squares(120, 0), squares(90, 1)


class Copies:
    """Stands for a game that returns given images, whatever it is asked."""

    conditional, name = True, "copies"

    def __init__(self, images, logits=None):
        self.images, self.logits = images, logits


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr(gans.judging, "generate", lambda game, labels, seed: game.images[: len(labels)])
    monkeypatch.setattr(gans.judging, "scores", lambda game, test, seed: game.logits)


@pytest.fixture(scope="module")
def classifier():
    """Sees the mean of each channel, and so the colour of the square."""
    images = keras.Input((16, 16, 3))
    means = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(images))
    model = keras.Model(images, keras.layers.Dense(3)(means))
    model.layers[-1].set_weights([10 * np.eye(3), np.zeros(3)])
    return model


def values(table, network):
    return table[table["network"] == network].set_index("measure")["value"]


def test_evaluation_counts_as_the_paper_does():
    logits = np.full(90, -2.0), np.full(90, 1.0)  # of real images, of generated ones
    logits[0][:60] = 3.0
    found = values(gans.evaluation({"game": [Copies(TEST.images, logits)]}, TEST, seed=0), "game")
    assert found["accuracy"] == pytest.approx(60 / 180)
    assert found["precision"] == pytest.approx(60 / 150)
    assert found["recall"] == found["real_right"] == pytest.approx(60 / 90)
    assert found["f1"] == pytest.approx(2 * 0.4 * (2 / 3) / (0.4 + 2 / 3))
    assert found["fake_right"] == 0
    real = (60 * np.log1p(np.exp(-3)) + 30 * np.log1p(np.exp(2))) / 90
    assert found["loss"] == pytest.approx((real + np.log1p(np.exp(1))) / 2)


def test_published_values_stand_beside():
    logits = np.ones(90), -np.ones(90)
    table = gans.evaluation(
        {"game": [Copies(TEST.images, logits)]}, TEST, seed=0, published="bagrodia_evaluation"
    )
    beside = table.set_index("measure")["published"]
    assert beside["recall"] == 0.9694 and np.isnan(beside["real_right"])


def judged(sources, classifier):
    return gans.distances(sources, TRAIN, TEST, classifier, seed=0).set_index("network")


def test_noise_is_far_from_real_images_and_real_images_are_near(classifier):
    noise = np.random.default_rng(0).integers(0, 256, TEST.images.shape, np.uint8)
    games = {"noise": [Copies(noise)], "one image": [Copies(np.repeat(TEST.images[:1], 90, 0))]}
    table = judged(games, classifier)
    real, noise, one = (table.loc[name] for name in (gans.REAL, "noise", "one image"))
    assert real["frechet"] < 0.2 * noise["frechet"] and real["kernel"] < 0.2 * noise["kernel"]
    assert real["precision"] > 0.7 and noise["precision"] < 0.1
    assert real["recall"] > 0.7 and one["recall"] < 0.2
    assert one["variety"] == pytest.approx(0, abs=1e-6)
    assert one["missing"] > 0.4 and real["missing"] < 0.4
    assert set(table["images"]) == {45}


def test_images_learned_by_heart_are_seen(classifier):
    table = judged({"thief": [Copies(TRAIN.images)]}, classifier)
    assert table.loc["thief", "memorisation"] == pytest.approx(0, abs=1e-6)
    assert 0.5 < table.loc[gans.REAL, "memorisation"] < 2


def test_intervals_are_over_trainings_and_missing_where_there_is_one(classifier):
    games = {"two": [Copies(TRAIN.images), Copies(TEST.images)], "one": [Copies(TEST.images)]}
    table = judged(games, classifier)
    assert table["trainings"].to_dict() == {gans.REAL: 2, "two": 2, "one": 1}
    for name in (gans.REAL, "two"):
        row = table.loc[name]
        assert row["frechet_low"] < row["frechet"] < row["frechet_high"]
        assert 0 <= row["recall_low"] <= row["recall"] <= row["recall_high"] <= 1
    assert np.isnan(table.loc["one", "frechet_low"])


def test_no_track_is_in_both_halves(classifier, monkeypatch):
    tracks = replace(TEST, groups=TEST.labels * 100 + np.arange(len(TEST)) // 9)
    halves = []
    monkeypatch.setattr(
        gans.judging._Judge, "__call__", lambda self, *_: halves.append(self) or {"frechet": 0.0}
    )
    gans.distances({"game": [Copies(TEST.images)] * 2}, TRAIN, tracks, classifier, seed=0)
    for judge in halves:
        counts = [np.bincount(part) for part in (judge.labels, judge.others.labels)]
        np.testing.assert_array_equal(*counts)
        others = {image.tobytes() for image in judge.others.images}
        of_others = {
            group
            for image, group in zip(tracks.images, tracks.groups, strict=True)
            if image.tobytes() in others
        }
        features = {row.tobytes() for row in judge.real}
        seen = classifiers.logits(judge.seen, tracks.images)
        of_reference = {
            group for row, group in zip(seen, tracks.groups, strict=True) if row.tobytes() in features
        }
        assert of_others and of_reference and not of_others & of_reference


def test_agreement_is_of_the_classes_asked_for(classifier):
    game = Copies(TEST.images)
    assert 0 <= judged({"game": [game]}, classifier).loc["game", "agreement"] <= 1
    game.conditional = False
    assert np.isnan(judged({"game": [game]}, classifier).loc["game", "agreement"])


def test_perception_is_of_crowds_and_psnr_of_pairs(classifier):
    images = keras.Input((16, 16, 3))
    same = keras.Model(images, keras.layers.Rescaling(1.0)(images))
    black = keras.Model(images, keras.layers.Rescaling(0.0)(images))
    restorers = {"same": [same, same], "black": [black, black]}

    def darker(images, *, seed):
        return images * 0.5

    table = gans.perception(restorers, darker, TRAIN, TEST, classifier, seed=0).set_index("network")
    assert list(table.index) == [gans.REAL, gans.NOISY, "same", "black"]
    assert table.loc["same", "frechet"] == pytest.approx(table.loc[gans.NOISY, "frechet"], rel=1e-3)
    assert table.loc[gans.REAL, "frechet"] < table.loc["same", "frechet"] < table.loc["black", "frechet"]
    assert np.isnan(table.loc[gans.REAL, "psnr"])
    assert table.loc["black", "psnr"] < table.loc["same", "psnr"]
    assert table.loc["same", "psnr"] == pytest.approx(table.loc[gans.NOISY, "psnr"], abs=1e-6)
    assert 0 <= table.loc["black", "ssim"] < table.loc["same", "ssim"] <= 1
    assert set(table["trainings"]) == {2}


def test_too_few_tracks_for_two_halves_are_refused(classifier):
    one = replace(TEST, groups=TEST.labels)
    with pytest.raises(ValueError, match="90 test images have no class of two tracks to halve"):
        gans.distances({"game": [Copies(TEST.images)]}, TRAIN, one, classifier, seed=0)


def test_curves_that_run_away_raise_an_alarm():
    def curves(loss, right):
        history = pd.DataFrame({"generator_loss": loss, "val_pairs_right": right})
        return [training.Trained(None, history, 0.0)]

    games = {
        "even": curves([1.0, 0.9, 0.8, 0.9], [0.6, 0.7, 0.6, 0.7]),
        "lost": curves([1.0, 0.9, 2.0, 4.0], [0.6, 0.9, 1.0, 1.0]),
        "negative": curves([1.0, -1.0, 2.0, 40.0], [0.5] * 4),
        "one epoch": curves([0.7], [0.5]),
    }
    table = gans.balance(games).set_index("network")
    assert table["alarm"].to_dict() == {
        "even": "",
        "lost": "discriminator wins, loss grows",
        "negative": "",
        "one epoch": "",
    }
    assert table.loc["lost", "growth"] == pytest.approx(4 / 0.9)
    assert np.isnan(table.loc["negative", "growth"])
