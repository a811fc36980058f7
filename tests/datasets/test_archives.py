import gzip
import hashlib
import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
import tiny_sets
from tiny_sets import (
    encoded,
    official_test,
    official_training,
    official_truth,
    picture,
    write_tree,
    write_zip,
)

from helpers import datasets
from helpers.datasets import archives
from helpers.datasets.archives import DataError

FILES = {"b/2.txt": b"two", "a.txt": b"one", "b/1.txt": b"three"}


@pytest.mark.parametrize("write", [write_zip, write_tree])
def test_zip_and_folder_read_alike(tmp_path, write):
    archive = archives.open_archive(write(tmp_path / "set", FILES))
    assert archive.names == ("a.txt", "b/1.txt", "b/2.txt")
    assert {name: archive.read(name) for name in archive.names} == FILES
    with pytest.raises(DataError, match=r"gone\.txt"):
        archive.read("gone.txt")
    archive.close()


def test_folder_lists_only_the_entries_asked_for(tmp_path):
    assert archives.open_archive(write_tree(tmp_path, FILES), ("b",)).names == ("b/1.txt", "b/2.txt")


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/evil.png", "C:/evil.png", "..\\evil.png"]
)
def test_climbing_names_are_refused(tmp_path, name):
    path = write_zip(tmp_path / "set.zip", FILES | {name: b"evil"})
    with pytest.raises(DataError, match="climbs out"):
        archives.open_archive(path)
    folder = archives.open_archive(write_tree(tmp_path / "tree", FILES))
    with pytest.raises(DataError, match="climbs out"):
        folder.read(name)


@pytest.mark.parametrize("target", ["secret.txt", "."])
def test_links_out_of_a_folder_are_refused(tmp_path, target):
    (tmp_path / "secret.txt").write_text("secret")
    folder = write_tree(tmp_path / "set", FILES)
    (folder / "b" / "link").symlink_to(tmp_path / target)
    with pytest.raises(DataError, match=r"link climbs out|link that climbs out"):
        archives.open_archive(folder)


def test_a_linked_folder_and_links_within_it_are_fine(tmp_path):
    folder = write_tree(tmp_path / "set", FILES)
    (folder / "c.txt").symlink_to(folder / "a.txt")
    (tmp_path / "link").symlink_to(folder)
    archive = archives.open_archive(tmp_path / "link")
    assert archive.read("c.txt") == b"one"


@pytest.mark.parametrize(
    "damage", [lambda d: d[: len(d) // 2], lambda d: b"<html>not found</html>", lambda d: b""]
)
def test_truncated_and_foreign_zips_are_refused_by_name(tmp_path, damage):
    path = write_zip(tmp_path / "set.zip", FILES)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"set\.zip is not a complete zip.*again"):
        archives.open_archive(path)


def test_a_damaged_member_is_named(tmp_path):
    path = write_zip(tmp_path / "set.zip", {"good.txt": b"good bytes", "bad.txt": b"bad bytes"})
    path.write_bytes(path.read_bytes().replace(b"bad bytes", b"bad bites"))
    archive = archives.open_archive(path)
    assert archive.read("good.txt") == b"good bytes"
    with pytest.raises(DataError, match=r"bad\.txt in .*set\.zip is damaged"):
        archive.read("bad.txt")
    archive.close()


def test_a_member_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(100_000))
    archive = archives.open_archive(tmp_path / "bomb.zip")
    with pytest.raises(DataError, match="absurdly large"):
        archive.read("zeros")
    archive.close()


@pytest.mark.parametrize("suffix", [".ppm", ".png", ".webp", ".bmp"])
def test_decode_is_exact_for_lossless_formats(suffix):
    image = picture(1)
    np.testing.assert_array_equal(archives.decode(encoded(image, suffix), "x"), image)


def test_decode_turns_grey_into_three_equal_channels():
    grey = picture(2)[..., 0]
    np.testing.assert_array_equal(archives.decode(encoded(grey, ".pgm"), "x"), np.stack([grey] * 3, axis=2))


