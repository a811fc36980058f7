"""Output layers learn from what is seen once; then the last layers of a backbone learn."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from helpers import classifiers, datasets, training
from helpers.backend import keras
from helpers.training import transfer

layers = keras.layers
RECIPE = training.Recipe(6, learning_rate=0.1, batch_size=20, augmentation="none")


def network(seed=0):
    """A backbone of two convolutions with normalisations, behind a rescaling; then dropout and logits."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((8, 8, 3))
    maps = images
    for filters in (8, 12):
        maps = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(filters, 3)(maps)))
    body = keras.Model(images, layers.GlobalAveragePooling2D()(maps), name="body")
    given = keras.Input((8, 8, 3))
    seen = layers.Dropout(0.2)(body(layers.Rescaling(1 / 32, offset=-4)(given)))
    return keras.Model(given, layers.Dense(3)(seen), name="network")


@pytest.fixture(scope="module")
def splits():
    """Images of three brightnesses."""
    rng = np.random.default_rng(0)

    def part(count):
        labels = np.arange(count) % 3
        images = (rng.normal(0, 5, (count, 8, 8, 3)) + 60 + 60 * labels[:, None, None, None]).astype(np.uint8)
        sizes = np.full((count, 2), 8)
        return datasets.ImageSet(images, labels, np.arange(count), tuple("abc"), sizes)

    return datasets.Splits(part(120), part(30), part(60), "brightness", "digest", ())


def test_features_are_what_the_output_layer_sees(splits, tmp_path):
    model = network()
    found = training.features(model, splits.test.images, cache=tmp_path)
    assert found.shape == (60, 12) and found.dtype == np.float32
    expected = classifiers.logits(model, splits.test.images)
    np.testing.assert_allclose(model.layers[-1](np.array(found)), expected, atol=1e-5)


def test_features_are_computed_once(splits, tmp_path, monkeypatch):
    model = network()
    first = np.array(training.features(model, splits.test.images, cache=tmp_path))
    model.layers[-1].kernel.assign(2 * model.layers[-1].kernel)  # the output layer makes no difference
    monkeypatch.setattr(classifiers, "logits", None)
    np.testing.assert_array_equal(training.features(model, splits.test.images, cache=tmp_path), first)
    with pytest.raises(TypeError):  # another network has other features
        training.features(network(seed=1), splits.test.images, cache=tmp_path)
    with pytest.raises(TypeError):
        training.features(model, splits.train.images, cache=tmp_path)


def test_the_output_layer_learns_and_nothing_else(splits, tmp_path):
    options = {"seeds": [3, 4], "cache": tmp_path}
    found = training.fit_outputs([network, partial(network, 1)], RECIPE, splits, **options)
    for seed, trained in enumerate(found):
        before, after = network(seed).get_weights(), trained.model.get_weights()
        assert all(np.array_equal(*pair) for pair in zip(before[:-2], after[:-2], strict=True))
        assert not np.array_equal(before[-2], after[-2])
        right = classifiers.predictions(trained.model, splits.test.images) == splits.test.labels
        assert right.mean() > 0.9
        assert len(trained.history) == 6
    again = training.fit_outputs([network, partial(network, 1)], RECIPE, splits, **options)
    assert [classifiers.digest(each.model) for each in again] == [
        classifiers.digest(each.model) for each in found
    ]


def test_first_weights_are_of_the_seed(splits, tmp_path):
    body = classifiers.backbone_of(network())

    def start():
        given = keras.Input((8, 8, 3))
        return keras.Model(given, layers.Dense(3)(body(given)), name="network")

    found = []
    for folder in ("one", "other"):
        options = {"seeds": [3, 4], "cache": tmp_path / folder}
        trained = training.fit_outputs([start, start], RECIPE, splits, **options)
        found.append([classifiers.digest(each.model) for each in trained])
    assert found[0] == found[1] and len(set(found[0])) == 2


@pytest.mark.parametrize("change", [{"augmentation": "camera"}, {"noise": ("some",)}])
def test_images_are_seen_once(splits, change):
    with pytest.raises(ValueError, match="no augmentation and no noise"):
        training.fit_outputs([network], replace(RECIPE, **change), splits, seeds=[0])


def test_of_few_images_each_training_gets_its_own(splits, tmp_path, monkeypatch):
    recipe = training.Recipe(2, learning_rate=0.01, batch_size=8, augmentation="none")
    seen = []
    fit = transfer.fit
    monkeypatch.setattr(
        transfer, "fit", lambda *given, **options: seen.append(given) or fit(*given, **options)
    )
    options = {"seeds": [3, 4], "steps": 9, "cache": tmp_path}
    found = training.fit_few({"one": network, "two": partial(network, 1)}, recipe, splits, [6, 24], **options)
    assert list(found) == ["one 6", "two 6", "one 24", "two 24"]
    assert [len(given[1]) for given in seen] == [6, 6, 6, 6, 24, 24, 24, 24]
    assert seen[0][1].groups.tolist() != seen[1][1].groups.tolist()
    assert seen[0][1].groups.tolist() == seen[2][1].groups.tolist()
    assert [(given[3].epochs, given[3].batch_size) for given in seen[::4]] == [(9, 6), (3, 8)]
    assert np.bincount(seen[0][1].labels).tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="121 training images are wanted, and there are 120"):
        training.fit_few({"one": network}, recipe, splits, [121], **options)
    again = training.fit_few({"one": network}, recipe, splits, [6], **options)
    assert classifiers.digest(again["one 6"][1].model) == classifiers.digest(found["one 6"][1].model)


@pytest.mark.parametrize(
    ("last", "statistics", "learning", "moving"),
    [(None, False, 6, 0), (2, True, 6, 2), (1, False, 4, 0), (0, True, 2, 0)],
)
def test_the_last_layers_learn(last, statistics, learning, moving, splits, tmp_path):
    model = network()
    start = training.Unfrozen(model, last, statistics=statistics)
    before = start()
    assert len(before.trainable_weights) == learning
    options = {"seed": 0, "data": "d", "cache": tmp_path}
    recipe = training.Recipe(1, batch_size=20)
    after = training.fit(start, splits.train, splits.validation, recipe, **options).model
    pairs = zip(before.get_weights(), after.get_weights(), model.get_weights(), strict=True)
    moved = [(not np.array_equal(old, new), np.array_equal(old, own)) for old, new, own in pairs]
    assert sum(move for move, _ in moved) == learning + moving
    assert all(same for _, same in moved)  # what it started from is as it was


def test_a_network_without_output_layer_is_refused(splits):
    with pytest.raises(ValueError, match="body does not end with a dense layer"):
        training.features(classifiers.backbone_of(network()), splits.test.images)
