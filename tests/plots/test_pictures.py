import numpy as np
import pytest

from helpers import plots


def pictures(count, channels=3):
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, channels)).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_grid_shows_every_picture_with_its_grey_levels(channels):
    images = pictures(12, channels)
    figure = plots.image_grid(images, [str(n) for n in range(12)], columns=5, title="twelve")
    shown = [axis for axis in figure.axes if axis.images]
    assert len(shown) == 12 and len(figure.axes) == 15
    np.testing.assert_array_equal(shown[3].images[0].get_array()[..., 0], images[3][..., 0].astype(np.uint8))
    assert [axis.get_title() for axis in shown[:2]] == ["0", "1"]


def test_noise_grid_names_rows_and_columns():
    figure = plots.noise_grid(pictures(6).reshape(2, 3, 8, 8, 3), ["a", "b"], ["x", "y", "z"], "six")
    assert [axis.get_title() for axis in figure.axes[:3]] == ["x", "y", "z"]
    assert [figure.axes[n].get_ylabel() for n in (0, 3)] == ["a", "b"]


def test_before_and_after_marks_wrong_answers_in_red():
    labels = np.array([1, 2])
    figure = plots.before_and_after(pictures(2), pictures(2), labels, labels, np.array([1, 9]), "t")
    titles = [(axis.get_title(), axis.title.get_color()) for axis in figure.axes]
    assert titles == [("1 → 1", "black"), ("2 → 2", "black"), ("1 → 1", "black"), ("2 → 9", "#c00000")]


def test_no_picture_to_show_is_an_empty_frame():
    nothing = np.zeros((0, 8, 8, 3))
    figure = plots.before_and_after(nothing, nothing, [], [], [], "none")
    assert not any(axis.images for axis in figure.axes)


def test_examples_state_factor_norm_and_psnr():
    images = np.full((2, 6, 6, 3), 100, np.uint8)
    noise = np.zeros((2, 6, 6, 3), np.float32)
    noise[0, 0, 0] = [4, 0, -3]
    noise[1] = 2
    figure = plots.examples(images, noise, ["stop: 90%", "x"], ["yield: 51%", "y"], "title")
    labels = [axis.get_xlabel() for axis in figure.axes]
    assert labels[0] == "stop: 90%"
    assert labels[1] == "noise × 32\nnorm 5.0, PSNR 54.5 dB"
    assert labels[2] == "yield: 51%"
    shown = figure.axes[1].images[0].get_array()
    assert shown[0, 0].tolist() == [255, 128, 32]  # 128 + 32 · 4 is cut at 255
    assert shown[5, 5].tolist() == [128] * 3
    assert figure.axes[2].images[0].get_array()[0, 0].tolist() == [104, 100, 97]


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_of_pictures_are_named(channels):
    images = pictures(6, channels)
    figure = plots.image_rows({"one": images[:3], "other": images[3:]}, "six")
    assert [axis.get_ylabel() for axis in figure.axes] == ["one", "", "", "other", "", ""]
    shown = figure.axes[4].images[0].get_array()
    np.testing.assert_array_equal(shown[..., 0], images[4][..., 0].astype(np.uint8))
