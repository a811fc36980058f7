"""Generators and discriminators: the papers' own, transposed convolutions, and the ones that should be used.

A generator makes images (N, H, W, C) in grey levels, in [0, 255] but for `dense`, of latents (N, D), and
of the shares (N, K) of K classes where it has some: one and zeros, or a mixture. A discriminator takes such
images, and the shares, and returns logits (N, 1), larger for what it takes for real. With `auxiliary`, logits
(N, K) of the classes come with them.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from helpers.backend import keras

layers, ops = keras.layers, keras.ops
SLOPE = 0.2  # of every leaky ReLU
WIDTH = 32  # maps of the largest side in `dcgan` and `residual`, doubled where the side is halved


class Players(NamedTuple):
    """The two networks of a game."""

    generator: keras.Model
    discriminator: keras.Model


def dense(image_size: int = 28, channels: int = 1) -> Players:
    """Bagrodia: a hidden layer of 256 each; 227,344 and 201,217 parameters at 28x28.

    image_size: side in pixels; channels: of the images. As printed, the generator ends with tanh, while
    images are in [0, 1]: so it makes grey levels in [-255, 255], half of which are never right.
    """
    shape = (image_size, image_size, channels)
    latents = keras.Input((100,))
    hidden = layers.Dense(256, activation="relu")(latents)
    values = layers.Dense(image_size**2 * channels, activation="tanh")(hidden)
    generator = keras.Model(latents, layers.Rescaling(255.0)(layers.Reshape(shape)(values)), name="generator")
    images = keras.Input(shape)
    hidden = layers.Dense(256, activation="relu")(layers.Flatten()(layers.Rescaling(1 / 255)(images)))
    return Players(generator, keras.Model(images, layers.Dense(1)(hidden), name="discriminator"))


def perceptron(image_size: int = 28, channels: int = 3, classes: int | None = None) -> Players:
    """Mehrotra and Dalal, Figures 6 and 7; with classes, the concatenated condition of section 2.6.

    3,117,232 weights that learn and 1,336,321 parameters at 28x28x3. Linear layers begin as in PyTorch, and
    its batch-norm momentum of 0.1 is one of 0.9 here. How classes become vectors is *underspecified*: as in
    the code that the paper names [14], by learned ones of as many numbers as classes, normal at first.
    """
    shape = (image_size, image_size, channels)
    latents, labels = keras.Input((100,)), _labels(classes)
    values = _linear(128)(_beside(latents, labels, classes))
    values = _leaky(values)
    for units in (256, 512, 1024):
        values = layers.BatchNormalization(momentum=0.9, epsilon=0.8)(_linear(units)(values))
        values = _leaky(values)
    made = _grey(layers.Reshape(shape)(_linear(image_size**2 * channels)(values)))
    generator = _network([latents, *labels], made, "generator")
    images = keras.Input(shape)
    values = _beside(layers.Flatten()(_symmetric(images)), labels, classes)
    for units in (512, 256):
        values = _leaky(_linear(units)(values))
    return Players(generator, _network([images, *labels], _linear(1)(values), "discriminator"))


def dcgan(
    image_size: int = 28, channels: int = 3, classes: int | None = None, *, width: int = WIDTH
) -> Players:
    """Radford et al. (2016): transposed convolutions up, convolutions down, batch normalisation between.

    image_size: a multiple of 4; width: maps of the largest side. A condition is concatenated, as in
    `perceptron`.
    """
    small, labels = quarter(image_size), _labels(classes)
    latents = keras.Input((100,))
    values = layers.Dense(small**2 * 4 * width, use_bias=False)(_beside(latents, labels, classes))
    maps = layers.Reshape((small, small, 4 * width))(values)
    for filters in (2 * width, width):
        maps = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(maps))
        maps = layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False)(maps)
    maps = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(maps))
    made = _grey(layers.Conv2D(channels, 3, padding="same")(maps))
    generator = _network([latents, *labels], made, "generator")
    images = keras.Input((image_size, image_size, channels))
    maps = _leaky(layers.Conv2D(width, 3, padding="same")(_symmetric(images)))
    for filters in (2 * width, 4 * width):
        maps = layers.Conv2D(filters, 4, strides=2, padding="same", use_bias=False)(maps)
        maps = _leaky(layers.BatchNormalization(momentum=0.9)(maps))
    logits = layers.Dense(1)(_beside(layers.Flatten()(maps), labels, classes))
    return Players(generator, _network([images, *labels], logits, "discriminator"))


def transposed(
    image_size: int = 28, channels: int = 3, classes: int | None = None, *, width: int = WIDTH
) -> Players:
    """The generator of `dcgan` against the discriminator of `perceptron`.

    What transposed convolutions change by themselves, from which Abu-Samaha and Kim promise themselves that
    no mode collapses. Arguments as in `dcgan`.
    """
    generator = dcgan(image_size, channels, classes, width=width).generator
    return Players(generator, perceptron(image_size, channels, classes).discriminator)


def residual(
    image_size: int = 28,
    channels: int = 3,
    classes: int | None = None,
    *,
    width: int = WIDTH,
    auxiliary: bool = False,
) -> Players:
    """Residual blocks; classes scale and shift the generator's maps, and are projected on the features.

    image_size: a multiple of 4; width: maps of the largest side. Conditional normalisation: Dumoulin et al.
    (2017); projection: Miyato and Koyama (2018). The discriminator has no normalisation: gradient penalties
    keep it smooth. auxiliary: it names the class instead of being told it, Odena et al. (2017). Raises
    ValueError where it has none.
    """
    if auxiliary and not classes:
        raise ValueError("an auxiliary classifier needs classes")
    small, labels = quarter(image_size), _labels(classes)
    latents = keras.Input((64,))
    maps = layers.Reshape((small, small, 4 * width))(layers.Dense(small**2 * 4 * width)(latents))
    maps = layers.ReLU()(_normalised(_rising(maps, 2 * width, labels), labels))
    maps = layers.Conv2DTranspose(width, 4, strides=2, padding="same")(maps)
    maps = layers.ReLU()(_normalised(maps, labels))
    made = _grey(layers.Conv2D(channels, 3, padding="same")(maps))
    generator = _network([latents, *labels], made, "generator")
    images = keras.Input((image_size, image_size, channels))
    # Without a bias, as below where maps go two ways: TensorFlow would fuse it with one, and say an error.
    maps = layers.Conv2D(2 * width, 4, strides=2, padding="same", use_bias=False)(_symmetric(images))
    maps = _falling(maps, 4 * width)
    features = layers.Dense(4 * width)(layers.Flatten()(_leaky(maps)))
    features = _leaky(features)
    logits = layers.Dense(1)(features)
    if auxiliary:
        named = [logits, layers.Dense(classes)(features)]
        return Players(generator, keras.Model(images, named, name="discriminator"))
    if classes:
        of_class = _of_class(labels, 4 * width, "glorot_uniform")
        logits = layers.Add()([logits, layers.Dot(1)([of_class, features])])
    return Players(generator, _network([images, *labels], logits, "discriminator"))


def unet(
    image_size: int = 32, channels: int = 3, *, width: int = WIDTH, shortcut: bool = False
) -> keras.Model:
    """After Isola et al. (2017), section 3.2: halved twice, then back by way of what was there.

    Images (N, H, W, C) to such images. image_size: a multiple of 4; width: maps of the largest side, a
    multiple of 8. shortcut: what it computes is added to the image, and not kept within [0, 255].
    """
    quarter(image_size)
    images = keras.Input((image_size, image_size, channels))
    scaled, kept = _symmetric(images), []
    maps = _leaky(layers.Conv2D(width, 3, padding="same", use_bias=False)(scaled))
    for filters in (2 * width, 4 * width):
        kept.append(maps)
        maps = layers.Conv2D(filters, 4, strides=2, padding="same", use_bias=False)(maps)
        maps = _leaky(layers.GroupNormalization(8)(maps))
    inner = layers.Conv2D(4 * width, 3, padding="same", use_bias=False)(maps)
    maps = layers.Add()([maps, _leaky(layers.GroupNormalization(8)(inner))])
    for filters in (2 * width, width):
        maps = layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False)(maps)
        maps = layers.Concatenate()([layers.ReLU()(layers.GroupNormalization(8)(maps)), kept.pop()])
    start = "zeros" if shortcut else "glorot_uniform"
    made = layers.Conv2D(channels, 3, padding="same", kernel_initializer=start)(maps)
    if shortcut:
        return keras.Model(images, _rescaled(layers.Add()([scaled, made])), name="generator")
    return keras.Model(images, _grey(made), name="generator")


def patches(
    image_size: int = 32, channels: int = 3, *, width: int = WIDTH, told: bool = False
) -> keras.Model:
    """Isola et al. (2017), section 3.2.2: judges parts of 18 pixels, (N, H, W, C) to logits (N, H/4, W/4, 1).

    image_size, width: as in `unet`; told: it is given a second image, of which the first was made.
    """
    quarter(image_size)
    given = [keras.Input((image_size, image_size, channels)) for _ in range(1 + told)]
    maps = [_symmetric(images) for images in given]
    maps = layers.Concatenate()(maps) if told else maps[0]
    for filters in (2 * width, 4 * width):
        maps = _leaky(layers.Conv2D(filters, 4, strides=2, padding="same", use_bias=False)(maps))
    maps = _leaky(layers.Conv2D(4 * width, 3, padding="same", use_bias=False)(maps))
    return _network(given, layers.Conv2D(1, 1)(maps), "discriminator")


def _network(inputs: list[keras.KerasTensor], made: keras.KerasTensor, name: str) -> keras.Model:
    """A model of one input, or of two in a list."""
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], made, name=name)


def _labels(classes: int | None) -> list[keras.KerasTensor]:
    return [keras.Input((classes,))] if classes else []


def _beside(values: keras.KerasTensor, labels: list, classes: int | None) -> keras.KerasTensor:
    """Values (N, D) with a learned vector of their class behind them, where there is one."""
    if not labels:
        return values
    return layers.Concatenate()(
        [values, _of_class(labels, classes, keras.initializers.RandomNormal(stddev=1.0))]
    )


def _of_class(
    labels: list, units: int, initializer: str | keras.initializers.Initializer
) -> keras.KerasTensor:
    """The learned vector of a class, or the same mixture of vectors as of classes."""
    return layers.Dense(units, use_bias=False, kernel_initializer=initializer)(labels[0])


def _normalised(maps: keras.KerasTensor, labels: list) -> keras.KerasTensor:
    """Batch-normalised maps, scaled and shifted, by class where there are classes."""
    if not labels:
        return layers.BatchNormalization(momentum=0.9)(maps)
    plain = layers.BatchNormalization(momentum=0.9, center=False, scale=False)(maps)
    filters = maps.shape[-1]
    scale = layers.Reshape((1, 1, filters))(_of_class(labels, filters, "ones"))
    shift = layers.Reshape((1, 1, filters))(_of_class(labels, filters, "zeros"))
    return layers.Add()([layers.Multiply()([plain, scale]), shift])


def _rising(maps: keras.KerasTensor, filters: int, labels: list) -> keras.KerasTensor:
    """A residual block to maps of twice the side."""
    twice = layers.UpSampling2D()
    inner = layers.ReLU()(_normalised(maps, labels))
    inner = twice(layers.Conv2D(filters, 3, padding="same")(inner))  # while it is small
    inner = layers.Conv2D(filters, 3, padding="same")(layers.ReLU()(_normalised(inner, labels)))
    return layers.Add()([inner, twice(layers.Conv2D(filters, 1, use_bias=False)(maps))])


def _falling(maps: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    """A residual block to maps of half the side."""
    inner = layers.Conv2D(maps.shape[-1], 3, padding="same")(_leaky(maps))
    inner = layers.Conv2D(filters, 4, strides=2, padding="same")(_leaky(inner))
    return layers.Add()([inner, layers.Conv2D(filters, 2, strides=2, use_bias=False)(maps)])


def _leaky(values: keras.KerasTensor) -> keras.KerasTensor:
    """A leaky ReLU. Of Keras' own, TensorFlow says an error where a penalty is due in some steps only."""
    return ops.maximum(values, SLOPE * values)


