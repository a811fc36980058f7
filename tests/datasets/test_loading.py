import os
import zipfile

import numpy as np
import pytest
import tiny_sets
from tiny_sets import (
    class_folders,
    encoded,
    official_test,
    official_training,
    official_truth,
    picture,
    write_tree,
)

from helpers import datasets, signs
from helpers.datasets import preparation, sources


@pytest.fixture
def gtsrb_root(tmp_path):
    """A data root with the tiny GTSRB in zips of one's own."""
    folder = tmp_path / "root" / "gtsrb"
    tiny_sets.write_zip(folder / "gtsrb_train.zip", official_training(".webp"))
    test = official_test(".webp") | {
        "GTSRB/Final_Test/Images/GT-final_test.csv": official_truth()["GT-final_test.csv"]
    }
    tiny_sets.write_zip(folder / "gtsrb_test.zip", test)
    return folder.parent


@pytest.fixture
def load(tmp_path):
    return lambda *args, **options: datasets.load(*args, **{"cache": tmp_path / "cache"} | options)


def arrays(images):
    return images.images, images.labels, images.groups, images.sizes


def assert_equal(one, other):
    for first, second in zip(one, other, strict=True):
        for a, b in zip(arrays(first), arrays(second), strict=True):
            np.testing.assert_array_equal(a, b)


def test_gtsrb_is_split_by_track_with_its_own_pixels(load, gtsrb_root):
    splits = load("gtsrb", 6, "roi", gtsrb_root)
    train, validation, test = splits
    assert (len(train), len(validation), len(test)) == (27, 9, 6)  # one of four tracks per class is held out
    assert len(splits.train.class_names) == 43
    assert set(train.groups).isdisjoint(validation.groups)
    assert set(np.concatenate([train.groups, validation.groups])).isdisjoint(test.groups)
    frames = {
        image[3:9, 2:8].tobytes(): (label, track) for label, track, _, image in tiny_sets.training_frames()
    }
    seen = {}
    for image, label, group in zip(
        np.concatenate([train.images, validation.images]),
        np.concatenate([train.labels, validation.labels]),
        np.concatenate([train.groups, validation.groups]),
        strict=True,
    ):
        owner, track = frames[image.tobytes()]
        assert owner == label
        assert seen.setdefault(group, (label, track)) == (label, track)
    assert len(seen) == tiny_sets.CLASSES * tiny_sets.TRACKS  # group numbers are unique over classes
    np.testing.assert_array_equal(test.images, [p[3:9, 2:8] for *_, p in tiny_sets.test_pictures()])
    assert [a.dtype for a in arrays(train)] == [np.uint8, np.int32, np.int32, np.int32]
    np.testing.assert_array_equal(train.sizes, [[12, 10]] * 27)


def test_the_cache_is_hit_and_memory_mapped(load, gtsrb_root, monkeypatch):
    first = load("gtsrb", 6, "roi", gtsrb_root)
    monkeypatch.setattr(sources, "read", None)  # a second preparation would fail
    second = load("gtsrb", 6, "roi", gtsrb_root)
    assert isinstance(second.train.images, np.memmap)
    assert not second.train.images.flags.writeable
    assert_equal(first, second)
    assert first.digest == second.digest


def test_every_option_and_the_source_make_their_own_cache(load, gtsrb_root, tmp_path):
    digests = {
        load("gtsrb", 6, "roi", gtsrb_root).digest,
        load("gtsrb", 7, "roi", gtsrb_root).digest,
        load("gtsrb", 6, "resize", gtsrb_root).digest,
        load("gtsrb", 6, "roi", gtsrb_root, seed=1).digest,
    }
    before = datasets.source_digest("gtsrb", gtsrb_root)
    os.utime(gtsrb_root / "gtsrb" / "gtsrb_train.zip", (1, 1))
    assert datasets.source_digest("gtsrb", gtsrb_root) == before  # a copy is the same data
    with zipfile.ZipFile(gtsrb_root / "gtsrb" / "gtsrb_train.zip", "a") as file:
        file.writestr("a note.txt", "changed")
    assert datasets.source_digest("gtsrb", gtsrb_root) != before
    digests.add(load("gtsrb", 6, "roi", gtsrb_root).digest)
    assert len(digests) == len(os.listdir(tmp_path / "cache")) == 5
    assert load("gtsrb", 6, "roi", gtsrb_root, train_images=12).digest not in digests
    assert len(os.listdir(tmp_path / "cache")) == 5  # a part is taken from the whole


