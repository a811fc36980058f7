"""Image classifiers. Each takes (N, H, W, C) grey levels in [0, 255], rescales inside and returns logits."""

from collections.abc import Callable

from helpers.backend import keras
from helpers.classifiers.layers import ColourConvolution, FusedNormalization

layers, ops = keras.layers, keras.ops
COMPACT_STEM = 48  # maps of the first convolution of `compact`
COMPACT_STAGES = ((48, 0), (96, 1), (192, 1))  # maps, then residual blocks after the pooling
COMPACT_DROPOUT = 0.3


def cnn_baseline(image_size: int, classes: int, channels: int = 3) -> keras.Model:
    """The baseline CNN of Mehrotra and Dalal, Figure 8: 234,059 parameters at 40x40x3 and 43 classes.

    image_size: side in pixels, at least 8; classes: number of logits. Returns a keras.Model.
    The paper shows no activations: ReLU inside, and logits at the end.
    """
    _require_pixels(image_size, 8)
    return keras.Sequential(
        [
            keras.Input((image_size, image_size, channels)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(classes),
        ],
        name="cnn_baseline",
    )


def aghdam(image_size: int = 48, classes: int = 43) -> keras.Model:
    """The ConvNet of Aghdam et al. 2015 (Analyzing the Stability, Figure 2): 1,123,455 parameters.

    image_size: side in pixels, at least 32; classes: number of logits. Returns a keras.Model.
    A colour transform, three 'valid' convolutions, the last two in two groups, and two dense layers; leaky
    ReLU between them. Pooling comes before the activation: the same result (it is monotone), a quarter of
    the work.
    """
    _require_pixels(image_size, 32)
    images = keras.Input((image_size, image_size, 3))
    maps = ColourConvolution(100, 7)(layers.Rescaling(1 / 255)(images))
    maps = _leaky(layers.MaxPooling2D()(maps))
    maps = _leaky(layers.MaxPooling2D()(_grouped(maps, 150, 4)))
    maps = _leaky(layers.MaxPooling2D()(_grouped(maps, 250, 4)))
    features = _leaky(layers.Dense(300)(layers.Flatten()(maps)))
    return keras.Model(images, layers.Dense(classes)(layers.Dropout(0.5)(features)), name="aghdam")


def lenet(image_size: int = 28, classes: int = 10) -> keras.Model:
    """The LeNet that ships with Caffe (after LeCun et al. 1998), for MNIST: 431,080 parameters.

    image_size: side in pixels, at least 16; classes: number of logits. Returns a keras.Model.
    Underspecified, chosen: the numbers of Analyzing the Stability, Figure 1 (right) are not in its text.
    As in Caffe, only the first dense layer has an activation.
    """
    _require_pixels(image_size, 16)
    images = keras.Input((image_size, image_size, 3))
    grey = images[..., :1]  # one of three equal channels: a mean of all would cut a noise's sigma by sqrt(3)
    maps = layers.MaxPooling2D()(layers.Conv2D(20, 5)(layers.Rescaling(1 / 255)(grey)))
    maps = layers.MaxPooling2D()(layers.Conv2D(50, 5)(maps))
    features = layers.Dense(500, activation="relu")(layers.Flatten()(maps))
    return keras.Model(images, layers.Dense(classes)(features), name="lenet")


def cifar_quick(image_size: int = 32, classes: int = 10) -> keras.Model:
    """The shape of Caffe's cifar10_quick, for CIFAR-10: 145,578 parameters.

    image_size: side in pixels; classes: number of logits. Returns a keras.Model.
    Underspecified, chosen: the numbers of Analyzing the Stability, Figure 1 (left) are not in its text; its
    border of 2 and its MAX pooling are. As in Caffe, the first dense layer is linear.
    """
    images = keras.Input((image_size, image_size, 3))
    maps = layers.Rescaling(1 / 255)(images)
    for filters in (32, 32, 64):
        maps = layers.Conv2D(filters, 5, padding="same")(maps)
        # Padded, so that sizes round up as in Caffe; before the ReLU, as in `aghdam`.
        maps = layers.ReLU()(layers.MaxPooling2D(3, 2, padding="same")(maps))
    features = layers.Dense(64)(layers.Flatten()(maps))
    return keras.Model(images, layers.Dense(classes)(features), name="cifar_quick")


def compact(image_size: int = 48, classes: int = 43) -> keras.Model:
    """This project's own network: batch-normalised, partly residual, with gated maps.

    image_size: side in pixels, at least 15; classes: number of logits. Returns a keras.Model.
    Every image gets mean 0 and variance 1 first, so that a dark one of little contrast looks like any other.
    The gates (squeeze and excitation, Hu et al. 2018) see the mean of every map, thus the strength of the
    noise; the wide first filters average it before the first nonlinearity.
    """
    _require_pixels(image_size, 2 ** (len(COMPACT_STAGES) + 1) - 1)
    images = keras.Input((image_size, image_size, 3))
    scaled = layers.Rescaling(1 / 255)(images)
    # GTSRB, 32 px, three epochs: 172 to 188 test signs wrong with it, 272 without (one training each).
    # Epsilon: an image with a standard deviation of 4 grey levels gets variance 1/2.
    normalised = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, epsilon=(4 / 255) ** 2)
    maps = _gated(_block(normalised(scaled), COMPACT_STEM, size=7, strides=2))
    for filters, residual in COMPACT_STAGES:
        maps = _gated(layers.MaxPooling2D()(_block(maps, filters)))
        for _ in range(residual):
            maps = layers.Add()([maps, _gated(_block(maps, filters))])
    features = layers.Dropout(COMPACT_DROPOUT)(layers.Flatten()(maps))
    return keras.Model(images, layers.Dense(classes)(features), name="compact")


