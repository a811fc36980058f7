import io

import numpy as np
import pytest
from PIL import Image

from helpers import classifiers, widgets


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
