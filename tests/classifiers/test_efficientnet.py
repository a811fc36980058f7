"""EfficientNet-Lite0: its size, and weights out of a torch file at their places."""

import numpy as np
import pytest
from torch_files import as_torch

from helpers.classifiers.efficientnet import efficientnet_lite0, set_torch_weights


@pytest.fixture(scope="module")
def network():
    """All weights random, those of normalisations too: one at another's place shows."""
    network, rng = efficientnet_lite0(32), np.random.default_rng(0)
    network.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in network.weights])
    return network


def test_size_and_shape(network):
    assert network.output_shape == (None, 1280)
    # with an output layer of 1,000 classes 4,652,008, as published
    assert sum(weight.numpy().size for weight in network.trainable_weights) + 1281 * 1000 == 4_652_008
    assert efficientnet_lite0(48).get_layer(index=-2).output.shape == (None, 2, 2, 1280)


def test_weights_of_torch_come_to_their_places(network):
    other = efficientnet_lite0(32)
    set_torch_weights(other, as_torch(network) | {"_fc.weight": np.zeros((5, 1280)), "_fc.bias": np.zeros(5)})
    for mine, theirs in zip(other.weights, network.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_tensors_of_another_network_set_nothing(network):
    before = network.get_weights()
    tensors = as_torch(network)
    last = [*tensors][-2]
    with pytest.raises(
        ValueError, match=rf"{last} of shape \(7,\) does not fit .*moving_variance of shape \(1280"
    ):
        set_torch_weights(network, tensors | {last: np.zeros(7)})
    with pytest.raises(ValueError, match="2 tensors, and the network has 245"):
        set_torch_weights(network, dict([*tensors.items()][:2]))
    with pytest.raises(ValueError, match="246 tensors, and the network has 245"):
        set_torch_weights(network, tensors | {"more.weight": np.zeros(3)})
    exchanged = {name: tensors[name] for name in sorted(tensors, key=lambda name: "running_mean" in name)}
    with pytest.raises(ValueError, match=r"does not fit .*moving_mean"):
        set_torch_weights(network, exchanged)
    for mine, kept in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, kept)
