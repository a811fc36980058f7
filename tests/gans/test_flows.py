from functools import partial

import numpy as np
import pytest
from tiny_sets import squares

from helpers import gans, training
from helpers.backend import keras, tf
from helpers.gans import flows

TRAIN, VALIDATION = squares(96, 0), squares(48, 1)
BUILD = partial(gans.velocity, 16, 3, 3, width=8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    recipe = flows.FlowRecipe(epochs=60, batch_size=32, learning_rate=0.005)
    options = {"seed": 0, "data": "squares", "cache": tmp_path_factory.mktemp("trainings")}
    return training.fit(BUILD, TRAIN, VALIDATION, recipe, task=gans.FlowMatching(), **options)


def test_it_learns_the_colour_of_each_class(trained):
    assert trained.history["val_loss"].iloc[-1] < 0.5 * trained.history["val_loss"].iloc[0]
    labels = np.repeat([0, 1, 2], 8)
    images = gans.generate(gans.Flow(trained.model), labels, seed=0)
    assert images.shape == (24, 16, 16, 3) and images.dtype == np.uint8
    brightest = images.astype(float).mean((1, 2)).argmax(1)
    assert (brightest == labels).mean() > 0.9


def test_an_image_depends_on_its_noise_and_its_class():
    keras.utils.set_random_seed(0)
    model = BUILD()
    model.layers[-1].set_weights([0.1 * np.ones_like(weight) for weight in model.layers[-1].get_weights()])
    flow = gans.Flow(model)
    whole = gans.generate(flow, np.array([0, 1, 2, 0]), seed=0)
    np.testing.assert_array_equal(whole[2:], gans.generate(flow, np.array([2, 0]), seed=0, first=2))
    assert (whole[0] != whole[3]).any()


def test_a_velocity_that_is_constant_is_followed_exactly():
    class Constant:
        name, inputs = "constant", [tf.zeros((1, 2, 2, 3)), None, tf.zeros((1, 4))]

        def __call__(self, inputs, training):
            return tf.ones_like(inputs[0]) * 0.5

    flow = gans.Flow(Constant())
    noise = np.zeros((1, 2, 2, 3), np.float32)
    np.testing.assert_allclose(flow([tf.constant(noise), tf.zeros((1, 4))]), 127.5 * 1.5, rtol=1e-5)


def test_mixtures_lie_between_noise_and_image_and_their_velocity_leads_there():
    images, labels = tf.constant(TRAIN.images[:5]), tf.constant([0, 1, 2, 0, 1])
    (mixed, time, shares), speed = flows._pairs(images, labels, tf.constant([0, 1]), 3)
    time = time[:, :, None, None]
    scaled = np.asarray(images, np.float32) / 127.5 - 1
    np.testing.assert_allclose(mixed + (1 - time) * speed, scaled, atol=1e-5)
    noise = np.asarray(mixed - time * speed)
    assert abs(noise.mean()) < 0.1 and noise.std() == pytest.approx(1, abs=0.1)
    np.testing.assert_array_equal(np.argmax(shares, 1), labels)


def test_a_side_that_cannot_be_halved_twice_is_refused():
    with pytest.raises(ValueError, match="image_size is 30"):
        gans.velocity(30)
