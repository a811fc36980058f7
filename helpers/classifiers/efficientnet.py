"""EfficientNet-Lite0, a network made for CPUs, and its ImageNet weights out of a torch file.

Liu, Higher accuracy on vision models with EfficientNet-Lite (2020), after Tan and Le, EfficientNet (2019):
no gates, ReLU6 for swish, and a first and last convolution that do not grow with the network.
"""

from collections.abc import Mapping

import numpy as np

from helpers.backend import keras
from helpers.classifiers.layers import FusedNormalization

layers = keras.layers
# Side of the kernels, stride of the first block, growth of the maps inside a block, maps, blocks.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_SUFFIXES = {"kernel": "weight", "gamma": "weight", "beta": "bias"}  # what torch calls weights of layers
_SUFFIXES |= {"moving_mean": "running_mean", "moving_variance": "running_var"}


def efficientnet_lite0(image_size: int) -> keras.Model:
    """The network up to the mean of its last maps: images in [-1, 1] to 1,280 features.

    image_size: side in pixels. Returns a keras.Model of 3,413,024 weights, of which 3,371,008 are trained.
    """
    images = keras.Input((image_size, image_size, 3))
    maps = _normalised(layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)(images))
    for size, stride, growth, filters, blocks in STAGES:
        for block in range(blocks):
            maps = _block(maps, size, stride if block == 0 else 1, growth, filters)
    maps = _normalised(layers.Conv2D(1280, 1, use_bias=False)(maps))
    return keras.Model(images, layers.GlobalAveragePooling2D()(maps), name="efficientnet_lite0")


def set_torch_weights(network: keras.Model, tensors: Mapping[str, np.ndarray]) -> None:
    """Give `efficientnet_lite0` the tensors of a torch file (`checkpoints.read_torch`), layer by layer.

    Counters of batches and the output layer, `_fc`, are left out. Raises ValueError, before any weight is
    set, where a tensor does not fit its place.
    """
    places = [(layer, weight) for layer in network.layers for weight in layer.weights]
    left_out = ("num_batches_tracked", "_fc.weight", "_fc.bias")
    named = [(name, tensor) for name, tensor in tensors.items() if not name.endswith(left_out)]
    if len(named) != len(places):
        raise ValueError(f"{len(named)} tensors, and the network has {len(places)}")
    values = []
    for (layer, weight), (name, tensor) in zip(places, named, strict=True):
        value = _in_keras_order(tensor, layer)
        if value.shape != tuple(weight.shape) or name.rpartition(".")[2] != _SUFFIXES[weight.name]:
            place = f"{weight.path} of shape {tuple(weight.shape)}"
            raise ValueError(f"{name} of shape {tensor.shape} does not fit {place}")
        values.append(value)
    network.set_weights(values)


def _in_keras_order(tensor: np.ndarray, layer: keras.layers.Layer) -> np.ndarray:
    """Of a kernel the sides first, then what it takes, then what it gives."""
    if tensor.ndim != 4:
        return tensor
    return tensor.transpose((2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0))


def _block(maps: keras.KerasTensor, size: int, stride: int, growth: int, filters: int) -> keras.KerasTensor:
    """Grow to more maps, convolve each by itself, shrink; added to what came in where the shapes agree."""
    inside, taken = maps, maps.shape[-1]
    if growth > 1:
        inside = _normalised(layers.Conv2D(growth * taken, 1, use_bias=False)(maps))
    depthwise = layers.DepthwiseConv2D(size, strides=stride, padding="same", use_bias=False)
    inside = _normalised(depthwise(inside))
    projected = _normalised(layers.Conv2D(filters, 1, use_bias=False)(inside), active=False)
    return layers.Add()([maps, projected]) if stride == 1 and taken == filters else projected


def _normalised(maps: keras.KerasTensor, *, active: bool = True) -> keras.KerasTensor:
    maps = FusedNormalization(epsilon=1e-3)(maps)
    return layers.ReLU(max_value=6)(maps) if active else maps
