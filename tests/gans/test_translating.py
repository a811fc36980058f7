from dataclasses import replace

import numpy as np
import pytest
from tiny_sets import squares

from helpers import gans, noise, signs
from helpers.backend import keras, tf
from helpers.datasets import DataError, ImageSet, Splits
from helpers.training import fitting

RECIPE = gans.Recipe(epochs=2, batch_size=8)


def rendered(count, seed=0, side=16):
    labels = (np.arange(count) * 7 + seed) % 43
    images = np.stack([signs.render(int(label), side, seed=k) for k, label in enumerate(labels)])
    return ImageSet(images, labels, np.arange(count), signs.CLASS_NAMES, np.full((count, 2), side))


@pytest.fixture(scope="module")
def splits():
    return Splits(rendered(24), rendered(8, 1), rendered(8, 2), "signs", "digest", ())


def drawn(task, part):
    return [tuple(map(np.asarray, batch)) for batch in task.batches(part, RECIPE, seed=0)]


def found(images, among):
    """Where each image is among others."""
    return [np.flatnonzero((among == image).all((1, 2, 3)))[0] for image in images]


def test_noise_is_taken_from_images_and_new_in_every_epoch():
    part = squares(16, 0)
    batches = drawn(gans.Denoising(), part)
    assert len(batches) == 4
    noisy = {}
    for images, sources, key in batches:
        expected = noise.mixture(images, seed=tf.bitcast(tf.constant(key), tf.int64), weakest=1.0)
        np.testing.assert_array_equal(sources, expected)
        for place, source in zip(found(images, part.images), sources, strict=True):
            noisy.setdefault(place, []).append(source)
    moved = [np.abs(one - other).max() for one, other in noisy.values()]
    assert np.mean(np.array(moved) > 0) > 0.8


def test_every_image_is_painted_from_a_drawing_of_its_class(splits):
    drawings = gans.drawings(splits.train, seed=0)
    for images, sources, _ in drawn(gans.Painting(), splits.train):
        np.testing.assert_array_equal(sources, drawings[found(images, splits.train.images)])


def test_unpaired_sources_come_in_any_order_and_all_of_them(splits):
    sources = gans.drawn(splits, seed=5)
    task, seen = gans.Unpaired(sources), []
    for images, given, _ in drawn(task, splits.train):
        places = found(given, sources.train.images)
        assert places != found(images, splits.train.images)
        seen += places
    assert len(set(seen)) > 20
    validation = list(task.validation_batches(splits.validation, RECIPE))
    assert len(validation[0][0]) == len(validation[0][1]) == 8


def test_drawings_show_their_class_and_differ(splits):
    few = replace(splits.train, labels=np.full(24, 14))
    one, other = (gans.drawings(few, seed=seed) for seed in (0, 100))
    assert one.shape == few.images.shape and one.dtype == np.uint8
    assert (one != other).any((1, 2, 3)).all()
    np.testing.assert_array_equal(one[3:5], gans.drawings(few, seed=0)[3:5])
    with pytest.raises(DataError, match="drawings are of the 43 traffic signs"):
        gans.drawings(squares(3, 0), seed=0)


def test_made_training_sets_keep_labels_and_tests_and_have_digests_of_their_own(splits):
    keras.utils.set_random_seed(0)
    one, other = (gans.Translator(16, width=8)() for _ in range(2))
    made = [gans.translated(splits, game.restorer()) for game in (one, other)]
    made += [gans.drawn(splits, seed=seed) for seed in (0, 1)]
    assert len({each.digest for each in (splits, *made)}) == 5
    for each in made:
        assert (each.train.images != splits.train.images).any((1, 2, 3)).all()
        np.testing.assert_array_equal(each.train.labels, splits.train.labels)
        np.testing.assert_array_equal(each.test.images, splits.test.images)


def test_translated_images_are_whole_grey_levels_in_range():
    images = keras.Input((4, 4, 3))
    double = keras.Model(images, keras.layers.Rescaling(2.0, offset=-40.3)(images))
    given = np.array([0, 50, 250], np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    np.testing.assert_array_equal(gans.translate(double, given)[:, 0, 0, 0], [0, 60, 255])


def test_what_a_task_has_beside_its_data_is_in_the_name_of_a_training(splits):
    others = [gans.Unpaired(gans.drawn(splits, seed=seed)) for seed in (1, 2)]
    start, names = gans.Translator(16, width=8)(), []
    for task in (gans.Denoising(), gans.Painting(), *others):
        names.append(repr(fitting._key(start, task, RECIPE, 0, "data", 24)))
    assert len(set(names)) == 4


def test_rendered_signs_are_as_many_and_of_that_size(splits):
    made = gans.rendered(splits, seed=1000)
    assert made.train.images.shape == splits.train.images.shape
    assert made.digest != gans.rendered(splits, seed=1001).digest
    with pytest.raises(DataError, match="traffic signs"):
        gans.rendered(replace(splits, train=squares(3, 0)), seed=0)


def test_sources_are_chosen_by_name_and_others_refused(splits):
    assert gans.sources("drawings", splits, seed=3).digest == gans.drawn(splits, seed=3).digest
    with pytest.raises(ValueError, match="unknown sources 'rendering': choose one of drawings, renderings"):
        gans.sources("rendering", splits, seed=0)


@pytest.mark.parametrize("kind", ["denoising", "painting", "unpaired"])
def test_what_is_made_on_the_way_is_of_the_same_ten_sources(splits, kind):
    tasks = {"denoising": gans.Denoising, "painting": gans.Painting}
    task = tasks[kind]() if kind in tasks else gans.Unpaired(gans.drawn(splits, seed=1))
    keras.utils.set_random_seed(0)
    model = gans.Translator(16, width=8, cycle=kind == "unpaired")()
    one, other = task.pictures(model), task.pictures(model)
    assert one.shape == (10, 16, 16, 3) and one.dtype == np.uint8 and one.std() > 1
    np.testing.assert_array_equal(one, other)
