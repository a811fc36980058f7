import itertools

import numpy as np
import pytest

from helpers import signs
from helpers.signs import scenes

DISC = signs.pictograms(17)[0]


def generator(*key):
    return np.random.default_rng(key)


def made(rng):
    """One result of every function of the module."""
    rgba = DISC.levels[1].copy()
    seen, box = scenes.place(rng, rgba, DISC.rim, scenes.pose(rng), 50.0)
    background = scenes.background(rng, 40, 30, scenes.spot(rng))
    return {
        "place": seen,
        "box": np.array(box),
        "background": background,
        "light": scenes.light(rng, 40, 30, scenes.lamp(rng) | {"shadow": 1.0}),
        "paint": np.vstack([scenes.paint(rng)[0], np.full(3, scenes.paint(rng)[1])]),
        "dirt": np.stack([scenes.dirt(rng, rgba) for _ in range(4)]),
        "camera": scenes.camera(rng, np.clip(background, 0, 1)),
    }


def test_everything_depends_on_the_generator_alone():
    first, again, other = made(generator(5)), made(generator(5)), made(generator(6))
    for name, value in first.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)
        assert value.shape != other[name].shape or not np.array_equal(value, other[name]), name


# Pose and place


def test_a_sign_seen_from_the_front_stays_a_disc():
    homography = scenes.pose(generator(0), yaw=0, pitch=0, roll=0, aspect=0)
    angles = np.linspace(0, 2 * np.pi, 50)
    x, y, depth = homography @ np.stack([np.cos(angles), np.sin(angles), np.ones(50)])
    radius = np.hypot(x / depth, y / depth)
    np.testing.assert_allclose(radius, radius[0], rtol=1e-12)
    assert 2 <= 1 / (2 * radius[0]) <= 8  # distance in sides


def test_a_turned_sign_is_narrower_and_one_half_larger():
    ratios, leans = [], []
    for index in range(300):
        homography = scenes.pose(generator(1, index), pitch=0, roll=0, aspect=0)
        ends = homography @ np.array([[-1, 1, -1, -1, 1, 1], [0, 0, -1, 1, -1, 1], [1, 1, 1, 1, 1, 1]])
        x, y = ends[:2] / ends[2]
        sides = abs(y[3] - y[2]), abs(y[5] - y[4])
        ratios.append((x[1] - x[0]) / np.mean(sides))
        leans.append(sides[0] / sides[1])
    assert min(ratios) > np.cos(np.radians(30)) * 0.98
    assert max(ratios) < 1.02
    assert min(ratios) < 0.9
    assert min(leans) < 0.9
    assert max(leans) > 1.1


@pytest.mark.parametrize("label", [14, 17, 18])  # an octagon, a disc, a triangle
def test_the_box_encloses_what_is_drawn(label):
    drawing = signs.pictograms(label)[0]
    errors = []
    for index in range(100):
        rng = generator(label, index)
        side = rng.uniform(13, 220)
        rgba, (x1, y1, x2, y2) = scenes.place(rng, drawing.levels[0], drawing.rim, scenes.pose(rng), side)
        height, width = rgba.shape[:2]
        assert 0 <= x1 < x2 < width
        assert 0 <= y1 < y2 < height
        rows, columns = np.nonzero(rgba[..., 3] > 0.5)
        drawn = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
        assert abs(max(drawn[2] - drawn[0], drawn[3] - drawn[1]) + 1 - side) < 2.5  # the side asked for
        errors.append((np.array([x1, y1, x2, y2]) - drawn) / (1.5 + 0.08 * side))
        assert min(*drawn[:2], width - 1 - drawn[2], height - 1 - drawn[3]) >= min(2, 0.09 * side)
    assert np.abs(errors).max() < 1  # an annotator's errors: 2 % of the side, rounded
    assert np.abs(np.mean(errors, axis=0)).max() < 0.2


def test_the_drawing_is_left_alone_and_the_margin_is_empty():
    before = DISC.levels[2].copy()
    rgba, _ = scenes.place(generator(3), DISC.levels[2], DISC.rim, scenes.pose(generator(4)), 40.0)
    np.testing.assert_array_equal(DISC.levels[2], before)
    assert rgba.dtype == np.float32
    assert rgba.min() >= 0
    assert rgba.max() <= 1 + 1e-6
    border = np.concatenate([rgba[0], rgba[-1], rgba[:, 0], rgba[:, -1]])
    assert not border.any()
    assert (rgba[..., :3] <= rgba[..., 3:] + 1e-6).all()  # premultiplied


# Background


