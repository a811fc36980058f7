import numpy as np
import pytest
import tiny_sets
from tiny_sets import FRAMES, HEADER, TRACKS, csv, kaggle, official_test, official_training, official_truth

from helpers.datasets import archives, gtsrb
from helpers.datasets.archives import DataError


@pytest.fixture
def official(monkeypatch):
    """Write the three official zips of the tiny set into a folder, with their checksums accepted."""

    def write(folder, suffix=".ppm"):
        contents = (official_training(suffix), official_test(suffix), official_truth())
        for name, files in zip(gtsrb.MD5, contents, strict=True):
            path = tiny_sets.write_zip(folder / name, files)
            monkeypatch.setitem(gtsrb.MD5, name, archives.file_md5(path))

    return write


def official_zips(folder, official):
    official(folder)


def own_zips(folder, official):
    tiny_sets.write_zip(folder / "gtsrb_train.zip", official_training(".webp"))
    test = official_test(".webp") | {
        "GTSRB/Final_Test/Images/GT-final_test.csv": official_truth()[gtsrb.LABELS]
    }
    tiny_sets.write_zip(folder / "gtsrb_test.zip", test)


def extracted(folder, official):
    tiny_sets.write_tree(folder, official_training() | official_test() | official_truth())


def extracted_without_top(folder, official):
    truth = {f"Final_Test/Images/{name}": data for name, data in official_truth().items()}
    tiny_sets.write_tree(folder, official_training(".png", "") | official_test(".png", "") | truth)


def kaggle_folder(folder, official):
    tiny_sets.write_tree(folder, kaggle())


def kaggle_zip(folder, official):
    tiny_sets.write_zip(folder / "archive.zip", kaggle() | {"train/0/copy.png": b"Kaggle's second copy"})


LAYOUTS = [official_zips, own_zips, extracted, extracted_without_top, kaggle_folder, kaggle_zip]


def opened(part, folder):
    return [archives.open_archive(*place) for place in gtsrb.locate(part, [folder / "none", folder])]


def pictures(archive, records):
    return [archives.decode(archive.read(record.file), record.file) for record in records]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_set(tmp_path, official, layout):
    tmp_path.joinpath("set").mkdir()
    layout(tmp_path / "set", official)
    (train,) = opened("train", tmp_path / "set")
    records = gtsrb.read_training(train)
    frames = tiny_sets.training_frames()
    assert [(r.label, r.track) for r in records] == [(label, track) for label, track, _, _ in frames]
    assert {(r.size, r.box) for r in records} == {((12, 10), (2, 3, 7, 8))}
    np.testing.assert_array_equal(pictures(train, records), [image for *_, image in frames])
    test = opened("test", tmp_path / "set")
    records = gtsrb.read_test(test)
    assert [(r.label, r.track) for r in records] == [(i % 3, i) for i in range(tiny_sets.TESTS)]
    np.testing.assert_array_equal(pictures(test[0], records), [p for *_, p in tiny_sets.test_pictures()])
    for archive in (train, *test):
        archive.close()


def test_official_zips_pass_and_count_by_checksum(tmp_path, official):
    absent = gtsrb.key(gtsrb.locate("train", [tmp_path]))
    assert absent == gtsrb.MD5[gtsrb.TRAINING]
    official(tmp_path)
    places = [place for part in ("train", "test") for place in gtsrb.locate(part, [tmp_path])]
    gtsrb.obtain(places)
    assert gtsrb.key(places) == " ".join(gtsrb.MD5.values())


def test_a_wrong_checksum_is_refused(tmp_path):
    tiny_sets.write_zip(tmp_path / gtsrb.TRAINING, official_training())
    with pytest.raises(
        DataError, match=rf"{gtsrb.TRAINING} has the wrong checksum.*rename it gtsrb_train\.zip"
    ):
        gtsrb.obtain(gtsrb.locate("train", [tmp_path]))


def test_offline_with_nothing_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(gtsrb, "ADDRESS", "http://127.0.0.1:9/archive")
    with pytest.raises(DataError) as caught:
        gtsrb.obtain(gtsrb.locate("train", [tmp_path / "raw" / "gtsrb"]))
    for word in (*gtsrb.MD5, "/archive/published-archive.html", str(tmp_path / "raw" / "gtsrb"), "`signs`"):
        assert word in str(caught.value)


