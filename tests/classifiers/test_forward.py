import numpy as np
import pytest
from tiny_networks import BUILDERS, built, photographs, small

from helpers import classifiers, noise
from helpers.backend import keras, tf
from helpers.classifiers import networks
from helpers.classifiers.layers import FusedNormalization

layers = keras.layers


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return classifiers.cnn_baseline(16, 5)


@pytest.mark.parametrize(("side", "classes", "channels"), [(8, 2, 1), (9, 10, 3), (28, 10, 1), (40, 43, 3)])
def test_baseline_takes_other_sizes_and_channels(side, classes, channels):
    images = np.zeros((2, side, side, channels), np.uint8)
    found = classifiers.logits(classifiers.cnn_baseline(side, classes, channels), images)
    assert found.shape == (2, classes)
    assert found.dtype == np.float32


def test_baseline_rescales_grey_levels_inside(model):
    images = photographs()
    inner = keras.Sequential([keras.Input((16, 16, 3)), *model.layers[1:]])
    np.testing.assert_allclose(
        classifiers.logits(model, images), inner(images.astype(np.float32) / 255), atol=1e-5
    )
    np.testing.assert_array_equal(
        classifiers.logits(model, images), classifiers.logits(model, images.astype(np.float32))
    )


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


def test_a_saved_model_loads_without_this_project(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert loaded.name == "cnn_baseline"
    np.testing.assert_array_equal(
        classifiers.logits(loaded, photographs()), classifiers.logits(model, photographs())
    )


def mean_probabilities(*members, images):
    return np.mean([classifiers.probabilities(member, images) for member in members], 0)


@pytest.mark.parametrize(("build", "side"), BUILDERS)
def test_networks_take_grey_levels_and_save(build, side, tmp_path):
    network = built(build, side)
    images = photographs(3, side)
    found = classifiers.logits(network, images)
    assert found.shape == (3, 4)
    assert np.ptp(found, 0).min() > 1e-4  # the images matter
    np.testing.assert_array_equal(found, classifiers.logits(network, images.astype(np.float32)))
    network.save(tmp_path / "model.keras")
    loaded = classifiers.load(tmp_path / "model.keras", side, 4)
    assert loaded.name == build.__name__
    np.testing.assert_array_equal(classifiers.logits(loaded, images), found)
    assert classifiers.digest(loaded) == classifiers.digest(network)


def test_lenet_is_caffes_and_sees_the_first_channel_only():
    network, images = built(classifiers.lenet, 16), photographs(2, 16)
    weights = iter(network.get_weights())
    values = images[..., :1].astype(np.float32) / 255
    for _ in range(2):
        values = tf.nn.conv2d(values, next(weights), 1, "VALID") + next(weights)
        values = tf.nn.max_pool2d(values, 2, 2, "VALID")
    values = np.maximum(values.numpy().reshape(2, -1) @ next(weights) + next(weights), 0)
    values = values @ next(weights) + next(weights)
    found = classifiers.logits(network, images)
    np.testing.assert_allclose(found, values, rtol=1e-4, atol=1e-3)
    images[..., 1:] = 0
    np.testing.assert_array_equal(classifiers.logits(network, images), found)


@pytest.fixture
def tiny_compact(monkeypatch):
    monkeypatch.setattr(networks, "COMPACT_STEM", 4)
    monkeypatch.setattr(networks, "COMPACT_STAGES", ((6, 0), (8, 1)))
    return built(classifiers.compact, 16)


def test_a_residual_block_that_returns_nothing_changes_nothing(tiny_compact, monkeypatch):
    *_, last = [layer for layer in tiny_compact.layers if isinstance(layer, FusedNormalization)]
    last.gamma.assign(last.gamma * 0)
    last.beta.assign(last.beta * 0)
    monkeypatch.setattr(networks, "COMPACT_STAGES", ((6, 0), (8, 0)))
    plain = classifiers.compact(16, 4)
    weights = tiny_compact.get_weights()
    plain.set_weights(weights[:27] + weights[36:])
    np.testing.assert_allclose(
        classifiers.logits(tiny_compact, photographs()), classifiers.logits(plain, photographs()), atol=1e-4
    )
    last.beta.assign(last.beta + 1)
    assert not np.allclose(
        classifiers.logits(tiny_compact, photographs()), classifiers.logits(plain, photographs()), atol=1e-2
    )


def test_an_ensemble_is_the_mean_probability(tmp_path):
    members = [small(seed=seed) for seed in range(3)]
    members[2].layers[-1].bias.assign([900, 0, 0, 0])  # probabilities of exactly 0 and 1
    digests = [classifiers.digest(member) for member in members]
    images = photographs(side=8)
    together = classifiers.ensemble(members)
    assert together.count_params() == 3 * members[0].count_params()
    expected = mean_probabilities(*members, images=images)
    np.testing.assert_allclose(classifiers.probabilities(together, images), expected, atol=1e-6)
    assert [member.name for member in members] == ["small"] * 3
    assert [classifiers.digest(member) for member in members] == digests
    together.save(tmp_path / "together.keras")
    loaded = classifiers.load(tmp_path / "together.keras", 8, 4)
    np.testing.assert_array_equal(classifiers.logits(loaded, images), classifiers.logits(together, images))
    members[0].layers[-1].bias.assign([0, 5, 0, 0])  # weights are shared
    expected = mean_probabilities(*members, images=images)
    np.testing.assert_allclose(classifiers.probabilities(together, images), expected, atol=1e-6)
