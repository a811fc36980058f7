import numpy as np
import pytest

from helpers import gans
from helpers.backend import keras

CONDITIONED = sorted(set(gans.NETWORKS) - {"dense"})


def made(players, classes=None, count=3):
    keras.utils.set_random_seed(0)
    latents = np.random.default_rng(0).normal(size=(count, players.generator.inputs[0].shape[-1]))
    shares = [np.eye(classes, dtype="float32")[np.arange(count) % classes]] if classes else []
    return np.asarray(players.generator([latents.astype("float32"), *shares] if classes else latents))


def trainable(network):
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_variables)


def test_bagrodias_networks_have_the_printed_parameters():
    players = gans.dense(28, 1)
    assert [player.count_params() for player in players] == [227_344, 201_217]


def test_mehrotras_networks_have_the_weights_of_the_printed_layers():
    players = gans.perceptron(28, 3)
    sides = [(100, 128), (128, 256), (256, 512), (512, 1024), (1024, 2352)]
    wanted = sum(given * units + units for given, units in sides) + 2 * (256 + 512 + 1024)
    assert trainable(players.generator) == wanted == 3_117_232
    wanted = sum(given * units + units for given, units in [(2352, 512), (512, 256), (256, 1)])
    assert players.discriminator.count_params() == wanted == 1_336_321
    norms = [layer for layer in players.generator.layers if "batch" in layer.name]
    assert [(norm.epsilon, norm.momentum) for norm in norms] == [(0.8, 0.9)] * 3


def test_mehrotras_linear_layers_begin_as_in_pytorch():
    keras.utils.set_random_seed(0)
    first = next(layer for layer in gans.perceptron().discriminator.layers if layer.name.startswith("dense"))
    weights = np.asarray(first.kernel)
    assert np.abs(weights).max() == pytest.approx(1 / np.sqrt(2352), rel=0.01)
    assert weights.std() == pytest.approx(1 / np.sqrt(3 * 2352), rel=0.01)


@pytest.mark.parametrize("name", CONDITIONED)
def test_images_are_grey_levels_and_depend_on_latent_and_class(name):
    players = gans.NETWORKS[name](16, 3, classes=4)
    images = made(players, 4)
    assert images.shape == (3, 16, 16, 3)
    assert images.min() >= 0 and images.max() <= 255 and images.std() > 0.1
    latents = np.ones((4, players.generator.inputs[0].shape[-1]), np.float32)
    keras.utils.set_random_seed(0)
    for weight in players.generator.weights:  # those of conditional normalisation begin alike
        weight.assign(weight + 0.1 * keras.random.normal(weight.shape))
    shares = np.eye(4, dtype="float32")
    shares[3] = (shares[0] + shares[1]) / 2
    pure, other, _, mixed = np.asarray(players.generator([latents, shares]))
    assert min(np.abs(pure - other).max(), np.abs(pure - mixed).max(), np.abs(other - mixed).max()) > 1e-3


def test_bagrodias_generator_makes_what_no_image_has():
    assert made(gans.dense(8, 1)).min() < 0


@pytest.mark.parametrize("name", gans.NETWORKS)
@pytest.mark.parametrize("classes", [None, 4])
def test_a_discriminator_returns_one_logit_and_is_told_the_class(name, classes):
    if (name == "dense" and classes) or (name == "auxiliary" and not classes):
        return
    _, discriminator = gans.NETWORKS[name](8, 3, **({"classes": classes} if classes else {}))
    images = np.random.default_rng(0).uniform(0, 255, (5, 8, 8, 3)).astype("float32")
    told = classes and name != "auxiliary"
    shares = np.eye(4, dtype="float32")[np.arange(5) % 4]
    found = discriminator([images, shares] if told else images)
    logits, *named = found if isinstance(found, list) else [found]
    assert logits.shape == (5, 1)
    assert [tuple(each.shape) for each in named] == ([(5, 4)] if name == "auxiliary" else [])
    if told:
        other = discriminator([images, np.roll(shares, 1, 1)])
        assert np.abs(np.asarray(logits) - np.asarray(other)).max() > 1e-6


def test_transposed_convolutions_alone_are_taken_from_one_game_to_the_other():
    one, other, both = gans.dcgan(16), gans.perceptron(16), gans.NETWORKS["transposed"](16)
    assert both.generator.count_params() == one.generator.count_params()
    assert both.discriminator.count_params() == other.discriminator.count_params()


def test_a_side_that_cannot_be_halved_twice_is_refused():
    for build in (gans.dcgan, gans.residual):
        with pytest.raises(ValueError, match="image_size is 30: it must be a multiple of 4"):
            build(30)


def test_an_auxiliary_classifier_needs_classes():
    with pytest.raises(ValueError, match="needs classes"):
        gans.NETWORKS["auxiliary"](8, 3)
