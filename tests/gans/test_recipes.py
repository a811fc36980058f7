import numpy as np
import pytest

from helpers import gans
from helpers.backend import tf

IMAGES = tf.constant(np.random.default_rng(0).uniform(0, 255, (64, 8, 8, 3)), tf.float32)


def test_the_papers_recipes_are_as_printed():
    paper = gans.RECIPES["mehrotra"]
    assert (paper.learning_rate, paper.beta_1, paper.beta_2, paper.batch_size) == (0.0002, 0.5, 0.999, 30)
    paper = gans.RECIPES["bagrodia"]
    assert (paper.learning_rate, paper.beta_1, paper.epochs, paper.batch_size) == (0.0002, 0.5, 50, 128)
    assert paper.two_steps and paper.moves_both


def test_without_augmentation_images_stay():
    recipe = gans.Recipe(shift=0, brightness=0)
    np.testing.assert_array_equal(recipe.augmented(IMAGES, tf.constant([0, 1])), IMAGES)


def test_light_is_one_number_an_image():
    recipe = gans.Recipe(shift=0, brightness=0.2)
    change = np.asarray(recipe.augmented(IMAGES, tf.constant([0, 1])) - IMAGES)
    np.testing.assert_allclose(np.ptp(change, (1, 2, 3)), 0, atol=1e-3)
    amounts = change[:, 0, 0, 0]
    assert np.abs(amounts).max() <= 25.5 and amounts.std() == pytest.approx(51 / np.sqrt(12), rel=0.3)


def test_images_move_by_whole_pixels_and_their_border_is_repeated():
    recipe = gans.Recipe(shift=0.125, brightness=0)
    moved, images = np.asarray(recipe.augmented(IMAGES, tf.constant([0, 1]))), np.asarray(IMAGES)
    found = set()
    for before, after in zip(images, moved, strict=True):
        padded = np.pad(before, ((1, 1), (1, 1), (0, 0)), "edge")
        where = [(y, x) for y in range(3) for x in range(3) if (padded[y : y + 8, x : x + 8] == after).all()]
        assert len(where) == 1
        found.update(where)
    assert len(found) == 9


def test_gradients_pass_the_augmentation():
    with tf.GradientTape() as tape:
        tape.watch(IMAGES)
        total = tf.reduce_sum(gans.Recipe().augmented(IMAGES, tf.constant([0, 1])), (1, 2, 3))
    np.testing.assert_allclose(tf.reduce_sum(tape.gradient(total, IMAGES), (1, 2, 3)), 8 * 8 * 3)


def test_what_cannot_be_is_refused_by_name():
    with pytest.raises(ValueError, match="unknown objective 'minmax': choose one of minimax, least_squares"):
        gans.Recipe(objective="minmax")
    with pytest.raises(ValueError, match=r"shift is -0.1: it must be in \[0, 1\)"):
        gans.Recipe(shift=-0.1)
    with pytest.raises(ValueError, match="epochs is 0"):
        gans.Recipe(epochs=0)
    with pytest.raises(ValueError, match="separate turns are for the objective minimax"):
        gans.Recipe(two_steps=True)
