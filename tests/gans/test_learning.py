from dataclasses import replace

import numpy as np
import pytest
from tiny_sets import squares

from helpers import gans
from helpers.backend import keras
from helpers.datasets import Splits

RECIPE = gans.Recipe(epochs=2, batch_size=16)


def built(network="residual", classes=3):
    keras.utils.set_random_seed(0)
    return gans.Start(network, 8, 3, classes)()


def test_an_image_depends_on_seed_and_number_alone(monkeypatch):
    game, labels = built(), np.arange(7) % 3
    whole = gans.generate(game, labels, seed=0)
    assert whole.shape == (7, 8, 8, 3) and whole.dtype == np.uint8
    np.testing.assert_array_equal(whole[3:], gans.generate(game, labels[3:], seed=0, first=3))
    assert (whole != gans.generate(game, labels, seed=1)).any()
    monkeypatch.setattr(gans.learning, "BATCH", 2)
    assert np.abs(whole.astype(int) - gans.generate(game, labels, seed=0)).max() <= 1


def test_a_game_with_classes_needs_labels():
    latents = np.zeros((2, 64))
    pure = gans.decode(built(), latents, np.array([0, 1]))
    np.testing.assert_array_equal(pure, gans.decode(built(), latents, np.eye(3)[:2]))
    with pytest.raises(ValueError, match="residual has classes"):
        gans.decode(built(), latents)
    assert gans.decode(built(classes=None), latents).shape == (2, 8, 8, 3)


def test_an_unknown_network_is_refused_before_it_is_built():
    with pytest.raises(ValueError, match="unknown network 'resnet': choose one of dense, perceptron"):
        gans.Start("resnet", 8)
    with pytest.raises(ValueError, match="dense has no classes"):
        gans.Start("dense", 8, classes=3)


@pytest.mark.parametrize(
    ("task", "field"),
    [
        (gans.Adversarial(), {"l1": 1.0}),
        (gans.Adversarial(), {"cycle": 5.0}),
        (gans.Denoising(), {"identity": 0.5}),
        (gans.Unpaired(Splits(*[squares(3, 0)] * 3, "squares", "digest", ())), {"adversarial": False}),
    ],
)
def test_what_a_kind_of_game_has_no_use_for_is_refused(task, field):
    (name,) = field
    task.compiled_with(RECIPE, steps=1)
    with pytest.raises(ValueError, match=f"{name} is .*: this kind of game has no use for it, leave it"):
        task.compiled_with(replace(RECIPE, **field), steps=1)


def test_batches_depend_on_seed_and_epoch_and_are_images_as_they_are():
    train, task = squares(40, 0), gans.Adversarial()
    drawn = [list(task.batches(train, RECIPE, seed=0, first_epoch=first)) for first in (0, 1)]
    assert len(drawn[0]) == 4 and len(drawn[1]) == 2
    for one, other in zip(drawn[0][2:], drawn[1], strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)
    images, labels, key = drawn[0][0]
    assert images.dtype == np.uint8 and key.shape == (2,)
    found = [np.flatnonzero((train.images == np.asarray(image)).all((1, 2, 3)))[0] for image in images]
    np.testing.assert_array_equal(train.labels[found], labels)
    assert len({tuple(np.asarray(key)) for _, _, key in drawn[0]}) == 4


def test_validation_asks_the_same_after_every_epoch():
    task, validation = gans.Adversarial(), squares(20, 1)
    one, other = (list(task.validation_batches(validation, RECIPE)) for _ in range(2))
    assert sum(len(images) for images, _, _ in one) == 20
    for left, right in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(left, right)


def test_grey_images_have_one_channel_the_mean_of_three():
    part = squares(6, 0)
    splits = gans.in_grey(Splits(part, part, part, "squares", "digest", ()))
    assert splits.test.images.shape == (6, 16, 16, 1) and splits.test.images.dtype == np.uint8
    means = part.images.mean(-1, keepdims=True)
    assert np.abs(splits.train.images - means).max() <= 0.5


def test_samples_are_of_the_first_training():
    game, labels = built(), np.array([0, 1])
    found = gans.samples({"a": [game, None]}, labels, seed=0)
    np.testing.assert_array_equal(found["a"], gans.generate(game, labels, seed=0))


@pytest.fixture
def splits():
    part = squares(12, 0)
    return Splits(part, part, part, "squares", "digest", ())


def test_a_walk_begins_and_ends_where_it_should_and_stays_at_its_distance(splits):
    class Norms:
        """The norm of the latent and the share of the first class, as grey levels."""

        conditional, latent_shape, name = True, (4,), "norms"

        def __call__(self, inputs):
            latents, shares = inputs
            return np.stack([np.linalg.norm(latents, axis=1), 100 * shares[:, 0]], 1)[:, None, None]

    ends, shares = np.array([[10.0, 0, 0, 0], [0, 30.0, 0, 0]]), np.eye(3)[:2]
    found = gans.walk(Norms(), ends, shares, steps=5)[:, 0, 0]
    np.testing.assert_array_equal(found[:, 0], [10, 15, 20, 25, 30])
    np.testing.assert_array_equal(found[:, 1], [100, 75, 50, 25, 0])


def test_a_discriminator_is_asked_about_images_as_they_come(splits):
    keras.utils.set_random_seed(0)
    game = gans.Start("dense", 16, 3)()
    real, fake = gans.scores(game, splits.test, seed=0)
    made = np.asarray(game(np.random.default_rng(0).standard_normal((12, 100), np.float32)))
    assert made.min() < 0 and np.abs(made - np.rint(made)).max() > 0.1
    np.testing.assert_allclose(fake, game.discriminator(made)[:, 0], rtol=1e-4)
    np.testing.assert_allclose(
        real, game.discriminator(splits.test.images.astype(np.float32))[:, 0], rtol=1e-4
    )
