import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tiny_networks import BUILDERS, built, photographs, small

from helpers import classifiers
from helpers.backend import keras, tf
from helpers.classifiers import networks

layers = keras.layers


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return classifiers.cnn_baseline(16, 5)


def mean_probabilities(*members, images):
    return np.mean([classifiers.probabilities(member, images) for member in members], 0)


@pytest.mark.parametrize(("build", "side"), [pair for pair in BUILDERS if pair[1] > 8])
def test_networks_refuse_images_too_small_for_their_poolings(build, side):
    with pytest.raises(ValueError, match=rf"image_size is {side - 1}: .* at least {side}"):
        build(side - 1, 4)


@pytest.mark.parametrize(("build", "side"), BUILDERS)
def test_networks_train_without_complaints_of_the_graph_optimiser(build, side, capfd):
    network = built(build, side)
    network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    before = network.get_weights()
    network.train_on_batch(photographs(2, side).astype(np.float32), np.array([0, 3]))
    assert "remapper" not in capfd.readouterr().err
    assert all(np.any(old != new) for old, new in zip(before, network.get_weights(), strict=True))


def leaky(values):
    return np.where(values > 0, values, 0.01 * values)


def test_aghdam_computes_figure_2():
    network, images = built(classifiers.aghdam, 32), photographs(2, 32)
    weights = iter(network.get_weights())
    values = images.astype(np.float32) / 255 @ next(weights) + next(weights)
    for groups in (1, 2, 2):
        parts = []
        for part in np.split(values, groups, -1):
            parts.append(tf.nn.conv2d(part, next(weights), 1, "VALID") + next(weights))
        values = tf.nn.max_pool2d(leaky(np.concatenate(parts, -1)), 2, 2, "VALID").numpy()
    values = leaky(values.reshape(2, -1) @ next(weights) + next(weights)) @ next(weights) + next(weights)
    np.testing.assert_allclose(classifiers.logits(network, images), values, rtol=1e-4, atol=1e-3)
    dropout, last = network.layers[-2:]
    assert (dropout.rate, last.count_params()) == (0.5, 300 * 4 + 4)


@pytest.fixture
def tiny_compact(monkeypatch):
    monkeypatch.setattr(networks, "COMPACT_STEM", 4)
    monkeypatch.setattr(networks, "COMPACT_STAGES", ((6, 0), (8, 1)))
    return built(classifiers.compact, 16)


def test_compact_rescales_to_one_around_zero(tiny_compact):
    rescaled = keras.Model(tiny_compact.input, tiny_compact.layers[1].output)
    grey = np.array([0, 127.5, 255], np.float32)[:, None, None, None] * np.ones((1, 16, 16, 3), np.float32)
    np.testing.assert_allclose(rescaled(grey)[:, 0, 0, 0], [-1, 0, 1], atol=1e-6)


def test_an_ensemble_takes_sequential_models_and_ensembles_and_stays_finite(model):
    other = keras.models.clone_model(model)
    inner = classifiers.ensemble([model, other])
    third = keras.models.clone_model(model)
    outer = classifiers.ensemble([inner, third])
    expected = mean_probabilities(inner, third, images=photographs())
    np.testing.assert_allclose(classifiers.probabilities(outer, photographs()), expected, atol=1e-6)
    for member in (other, third):
        member.layers[-1].bias.assign([1e6, 0, 0, 0, 0])
    sure = classifiers.ensemble([other, third])
    found = classifiers.logits(sure, photographs())
    np.testing.assert_allclose(found, [[0] + 4 * [np.log(1e-37)]] * 13, atol=1e-3)


def test_ensembles_of_unequal_or_too_few_models_are_refused():
    with pytest.raises(ValueError, match="at least 2 models, not 1"):
        classifiers.ensemble([small()])
    with pytest.raises(ValueError, match=r"input_shape of model 2 is \(None, 9, 9, 3\).*\(None, 8, 8, 3\)"):
        classifiers.ensemble([small(), small(), small(side=9)])
    with pytest.raises(ValueError, match=r"output_shape of model 1 is \(None, 5\).*\(None, 4\)"):
        classifiers.ensemble([small(), small(5)])
    one = small()
    for other in (one, classifiers.smoothed(one, 1)):
        with pytest.raises(ValueError, match="share weights"):
            classifiers.ensemble([one, other])


def identity(side=12, channels=3):
    images = keras.Input((side, side, channels))
    return keras.Model(images, layers.Activation("linear")(images), name="identity")


@pytest.mark.parametrize("sigma", [0.5, 1, 2.2, 6])
def test_smoothing_is_a_gaussian_filter_with_repeated_borders(sigma):
    images = photographs(2, 12)
    found = classifiers.smoothed(identity(), sigma)(images.astype(np.float32))
    radius = int(np.ceil(3 * sigma))
    expected = gaussian_filter(
        images.astype(float), (0, sigma, sigma, 0), mode="nearest", radius=(0, radius, radius, 0)
    )
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("side", [1, 12, None])
def test_smoothing_leaves_a_constant_image_alone(side):
    grey = np.array([0, 77, 255], np.float32)[:, None, None, None] * np.ones((1, 12, 12, 1), np.float32)
    grey = grey[:, :side, :side]
    found = classifiers.smoothed(identity(side, 1), 1.5)(grey)
    assert found.shape == grey.shape
    np.testing.assert_allclose(found, grey, atol=1e-4)


@pytest.mark.parametrize("sigma", [0, -1, float("nan")])
def test_smoothing_needs_a_positive_sigma(sigma):
    with pytest.raises(ValueError, match="sigma is"):
        classifiers.smoothed(identity(), sigma)
