"""Small networks and images for the tests of classifiers."""

import numpy as np

from helpers import classifiers
from helpers.backend import keras
from helpers.classifiers import networks

layers = keras.layers
BUILDERS = [
    (classifiers.aghdam, 32),
    (classifiers.lenet, 16),
    (classifiers.cifar_quick, 8),
    (classifiers.compact, 2 ** (len(networks.COMPACT_STAGES) + 1) - 1),
]


def photographs(count=13, side=16):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def built(build, side, classes=4, seed=0):
    """A network whose every weight matters: biases and statistics of normalisations are random as well."""
    keras.utils.set_random_seed(seed)
    network = build(side, classes)
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        if len(weight.shape) == 1:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return network


def small(classes=4, seed=0, side=8, channels=3, name="small", activation=None, strides=1):
    """A quick classifier with a convolution and a dense layer."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((side, side, channels))
    maps = layers.Conv2D(2, 3, strides=strides, activation="relu")(layers.Rescaling(1 / 255)(images))
    features = layers.GlobalAveragePooling2D()(maps)
    return keras.Model(images, layers.Dense(classes, activation=activation)(features), name=name)
