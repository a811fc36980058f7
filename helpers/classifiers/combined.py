"""Classifiers made of others: an ensemble, one that looks several times, and one behind a filter."""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from helpers.backend import keras

layers, ops = keras.layers, keras.ops
SMALLEST = 1e-37  # probability whose logarithm is still finite; processors may round 1e-38 to zero


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
    return _mean_of(images, [member(images) for member in members], "ensemble")


class Ensembles(list):
    """As many ensembles as trainings, each of `size` of them that follow each other, around the end.

    Every training is in equally many; `teams` are the members of each. Because they share members they
    differ less among each other than new ones would: `overlap` is what the variance of their mean has to be
    multiplied by (the jackknife that leaves out several, Shao and Wu 1989).
    """

    def __init__(self, trained: Sequence[keras.Model], size: int):
        """trained: T > size models of one shape; ValueError where there are fewer. size = T: one ensemble."""
        count = len(trained)
        if size > count:
            raise ValueError(f"ensembles of {size} need as many trained models, not {count}")
        starts = range(count if size < count else 1)
        self.teams = [[trained[(start + k) % count] for k in range(size)] for start in starts]
        super().__init__(map(ensemble, self.teams))
        self.overlap = size * (count - 1) / (count - size) if size < count else 1.0


def five_crops(model: keras.Model, margin: int = 2) -> keras.Model:
    """The mean probabilities of the model for five enlarged crops of an image, as logarithms.

    The crops lie in the middle and the corners (Krizhevsky et al. 2012, section 4.1, without mirror images: a
    mirrored sign may be of another class). margin: in pixels, what the middle one leaves out on each side.
    Returns a keras.Model that shares the model's weights, at five times its cost. Raises ValueError where the
    model takes images of any size, the margin is below 1, or nothing would be left.
    """
    images, (height, width) = keras.Input(model.input_shape[1:]), model.input_shape[1:3]
    if None in (height, width) or not 0 < 2 * margin < min(height, width):
        raise ValueError(f"crops of margin {margin} do not fit images of sides {height} and {width}")
    middle, first, last = (margin, margin), (0, 2 * margin), (2 * margin, 0)  # left out before and after
    views = [(middle, middle), *product((first, last), repeat=2)]
    crops = [layers.Resizing(height, width)(layers.Cropping2D(view)(images)) for view in views]
    return _mean_of(images, [model(crop) for crop in crops], f"{model.name}_crops")


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


def _mean_of(images: keras.KerasTensor, logits: Sequence[keras.KerasTensor], name: str) -> keras.Model:
    mean = layers.Average()([layers.Softmax()(each) for each in logits])
    return keras.Model(images, logits_of(mean), name=name)
