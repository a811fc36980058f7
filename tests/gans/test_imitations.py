from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from tiny_sets import squares

from helpers import classifiers, gans, training
from helpers.backend import keras
from helpers.datasets import Splits


@pytest.fixture
def splits():
    part = squares(12, 0)
    return Splits(part, part, part, "squares", "digest", ())


@pytest.fixture
def game():
    keras.utils.set_random_seed(0)
    return gans.Start("residual", 16, 3, 3, width=4)()


def test_imitated_splits_have_their_own_digest_and_the_labels_of_the_real_images(splits, game):
    made = gans.imitated(splits, game, seed=0)
    np.testing.assert_array_equal(made.train.labels, splits.train.labels)
    assert (made.train.images != splits.train.images).any((1, 2, 3)).all()
    np.testing.assert_array_equal(made.test.images, splits.test.images)
    few = gans.few(Splits(squares(20, 1), part := splits.test, part, "squares", "few", ()), 5, seed=0)
    both, others = gans.beside(few, made), gans.beside(replace(few, digest="other"), made)
    assert both.digest != others.digest and len(few.train) == len(few.validation) == 5
    assert len(both.train) == len(both.train.groups) == len(both.train.sizes) == 2 * 5 + 12
    np.testing.assert_array_equal(both.train.images[:10], np.concatenate([few.train.images] * 2))
    np.testing.assert_array_equal(both.train.images[10:], made.train.images)
    game.average.weights[0].assign(game.average.weights[0] + 1)
    digests = {splits.digest, made.digest, both.digest, gans.imitated(splits, game, seed=0).digest}
    assert len(digests) == 4


def test_a_classifier_learns_from_perfect_imitations_what_it_learns_from_real_images(tmp_path, monkeypatch):
    made = []
    train, test = squares(96, 0), squares(48, 1)
    splits = Splits(train, test, test, "squares", "digest", ())
    monkeypatch.setattr(
        gans.imitations, "generate", lambda source, labels, seed: made.append(seed) or source.images
    )
    monkeypatch.setattr(training.fitting, "CACHE", tmp_path)

    class Copies:
        images = train.images

        def digest(self):
            return "copies"

    recipe = training.Recipe(epochs=4, batch_size=16, augmentation="none")
    build = partial(classifiers.cnn_baseline, 16, 3)
    for _ in ("trained", "kept"):
        copies = (gans.imitated(splits, Copies(), seed=seed) for seed in (0, 1))
        found = gans.trained_on({"copies": copies}, build, recipe, seeds=[0, 1])
    assert made == [0, 1]  # once for each training, and not at all for what is kept
    right = [(classifiers.predictions(model, test.images) == test.labels).mean() for model in found["copies"]]
    assert len(right) == 2 and min(right) > 0.9


def test_few_images_and_what_stands_beside_are_trained_on_as_many(tmp_path, monkeypatch):
    train, test = squares(96, 0), squares(48, 1)
    splits = Splits(train, test, test, "squares", "digest", ())
    met = {}

    def fit(build, train, validation, recipe, *, seed, data, title, **_):
        met[title.partition(",")[0] if "of 12" in title else title] = (len(train) * recipe.epochs, seed, data)
        return training.Trained(gans.Start("residual", 16, 3, 3, 8)(), None, 0.0)

    def fit_all(starts, recipes, splits, *, seeds, **_):
        ((name, recipe),) = recipes.items()
        return training.Trainings(
            {name: [fit(None, splits.train, None, recipe, seed=seeds[0], data="", title=name)]}
        )

    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.setattr(gans.imitations, "fit_all", fit_all)
    recipe = training.Recipe(epochs=2, batch_size=16)
    options = {"start": None, "game": gans.Recipe(epochs=3), "seeds": [0, 1], "others": {"more": splits}}
    found = gans.added(splits, 12, None, recipe, **options)
    assert list(found) == ["12", "12, augmented", "12, generated", "12, more"]
    game = met.pop("of 12")
    assert game[0] == 3 * 12  # as many steps as a game of all of them makes, in batches of 12
    assert {images for images, *_ in met.values()} == {2 * (12 + 96), 96 + 8 * 12}
    assert len({data for *_, data in met.values()}) == 6  # augmented ones learn from the same images
    met.clear()
    gans.added(splits, 96, None, recipe, **options)
    assert met["on 96, training 1 of 2"] == (2 * 192, 0, "digest")  # all of them are the splits as they are
    assert met["of 96"][0] == 3 * 96  # and their game is the one that they have anyway
    with pytest.raises(ValueError, match="few is 97, but there are only 96 training images"):
        gans.added(splits, 97, None, recipe, **options)
