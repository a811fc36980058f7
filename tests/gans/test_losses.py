import numpy as np
import pytest

from helpers.backend import tf
from helpers.gans import OBJECTIVES
from helpers.gans.losses import gradient_penalty, squared_gradient

REAL, FAKE = np.array([[2.0], [-1.0]], np.float32), np.array([[0.5], [3.0]], np.float32)


def log_sigmoid(values):
    return -np.log1p(np.exp(-values))


EXPECTED = {
    "minimax": (-(log_sigmoid(REAL) + log_sigmoid(-FAKE)) / 2, -log_sigmoid(FAKE)),
    "least_squares": (((REAL - 1) ** 2 + FAKE**2) / 2, (FAKE - 1) ** 2 / 2),
    "wasserstein": (FAKE - REAL, -FAKE),
    "hinge": (np.maximum(0, 1 - REAL) + np.maximum(0, 1 + FAKE), -FAKE),
    "relativistic": (-log_sigmoid(REAL - FAKE), -log_sigmoid(FAKE - REAL)),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_are_those_of_their_papers(name):
    objective = OBJECTIVES[name]
    for loss, wanted in zip(objective[:2], EXPECTED[name], strict=True):
        np.testing.assert_allclose(loss(REAL, FAKE), wanted, rtol=1e-5)
    asks = np.abs(np.asarray(objective.generator(REAL, FAKE) - objective.generator(REAL + 1, FAKE))).max()
    assert (asks > 0) == objective.paired


@pytest.mark.parametrize("name", OBJECTIVES)
def test_both_want_what_they_should(name):
    """A discriminator wants real logits up and generated ones down, a generator generated ones up."""
    real, fake = tf.zeros((1, 1)), tf.zeros((1, 1))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        discriminator = OBJECTIVES[name].discriminator(real, fake)
        generator = OBJECTIVES[name].generator(real, fake)
    assert tape.gradient(discriminator, real) < 0
    pushed = tape.gradient(discriminator, fake)
    assert pushed > 0 or (name == "least_squares" and pushed == 0)  # its aim for them is 0 itself
    assert tape.gradient(generator, fake) < 0


def linear(images):
    """A score with a gradient of 2 at each grey level."""
    return tf.reduce_sum(2 * images, (1, 2, 3))[:, None]


def test_a_squared_gradient_is_of_images_in_plus_minus_one():
    images = tf.constant(np.random.default_rng(0).uniform(0, 255, (3, 2, 2, 1)), tf.float32)
    np.testing.assert_allclose(squared_gradient(linear, images), [4 * (2 * 127.5) ** 2] * 3, rtol=1e-5)


def test_a_slope_of_one_costs_nothing():
    real, fake = tf.zeros((3, 2, 2, 1)), tf.ones((3, 2, 2, 1))
    share = tf.fill((3, 1, 1, 1), 0.5)
    flat = gradient_penalty(lambda images: linear(images) / (4 * 127.5), real, fake, share)
    np.testing.assert_allclose(flat, 0, atol=1e-6)
    steep = gradient_penalty(lambda images: linear(images) / 127.5, real, fake, share)
    np.testing.assert_allclose(steep, (4 - 1) ** 2, rtol=1e-5)
