from dataclasses import replace

import numpy as np
from tiny_sets import squares

from helpers import noise, training
from helpers.training import batching

SHORT = training.Recipe(epochs=3, batch_size=32)
TRAIN = squares(96, 0)


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


def test_balanced_sampling_draws_the_images_of_a_class_equally_often():
    four = replace(squares(4, 0), labels=np.array([0, 1, 1, 1]))
    recipe = replace(SHORT, augmentation="none", epochs=300, batch_size=4, balanced=True)
    shown = np.concatenate([images for images, _ in drawn(four, recipe, seed=5)])
    shares = [(shown == image).all((1, 2, 3)).mean() for image in four.images]
    np.testing.assert_allclose(shares, [1 / 2, 1 / 6, 1 / 6, 1 / 6], atol=0.065)


def test_no_thread_tunes_the_batches():
    """Its pauses double, and the end of a training waits for it."""
    for batches in (training.batches(TRAIN, SHORT, seed=2), batching.validation_batches(TRAIN)):
        assert batches.options().autotune.enabled is False
