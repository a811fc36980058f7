import itertools
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from helpers import signs
from helpers.signs import rendering

CLASSES = range(43)
DRAWINGS = sorted(rendering.PICTOGRAMS.glob("*.svg"))


@pytest.fixture
def own_drawings(tmp_path, monkeypatch):
    """A copy of the drawings, which a test may change."""
    folder = shutil.copytree(rendering.PICTOGRAMS, tmp_path / "signs")
    monkeypatch.setattr(rendering, "PICTOGRAMS", folder)
    signs.pictograms.cache_clear()
    yield folder
    signs.pictograms.cache_clear()


def colour(label):
    """Mean of red minus blue over rendered signs of a class."""
    images = np.stack([signs.render(label, 24, seed=seed) for seed in range(30)]).astype(float)
    return (images[..., 0] - images[..., 2]).mean()


# Drawings


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)
def test_drawings_are_small_and_need_no_font_or_picture(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < 8192
    assert re.findall(r'viewBox="([^"]*)"', text) == ["0 0 100 100"]
    assert set(re.findall(r"<(\w+)", text)) <= {"svg", "g", "path", "circle", "rect", "ellipse", "polygon"}
    assert not re.search(r"font|href|url\(|base64|<!|style", text)


@pytest.mark.parametrize("label", CLASSES)
def test_drawings_fill_their_box(label):
    for drawing in signs.pictograms(label):
        alpha = drawing.levels[0][..., 3]
        rows, columns = np.nonzero(alpha > 0.5)
        last = rendering.LARGEST - 1
        assert (columns.min(), columns.max()) == (0, last)
        assert rows.min() + rows.max() == last  # centred
        assert rows.max() - rows.min() >= 0.85 * last
        assert alpha[rendering.LARGEST // 2, rendering.LARGEST // 2] == 1
        np.testing.assert_allclose(np.abs(drawing.rim).max(0), [1, rows.max() * 2 / last - 1], atol=0.01)


def test_levels_halve_down_to_sixteen_pixels_with_premultiplied_colours():
    levels = signs.pictograms(14)[0].levels
    means = [level.mean((0, 1), dtype=np.float64) for level in levels]
    for level, side, mean in zip(levels, (256, 128, 64, 32, 16), means, strict=True):
        assert level.shape == (side, side, 4)
        assert level.dtype == np.float32
        assert level.min() >= 0
        assert (level[..., :3] <= level[..., 3:] + 1e-6).all()
        np.testing.assert_allclose(mean, means[0], atol=1e-5)


def test_no_two_drawings_are_alike():
    drawn = [drawing.levels[2] for label in CLASSES for drawing in signs.pictograms(label)]
    assert len(drawn) == len(DRAWINGS) > 43
    differences = [np.abs(one - other).mean() for one, other in itertools.combinations(drawn, 2)]
    assert min(differences) > 0.005


def test_a_missing_drawing_is_named(own_drawings):
    (own_drawings / "13.svg").unlink()
    with pytest.raises(FileNotFoundError, match="no drawing of class 13 in signs/: restore the folder"):
        signs.pictograms(13)
    assert signs.pictograms(14)


@pytest.mark.parametrize("change", ["edited", "added", "removed", "renamed"])
def test_the_digest_changes_with_a_drawing(own_drawings, change):
    before = signs.digest()
    assert re.fullmatch("[0-9a-f]{64}", before)
    assert signs.digest() == before
    path = own_drawings / "07.svg"
    if change == "edited":
        path.write_text(path.read_text().replace("#111", "#112", 1))
    elif change == "added":
        shutil.copy(path, own_drawings / "07b.svg")
    elif change == "removed":
        (own_drawings / "10b.svg").unlink()
    else:
        path.rename(own_drawings / "07c.svg")
    assert signs.digest() != before


# Single signs


@pytest.mark.parametrize("label", CLASSES)
def test_every_class_renders_at_every_size(label):
    for size in (15, 40, 96):
        image = signs.render(label, size, seed=1)
        assert image.shape == (size, size, 3)
        assert image.dtype == np.uint8
        assert image.std() > 2
        np.testing.assert_array_equal(signs.render(label, size, seed=1), image)
    assert not np.array_equal(signs.render(label, 96, seed=2), image)


def test_every_drawing_of_a_class_is_used():
    found = {id(rendering._Sign(38, np.random.default_rng(seed)).drawing) for seed in range(20)}
    assert len(found) == len(signs.pictograms(38)) == 2


def test_signs_have_their_colours():
    assert min(colour(label) for label in (14, 17)) > 25  # stop, no entry: red
    assert max(colour(label) for label in (33, 38, 40)) < -25  # mandatory: blue


@pytest.mark.parametrize("label", [-1, 43, 1000])
def test_other_classes_are_refused(label):
    with pytest.raises(ValueError, match=rf"no sign has class {label}: choose 0 to 42"):
        signs.render(label, 40, seed=0)


# Frames


def assert_same(one, other):
    np.testing.assert_array_equal(one.image, other.image)
    assert (one.roi, one.label, one.track) == (other.roi, other.label, other.track)


def test_a_frame_depends_on_seed_and_index_alone():
    indices = [0, 5, 31, 9, 700, 123_456]
    frames = {index: signs.frame(index, seed=4) for index in indices}
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda index: signs.frame(index, seed=4), indices[::-1] * 3))
    for index, frame in zip(indices[::-1] * 3, again, strict=True):
        assert_same(frame, frames[index])
    images = [frame.image.tobytes() for frame in frames.values()]
    images += [signs.frame(index, seed=5).image.tobytes() for index in indices]
    assert len(set(images)) == 12


