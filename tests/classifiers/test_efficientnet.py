"""EfficientNet-Lite0: its size, and weights out of a torch file at their places."""

import numpy as np
import pytest
from torch_files import as_torch

from helpers.backend import keras
from helpers.classifiers.efficientnet import efficientnet_lite0, set_torch_weights


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return efficientnet_lite0(32)


def test_size_and_shape(network):
    assert network.output_shape == (None, 1280)
    # with an output layer of 1,000 classes 4,652,008, as published
    assert sum(weight.numpy().size for weight in network.trainable_weights) + 1281 * 1000 == 4_652_008
    assert efficientnet_lite0(48).get_layer(index=-2).output.shape == (None, 2, 2, 1280)
    with pytest.raises(ValueError, match="image_size is 31: efficientnet_lite0 needs at least 32"):
        efficientnet_lite0(31)


def test_weights_of_torch_come_to_their_places(network):
    keras.utils.set_random_seed(1)
    other = efficientnet_lite0(32)
    assert not np.array_equal(network.weights[0], other.weights[0])
    set_torch_weights(other, as_torch(network) | {"head.weight": np.zeros((5, 1280))})
    for mine, theirs in zip(other.weights, network.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_tensors_of_another_network_set_nothing(network):
    before = [weight.numpy() for weight in network.weights]
    tensors = as_torch(network)
    last = [*tensors][-2]
    with pytest.raises(ValueError, match=rf"{last} of shape \(7,\) does not fit .*moving_variance \(1280,\)"):
        set_torch_weights(network, tensors | {last: np.zeros(7)})
    with pytest.raises(ValueError, match="2 tensors, and efficientnet_lite0 has 245"):
        set_torch_weights(network, dict([*tensors.items()][:2]))
    for weight, value in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