def _grey(values: keras.KerasTensor) -> keras.KerasTensor:
    """By tanh to grey levels in [0, 255]."""
    return _rescaled(layers.Activation("tanh")(values))


def _rescaled(values: keras.KerasTensor) -> keras.KerasTensor:
    """[-1, 1] to grey levels."""
    return layers.Rescaling(127.5, offset=127.5)(values)


def _symmetric(images: keras.KerasTensor) -> keras.KerasTensor:
    """Grey levels to [-1, 1]."""
    return layers.Rescaling(1 / 127.5, offset=-1.0)(images)


def quarter(image_size: int) -> int:
    """Side after two halvings; ValueError where it is no whole number."""
    if image_size < 4 or image_size % 4:
        raise ValueError(f"image_size is {image_size}: it must be a multiple of 4, as sides are halved twice")
    return image_size // 4


def _linear(units: int) -> layers.Dense:
    """A dense layer that begins as PyTorch's linear one; its biases at zero, which there are as small."""
    weights = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    return layers.Dense(units, kernel_initializer=weights)


NETWORKS: dict[str, Callable[..., Players]] = {
    "dense": dense,
    "perceptron": perceptron,
    "transposed": transposed,
    "dcgan": dcgan,
    "residual": residual,
    "auxiliary": partial(residual, auxiliary=True),
}
