"""A network that was trained for something else learns new classes: its output layer first, then the rest.

Or it learns from few images, where it matters most what it was trained for before.
While everything before the output layer is frozen, what that layer sees of an image never changes: it is
computed once, and kept.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from helpers import classifiers, outputs
from helpers.backend import keras
from helpers.datasets import ImageSet, Splits
from helpers.training.fitting import Build, Trainings, fit, seeded
from helpers.training.keeping import Trained
from helpers.training.recipes import Recipe
from helpers.training.starts import Copy

CACHE = outputs.ROOT / "outputs" / "features"


def features(model: keras.Model, images: np.ndarray, *, cache: Path | None = None) -> np.ndarray:
    """What the output layer of a classifier sees of images (N, H, W, C): (N, D) float32, computed once.

    model: ends with a dense layer; cache: folder of what was computed, `CACHE` by default, from which it is
    memory-mapped.
    """
    seen = without_output(model)
    store = outputs.Store(cache or CACHE)
    name = f"{outputs.named(classifiers.digest(seen), outputs.digest(images))}.npy"
    with store.held(name):  # another notebook may be computing the same
        if store.find(name) is None:
            with store.make(name) as partial_file:
                np.save(partial_file, classifiers.logits(seen, images))
    return np.load(store.find(name), mmap_mode="r")


def fit_outputs(
    starts: Sequence[Build],
    recipe: Recipe,
    splits: Splits,
    *,
    seeds: Sequence[int],
    cache: Path | None = None,
    name: str = "output layer",
) -> list[Trained]:
    """Train the output layer of every start with one seed each, all before it frozen; the whole models.

    starts: functions that return classifiers ending with a dense layer, with first weights of the seed;
    recipe: without augmentation and noise, as images are seen once; cache: folder of features and trainings,
    those of `features` and `fit` by default; name: of the progress bar. Raises ValueError for another recipe,
    and as `fit` does.
    """
    if recipe.augmentation != "none" or recipe.noise:
        raise ValueError(
            "images are seen once: the recipe of an output layer has no augmentation and no noise"
        )
    found = []
    for number, (start, seed) in enumerate(zip(starts, seeds, strict=True)):
        model = seeded(start, seed)
        seen = [_seen(model, part, cache) for part in (splits.train, splits.validation)]
        title = f"{name}, training {number + 1} of {len(starts)}"
        data = outputs.named(splits.digest, classifiers.digest(without_output(model)))
        options = {"seed": seed, "data": data, "title": title, "cache": cache}
        trained = fit(Copy(_output_layer(model)), *seen, recipe, **options)  # compiled once for all
        model.layers[-1].set_weights(trained.model.layers[-1].get_weights())
        found.append(trained._replace(model=model))
    return found


def fit_few(
    starts: Mapping[str, Build],
    recipe: Recipe,
    splits: Splits,
    counts: Sequence[int],
    *,
    seeds: Sequence[int],
    steps: int = 100,
    cache: Path | None = None,
) -> Trainings:
    """Train every start on few images, drawn anew for each seed; names have start and count, ``none 43``.

    counts: training images, classes in proportion, of as few tracks as hold them; steps: at least so many, in
    as many epochs as they take. For validation serve as many images as for training, if there are so many.
    Others as in `fit`. Raises ValueError for more images than there are.
    """
    found = Trainings()
    for count in counts:
        if not 0 < count <= len(splits.train):
            raise ValueError(f"{count} training images are wanted, and there are {len(splits.train)}")
        epochs = max(recipe.epochs, math.ceil(steps / max(1, count // recipe.batch_size)))
        longer = replace(recipe, epochs=epochs, batch_size=min(recipe.batch_size, count))
        for name, start in starts.items():
            found[f"{name} {count}"] = [
                fit(
                    *(start, splits.train.part(count, seed), splits.validation.part(count, seed), longer),
                    seed=seed,
                    data=outputs.named(splits.digest, "few", count, seed),
                    title=f"{name}, {count} images, training {number + 1} of {len(seeds)}",
                    cache=cache,
                )
                for number, seed in enumerate(seeds)
            ]
    return found


class Unfrozen(Copy):
    """Builds copies of a classifier of which the last layers of the backbone learn, for `fit` to train on."""

    def __init__(self, model: keras.Model, last: int | None = None, *, statistics: bool = False):
        """model: of `classifiers.pretrained`, trained or not.

        last: how many of the backbone's layers learn, of those that may; None: all. statistics: whether its
        normalisations may; else they keep the moments that they have.
        """
        super().__init__(model)
        self.last, self.statistics = last, statistics

    def __call__(self) -> keras.Model:
        """A copy of its own: what is done to it leaves the model as it is."""
        copy = super().__call__()
        copy.trainable = True
        learning = [layer for layer in classifiers.backbone_of(copy).layers if layer.weights]
        for layer in learning:
            layer.trainable = False
        if not self.statistics:
            learning = [layer for layer in learning if not isinstance(layer, keras.layers.BatchNormalization)]
        for layer in learning if self.last is None else learning[len(learning) - self.last :]:
            layer.trainable = True
        return copy


def _seen(model: keras.Model, part: ImageSet, cache: Path | None) -> ImageSet:
    return replace(part, images=features(model, part.images, cache=cache))


def without_output(model: keras.Model) -> keras.Model:
    """A classifier up to what its output layer sees: images to (N, D). ValueError where it ends otherwise."""
    if not isinstance(model.layers[-1], keras.layers.Dense):
        raise ValueError(f"{model.name} does not end with a dense layer, and so has no output layer to train")
    return keras.Model(model.inputs, model.layers[-1].input, name=model.name)


def _output_layer(model: keras.Model) -> keras.Model:
    """The output layer by itself, with its weights, behind a dropout where the model has one there."""
    last = model.layers[-1]
    given = keras.Input(last.input.shape[1:])
    before = model.layers[-2]
    dropped = keras.layers.Dropout(before.rate)(given) if isinstance(before, keras.layers.Dropout) else given
    copy = type(last).from_config(last.get_config())
    network = keras.Model(given, copy(dropped), name=f"{model.name}_output")
    copy.set_weights(last.get_weights())
    return network