@pytest.mark.parametrize("suffix", [".ppm", ".png", ".webp", ".jpg", ".bmp"])
def test_a_cut_image_is_refused_by_name(suffix):
    data = encoded(picture(3, 40, 40), suffix)
    with pytest.raises(DataError, match=r"some\.file is not a readable image"):
        archives.decode(data[: len(data) // 2], "some.file")


def test_sixteen_bits_are_refused():
    with pytest.raises(DataError, match="more than 8 bits"):
        archives.decode(encoded(np.zeros((4, 4), np.uint16), ".png"), "deep.png")


def png_header(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8_000, 11_000, 60_000])
def test_an_absurdly_large_image_is_refused_from_its_header(side, recwarn):
    # at the three sides Pillow itself says nothing, warns, and fails
    with pytest.raises(DataError, match=r"huge\.png is absurdly large"):
        archives.decode(png_header(side, side), "huge.png")
    assert not recwarn


def idx(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_read_idx(tmp_path, pack):
    array = picture(4)
    path = tmp_path / "images"
    path.write_bytes(pack(idx(array)))
    np.testing.assert_array_equal(archives.read_idx(path, hashlib.md5(idx(array)).hexdigest()), array)
    with pytest.raises(DataError, match="images has the wrong checksum"):
        archives.read_idx(path, "0" * 32)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (idx(picture(4))[:-1], "does not hold"),
        (idx(picture(4)) + b"x", "does not hold"),
        (idx(picture(4))[:9], "does not hold"),
        (gzip.compress(idx(picture(4)))[:-20], "is damaged"),
        (b"<html>", "not an idx file"),
        (b"", "not an idx file"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**31, 3), "absurdly large"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, data, message):
    (tmp_path / "images").write_bytes(data)
    with pytest.raises(DataError, match=message):
        archives.read_idx(tmp_path / "images")


def test_file_md5(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert archives.file_md5(tmp_path / "x") == "900150983cd24fb0d6963f7d28e17f72"


def test_stamp_follows_names_sizes_and_times_but_not_the_place(tmp_path):
    folder = write_tree(tmp_path / "one", FILES)
    for path in folder.rglob("*.txt"):
        os.utime(path, (1, 1))
    first = archives.stamp(folder)
    folder = folder.rename(tmp_path / "two")
    assert archives.stamp(folder) == first
    os.utime(folder / "a.txt", (2, 2))
    assert archives.stamp(folder) != first
    os.utime(folder / "a.txt", (1, 1))
    (folder / "a.txt").rename(folder / "z.txt")
    assert archives.stamp(folder) != first
    assert archives.stamp(folder / "z.txt") != archives.stamp(folder / "b" / "1.txt")


def test_stamp_of_a_zip_follows_its_content_alone(tmp_path):
    paths = [tmp_path / name / "images.zip" for name in ("first", "copy", "other")]
    for path, content in zip(paths, (b"1", b"1", b"2"), strict=True):
        write_zip(path, {"a.txt": content})
    os.utime(paths[1], (0, 0))
    first, copy, other = map(archives.stamp, paths)
    assert first == copy != other


def test_stamp_of_a_damaged_zip_follows_its_size(tmp_path):
    path = write_zip(tmp_path / "images.zip", {"a.txt": b"1" * 1000})
    whole = archives.stamp(path)
    path.write_bytes(path.read_bytes()[:-10])
    damaged = archives.stamp(path)
    path.write_bytes(path.read_bytes()[:-10])
    assert len({whole, damaged, archives.stamp(path)}) == 3


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


def test_nothing_is_written_into_the_root(load, gtsrb_root):
    before = archives.stamp(gtsrb_root)
    load("gtsrb", 6, root=gtsrb_root)
    assert archives.stamp(gtsrb_root) == before


def test_pictures_of_another_size_than_their_csv_says_are_refused(load, gtsrb_root):
    files = official_training(".png")
    files = {
        name: encoded(picture(0, 8, 8)) if name.endswith(".png") else data for name, data in files.items()
    }
    tiny_sets.write_zip(gtsrb_root / "gtsrb" / "gtsrb_train.zip", files)
    with pytest.raises(DataError, match="is 8 x 8 pixels, but its csv row says 10 x 12"):
        load("gtsrb", 6, root=gtsrb_root)


def tracks_of(*frames, classes=2):
    """Images of so many tracks with these numbers of frames each, in every class; their pixels count them."""
    labels = np.repeat(np.arange(classes), sum(frames))
    groups = np.repeat(np.arange(classes * len(frames)), np.tile(frames, classes))
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1) * np.ones((1, 1, 3), np.uint8)
    return datasets.ImageSet(images, labels, groups, ("a", "b"), np.full((len(labels), 2), 9))


def test_a_part_of_everything_is_the_set_itself_and_of_nothing_is_empty():
    whole = tracks_of(2, 3)
    assert all(whole.part(count, seed=0) is whole for count in (None, 10, 11))
    assert len(whole.part(0, seed=0)) == 0
    with pytest.raises(DataError, match="count is -1: a part needs 0 images or more"):
        whole.part(-1, seed=0)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("mnits", 40), {}, "unknown data set 'mnits': choose one of signs, gtsrb"),
        (("signs", 40, "stretch"), {}, "unknown fit 'stretch': choose one of resize, crop_or_pad, roi"),
        (("signs", 0), {}, "image_size is 0"),
        (("signs", 40), {"train_images": 0}, "train_images is 0"),
    ],
)
def test_bad_options_are_refused_by_name(load, arguments, options, message):
    with pytest.raises(DataError, match=message):
        load(*arguments, **options)
