from dataclasses import replace

import numpy as np
import pytest
from tiny_sets import squares

from helpers import classifiers, gans
from helpers.backend import keras

TRAIN, TEST = squares(120, 0), squares(90, 1)


class Copies:
    """Stands for a game that returns given images, whatever it is asked."""

    conditional, name = True, "copies"

    def __init__(self, images):
        self.images = images


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr(gans.judges, "generate", lambda game, labels, seed: game.images[: len(labels)])


@pytest.fixture(scope="module")
def classifier():
    """Sees the mean of each channel, and so the colour of the square."""
    images = keras.Input((16, 16, 3))
    means = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(images))
    model = keras.Model(images, keras.layers.Dense(3)(means))
    model.layers[-1].set_weights([10 * np.eye(3), np.zeros(3)])
    return model


def judged(sources, classifier):
    seeds = range(max(map(len, sources.values())))
    return gans.Judge(classifier, TRAIN, TEST, seeds=seeds).distances(sources).set_index("network")


def test_noise_is_far_from_real_images_and_real_images_are_near(classifier):
    noise = np.random.default_rng(0).integers(0, 256, TEST.images.shape, np.uint8)
    games = {"noise": [Copies(noise)], "one image": [Copies(np.repeat(TEST.images[:1], 90, 0))]}
    table = judged(games, classifier)
    real, noise, one = (table.loc[name] for name in (gans.REAL, "noise", "one image"))
    assert real["frechet"] < 0.2 * noise["frechet"] and real["kernel"] < 0.2 * noise["kernel"]
    assert real["precision"] > 0.7 and noise["precision"] < 0.1
    assert real["recall"] > 0.7 and one["recall"] < 0.2
    assert real["density"] > 0.7 and noise["density"] < 0.1
    assert real["coverage"] > 0.7 and noise["coverage"] < 0.1 and one["coverage"] < 0.3
    assert one["variety"] == pytest.approx(0, abs=1e-6)
    assert one["collapsed"] == 1 and real["collapsed"] == 0
    assert set(table["images"]) == {45}
    for measure in ("precision", "recall", "density", "coverage"):
        assert table.loc[gans.RANDOM, measure] < 0.1 < table.loc[gans.REAL, measure]


def test_a_class_of_equal_images_has_collapsed(classifier):
    half = gans.Judge(classifier, TRAIN, TEST, seeds=[0]).halves[0]
    images, labels = half.others.images.copy(), half.others.labels
    before = half(images, labels)
    images[labels == 0] = images[labels == 0][0]
    found = half(images, labels)
    assert before["collapsed"] == 0 and found["collapsed"] == pytest.approx(1 / 3)
    assert found["variety"] < before["variety"]


def test_images_learned_by_heart_are_seen(classifier):
    stolen = np.concatenate([TRAIN.images[:18], TEST.images[18:]])
    table = judged({"thief": [Copies(TRAIN.images)], "at times": [Copies(stolen)]}, classifier)
    assert table.loc["thief", "memorisation"] == 1
    assert 0.4 <= table.loc["at times", "memorisation"] < 0.7
    assert table.loc[gans.REAL, "memorisation"] < 0.2


def test_intervals_are_over_trainings_and_missing_where_there_is_one(classifier):
    games = {"two": [Copies(TRAIN.images), Copies(TEST.images)], "one": [Copies(TEST.images)]}
    table = judged(games, classifier)
    assert table["trainings"].to_dict() == {gans.REAL: 2, gans.RANDOM: 2, "two": 2, "one": 1}
    for name in (gans.REAL, "two"):
        row = table.loc[name]
        assert row["frechet_low"] < row["frechet"] < row["frechet_high"]
        assert 0 <= row["recall_low"] <= row["recall"] <= row["recall_high"] <= 1
    assert np.isnan(table.loc["one", "frechet_low"])


def test_no_track_is_in_both_halves(classifier):
    tracks = replace(TEST, groups=TEST.labels * 100 + np.arange(len(TEST)) // 9)
    judge = gans.Judge(classifier, TRAIN, tracks, seeds=[0, 1])
    for half in judge.halves:
        counts = [np.bincount(part) for part in (half.labels, half.others.labels)]
        np.testing.assert_array_equal(*counts)
        others = {image.tobytes() for image in half.others.images}
        of_others = {
            group
            for image, group in zip(tracks.images, tracks.groups, strict=True)
            if image.tobytes() in others
        }
        features = {row.tobytes() for row in half.real}
        seen = classifiers.logits(judge.features, tracks.images)
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

    asked = []

    def darker(images, *, seed):
        asked.append(seed)
        return images * 0.5

    judge = gans.Judge(classifier, TRAIN, TEST, seeds=[0, 1])
    table = judge.perception(restorers, darker, seed=7).set_index("network")
    assert asked == [7, 8]
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
        gans.Judge(classifier, TRAIN, one, seeds=[0])
