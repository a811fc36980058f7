import linear
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tiny_networks import photographs, small

from helpers import classifiers
from helpers.backend import keras, tf

layers = keras.layers


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return classifiers.cnn_baseline(16, 5)


def mean_probabilities(*members, images):
    return np.mean([classifiers.probabilities(member, images) for member in members], 0)


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


def test_five_crops_are_enlarged_and_averaged(model, tmp_path):
    images = photographs(4).astype(np.float32)
    crops = [
        images[:, 2:-2, 2:-2],
        images[:, :-4, :-4],
        images[:, :-4, 4:],
        images[:, 4:, :-4],
        images[:, 4:, 4:],
    ]
    looks = [tf.image.resize(crop, (16, 16)).numpy() for crop in crops]
    expected = np.mean([classifiers.probabilities(model, look) for look in looks], 0)
    looking = classifiers.five_crops(model)
    np.testing.assert_allclose(classifiers.probabilities(looking, images), expected, atol=1e-5)
    cost, five = (classifiers.multiply_adds(network, (16, 16, 3)) for network in (model, looking))
    assert five == 5 * cost
    looking.save(tmp_path / "looking.keras")
    loaded = classifiers.load(tmp_path / "looking.keras", 16, 5)
    np.testing.assert_allclose(classifiers.probabilities(loaded, images), expected, atol=1e-5)
    for network, margin in ((model, 8), (model, 0), (small(side=None), 2)):
        with pytest.raises(ValueError, match=f"crops of margin {margin} do not fit images"):
            classifiers.five_crops(network, margin)


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


def test_ensembles_take_every_training_equally_often():
    trained = [linear.classifier(4, seed=seed) for seed in range(3)]
    found = classifiers.Ensembles(trained, 2)
    assert len(found) == 3 and found.overlap == 4
    image = np.full((1, *linear.SHAPE), 90, np.uint8)
    shares = [classifiers.probabilities(model, image) for model in trained]
    np.testing.assert_allclose(
        classifiers.probabilities(found[2], image), (shares[2] + shares[0]) / 2, atol=1e-6
    )
    assert len(classifiers.Ensembles(trained, 3)) == 1
    with pytest.raises(ValueError, match="ensembles of 4 need as many"):
        classifiers.Ensembles(trained, 4)
