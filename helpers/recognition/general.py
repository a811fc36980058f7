"""Layer one: one network for everybody, trained on other people, whose features are compared."""

from collections.abc import Sequence

import numpy as np

from helpers import classifiers, datasets, outputs, training
from helpers.backend import keras

KNOWN = 32  # images of the public whose accuracy is shown


def fit(public: datasets.ImageSet, recipe: training.Recipe, *, seed: int) -> keras.Model:
    """A network that tells the public apart, without its output layer: images (N, H, W, C) to (N, D).

    public: at least a batch of images, square; the network is `classifiers.compact`; errors: `training.fit`.
    """
    side, classes = public.images.shape[1], len(public.class_names)
    data = outputs.named(outputs.digest(public.images), outputs.digest(public.labels))
    known = public.spread(KNOWN)[0]  # how it does on other people, a trial says
    title = f"general network, {classes} people"
    trained = training.fit(
        lambda: classifiers.compact(side, classes), public, known, recipe, seed=seed, data=data, title=title
    )
    return training.without_output(trained.model)


def embed(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Features of images (N, H, W, C), of norm 1: (N, D) float32."""
    return unit(classifiers.logits(model, images))


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows (N, D) at norm 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def similarity(probes: np.ndarray, entries: Sequence[np.ndarray]) -> np.ndarray:
    """Largest cosine of a probe and an image of an entry, (N, P); probes (N, D), of each entry (K, D)."""
    whose = np.repeat(np.arange(len(entries)), [len(images) for images in entries])
    starts = np.flatnonzero(np.diff(whose, prepend=-1))
    return np.maximum.reduceat(probes @ np.concatenate(entries).T, starts, axis=1)
