"""EfficientNet-Lite0, a network made for CPUs, and its ImageNet weights out of a torch file.

Liu, Higher accuracy on vision models with EfficientNet-Lite (2020), after Tan and Le, EfficientNet (2019):
no gates, ReLU6 for swish, and a first and last convolution that do not grow with the network.
"""

from collections.abc import Mapping

import numpy as np

from helpers.backend import keras
from helpers.classifiers.layers import FusedNormalization

layers = keras.layers
STAGES = (  # side of the kernels, stride of the first block, growth inside a block, maps, blocks
    *((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3)),
    *((5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1)),
)
_LEAST = 32  # pixels: five convolutions halve the side


def efficientnet_lite0(image_size: int, channels: int = 3) -> keras.Model:
    """The network up to the mean of its last maps: images in [-1, 1] to 1,280 features, 3,371,008 weights.

    image_size: side in pixels, at least 32. Returns a keras.Model; ValueError for smaller ones.
    """
    if image_size < _LEAST:
        raise ValueError(f"image_size is {image_size}: efficientnet_lite0 needs at least {_LEAST}")
    images = keras.Input((image_size, image_size, channels))
    maps = _normalised(layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)(images))
    for size, stride, growth, filters, blocks in STAGES:
        for block in range(blocks):
            maps = _block(maps, size, stride if block == 0 else 1, growth, filters)
    maps = _normalised(layers.Conv2D(1280, 1, use_bias=False)(maps))
    return keras.Model(images, layers.GlobalAveragePooling2D()(maps), name="efficientnet_lite0")


def set_torch_weights(model: keras.Model, tensors: Mapping[str, np.ndarray]) -> None:
    """Give a network the tensors of a torch file (`checkpoints.read_torch`), in the order of its layers.

    Counters of batches are left out, and at the end what a network without its last layers has no place for.
    Raises ValueError, before any weight is set, where a tensor does not fit its layer.
    """
    places = [(layer, weight) for layer in model.layers for weight in layer.weights]
    named = [(name, tensor) for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")]
    if len(named) < len(places):
        raise ValueError(f"{len(named)} tensors, and {model.name} has {len(places)}")
    values = []
    for (layer, weight), (name, tensor) in zip(places, named, strict=False):
        value = _in_keras_order(tensor, layer)
        if value.shape != tuple(weight.shape):
            raise ValueError(
                f"{name} of shape {tensor.shape} does not fit {weight.path} {tuple(weight.shape)}"
            )
        values.append(value)
    for (_, weight), value in zip(places, values, strict=True):
        weight.assign(value)


def _in_keras_order(tensor: np.ndarray, layer: keras.layers.Layer) -> np.ndarray:
    """The sides of a kernel first, then what it takes, then what it gives."""
    if tensor.ndim == 4:
        return tensor.transpose((2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0))
    return tensor.T


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
