import keras
import numpy as np
import pytest

from helpers.backend import tf
from helpers.recognition import stacks

RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=(2, 3, 8, 16, 5)).astype(np.float32)


def test_windows_and_a_product_are_the_convolution_of_keras():
    found = stacks.windows(tf.constant(MAPS)).numpy()
    kernel = RNG.normal(size=(4, 4, 5, 7)).astype(np.float32)
    # blocks of 2 by 2 pixels come first, then the pixels within
    rows = kernel.reshape(2, 2, 2, 2, 5, 7).transpose(0, 2, 1, 3, 4, 5).reshape(80, 7)
    layer = keras.layers.Conv2D(7, 4, strides=2, padding="same", use_bias=False)
    layer.build(MAPS[0].shape)
    layer.set_weights([kernel])
    for person in range(2):
        expected = np.asarray(layer(MAPS[person]))
        np.testing.assert_allclose(found[person] @ rows, expected, atol=1e-4)


def test_overlap_is_the_adjoint_of_windows():
    found = stacks.windows(tf.constant(MAPS)).numpy()
    other = RNG.normal(size=found.shape).astype(np.float32)
    back = stacks.overlap(tf.constant(other)).numpy()
    assert back.shape == MAPS.shape
    assert np.vdot(found, other) == pytest.approx(np.vdot(MAPS, back), rel=1e-4)


def test_every_network_has_its_own_weights_and_none_sees_another():
    weights = stacks.new_discriminators(RNG, 3, (16, 24, 3), 4)
    images = RNG.uniform(0, 255, (3, 2, 16, 24, 3)).astype(np.float32)
    together = stacks.discriminate([tf.constant(w) for w in weights], tf.constant(images)).numpy()
    assert together.shape == (3, 2) and len(np.unique(together)) == 6
    for person in range(3):
        alone = [tf.constant(w[person : person + 1]) for w in weights]
        found = stacks.discriminate(alone, tf.constant(images[person : person + 1])).numpy()
        np.testing.assert_allclose(found[0], together[person], rtol=1e-4, atol=1e-5)


def test_a_generator_makes_grey_levels_of_the_shape():
    weights = [tf.constant(w) for w in stacks.new_generators(RNG, 2, (16, 24, 3), 4)]
    latents = RNG.normal(size=(2, 5, stacks.LATENTS)).astype(np.float32)
    made = stacks.generate(weights, tf.constant(latents), (16, 24, 3)).numpy()
    assert made.shape == (2, 5, 16, 24, 3)
    assert 0 <= made.min() < 100 and 155 < made.max() <= 255


def test_first_logits_have_the_size_that_a_loss_can_learn_from():
    weights = stacks.new_discriminators(RNG, 50, (32, 32, 3), 8)
    images = tf.constant(RNG.uniform(0, 255, (50, 4, 32, 32, 3)).astype(np.float32))
    assert 0.1 < stacks.discriminate([tf.constant(w) for w in weights], images).numpy().std() < 3


@pytest.mark.parametrize("shape", [(12, 16, 3), (16, 20, 3)])
def test_sides_that_cannot_be_halved_three_times_are_refused(shape):
    with pytest.raises(ValueError, match="multiples of 8"):
        stacks.new_discriminators(RNG, 1, shape, 4)