def test_data_root_variable(load, gtsrb_root, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(gtsrb_root))
    assert len(load("gtsrb", 6).test) == 6


def test_an_unreadable_frame_is_skipped_by_name(load, gtsrb_root):
    files = official_training(".png")
    files["GTSRB/Final_Training/Images/00001/00002_00001.png"] = b"not a picture"
    tiny_sets.write_zip(gtsrb_root / "gtsrb" / "gtsrb_train.zip", files)
    with pytest.warns(UserWarning, match="1 of 42 pictures of gtsrb cannot be used"):
        splits = load("gtsrb", 6, root=gtsrb_root)
    assert len(splits.train) + len(splits.validation) == 35
    assert "00001/00002_00001.png in" in splits.skipped[0]
    assert load("gtsrb", 6, root=gtsrb_root).skipped == splits.skipped


def test_a_part_is_exact_deterministic_and_keeps_tracks(load, gtsrb_root):
    splits = load("gtsrb", 6, root=gtsrb_root, train_images=20, test_images=3)
    assert [len(part) for part in splits] == [15, 5, 3]
    np.testing.assert_array_equal(np.bincount(splits.train.labels), [5, 5, 5])
    np.testing.assert_array_equal(np.bincount(splits.test.labels), [1, 1, 1])
    _, frames = np.unique(splits.train.groups, return_counts=True)
    assert sorted(frames) == [2, 2, 2, 3, 3, 3]  # of three frames each: one track whole, one thinned
    assert_equal(splits, load("gtsrb", 6, root=gtsrb_root, train_images=20, test_images=3))
    everything = load("gtsrb", 6, root=gtsrb_root, train_images=10_000)
    assert len(everything.train) == 27