def test_textures_have_zero_mean_unit_variance_and_little_colour():
    bank = scenes.background_bank()
    assert bank.shape == (scenes.BANK_SIZE, scenes.BANK_SIDE, scenes.BANK_SIDE, 3)
    assert bank.dtype == np.float32
    np.testing.assert_allclose(bank.mean((1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(bank.std((1, 2, 3)), 1, atol=1e-4)
    grey = bank.mean(-1, keepdims=True)
    assert 0.1 < (bank - grey).std() / grey.std() < 0.4


def test_power_of_the_textures_falls_as_in_photographs():
    bank = scenes.background_bank().mean(-1)
    side = scenes.BANK_SIDE
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None]) * side
    power = np.square(np.abs(np.fft.fft2(bank))).mean(0)
    edges = np.array([3, 5, 8, 13, 20, 32, 50, 80])  # cycles per texture
    bands = [(frequency >= low) & (frequency < high) for low, high in itertools.pairwise(edges)]
    places = [np.log(frequency[band]).mean() for band in bands]
    levels = [np.log(power[band].mean()) for band in bands]
    slopes = np.diff(levels) / np.diff(places)
    assert -2.8 < np.polyfit(places, levels, 1)[0] < -1.8  # near 1/f² (Field 1987), steeper by the blur
    assert -2.5 < slopes[:2].mean() < -1.5
    assert slopes.min() > -3.3


def test_background_has_the_size_and_brightness_of_its_spot():
    for index in range(50):
        rng = generator(7, index)
        spot = scenes.spot(rng)
        piece = scenes.background(rng, 33, 47, spot)
        assert piece.shape == (33, 47, 3)
        assert np.isfinite(piece).all()
        assert piece.min() >= 0
        even = scenes.background(rng, 33, 47, spot | {"contrast": 0.0})
        np.testing.assert_allclose(
            even, np.full_like(piece, 1) * spot["colour"] * spot["brightness"], rtol=1e-5
        )


def test_a_spot_is_the_same_place_for_all_of_its_frames():
    alike, unlike = [], []
    for index in range(40):
        spots = [scenes.spot(generator(8, index, n)) | {"zoom": 0.5, "contrast": 0.3} for n in (0, 1)]
        first, second = (scenes.background(generator(9, index, n), 32, 32, spots[0]) for n in (0, 1))
        other = scenes.background(generator(9, index), 32, 32, spots[1])
        alike.append(np.corrcoef(first.ravel(), second.ravel())[0, 1])
        unlike.append(np.corrcoef(first.ravel(), other.ravel())[0, 1])
    assert np.mean(alike) > 0.4
    assert abs(np.mean(unlike)) < 0.3


# Light, colours and dirt


def test_light_without_shadows_is_a_plane_of_the_lamps_gain_and_colour():
    for index in range(20):
        rng = generator(10, index)
        lamp = scenes.lamp(rng) | {"shadow": 0.0}
        light = scenes.light(rng, 21, 31, lamp)
        assert light.shape == (21, 31, 3)
        for axis in (0, 1):
            np.testing.assert_allclose(np.diff(light, 2, axis), 0, atol=1e-5)
        colours = light[10, 15] / lamp["cast"]
        np.testing.assert_allclose(colours, colours[0], rtol=1e-5)
        assert 0.65 < colours[0] / lamp["gain"] < 1.55  # four standard deviations of a tenth
        assert np.abs(np.log(lamp["cast"])).max() < 0.35


def test_a_shadow_only_darkens():
    darkest, shares = [], []
    for index in range(300):
        lamp = {"gain": 1.0, "cast": np.ones(3, np.float32), "shadow": 1.0}
        shaded = scenes.light(generator(11, index), 16, 16, lamp)
        free = scenes.light(generator(11, index), 16, 16, lamp | {"shadow": 0.0})
        ratio = shaded / shaded.max() / (free / free.max())
        assert shaded.min() > 0
        darkest.append(ratio.min())
        shares.append((shaded < 0.9 * shaded.max()).mean())
    assert min(darkest) > 0.15
    assert np.mean(darkest) < 0.75
    assert np.mean(shares) > 0.3


def test_the_hardest_shadow_of_foliage_does_not_overflow():
    lamp = {"gain": 1.0, "cast": np.ones(3, np.float32), "shadow": 1.0}
    assert scenes.light(generator(11, 4214), 16, 16, lamp).min() > 0  # a warning would be an error


def test_paint_fades_towards_grey_and_keeps_grey_grey():
    greys, vividness = [], []
    for index in range(300):
        matrix, offset = scenes.paint(generator(12, index))
        assert matrix.shape == (3, 3)
        assert 0 <= offset <= 0.15
        greys.append(matrix @ np.ones(3))
        vividness.append(matrix[0, 0] - matrix[1:, 0].mean())
    np.testing.assert_allclose(np.mean(greys, axis=0), 1, atol=0.02)
    assert 0.7 < np.mean(vividness) < 0.9  # a mean fade of a fifth


def test_dirt_covers_part_of_some_signs_and_never_the_outline():
    rgba = DISC.levels[1]
    before = rgba.copy()
    changed = []
    for index in range(200):
        dirty = scenes.dirt(generator(13, index), rgba)
        np.testing.assert_array_equal(dirty[..., 3], rgba[..., 3])
        changed.append((np.abs(dirty - rgba).max(-1) > 0.02).mean())
        dirty[:] = 0
    np.testing.assert_array_equal(rgba, before)  # a copy
    assert abs(np.mean(np.array(changed) == 0) - np.exp(-0.6)) < 0.13
    assert 0.02 < np.mean(changed) < 0.25


# Camera


def test_camera_keeps_size_range_and_even_areas():
    for index in range(60):
        image = np.full((37, 29, 3), 0.5, np.float32)
        seen = scenes.camera(generator(14, index), image)
        assert seen.shape == image.shape
        assert seen.dtype == np.float32
        np.testing.assert_allclose(seen, seen[0, 0, 0], atol=5e-4)
        assert 0.5**1.36 < seen[0, 0, 0] < 0.5**0.79
    noise = generator(15).normal(0.5, 0.6, (37, 29, 3)).astype(np.float32)
    for index in range(60):
        seen = scenes.camera(generator(16, index), noise)
        assert seen.min() >= 0
        assert seen.max() <= 1


@pytest.mark.parametrize("blur", ["defocus", "motion"])
def test_blur_strengths_take_detail_away(blur):
    image = generator(17).uniform(0, 1, (48, 48, 3)).astype(np.float32)
    detail = {
        strength: np.mean(
            [
                np.abs(np.diff(scenes.camera(generator(18, index), image, **{blur: strength}), axis=1)).mean()
                for index in range(60)
            ]
        )
        for strength in (0.0, 1.0, 2.5)
    }
    assert detail[0.0] > 1.1 * detail[1.0]
    assert detail[1.0] > 1.1 * detail[2.5]
