import gzip
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from tiny_sets import encoded, picture, write_tree, write_zip

from helpers.datasets import archives, load, places, small_sets, sources
from helpers.datasets.archives import DataError
from helpers.workbook import doctor

CLASSES = small_sets._CLASS_NAMES["cifar10"]
TRAIN, TEST = 10, 2  # images of each class


def cifar(top="", suffix=".png"):
    return {
        f"{top}{part}/{name}/{index:05d}{suffix}": encoded(
            picture(start + 100 * label + index, 32, 32), suffix
        )
        for part, count, start in (("train", TRAIN, 0), ("test", TEST, 10_000))
        for label, name in enumerate(CLASSES)
        for index in range(count)
    }


def faces(persons=12, top=""):
    return {
        f"{top}s{person}/{index}.pgm": encoded(picture(100 * person + index, 8, 6)[..., 0], ".pgm")
        for person in range(1, persons + 1)
        for index in range(1, 5)
    }


def write(path, files):
    return write_zip(path, files) if path.suffix == ".zip" else write_tree(path, files)


def opened(request, name, root):
    source = sources.read(name, root)
    request.addfinalizer(source.close)
    return source


CIFAR_PLACES = [
    *("raw/cifar10", "cifar10", "cifar10/cifar10"),
    *("raw/cifar10/cifar10.zip", "cifar10/cifar10.zip", "raw/cifar10.zip", "cifar10.zip"),
]


@pytest.mark.parametrize("suffix", [".png", ".webp"])
@pytest.mark.parametrize("place", CIFAR_PLACES)
def test_cifar_in_class_folders(request, tmp_path, place, suffix):
    path = write(tmp_path / place, cifar("cifar10/" if place.endswith("zip") else "", suffix))
    assert places("cifar10", tmp_path) == [path]
    source = opened(request, "cifar10", tmp_path)
    assert source.class_names == CLASSES
    np.testing.assert_array_equal(source.train.labels, np.repeat(np.arange(10), TRAIN))
    np.testing.assert_array_equal(source.test.labels, np.repeat(np.arange(10), TEST))
    image, box = source.train.read(3 * TRAIN + 7)
    np.testing.assert_array_equal(image, picture(307, 32, 32))
    assert box is None
    np.testing.assert_array_equal(source.test.read(5)[0], picture(10_201, 32, 32))


@pytest.mark.parametrize("top", ["", "some/"])
def test_what_systems_add_to_a_zip_of_cifar_does_not_count(request, tmp_path, top):
    extra = {"__MACOSX/train/cat/._0.png": b"x", ".hidden/x.png": b"x", "labels.txt": b"x"}
    write_zip(tmp_path / "cifar10.zip", cifar(top) | extra | {f"{top}train/.cache/x.png": b"x"})
    assert len(opened(request, "cifar10", tmp_path).train.labels) == 10 * TRAIN