def test_absent_zips_are_downloaded(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(gtsrb.downloads, "fetch", lambda *request: asked.append(request))
    gtsrb.obtain(gtsrb.locate("test", [tmp_path]))
    names = (gtsrb.TEST, gtsrb.TRUTH)
    assert asked == [(f"{gtsrb.ADDRESS}/{name}", tmp_path / name, gtsrb.MD5[name]) for name in names]


@pytest.mark.parametrize("name", ["gtsrb_train.zip", gtsrb.TRAINING, "archive.zip"])
def test_a_truncated_zip_is_refused(tmp_path, monkeypatch, name):
    path = tiny_sets.write_zip(tmp_path / name, official_training())
    path.write_bytes(path.read_bytes()[:-100])
    monkeypatch.setitem(gtsrb.MD5, gtsrb.TRAINING, archives.file_md5(path))
    with pytest.raises(DataError, match=rf"{name} is not a complete zip"):
        opened("train", tmp_path)


def refused_training(tmp_path, files, message):
    archive = archives.open_archive(tiny_sets.write_tree(tmp_path / "set", files))
    with pytest.raises(DataError, match=message):
        gtsrb.read_training(archive)


def test_a_foreign_zip_is_refused(tmp_path):
    refused_training(tmp_path, {"holiday/beach.png": b""}, r"Train\.csv is missing .*GT-00000\.csv")


def test_a_missing_csv_of_one_class_is_named(tmp_path):
    files = official_training()
    del files["GTSRB/Final_Training/Images/00001/GT-00001.csv"]
    refused_training(tmp_path, files, r"00001/GT-00001\.csv is missing")


def test_a_missing_kaggle_csv_is_named(tmp_path):
    files = kaggle()
    del files["Train.csv"], files["Test.csv"]
    folder = tiny_sets.write_tree(tmp_path / "set", files)
    with pytest.raises(DataError, match=r"Train\.csv is missing"):
        gtsrb.read_training(*opened("train", folder))


def test_missing_labels_of_the_test_images_are_named(tmp_path):
    folder = tiny_sets.write_tree(tmp_path / "set", official_training() | official_test())
    with pytest.raises(DataError, match=rf"GT-final_test\.csv is missing .*{gtsrb.TRUTH}"):
        gtsrb.read_test(opened("test", folder))


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (
            [["00000_00000.ppm", 10, 12, 2, 3, 7, 8]],
            HEADER[:-1],
            r"GT-00000\.csv in .* has no column ClassId",
        ),
        ([["00000_00000.ppm", 10, 12, 2, 3, 7, 8, 43]], HEADER, "line 2 .*class 43 is not one of 0 to 42"),
        ([["00000_00000.ppm", 10, 12, 2, 3, 7, 8, -1]], HEADER, "class -1"),
        ([["00000_00000.ppm", 10, 12, 2, 3, 7, 8, "stop"]], HEADER, "line 2 cannot be used.*'stop'"),
        ([["00000_00000.ppm", 10, 12, 2]], HEADER, "values are missing"),
        ([["00000_00000.ppm", 10, 12, 12, 3, 15, 8, 0]], HEADER, "its box has no pixel"),
        ([["picture.ppm", 10, 12, 2, 3, 7, 8, 0]], HEADER, "line 2 cannot be used"),
        ([["../../../00000_00000.ppm", 10, 12, 2, 3, 7, 8, 0]], HEADER, "climbs out"),
        ([], HEADER, "has no rows"),
    ],
)
def test_damaged_rows_are_refused(tmp_path, rows, header, message):
    folder = "GTSRB/Final_Training/Images/00000"
    files = {f"{folder}/00000_00000.ppm": b"", f"{folder}/GT-00000.csv": csv(rows, header=header)}
    refused_training(tmp_path, files, message)


def test_further_columns_are_ignored(tmp_path):
    files = official_training()
    folder = "GTSRB/Final_Training/Images/00000"
    header = [*HEADER, "Track", "OrigWidth"]
    files[f"{folder}/GT-00000.csv"] = csv([["00003_00001.ppm", 10, 12, 2, 3, 7, 8, 0, "", 20]], header=header)
    archive = archives.open_archive(tiny_sets.write_tree(tmp_path / "set", files))
    record = gtsrb.read_training(archive)[0]
    assert (record.file, record.track, record.size) == (f"{folder}/00003_00001.ppm", 3, (12, 10))


def test_a_row_without_its_image_fails_only_when_read(tmp_path):
    files = official_training()
    del files["GTSRB/Final_Training/Images/00002/00001_00001.ppm"]
    archive = archives.open_archive(tiny_sets.write_zip(tmp_path / "gtsrb_train.zip", files))
    records = gtsrb.read_training(archive)
    assert len(records) == tiny_sets.CLASSES * TRACKS * FRAMES
    with pytest.raises(DataError, match="00001_00001"):
        pictures(archive, records)
    archive.close()
