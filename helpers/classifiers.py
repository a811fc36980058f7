"""Image classifiers. Each takes (N, H, W, C) grey levels in [0, 255], rescales inside and returns logits."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from helpers.backend import keras, tf
from helpers.layers import ColourConvolution, FusedNormalization

layers, ops = keras.layers, keras.ops

COMPACT_STEM = 48  # maps of the first convolution of `compact`
COMPACT_STAGES = ((48, 0), (96, 1), (192, 1))  # maps, then residual blocks after the pooling
COMPACT_DROPOUT = 0.3
SMALLEST = 1e-37  # probability whose logarithm is still finite; processors may round 1e-38 to zero


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
    The gates (squeeze and excitation, Hu et al. 2018) see the mean of every map, thus the strength of the
    noise; the wide first filters average it before the first nonlinearity.
    """
    _require_pixels(image_size, 2 ** (len(COMPACT_STAGES) + 1) - 1)
    images = keras.Input((image_size, image_size, 3))
    maps = _block(layers.Rescaling(1 / 127.5, offset=-1)(images), COMPACT_STEM, size=7, strides=2)
    maps = _gated(maps)
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
PAPER_NETWORKS = {
    "gtsrb": (aghdam, 48, "as published"),
    "mnist": (lenet, 28, "underspecified"),
    "fashion_mnist": (lenet, 28, "underspecified"),
    "cifar10": (cifar_quick, 32, "underspecified"),
}


def ensemble(models: Sequence[keras.Model]) -> keras.Model:
    """The mean probabilities of two or more classifiers (Analyzing the Stability, section 4), as logarithms.

    models: functional or sequential, of equal input and output shapes; the result shares their weights.
    Returns a keras.Model whose softmax is the mean of theirs. Raises ValueError where shapes differ, or where
    members share weights: no .keras file can hold that.
    """
    if len(models) < 2:
        raise ValueError(f"an ensemble needs at least 2 models, not {len(models)}")
    for number, model in enumerate(models):
        for shape in ("input_shape", "output_shape"):
            first, other = getattr(models[0], shape), getattr(model, shape)
            if other != first:
                raise ValueError(f"the {shape} of model {number} is {other}, that of model 0 is {first}")
    weights = [id(weight) for model in models for weight in model.weights]
    if len(set(weights)) < len(weights):
        raise ValueError("members of the ensemble share weights: give each model once, with its own weights")
    images = keras.Input(models[0].input_shape[1:])
    members = [  # renamed, because a model refuses two layers of one name
        keras.Model(model.inputs[0], model.outputs[0], name=f"member_{number}")
        for number, model in enumerate(models)
    ]
    mean = layers.Average()([layers.Softmax()(member(images)) for member in members])
    return keras.Model(images, logits_of(mean), name="ensemble")


def smoothed(model: keras.Model, sigma: float) -> keras.Model:
    """The model behind a fixed Gaussian filter, the "Smoothing" of the restoration paper's stability table.

    sigma: in pixels, above 0 or ValueError; the kernel ends after ceil(3 sigma) pixels, and the outermost
    pixels are repeated beyond the border. Returns a keras.Model that shares the model's weights.
    """
    if not sigma > 0:
        raise ValueError(f"sigma is {sigma}: smoothing needs more than 0 pixels")
    radius = math.ceil(3 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    images = smooth = keras.Input(model.input_shape[1:])
    column = np.tile(kernel[:, None, None, None], (1, 1, model.input_shape[-1], 1))
    for axis in (1, 2):  # the filter is separable: columns, then rows
        before = (slice(None),) * axis
        first, last = smooth[(*before, slice(0, 1))], smooth[(*before, slice(-1, None))]
        first, last = (ops.repeat(edge, radius, axis=axis) for edge in (first, last))
        smooth = ops.concatenate([first, smooth, last], axis=axis)
        smooth = ops.depthwise_conv(smooth, column.swapaxes(0, axis - 1), padding="valid")
    return keras.Model(images, model(smooth), name=f"{model.name}_smoothed")


def logits_of(probabilities: keras.KerasTensor) -> keras.KerasTensor:
    """Finite logits the softmax of which are the probabilities (N, classes)."""
    return ops.log(ops.maximum(ops.cast(probabilities, "float32"), SMALLEST))


def logits(
    model: keras.Model,
    images: np.ndarray | tf.Tensor,
    *,
    noise: Callable[..., ArrayLike] | None = None,
    seed: int = 0,
    batch_size: int = 512,
) -> np.ndarray:
    """Logits (N, classes) float32 of model for images (N, H, W, C); ValueError if there are none.

    The batches go through one compiled function, traced once for each model.
    noise: a callable ``noise(batch, seed=…, indices=…)`` such as a `helpers.noise.NoiseSet`, applied on the
    way; the noise of image i is keyed by (seed, i), whatever the batch size.
    """
    if len(images) == 0:
        raise ValueError("no images: logits need at least one")
    forward = compiled(model)
    parts = []
    for first in range(0, len(images), batch_size):
        batch = images[first : first + batch_size]
        if noise is not None:
            batch = noise(batch, seed=seed, indices=np.arange(first, first + len(batch)))
        parts.append(forward(tf.cast(batch, tf.float32)))
    return tf.concat(parts, 0).numpy()


def probabilities(model: keras.Model, images: np.ndarray | tf.Tensor, **options: object) -> np.ndarray:
    """Softmax of `logits`: (N, classes) in [0, 1]."""
    return tf.nn.softmax(logits(model, images, **options)).numpy()


def predictions(model: keras.Model, images: np.ndarray | tf.Tensor, **options: object) -> np.ndarray:
    """Most likely class of every image, int64 (N,); arguments as in `logits`."""
    return logits(model, images, **options).argmax(1)


@lru_cache(maxsize=16)
def compiled(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """The forward pass, float32 images (N, H, W, C) to logits, as one function, traced once for all calls."""
    images = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    return tf.function(lambda batch: model(batch, training=False), autograph=False).get_concrete_function(
        images
    )