def test_grey_cifar_pictures_have_three_channels(request, tmp_path):
    grey = picture(1, 32, 32)[..., 0]
    files = cifar() | {"train/airplane/00000.png": encoded(grey)}
    write_tree(tmp_path / "cifar10", files)
    image, _ = opened(request, "cifar10", tmp_path).train.read(0)
    np.testing.assert_array_equal(image, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("name", ["cifar10.zip", "cifar10"])
def test_the_official_division_is_kept_and_no_picture_is_on_two_sides(tmp_path, name):
    write(tmp_path / name, cifar())
    splits = load("cifar10", 32, "resize", tmp_path, cache=tmp_path / "cache")
    assert [len(part) for part in splits] == [90, 10, 20]
    assert {image.tobytes() for image in splits.test.images} == {
        picture(10_000 + 100 * label + index, 32, 32).tobytes()
        for label in range(10)
        for index in range(TEST)
    }
    assert len({image.tobytes() for part in splits for image in part.images}) == 120
    assert len(set(np.concatenate([part.groups for part in splits]))) == 120


def test_binary_cifar_goes_before_class_folders_and_folders_before_zips(tmp_path):
    write_zip(tmp_path / "cifar10.zip", cifar())
    assert places("cifar10", tmp_path) == [tmp_path / "cifar10.zip"]
    write_zip(tmp_path / "raw/cifar10/cifar10.zip", cifar())
    assert places("cifar10", tmp_path) == [tmp_path / "raw/cifar10/cifar10.zip"]
    write_tree(tmp_path / "cifar10", cifar())
    assert places("cifar10", tmp_path) == [tmp_path / "cifar10"]
    binary = tmp_path / "cifar10" / "cifar-10-binary.tar.gz"
    tarfile.open(binary, "w:gz").close()
    assert places("cifar10", tmp_path) == [binary]
    (tmp_path / "raw/cifar10/cifar-10-batches-bin").mkdir()
    assert places("cifar10", tmp_path) == [tmp_path / "raw/cifar10/cifar-10-batches-bin"]


@pytest.mark.parametrize("name", ["cifar10.zip", "cifar10"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_missing_and_unknown_classes_of_cifar_are_named(tmp_path, name, part):
    files = {path.replace(f"{part}/automobile", f"{part}/car"): data for path, data in cifar().items()}
    path = write(tmp_path / name, files)
    with pytest.raises(DataError, match=rf"{path}/{part} lacks automobile and has car: .* airplane, .*truck"):
        sources.read("cifar10", tmp_path)


def test_a_class_of_cifar_may_not_be_empty_or_absent(tmp_path):
    files = {path: data for path, data in cifar().items() if not path.startswith("train/frog")}
    folder = write_tree(tmp_path / "cifar10", files)
    with pytest.raises(DataError, match=rf"{folder}/train lacks frog: .*complete copy"):
        sources.read("cifar10", tmp_path)
    (folder / "train" / "frog").mkdir()
    with pytest.raises(DataError, match=rf"{folder}/train/frog has no images"):
        sources.read("cifar10", tmp_path)


@pytest.mark.parametrize(("top", "shown"), [("", ""), ("cifar10/", "/cifar10")])
def test_cifar_without_its_test_part_is_refused(tmp_path, top, shown):
    path = write_zip(tmp_path / "cifar10.zip", {n: d for n, d in cifar(top).items() if "train/" in n})
    with pytest.raises(DataError, match=rf"{path}{shown} lacks the folder test: .*complete copy"):
        sources.read("cifar10", tmp_path)


def test_another_zip_under_the_name_of_cifar_is_refused(tmp_path):
    write_zip(tmp_path / "cifar10.zip", faces())
    with pytest.raises(DataError, match=r"cifar10\.zip lacks the folder train and test"):
        sources.read("cifar10", tmp_path)


def test_a_picture_of_another_size_is_refused_by_name(tmp_path):
    small = encoded(picture(0, 16, 20))
    write_zip(tmp_path / "cifar10.zip", cifar() | {"train/cat/00003.png": small})
    message = r"cifar10\.zip/train/cat/00003\.png is 20 x 16 pixels, not 32 x 32"
    with pytest.warns(UserWarning, match=message):
        splits = load("cifar10", 32, "resize", tmp_path, cache=tmp_path / "cache")
    assert len(splits.skipped) == 1
    assert sum(len(part) for part in splits) == 119
    all_small = {name: small if "/cat/" in name else data for name, data in cifar().items()}
    write_zip(tmp_path / "cifar10.zip", all_small)
    with pytest.raises(DataError, match=r"pixels, not 32 x 32.*Class 'cat' loses 12 of its 12"):
        load("cifar10", 32, "resize", tmp_path, cache=tmp_path / "cache")


@pytest.mark.parametrize(("name", "file"), [("cifar10", "cifar10.zip"), ("faces", "orl_faces.zip")])
def test_damaged_and_climbing_zips_are_refused(tmp_path, name, file):
    path = write_zip(tmp_path / file, cifar())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=rf"{file} is not a complete zip file"):
        sources.read(name, tmp_path)
    write_zip(path, cifar() | {"../x.png": b"x"})
    with pytest.raises(DataError, match=rf"{file}: the name '\.\./x\.png' climbs out"):
        sources.read(name, tmp_path)


FACES_PLACES = [
    *("raw/faces", "faces", "raw/faces/orl_faces.zip", "faces/orl_faces.zip", "faces/archive.zip"),
    *("raw/orl_faces.zip", "orl_faces.zip"),
]


@pytest.mark.parametrize("top", ["", "orl_faces/"])
@pytest.mark.parametrize("place", FACES_PLACES)
def test_faces_from_a_folder_per_person(request, tmp_path, place, top):
    path = write(tmp_path / place, faces(top=top) | {"README": b"ORL"})
    assert places("faces", tmp_path) == [path]
    source = opened(request, "faces", tmp_path)
    assert source.class_names == tuple(f"s{person}" for person in range(1, 13))  # s2 before s10
    np.testing.assert_array_equal(source.train.labels, np.repeat(np.arange(12), 4))
    assert source.test is None
    assert source.test_fraction == 0.3
    image, box = source.train.read(4 * 9 + 1)
    np.testing.assert_array_equal(image, np.repeat(picture(1002, 8, 6)[..., :1], 3, axis=2))
    assert box is None


def test_faces_are_held_out_by_picture(tmp_path):
    write_zip(tmp_path / "orl_faces.zip", faces())
    splits = load("faces", 8, "resize", tmp_path, cache=tmp_path / "cache")
    assert [len(part) for part in splits] == [24, 12, 12]
    assert len(set(np.concatenate([part.groups for part in splits]))) == 48


def test_a_tree_of_faces_goes_before_zips_and_two_zips_are_ambiguous(tmp_path):
    write_zip(tmp_path / "orl_faces.zip", faces())
    (tmp_path / "faces").mkdir()
    assert places("faces", tmp_path) == [tmp_path / "orl_faces.zip"]
    for name in ("one.zip", "two.zip"):
        write_zip(tmp_path / "faces" / name, faces())
    with pytest.raises(DataError, match=r"faces has the zips one\.zip, two\.zip: keep"):
        sources.read("faces", tmp_path)
    write_tree(tmp_path / "faces", faces())
    assert places("faces", tmp_path) == [tmp_path / "faces"]


@pytest.mark.parametrize(
    ("files", "found"),
    [({"a.pgm": b"x"}, 0), (faces(1), 1), (faces(1, "orl/"), 1)],
    ids=["none", "one", "below"],
)
def test_a_zip_without_persons_is_refused(tmp_path, files, found):
    write_zip(tmp_path / "orl_faces.zip", files)
    with pytest.raises(DataError, match=rf"orl_faces\.zip(/orl)? has {found} class folders: at least two"):
        sources.read("faces", tmp_path)


def test_a_folder_of_faces_without_persons_is_refused(tmp_path):
    write_tree(tmp_path / "faces", {"1.pgm": b"x"})
    with pytest.raises(DataError, match=r"faces has 0 class folders: at least two"):
        sources.read("faces", tmp_path)


@pytest.mark.parametrize(
    ("name", "file", "files"), [("cifar10", "cifar10.zip", cifar()), ("faces", "orl_faces.zip", faces())]
)
def test_the_key_follows_the_zip_but_not_its_place(tmp_path, name, file, files):
    write_zip(tmp_path / "a" / file, files)
    write_zip(tmp_path / "b" / "raw" / file, files)
    first, copy = (sources.key(name, tmp_path / root) for root in "ab")
    assert first == copy != sources.key(name, tmp_path)
    files = files | {next(iter(files)): encoded(picture(5, 32, 32))}
    write_zip(tmp_path / "a" / file, files)
    assert sources.key(name, tmp_path / "a") != first


def test_the_key_follows_the_class_folders(tmp_path):
    folder = write_tree(tmp_path / "cifar10", cifar())
    first = sources.key("cifar10", tmp_path)
    (folder / "train" / "cat" / "00000.png").unlink()
    assert sources.key("cifar10", tmp_path) != first


@pytest.mark.parametrize("archived", [False, True])
def test_folders_of_an_archive(request, tmp_path, archived):
    path = tmp_path / ("set.zip" if archived else "set")
    write(path, {name: b"x" for name in ("a/b/1.txt", "a/.c/1.txt", "d/1.txt", "__MACOSX/1.txt", "1.txt")})
    if archived:
        with zipfile.ZipFile(path, "a") as file:
            file.mkdir("empty")
    else:
        (path / "empty").mkdir()
    archive = archives.open_archive(path)
    request.addfinalizer(archive.close)
    assert archive.folders() == {"a", "d", "empty"}
    assert archive.folders("a/") == {"b"}
    assert archive.folders("a/b/") == set()


def test_folders_outside_of_a_folder_and_absent_ones_are_refused(tmp_path):
    folder = archives.Folder(write_tree(tmp_path / "set", {"a/1.txt": b"x"}))
    with pytest.raises(DataError, match="climbs out"):
        folder.folders("../")
    with pytest.raises(DataError, match=r"none cannot be read \(No such file"):
        folder.folders("none/")


def test_places_and_the_doctor_say_where_a_set_is(tmp_path):
    path = write_zip(tmp_path / "cifar10.zip", cifar())
    for file in small_sets.IDX:
        data = gzip.compress(struct.pack(">4BI", 0, 0, 8, 1, 0))
        write_tree(tmp_path / "fashion_mnist", {f"{file}.gz": data})
    (tmp_path / "gtsrb").mkdir()
    found = dict(doctor.findings(str(tmp_path)))
    assert found["data: cifar10"] == str(path)
    assert found["data: fashion_mnist"] == str(tmp_path / "fashion_mnist")
    assert found["data: faces"] == found["data: gtsrb"] == "not here, fetched when first used"
    assert found["data: signs"] == "drawn here"
    assert places("signs", tmp_path) == []
    for file in ("gtsrb_train.zip", "gtsrb_test.zip"):
        write_zip(tmp_path / "gtsrb" / file, {"x": b""})
    assert [place.name for place in places("gtsrb", tmp_path)] == ["gtsrb_train.zip", "gtsrb_test.zip"]
    (tmp_path / "fashion_mnist" / f"{small_sets.IDX[0]}.gz").unlink()
    assert f"lacks {small_sets.IDX[0]}" in dict(doctor.findings(str(tmp_path)))["data: fashion_mnist"]