def test_a_part_of_the_test_set_is_what_loading_takes(load, gtsrb_root):
    everything, few = (load("gtsrb", 6, root=gtsrb_root, test_images=count).test for count in (None, 4))
    for one, other in zip(arrays(everything.part(4, seed=0)), arrays(few), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_folder_per_class_is_split_in_three(load, tmp_path):
    name = f"folder:{write_tree(tmp_path / 'pets', class_folders(images=20))}"
    train, validation, test = load(name, 8)
    for part, expected in ((train, 14), (validation, 2), (test, 4)):
        np.testing.assert_array_equal(np.bincount(part.labels), [expected] * 2)
    assert len(set(np.concatenate([train.groups, validation.groups, test.groups]))) == 40
    pixels = {image.tobytes() for part in (train, validation, test) for image in part.images}
    assert len(pixels) == 40
    (tmp_path / "pets" / "cat" / "new.png").write_bytes(encoded(picture(5)))
    assert len(load(name, 8).train) == 29


def test_a_folder_joined_again_is_in_the_order_of_its_files(load, tmp_path):
    folder = write_tree(tmp_path / "pets", class_folders(("s2", "s10"), images=20))
    splits = load(f"folder:{folder}", 12, "crop_or_pad")
    whole = splits.joined()
    assert whole.class_names == ("s2", "s10") and len(whole) == sum(map(len, splits)) == 40
    np.testing.assert_array_equal(whole.labels, [0] * 20 + [1] * 20)
    expected = [picture(100 * label + index) for label in range(2) for index in range(20)]
    np.testing.assert_array_equal(whole.images[:, :, 1:11], expected)
    np.testing.assert_array_equal(whole.groups, np.arange(40))
    np.testing.assert_array_equal(whole.sizes, [[12, 10]] * 40)


def test_joining_keeps_tracks_and_their_frames_in_order(load, gtsrb_root):
    splits = load("gtsrb", 12, "crop_or_pad", gtsrb_root)
    whole = splits.joined()
    assert (np.diff(whole.groups) >= 0).all()
    for part in splits:
        chosen = np.isin(whole.groups, part.groups)
        order = np.argsort(part.groups, kind="stable")
        assert_equal([whole.subset(chosen)], [part.subset(order)])


def test_signs_are_keyed_by_how_many_are_rendered(load):
    splits = load("signs", 8, "roi", train_images=400, test_images=60)
    assert len(splits.train) + len(splits.validation) == 400
    assert len(splits.test) == 60
    more = load("signs", 8, "roi", train_images=600, test_images=60)
    assert len(more.train) + len(more.validation) == 600
    digests = {splits.digest, more.digest, load("signs", 8, "roi", train_images=400, test_images=60).digest}
    assert len(digests) == 2
    fewest = load("signs", 8, "roi", train_images=1, test_images=60)
    assert [len(part) for part in fewest] == [1, 0, 60]
    for other in (more, fewest):  # the training set's size does not change the test set
        for kind in ("images", "labels", "sizes"):
            np.testing.assert_array_equal(getattr(other.test, kind), getattr(splits.test, kind))
        first, tracks = other.test.groups[0], splits.test.groups - splits.test.groups[0]
        np.testing.assert_array_equal(other.test.groups - first, tracks)


def test_signs_are_split_by_track_and_cut_at_their_box(load):
    train, validation, test = load("signs", 8, "roi", train_images=400, test_images=60, seed=5)
    groups = [set(part.groups) for part in (train, validation, test)]
    assert len(validation) > 0
    assert sum(map(len, groups)) == len(set.union(*groups)) == 46  # of ten frames each
    frames = {}
    for index in range(60):
        frame = signs.frame(index, seed=11)
        np.testing.assert_array_equal(
            test.images[index], preparation.fit_image(frame.image, 8, "roi", frame.roi)
        )
        assert test.labels[index] == frame.label
        assert tuple(test.sizes[index]) == frame.image.shape[:2]
        frames.setdefault(test.groups[index], set()).add(frame.track)
    assert all(len(tracks) == 1 for tracks in frames.values())


def test_signs_are_rendered_alike_at_every_size(load):
    small, large = (load("signs", size, "roi", train_images=200, test_images=20) for size in (8, 16))
    np.testing.assert_array_equal(small.train.labels, large.train.labels)
    np.testing.assert_array_equal(small.test.sizes, large.test.sizes)
    assert small.digest != large.digest


def test_subset_by_slice_is_a_view_and_by_array_a_copy(load, gtsrb_root):
    train = load("gtsrb", 6, root=gtsrb_root).train
    view, copy = train.subset(slice(2, 5)), train.subset(np.array([4, 2]))
    assert np.shares_memory(view.images, train.images)
    assert not np.shares_memory(copy.images, train.images)
    np.testing.assert_array_equal(copy.images, train.images[[4, 2]])
    assert repr(copy) == "ImageSet(2 images (6, 6, 3), 43 classes)"
    assert (len(view), len(copy), copy.class_names) == (3, 2, train.class_names)
    np.testing.assert_array_equal(copy.labels, train.labels[[4, 2]])


def test_an_exception_in_mid_preparation_leaves_no_cache(load, gtsrb_root, tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.datasets.preparation.fit_image", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        load("gtsrb", 6, root=gtsrb_root)
    assert not os.listdir(tmp_path / "cache")
    monkeypatch.undo()
    assert len(load("gtsrb", 6, root=gtsrb_root).train) == 27
