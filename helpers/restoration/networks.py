"""Restoration networks: images in [0, 255] in, restored images in [0, 255] of the same size out."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import pandas as pd

from helpers import classifiers
from helpers.backend import keras
from helpers.classifiers import Doubled, Halved

layers = keras.layers
WIDTHS = (64, 32, 128, 64, 128, 64, 128, 64, 256, 128)  # of L11, Table 1; the shallower ones begin alike
DEPTHS = (3, 5, 7, 9, 11)
PATTERN = "pattern"  # the layer that holds all convolutions


def network(depth: int = 11, channels: int = 3) -> keras.Model:
    """L3 to L11 of Aghdam et al. (restoration, Table 1): 3x3 and 1x1 convolutions in turn, 3x3 at the end.

    depth: number of convolutions, one of `DEPTHS`; L11 has 397,411 parameters. What they compute, a pattern
    in [-1, 1], is added to the image (Figure 1). As in the paper's test phase, the image is padded with zeros
    once, before the first convolution, so any size goes in; `unpadded` is the network of the training phase.
    Returns a keras.Model. Raises ValueError for another depth.
    """
    if depth not in DEPTHS:
        raise ValueError(f"depth is {depth}: Table 1 has networks of {', '.join(map(str, DEPTHS))} layers")
    widths, sizes = (*WIDTHS[: depth - 1], channels), (3, 1) * (depth // 2) + (3,)
    leaky = partial(layers.LeakyReLU, negative_slope=0.01)
    return _restorer(_stack(widths, sizes, channels, leaky, "tanh"), f"l{depth}", shortcut=True)


def srcnn(channels: int = 3) -> keras.Model:
    """The network of Dong et al. that Table 1 compares with: 9x9, 1x1, 5x5, without a shortcut.

    20,099 parameters for colour. Linear at the end, as theirs: section 4.2 gives the hyperbolic tangent to
    "our ConvNets", the caption of Table 1 to all. Returns a keras.Model, padded as `network`.
    """
    stack = _stack((64, 32, channels), (9, 1, 5), channels, layers.ReLU, "linear")
    return _restorer(stack, "srcnn", shortcut=False)


def compact(width: int = 48, blocks: int = 4, channels: int = 3) -> keras.Model:
    """This project's own restorer: L11's shortcut around residual blocks that work on halved images.

    A convolution of the four sub-images costs a quarter and sees twice as far (Zhang et al., FFDNet, 2018).
    width: maps of the blocks, of two 3x3 convolutions each. Returns a keras.Model for images of any size,
    padded in every layer, so that its `margin` is 0.
    """
    images = keras.Input((None, None, channels))
    convolved = partial(layers.Conv2D, kernel_size=3, padding="same")
    active = partial(convolved, activation="relu", kernel_initializer="he_normal")
    # Zeros: at first every block and the whole are the identity, from which a few steps lead far.
    idle = partial(convolved, kernel_initializer="zeros")
    maps = active(width)(Halved()(images))
    for _ in range(blocks):
        maps = layers.Add()([maps, idle(width)(active(width)(maps))])
    parts = idle(4 * channels)(maps)
    stack = keras.Model(images, Doubled()(parts, images), name=PATTERN)
    return _restorer(stack, "compact", shortcut=True)


def unpadded(restorer: keras.Model) -> keras.Model:
    """The training phase of a restorer: the same weights, nothing padded, the shortcut cropped.

    Returns a keras.Model from images (N, H, W, C) in [0, 255] to (N, H - 2m, W - 2m, C), not clipped, m being
    the `margin`: 6 for L11.
    """
    images = keras.Input(restorer.input_shape[1:])
    scaled = layers.Rescaling(1 / 255)(images)
    restored = restorer.get_layer(PATTERN)(scaled)
    if has_shortcut(restorer):
        restored = layers.Add()([layers.Cropping2D(margin(restorer))(scaled), restored])
    return keras.Model(images, layers.Rescaling(255.0)(restored), name=restorer.name)


def pattern(restorer: keras.Model) -> keras.Model:
    """What the convolutions of a restorer compute for images (N, H, W, C), in grey levels.

    With a shortcut that is what it adds to the image: the noise, negative.
    """
    images = keras.Input(restorer.input_shape[1:])
    computed = _padded(restorer.get_layer(PATTERN), layers.Rescaling(1 / 255)(images))
    return keras.Model(images, layers.Rescaling(255.0)(computed), name=f"{restorer.name}_pattern")


def margin(restorer: keras.Model) -> int:
    """Pixels that the unpadded convolutions take from each side."""
    return _taken(restorer.get_layer(PATTERN))


def has_shortcut(restorer: keras.Model) -> bool:
    """Whether a restorer adds what its convolutions compute to its input."""
    return any(isinstance(layer, layers.Add) for layer in restorer.layers)


def multiply_adds(restorer: keras.Model, shape: tuple[int, int, int]) -> int:
    """Multiply-adds a pixel of images of a shape (H, W, C), what the padding adds counted too."""
    return round(classifiers.multiply_adds(restorer, shape) / (shape[0] * shape[1]))


def convolutions(restorer: keras.Model) -> list[keras.layers.Layer]:
    """The convolutions of a restorer, in their order."""
    return _convolutions(restorer.get_layer(PATTERN))


def sizes(builds: Mapping[str, Callable[[], keras.Model]], image_size: int) -> pd.DataFrame:
    """A row each: restorer, parameters, multiply_adds (a pixel), of_l11 (their share), margin (pixels).

    image_size: side in pixels of the colour images that are counted.
    """
    shape = (image_size, image_size, 3)
    whole, rows = multiply_adds(network(11), shape), []
    for name, build in builds.items():
        restorer = build()
        cost = multiply_adds(restorer, shape)
        row = {"restorer": name, "parameters": restorer.count_params(), "multiply_adds": cost}
        rows.append(row | {"of_l11": cost / whole, "margin": margin(restorer)})
    return pd.DataFrame(rows)


def fuse(restorer: keras.Model, classifier: keras.Model, *, joint: bool = False) -> keras.Model:
    """The classifier behind the restorer, whose weights are frozen (restoration, section 3).

    joint: the restorer stays trainable. Returns a keras.Model with the classifier's logits that shares the
    weights of both. Raises ValueError with both shapes where the restorer's images are not what the
    classifier takes.
    """
    taken, given = classifier.input_shape[1:], restorer.output_shape[1:]
    if len(taken) != len(given) or any(a != b for a, b in zip(taken, given, strict=True) if a and b):
        raise ValueError(f"the classifier takes images {taken}, the restorer returns {given}: no fit")
    restorer.trainable = joint
    images = keras.Input(taken)
    first, second = (  # renamed, because a model refuses two layers of one name
        keras.Model(part.inputs[0], part.outputs[0], name=name)
        for name, part in (("restorer", restorer), ("classifier", classifier))
    )
    return keras.Model(images, second(first(images)), name=f"{restorer.name}_{classifier.name}")


def _restorer(stack: keras.Model, name: str, *, shortcut: bool) -> keras.Model:
    images = keras.Input(stack.input_shape[1:])
    scaled = layers.Rescaling(1 / 255)(images)
    restored = _padded(stack, scaled)
    if shortcut:
        restored = layers.Add()([scaled, restored])
    clip = layers.ReLU(max_value=255.0)  # to [0, 255]
    return keras.Model(images, clip(layers.Rescaling(255.0)(restored)), name=name)


def _stack(
    widths: Sequence[int],
    sizes: Sequence[int],
    channels: int,
    inside: Callable[[], keras.layers.Layer],
    last: str,
) -> keras.Model:
    """'Valid' convolutions of these widths and kernel sizes; inside: the activation of all but the last."""
    stack = [keras.Input((None, None, channels))]
    for width, size in zip(widths[:-1], sizes[:-1], strict=True):
        stack += [layers.Conv2D(width, size), inside()]
    return keras.Sequential([*stack, layers.Conv2D(widths[-1], sizes[-1], activation=last)], name=PATTERN)


def _padded(stack: keras.Model, scaled: keras.KerasTensor) -> keras.KerasTensor:
    """What the convolutions compute for images of which the border was padded with zeros, once."""
    return stack(layers.ZeroPadding2D(_taken(stack))(scaled))


def _taken(stack: keras.Model) -> int:
    valid = (layer for layer in _convolutions(stack) if layer.padding == "valid")
    return sum(layer.kernel_size[0] // 2 for layer in valid)


def _convolutions(stack: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in stack.layers if isinstance(layer, layers.Conv2D)]
