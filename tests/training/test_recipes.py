from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from helpers import classifiers, noise, training
from helpers.backend import keras
from helpers.datasets import ImageSet
from helpers.training import fitting

COLOURS = np.array([[220, 40, 40], [40, 220, 40], [40, 40, 220]])

SHORT = training.Recipe(epochs=3, batch_size=32)

build = partial(classifiers.cnn_baseline, 16, 3)


def squares(count, seed, shares=(1, 1, 1)):
    """Coloured squares on a noisy ground; the colour is the class."""
    rng = np.random.default_rng(seed)
    labels = np.resize(np.repeat(np.arange(3), shares), count)
    images = rng.integers(0, 256, (count, 16, 16, 3)) // 3
    for image, label in zip(images, labels, strict=True):
        x, y = rng.integers(0, 7, 2)
        image[y : y + 10, x : x + 10] = COLOURS[label] + rng.integers(-20, 21, 3)
    sizes = np.full((count, 2), 16)
    return ImageSet(images.astype(np.uint8), labels, np.arange(count), ("red", "green", "blue"), sizes)


TRAIN, VALIDATION = squares(96, 0), squares(48, 1)


def fit(cache, recipe=SHORT, train=TRAIN, seed=0, data="squares"):
    return training.fit(build, train, VALIDATION, recipe, seed=seed, data=data, cache=cache)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("models") / "03_short.keras"


def test_a_small_task_is_learned(tmp_path):
    recipe = training.Recipe(epochs=4, batch_size=16, learning_rate=0.003, augmentation="none")
    model, history, seconds = fit(tmp_path, recipe)
    assert list(history) == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    assert list(history["epoch"]) == [1, 2, 3, 4]
    assert history["loss"].iloc[-1] < 0.6 * history["loss"].iloc[0]
    assert history["val_accuracy"].iloc[-1] > 0.95
    correct = classifiers.predictions(model, VALIDATION.images) == VALIDATION.labels
    assert correct.mean() == pytest.approx(history["val_accuracy"].iloc[-1])
    assert seconds > 0


def test_the_papers_recipe_is_plain_adam_at_its_rate():
    optimizer = fitting._optimizer(training.PAPER, steps=5)
    assert type(optimizer) is keras.optimizers.Adam
    assert float(optimizer.learning_rate) == pytest.approx(0.01)
    assert training.PAPER.epochs == 10
    assert (training.PAPER.augmentation, training.PAPER.label_smoothing) == ("none", 0)
    assert replace(training.PAPER, learning_rate=0.001) == training.NEAREST


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"schedule": "linear"}, "unknown schedule 'linear': choose one of cosine, constant"),
        ({"precision": "half"}, "unknown precision 'half': choose one of float32, mixed_bfloat16"),
        ({"augmentation": "flip"}, "unknown augmentation 'flip': choose one of none, camera, paper"),
    ],
)
def test_unknown_choices_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        training.Recipe(**option)


def drawn(train, recipe, **options):
    return [(images.numpy(), labels.numpy()) for images, labels in training.batches(train, recipe, **options)]


def test_batches_may_start_at_any_epoch():
    recipe = replace(SHORT, noise=noise.NINE_SETS)
    whole = drawn(TRAIN, recipe, seed=2)
    assert len(whole) == 9
    for first in (1, 2):
        rest = drawn(TRAIN, recipe, seed=2, first_epoch=first)
        for (images, labels), (expected, expected_labels) in zip(rest, whole[3 * first :], strict=True):
            np.testing.assert_array_equal(images, expected)
            np.testing.assert_array_equal(labels, expected_labels)
    assert not np.array_equal(drawn(TRAIN, recipe, seed=3)[0][0], whole[0][0])


def test_an_epoch_shows_every_image_once_in_its_own_order():
    recipe = replace(SHORT, augmentation="none", epochs=2)
    epochs = np.split(np.concatenate([images for images, _ in drawn(TRAIN, recipe, seed=2)]), 2)
    shown = [[image.astype(np.uint8).tobytes() for image in epoch] for epoch in epochs]
    originals = [image.tobytes() for image in TRAIN.images]
    assert sorted(shown[0]) == sorted(shown[1]) == sorted(originals)
    assert len({tuple(order) for order in (*shown, originals)}) == 3


def test_batches_hold_grey_levels_with_the_labels_of_their_images():
    recipe = replace(SHORT, augmentation="none", epochs=1)
    label_of = {image.tobytes(): label for image, label in zip(TRAIN.images, TRAIN.labels, strict=True)}
    for images, labels in drawn(TRAIN, recipe, seed=2):
        assert images.shape == (32, 16, 16, 3)
        assert images.dtype == np.float32
        assert labels.shape == (32, 3)
        assert (labels.sum(1) == 1).all()
        expected = [label_of[image.astype(np.uint8).tobytes()] for image in images]
        np.testing.assert_array_equal(labels.argmax(1), expected)
    noisy = np.concatenate(
        [images for images, _ in drawn(TRAIN, replace(recipe, noise=noise.NINE_SETS), seed=2)]
    )
    clean = np.concatenate([images for images, _ in drawn(TRAIN, recipe, seed=2)])
    assert noisy.min() >= 0
    assert noisy.max() <= 255
    changed = np.abs(noisy - clean).max((1, 2, 3)) > 0
    assert 0.7 < changed.mean() < 1  # a tenth stays clean
    exact = replace(recipe, noise=noise.NINE_SETS[3:4], clean=0.5, weakest=1.0)
    waves = np.concatenate([images for images, _ in drawn(TRAIN, exact, seed=2)])
    strength = np.abs(waves - clean).max((1, 2, 3))
    assert 0.3 < (strength == 0).mean() < 0.7
    assert strength[strength > 0].min() > 16  # none is weaker than the set


def test_balanced_sampling_draws_all_classes_equally_often():
    train = squares(128, 0, shares=(1, 5, 26))
    recipe = replace(SHORT, augmentation="none", epochs=12)
    plain = np.concatenate([labels for _, labels in drawn(train, recipe, seed=4)])
    np.testing.assert_allclose(plain.mean(0), [1 / 32, 5 / 32, 26 / 32])
    even = np.concatenate([labels for _, labels in drawn(train, replace(recipe, balanced=True), seed=4)])
    assert np.abs(even.mean(0) - 1 / 3).max() < 4 * np.sqrt(2 / 9 / len(even))
