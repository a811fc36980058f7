"""Linear classifiers, whose minimum noise is known exactly."""

import numpy as np

from helpers.backend import keras

SIDE = 8
SHAPE = (SIDE, SIDE, 3)


def classifier(classes=3, seed=0, activation=None):
    """Logits that are linear in the image, and equal where all is grey."""
    images = keras.Input(SHAPE)
    dense = keras.layers.Dense(classes, activation=activation)
    model = keras.Model(images, dense(keras.layers.Flatten()(images)))
    rng = np.random.default_rng(seed)
    kernel = rng.normal(0, 0.01, (SIDE * SIDE * 3, classes))
    dense.set_weights([kernel, -128 * kernel.sum(0)])
    return model


def problem(count=6, classes=3, seed=0):
    """A classifier, images far from 0 and 255, its answers, and the norm of the least noise: 20 to 60."""
    model = classifier(classes, seed)
    images = np.random.default_rng(seed + 1).integers(78, 179, (40, *SHAPE), np.uint8)
    weights, bias = model.get_weights()
    scores = images.reshape(len(images), -1) @ weights + bias
    labels = scores.argmax(1)
    least = np.full(len(images), np.inf)
    for other in range(classes):
        slopes = np.linalg.norm(weights[:, [other]] - weights[:, labels], axis=0)
        reach = (scores.max(1) - scores[:, other]) / np.maximum(slopes, 1e-9)
        least = np.where(labels == other, least, np.minimum(least, reach))
    chosen = np.flatnonzero((least > 20) & (least < 60))[:count]
    assert len(chosen) == count
    return model, images[chosen], labels[chosen], least[chosen]


def least_noise(model, images, labels):
    """The noise that a linear classifier needs to be on the boundary."""
    weights = model.get_weights()[0]
    scores = model(images.astype(np.float32)).numpy()
    slopes = weights.T[None] - weights.T[labels][:, None]
    rise = scores[np.arange(len(labels)), labels][:, None] - scores
    sizes = np.maximum((slopes**2).sum(2), 1e-12)
    reach = np.where(np.arange(weights.shape[1]) == labels[:, None], np.inf, rise / np.sqrt(sizes))
    row, nearest = np.arange(len(labels)), reach.argmin(1)
    noise = (rise / sizes)[row, nearest, None] * slopes[row, nearest]
    return noise.reshape(images.shape).astype(np.float32)
