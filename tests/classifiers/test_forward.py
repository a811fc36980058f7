import numpy as np
import pytest
from tiny_networks import photographs

from helpers import classifiers, noise, restoration
from helpers.backend import keras

layers = keras.layers


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return classifiers.cnn_baseline(16, 5)


def test_outputs_are_logits(model):
    found = classifiers.logits(model, photographs())
    assert found.min() < 0
    probabilities = classifiers.probabilities(model, photographs())
    exponentials = np.exp(found.astype(np.float64))
    np.testing.assert_allclose(probabilities, exponentials / exponentials.sum(1, keepdims=True), rtol=1e-5)
    predicted = classifiers.predictions(model, photographs())
    assert predicted.dtype == np.int64
    np.testing.assert_array_equal(predicted, probabilities.argmax(1))


@pytest.mark.parametrize("batch_size", [1, 4, 13, 512])
@pytest.mark.parametrize("kind", ["clean", *noise.MODELS, "mixture"])
def test_logits_do_not_depend_on_the_batch_size(model, batch_size, kind):
    sets = {noise_set.kind: noise_set for noise_set in noise.NINE_SETS}
    applied = {"clean": None, "mixture": noise.mixture}.get(kind, sets.get(kind))
    whole = classifiers.logits(model, photographs(), noise=applied, seed=5)
    parts = classifiers.logits(model, photographs(), noise=applied, seed=5, batch_size=batch_size)
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_noise_is_keyed_by_seed_and_image(model):
    images = photographs()
    keys = []

    def applied(batch, *, seed, indices):
        keys.extend((seed, index) for index in indices)
        return noise.gaussian(batch, 30, seed=seed, indices=indices)

    found = classifiers.logits(model, images, noise=applied, seed=5, batch_size=4)
    assert keys == [(5, index) for index in range(13)]
    noisy = noise.gaussian(images, 30, seed=5)
    np.testing.assert_allclose(found, classifiers.logits(model, noisy), atol=1e-5)
    assert not np.allclose(found, classifiers.logits(model, images, noise=applied, seed=6), atol=1e-3)


def test_changed_weights_are_seen(model):
    changed = keras.models.clone_model(model)
    before = classifiers.logits(changed, photographs())
    changed.layers[-1].bias.assign(changed.layers[-1].bias + 1)
    np.testing.assert_allclose(classifiers.logits(changed, photographs()), before + 1, atol=1e-5)


def test_multiply_adds_are_those_of_all_convolutions_and_products(model):
    def count(network):
        return classifiers.multiply_adds(network, (16, 16, 3))

    alone = count(model)
    assert alone == 16**2 * 27 * 16 + 8**2 * 144 * 32 + 4**2 * 288 * 64 + 2**2 * 64 * 128 + 128 * 5
    pair = classifiers.ensemble([model, keras.models.clone_model(model)])
    assert count(pair) == 2 * alone
    columns_and_rows = 2 * 7 * 3 * 16**2  # the filter of a pixel ends after three
    assert count(classifiers.smoothed(model, 1.0)) == alone + columns_and_rows
    compact, deep = restoration.compact(8, 1), restoration.network(3)
    assert count(restoration.fuse(compact, model)) - alone == 16**2 * 9 * (2 * 12 * 8 + 2 * 8 * 8) // 4
    # The first two compute one pixel beyond the border.
    assert count(restoration.fuse(deep, model)) - alone == 18**2 * 64 * (27 + 32) + 16**2 * 9 * 32 * 3
    images = keras.Input((None, None, 3))  # a model for images of any size, with a product in every pixel
    anywhere = keras.Model(images, layers.GlobalAveragePooling2D()(layers.Dense(5)(images)))
    assert count(anywhere) == 16**2 * 3 * 5


def test_milliseconds_are_of_an_image_in_the_fastest_round(model, monkeypatch):
    clock = iter([0.0, 0.9, 1.0, 1.4, 2.0, 2.6])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    assert classifiers.milliseconds(model, (16, 16, 3), batch_size=8) == pytest.approx(50)
