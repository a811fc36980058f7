import numpy as np
import pytest

from helpers import classifiers, noise
from helpers.backend import keras


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return classifiers.cnn_baseline(16, 5)


def photographs(count=13, side=16):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def test_baseline_has_the_parameters_and_layers_of_figure_8():
    network = classifiers.cnn_baseline(40, 43)
    assert network.count_params() == 234_059
    assert sum(int(np.prod(weight.shape)) for weight in network.trainable_weights) == 234_059
    counted = [(layer.output.shape[1:], layer.count_params()) for layer in network.layers[1:]]
    assert counted == [
        ((40, 40, 16), 448),
        ((20, 20, 16), 0),
        ((20, 20, 32), 4_640),
        ((10, 10, 32), 0),
        ((10, 10, 64), 18_496),
        ((5, 5, 64), 0),
        ((1600,), 0),
        ((128,), 204_928),
        ((43,), 5_547),
    ]


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


def test_too_small_images_and_no_images_are_refused(model):
    with pytest.raises(ValueError, match="image_size is 7"):
        classifiers.cnn_baseline(7, 3)
    with pytest.raises(ValueError, match="no images"):
        classifiers.logits(model, photographs(0))
