import io
import re
from functools import partial

import linear
import numpy as np
import pytest
from PIL import Image

from helpers import classifiers, minimum_noise, restoration, widgets


@pytest.fixture
def slider():
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    model = classifiers.cnn_baseline(16, 2)
    return widgets.NoiseSlider(images, np.array([0, 1, 0]), ("cat", "dog"), model)


def shown(slider):
    return np.asarray(Image.open(io.BytesIO(slider.picture.value)).convert("RGB"))


@pytest.mark.parametrize(
    ("control", "value"), [("index", 2), ("kind", "periodic"), ("level", 0.9), ("seed", 3)]
)
def test_every_control_changes_the_picture_and_back_again(slider, control, value):
    before, first = shown(slider), getattr(slider, control).value
    getattr(slider, control).value = value
    assert not np.array_equal(shown(slider), before)
    getattr(slider, control).value = first
    np.testing.assert_array_equal(shown(slider), before)


def test_level_zero_shows_the_clean_image_twice_and_a_grey_difference(slider):
    slider.level.value = 0
    picture = shown(slider)
    height, width = picture.shape[:2]
    clean, noisy, difference = (
        picture[height // 5 : 4 * height // 5, n * width // 3 + 20 : (n + 1) * width // 3 - 20]
        for n in range(3)
    )
    assert (difference == 128).all()
    assert abs(clean.mean() - noisy.mean()) < 3 and clean.std() > 20


def test_a_tick_reuses_the_figure(slider):
    canvas, background = slider._canvas, slider._background
    slider.level.value = 0.7
    assert slider._canvas is canvas and slider._background is background


def test_it_works_without_a_classifier():
    slider = widgets.NoiseSlider(np.zeros((1, 8, 8, 3), np.uint8), [0], ("nothing",))
    assert shown(slider).shape == (296, 720, 3)


@pytest.fixture
def walk():
    model, images, labels, _ = linear.problem(3)
    noise = minimum_noise.search(model, images, labels, queries=600, seed=0).noise
    return widgets.BoundarySlider(images, noise, labels, ("a", "b", "c"), model)


def test_a_walk_along_the_minimum_noise_crosses_the_boundary(walk):
    answers = []
    for share in (0.0, 0.9, 1.0):
        walk.share.value = share
        scores = [float(text.rstrip("%")) for text in re.findall(r"[\d.]+%", walk._caption.get_text())]
        answers.append(scores[0] - scores[1])
    assert answers[0] > answers[1] > 0 >= answers[2]


@pytest.mark.parametrize(("control", "value"), [("index", 2), ("share", 0.5)])
def test_every_control_of_the_walk_changes_the_picture(walk, control, value):
    before = shown(walk)
    getattr(walk, control).value = value
    assert not np.array_equal(shown(walk), before)


def test_a_walk_starts_at_the_clean_image(walk):
    walk.share.value = 0
    assert "norm 0.0" in walk._caption.get_text()
    pictures, _ = walk._shown()
    np.testing.assert_array_equal(pictures[0], pictures[2])
    assert (pictures[1] == 128).all()


def test_restoration_shows_what_is_restored_and_the_first_answers_of_both():
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    model, restorer = classifiers.cnn_baseline(16, 6), restoration.network(3)
    both = {"plain": model, "restored": restoration.fuse(restorer, model)}
    names = ("cat", "dog", "cow", "hen", "pig", "ape")
    slider = widgets.RestorationSlider(images, np.array([0, 5]), names, restorer, both)
    text = slider._caption.get_text().split("\n")
    assert text[0].startswith("gaussian 25")
    assert text[1] == "true: cat"
    assert text[2].startswith("plain: ") and text[3].startswith("restored: ")
    assert text[2].count("%") == 5
    before = shown(slider)
    for control, value in (("index", 1), ("kind", "periodic"), ("level", 0.9)):
        first = getattr(slider, control).value
        getattr(slider, control).value = value
        assert not np.array_equal(shown(slider), before)
        getattr(slider, control).value = first
        np.testing.assert_array_equal(shown(slider), before)


LATENTS = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])


def walked(latents, shares, steps, channels=3):
    """Images on the way as grey levels: of the first number of the latent, brighter by the class."""
    levels = 100 + 40 * latents[:, 0] + 50 * shares[:, -1] * (shares.shape[1] > 1)
    levels = (levels[0] + np.array(steps) * (levels[1] - levels[0])).astype(np.uint8)
    return np.ones((len(steps), 4, 4, channels), np.uint8) * levels[:, None, None, None]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_walk_between_latents_shows_both_and_the_middle(channels):
    walk = widgets.LatentSlider(partial(walked, channels=channels), LATENTS)
    images, caption = walk._shown()
    assert [int(image[0, 0, 2]) for image in images] == [140, 120, 100] and caption == ""
    assert walk.label not in walk.children[0].children


def test_every_control_of_a_walk_changes_the_picture():
    walk = widgets.LatentSlider(walked, LATENTS, ["one", "two"])
    for control, value in (("first", 2), ("share", 0.9), ("second", 2), ("label", 1), ("other", 1)):
        before = shown(walk)
        getattr(walk, control).value = value
        assert not np.array_equal(shown(walk), before), control
    assert walk._shown()[1] == "two"