def _require_pixels(image_size: int, least: int) -> None:
    if image_size < least:
        raise ValueError(f"image_size is {image_size}: the poolings of this network need at least {least}")


def _leaky(maps: keras.KerasTensor) -> keras.KerasTensor:
    return layers.LeakyReLU(negative_slope=0.01)(maps)


def _grouped(maps: keras.KerasTensor, filters: int, size: int) -> keras.KerasTensor:
    """Convolution in two groups, as two: the gradient of ``Conv2D(groups=2)`` is 5 times slower on CPUs."""
    half = maps.shape[-1] // 2
    halves = maps[..., :half], maps[..., half:]
    return layers.Concatenate()([layers.Conv2D(filters // 2, size)(part) for part in halves])


def _block(maps: keras.KerasTensor, filters: int, size: int = 3, strides: int = 1) -> keras.KerasTensor:
    maps = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(maps)
    return layers.ReLU()(FusedNormalization()(maps))


def _gated(maps: keras.KerasTensor) -> keras.KerasTensor:
    """Scale every map by a number in [0, 1] that depends on the means of all."""
    filters = maps.shape[-1]
    means = layers.GlobalAveragePooling2D(keepdims=True)(maps)
    squeezed = layers.Conv2D(max(8, filters // 4), 1, activation="relu")(means)
    return layers.Multiply()([maps, layers.Conv2D(filters, 1, activation="sigmoid")(squeezed)])


# Of Aghdam et al. 2016 by data set: network, side of its images, and whether the text gives its numbers.
PAPER_NETWORKS: dict[str, tuple[Callable[..., keras.Model], int, str]] = {
    "gtsrb": (aghdam, 48, "as published"),
    "mnist": (lenet, 28, "underspecified"),
    "fashion_mnist": (lenet, 28, "underspecified"),
    "cifar10": (cifar_quick, 32, "underspecified"),
}


def paper_network(dataset: str) -> tuple[Callable[..., keras.Model], int, str]:
    """The row of `PAPER_NETWORKS` for a data set; that of GTSRB for one that the paper does not have."""
    return PAPER_NETWORKS.get(dataset, PAPER_NETWORKS["gtsrb"])
