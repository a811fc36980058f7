import numpy as np
import pytest

from helpers import restoration
from helpers.backend import keras


@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (1, 5, 7, 1), (2, 1, 1, 3)])
def test_halving_and_doubling_give_the_images_back(shape):
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    halved = restoration.Halved()(images)
    assert halved.shape == (shape[0], -(-shape[1] // 2), -(-shape[2] // 2), 4 * shape[3])
    np.testing.assert_array_equal(restoration.Doubled()(halved, images), images)


def test_the_channels_are_the_corners_of_squares():
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    halved = keras.ops.convert_to_numpy(restoration.Halved()(image))
    np.testing.assert_array_equal(halved[0, 0, 1], [2, 3, 6, 7])


def test_shapes_are_known_before_any_image():
    images = keras.Input((None, 9, 3))
    halved = restoration.Halved()(images)
    assert halved.shape == (None, None, 5, 12)
    assert restoration.Doubled()(halved, images).shape == (None, None, 9, 3)