def test_frames_are_pictures_of_gtsrbs_sizes_with_the_sign_inside():
    sides = []
    for index in range(0, 5000, 9):
        frame = signs.frame(index, seed=6)
        height, width, channels = frame.image.shape
        x1, y1, x2, y2 = frame.roi
        assert frame.image.dtype == np.uint8
        assert channels == 3
        assert all(type(corner) is int for corner in frame.roi)
        assert 0 <= x1 < x2 < width
        assert 0 <= y1 < y2 < height
        assert (x2 - x1 + 1) * (y2 - y1 + 1) > 0.25 * height * width
        sides.append(max(height, width))
    assert min(sides) >= 15
    assert max(sides) <= 270
    assert max(sides) - min(sides) > 120
    assert 35 < np.median(sides) < 65  # 43 in GTSRB


def test_ten_frames_show_one_sign_coming_nearer():
    sides, means = [], []
    for track in range(40):
        frames = [signs.frame(10 * track + step, seed=7) for step in range(signs.FRAMES_PER_TRACK)]
        assert {frame.track for frame in frames} == {track}
        assert len({frame.label for frame in frames}) == 1
        assert len({frame.image.tobytes() for frame in frames}) == 10
        sides.append([max(frame.image.shape) for frame in frames])
        means.append([frame.image.mean((0, 1)) for frame in frames])
    sides, means = np.array(sides), np.array(means)
    assert (np.diff(sides, axis=1) >= -3).all()  # but for the margin's random pixels
    assert np.mean(sides[:, -1] / sides[:, 0]) > 1.5
    within, between = means.std(1).mean(), means.mean(1).std(0).mean()
    assert within < between / 3  # one lamp, paint and place


def test_labels_and_tracks_are_those_of_the_frames():
    for frequencies in ("gtsrb", "uniform"):
        labels, tracks = signs.labels_and_tracks(75, seed=8, frequencies=frequencies)
        frames = [signs.frame(index, seed=8, frequencies=frequencies) for index in range(75)]
        np.testing.assert_array_equal(labels, [frame.label for frame in frames])
        np.testing.assert_array_equal(tracks, [frame.track for frame in frames])
    assert [len(array) for array in signs.labels_and_tracks(0, seed=8)] == [0, 0]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("frequencies", ["gtsrb", "uniform"])
def test_labels_follow_the_frequencies_from_the_start(seed, frequencies):
    shares = np.array(signs.GTSRB_COUNTS if frequencies == "gtsrb" else [1] * 43)
    assert len(shares) == 43
    shares = shares / shares.sum()
    for count in (2_000, 12_900, 39_200):
        labels, _ = signs.labels_and_tracks(count, seed=seed, frequencies=frequencies)
        found = np.bincount(labels, minlength=43)
        assert np.abs(found - shares * count).max() <= 3 * signs.FRAMES_PER_TRACK
    assert found.min() > 0


def test_published_counts_add_up():
    assert sum(signs.GTSRB_COUNTS) == 39_209
    assert max(signs.GTSRB_COUNTS) == signs.GTSRB_COUNTS[2] == 2_250


def test_other_frequencies_are_refused():
    with pytest.raises(ValueError, match="unknown frequencies 'equal': choose gtsrb or uniform"):
        signs.frame(0, seed=0, frequencies="equal")


def test_jpeg_quality_sets_how_much_of_the_frame_is_lost():
    plain = signs.frame(7, seed=0).image.astype(float)
    lost = [np.abs(signs.frame(7, seed=0, jpeg=quality).image - plain).mean() for quality in (95, 50, 10)]
    assert 0 < lost[0] < lost[1] < lost[2] < 40


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed is -1"):
        signs.frame(0, seed=-1)


@pytest.mark.parametrize("size", [16, 32, 300])
def test_a_drawing_is_flat_whole_and_the_same_for_the_same_seed(size):
    image = signs.drawing(14, size, seed=1)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    np.testing.assert_array_equal(signs.drawing(14, size, seed=1), image)
    assert not np.array_equal(signs.drawing(14, size, seed=2), image)
    corners = image[[0, 0, -1, -1], [0, -1, 0, -1]].astype(int)
    assert np.ptp(corners) == 0  # one grey around the stop sign
    red = (image[..., 0] > 150) & (image[..., 1] < 80)
    assert 0.2 < red.mean() < 0.8


def test_no_drawing_of_a_class_that_is_none():
    with pytest.raises(ValueError, match="no sign has class 43"):
        signs.drawing(43, 32, seed=0)
