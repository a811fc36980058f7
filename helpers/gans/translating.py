"""What translators are trained on, and what comes of it: images, and training sets made of them."""

from dataclasses import replace

import numpy as np

from helpers import classifiers, datasets, noise, outputs, signs
from helpers.backend import keras, tf
from helpers.datasets import DataError, ImageSet, Splits
from helpers.gans.imitations import few
from helpers.gans.learning import PICTURES, Adversarial, Condition
from helpers.gans.translators import Cycle, Translation


class Denoising(Adversarial):
    """Clean images, for a `Translation` that is given noisy ones: under the nine sets, one each, or none."""

    model = Translation

    def pictures(self, model: Translation) -> np.ndarray:
        """Of drawings under noise."""
        sources = _first_drawings(model)
        return _made(model, noise.mixture(sources, seed=0, clean=0.0, weakest=1.0))

    def condition(self, part: ImageSet) -> Condition:
        """New noise in every epoch, at the strength of its set: weaker, it teaches `l1` to do nothing."""

        def noisy(images: tf.Tensor, indices: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
            return noise.mixture(images, seed=tf.bitcast(key, tf.int64), weakest=1.0)

        return noisy


class Painting(Adversarial):
    """Images, for a `Translation` that is given drawings of their classes, see `drawings`."""

    model = Translation

    def __init__(self):
        """The drawings lie with the package."""
        self.digest = signs.digest()

    def pictures(self, model: Translation) -> np.ndarray:
        """Of drawings."""
        return _made(model, _first_drawings(model))

    def condition(self, part: ImageSet) -> Condition:
        """The same drawing for an image in every epoch."""
        sources = tf.constant(drawings(part, seed=0))
        return lambda images, indices, key: tf.gather(sources, indices)


class Unpaired(Adversarial):
    """Images, for a `Cycle` that is given others, of which none knows which belongs to which."""

    model = Cycle

    def __init__(self, sources: Splits):
        """sources: the others are its training images."""
        self.sources, self.digest = sources.train.images, sources.digest

    def pictures(self, model: Cycle) -> np.ndarray:
        """Of the first of the others."""
        return _made(model, self.sources[:PICTURES])

    def condition(self, part: ImageSet) -> Condition:
        """Any of the others for each image, another in every epoch."""
        sources = tf.constant(self.sources)

        def drawn(images: tf.Tensor, indices: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
            shape = (tf.shape(images)[0],)
            return tf.gather(sources, tf.random.stateless_uniform(shape, key, 0, len(self.sources), tf.int32))

        return drawn


def drawings(part: ImageSet, *, seed: int) -> np.ndarray:
    """A drawing of each image's class, uint8 (N, H, W, 3), by its own seed; DataError where it is no sign."""
    _signs_only(part)
    size = part.images.shape[1]
    pictures = [
        signs.drawing(int(label), size, seed=seed + number) for number, label in enumerate(part.labels)
    ]
    return np.stack(pictures)


def drawn(splits: Splits, *, seed: int) -> Splits:
    """The splits with drawings instead of training images; errors as in `drawings`."""
    train = replace(splits.train, images=drawings(splits.train, seed=seed))
    digest = outputs.named(splits.digest, outputs.rests_on(drawings), signs.digest(), seed)
    return replace(splits, train=train, digest=digest)


def rendered(splits: Splits, *, seed: int, fit: str = "roi") -> Splits:
    """As many rendered signs as training images, in their size, by a `datasets` fit; errors as `drawings`."""
    _signs_only(splits.train)
    count, size = len(splits.train), splits.train.images.shape[1]
    counts = {"train_images": round(1.6 * count), "test_images": 43}  # a part of them is for validation
    return few(datasets.load("signs", size, fit, seed=seed, **counts), count, seed=seed)


SOURCES = ("drawings", "renderings")


def sources(kind: str, splits: Splits, *, seed: int, fit: str = "roi") -> Splits:
    """Other images of the same classes, of a kind of `SOURCES`; ValueError for another kind.

    fit: of renderings; drawings are whole.
    """
    if kind not in SOURCES:
        raise ValueError(f"unknown sources {kind!r}: choose one of {', '.join(SOURCES)}")
    return drawn(splits, seed=seed) if kind == "drawings" else rendered(splits, seed=seed, fit=fit)


def translate(translator: keras.Model, images: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C) by a network such as `Translation.restorer`, uint8."""
    return np.rint(np.clip(classifiers.logits(translator, images), 0, 255)).astype(np.uint8)


def translated(splits: Splits, translator: keras.Model) -> Splits:
    """The splits with translated training images."""
    train = replace(splits.train, images=translate(translator, splits.train.images))
    code = outputs.rests_on(translate)
    return replace(
        splits, train=train, digest=outputs.named(splits.digest, classifiers.digest(translator), code)
    )


def _first_drawings(model: Translation) -> np.ndarray:
    size = model.generator.input_shape[1]
    return np.stack([signs.drawing(label, size, seed=label) for label in range(PICTURES)])


def _made(model: Translation | Cycle, sources: np.ndarray) -> np.ndarray:
    """What it makes as it is by now, uint8, without a model of its own."""
    made = model(tf.cast(sources, tf.float32))
    return np.rint(np.clip(made, 0, 255)).astype(np.uint8)


def _signs_only(part: ImageSet) -> None:
    if part.class_names != signs.CLASS_NAMES:
        raise DataError("drawings are of the 43 traffic signs: choose the data set signs or gtsrb")
