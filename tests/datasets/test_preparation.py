import os
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image
from tiny_sets import picture

from helpers import datasets
from helpers.datasets import preparation
from helpers.datasets.archives import DataError
from helpers.datasets.pictures import Pictures
from helpers.datasets.preparation import Part, fit_image

CLASSES = ("cat", "dog")


def test_crop_or_pad_keeps_the_centre():
    image = picture(1, 20, 7)
    fitted = fit_image(image, 10, "crop_or_pad")
    np.testing.assert_array_equal(fitted[:, 1:8], image[5:15])
    assert not fitted[:, :1].any()
    assert not fitted[:, 8:].any()


@pytest.mark.parametrize("fit", preparation.FITS)
def test_the_right_size_is_left_alone(fit):
    image = picture(2, 12, 12)
    np.testing.assert_array_equal(fit_image(image, 12, fit, np.array([0, 0, 11, 11])), image)


def test_resize_averages_areas_when_shrinking():
    image = picture(3, 16, 16)
    means = image.reshape(4, 4, 4, 4, 3).mean((1, 3))
    assert np.abs(fit_image(image, 4, "resize") - means).max() <= 0.5 + 1e-6


def test_resize_shrinks_one_side_and_enlarges_the_other():
    image = np.repeat(picture(4, 1, 32), 3, axis=0)  # rows are equal, so enlarging them changes nothing
    means = image[:1].reshape(1, 8, 4, 3).mean(2)
    assert np.abs(fit_image(image, 8, "resize") - means).max() <= 0.5 + 1e-6


def test_resize_enlarges_smoothly():
    ramp = np.tile(np.arange(0, 240, 20, dtype=np.uint8)[None, :, None], (12, 1, 3))
    fitted = fit_image(ramp, 48, "resize").astype(int)
    inner = fitted[24, 6:-6, 0]
    assert np.diff(inner).min() >= 3
    assert np.diff(inner).max() <= 7


def test_roi_cuts_both_ends_inclusive_and_clips():
    image = picture(5, 12, 10)
    np.testing.assert_array_equal(fit_image(image, 4, "roi", np.array([2, 3, 5, 6])), image[3:7, 2:6])
    np.testing.assert_array_equal(fit_image(image, 5, "roi", np.array([-3, -1, 4, 4])), image[:5, :5])
    np.testing.assert_array_equal(fit_image(image, 4, "roi", np.array([6, 8, 99, 99])), image[8:, 6:])
    with pytest.raises(DataError, match="outside of the picture"):
        fit_image(image, 4, "roi", np.array([10, 0, 14, 5]))


def test_roi_without_boxes_is_resize():
    image = picture(6, 30, 20)
    np.testing.assert_array_equal(fit_image(image, 8, "roi"), fit_image(image, 8, "resize"))


def pictures(broken=(), count=100, failure=DataError, box=None):
    def read(index):
        if index in broken:
            raise failure(f"picture {index} is broken")
        return picture(index, 6, 6), box

    return Pictures(read, np.arange(count) % 2, np.arange(count))


def parts(source, cut=80):
    rows = np.arange(len(source.labels))
    titles = {"train": rows[:cut], "validation": rows[cut : cut + 10], "test": rows[cut + 10 :]}
    return {title: Part(source, chosen, source.groups[chosen]) for title, chosen in titles.items()}


def test_arrays_come_back_memory_mapped(tmp_path):
    preparation.prepare(tmp_path / "a" / "set", parts(pictures()), "tiny", CLASSES, 6, "resize")
    arrays, class_names, skipped = preparation.read(tmp_path / "a" / "set")
    assert (class_names, skipped) == (CLASSES, ())
    assert isinstance(arrays["train"]["images"], np.memmap)
    np.testing.assert_array_equal(
        arrays["test"]["images"], [picture(index, 6, 6) for index in range(90, 100)]
    )
    np.testing.assert_array_equal(arrays["validation"]["groups"], np.arange(80, 90))
    np.testing.assert_array_equal(arrays["train"]["labels"], np.arange(80) % 2)
    assert {tuple(size) for size in arrays["train"]["sizes"]} == {(6, 6)}
    assert os.listdir(tmp_path / "a") == ["set"]


def test_each_picture_is_cut_at_its_box(tmp_path):
    source = pictures(box=(1, 2, 3, 4))
    preparation.prepare(tmp_path / "roi", parts(source), "tiny", CLASSES, 3, "roi")
    arrays = preparation.read(tmp_path / "roi")[0]["test"]
    np.testing.assert_array_equal(
        arrays["images"], [picture(index, 6, 6)[2:5, 1:4] for index in range(90, 100)]
    )
    assert {tuple(size) for size in arrays["sizes"]} == {(6, 6)}  # of the whole picture


def test_a_box_outside_of_its_picture_leaves_the_picture_out(tmp_path):
    source = pictures()

    def read(index):
        return source.read(index)[0], (9, 9, 12, 12) if index == 4 else (0, 0, 5, 5)

    boxed = Pictures(read, source.labels, source.groups)
    with pytest.warns(UserWarning, match=r"1 of 100 .*the box \(9, 9, 12, 12\) lies outside"):
        preparation.prepare(tmp_path / "set", parts(boxed), "tiny", CLASSES, 6, "roi")
    assert len(preparation.read(tmp_path / "set")[0]["train"]["images"]) == 79


def test_native_sizes_given_win_over_those_read(tmp_path):
    source = pictures()
    source = Pictures(source.read, source.labels, source.groups, sizes=np.full((100, 2), 33))
    preparation.prepare(tmp_path / "set", parts(source), "tiny", CLASSES, 6, "resize")
    assert (preparation.read(tmp_path / "set")[0]["test"]["sizes"] == 33).all()


def test_few_unreadable_pictures_are_left_out_with_one_warning(tmp_path):
    with pytest.warns(UserWarning, match="3 of 100 pictures of tiny cannot be used.*picture 4 is") as caught:
        preparation.prepare(tmp_path / "set", parts(pictures({4, 7, 95})), "tiny", CLASSES, 6, "resize")
    assert len(caught) == 1
    arrays, _, skipped = preparation.read(tmp_path / "set")
    assert skipped == tuple(f"picture {index} is broken" for index in (4, 7, 95))
    assert [len(part["images"]) for part in arrays.values()] == [78, 10, 9]
    np.testing.assert_array_equal(arrays["train"]["groups"], np.setdiff1d(np.arange(80), [4, 7]))
    np.testing.assert_array_equal(arrays["train"]["images"][4], picture(5, 6, 6))


@pytest.mark.parametrize("broken", [range(100), range(0, 12, 2)])  # all; 6 of the 50 cats
def test_many_unreadable_pictures_are_an_error(tmp_path, broken):
    with pytest.raises(DataError, match=r"Class 'cat' loses \d+ of its 50"):
        preparation.prepare(tmp_path / "set", parts(pictures(broken)), "tiny", CLASSES, 6, "resize")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_nothing_half(tmp_path, failure):
    with pytest.raises(failure):
        preparation.prepare(
            tmp_path / "set", parts(pictures({50}, failure=failure)), "tiny", CLASSES, 6, "resize"
        )
    assert not os.listdir(tmp_path)
    preparation.prepare(tmp_path / "set", parts(pictures()), "tiny", CLASSES, 6, "resize")
    assert len(preparation.read(tmp_path / "set")[0]["train"]["images"]) == 80


def test_a_faster_process_wins(tmp_path):
    source = pictures()

    def read(index):
        if index == 40:  # another process finishes while this one is at work
            preparation.prepare(tmp_path / "set", parts(pictures()), "tiny", CLASSES, 6, "resize")
        return source.read(index)

    slow = Pictures(read, source.labels, source.groups)
    preparation.prepare(tmp_path / "set", parts(slow), "tiny", CLASSES, 6, "resize")
    assert os.listdir(tmp_path) == ["set"]


def test_what_a_kill_left_is_swept_after_a_day(tmp_path):
    for name, age in ((".old.partial", 2e5), (".new.partial", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train-images.npy").write_bytes(b"half")
        os.utime(tmp_path / name, (os.stat(tmp_path).st_mtime - age,) * 2)
    preparation.prepare(tmp_path / "set", parts(pictures()), "tiny", CLASSES, 6, "resize")
    assert sorted(os.listdir(tmp_path)) == [".new.partial", "set"]


def test_a_full_disk_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(DataError, match="free space"):
        preparation.prepare(tmp_path / "set", parts(pictures()), "tiny", CLASSES, 6, "resize")


def test_damaged_prepared_arrays_are_named(tmp_path):
    preparation.prepare(tmp_path / "set", parts(pictures()), "tiny", CLASSES, 6, "resize")
    (tmp_path / "set" / "test-images.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"set are damaged.*delete that folder"):
        preparation.read(tmp_path / "set")


def test_an_empty_part_is_allowed(tmp_path):
    preparation.prepare(tmp_path / "set", parts(pictures(), cut=90), "tiny", CLASSES, 6, "resize")
    assert preparation.read(tmp_path / "set")[0]["test"]["images"].shape == (0, 6, 6, 3)


def test_opencv_may_be_called_from_several_threads_with_equal_results(tmp_path):
    image = picture(7, 50, 41)
    preparation.prepare(
        tmp_path / "set",
        parts(Pictures(lambda _: (image, None), np.arange(1000) % 2, np.arange(1000))),
        "tiny",
        CLASSES,
        8,
        "resize",
    )
    shrunk = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA)
    assert (preparation.read(tmp_path / "set")[0]["test"]["images"] == shrunk).all()


class TestReadPictures:
    def test_files_and_folders_are_read_in_order_and_fitted(self, tmp_path):
        (tmp_path / "person" / "deeper").mkdir(parents=True)
        for number, name in enumerate(("b.png", "a.png", "deeper/c.png")):
            Image.new("RGB", (30, 20), (number * 40,) * 3).save(tmp_path / "person" / name)
        (tmp_path / "person" / "notes.txt").write_text("no picture")
        (tmp_path / "person" / ".hidden").mkdir()
        Image.new("RGB", (8, 8), (250,) * 3).save(tmp_path / "person" / ".hidden" / "d.png")
        one = tmp_path / "one.png"
        Image.new("L", (8, 8), 200).save(one)
        found = datasets.read_pictures([tmp_path / "person", str(one)], 16)
        assert found.shape == (4, 16, 16, 3) and found.dtype == np.uint8
        assert found[:, 0, 0, 0].tolist() == [40, 0, 80, 200]

    @pytest.mark.parametrize(
        ("name", "message"),
        [("empty", "holds no pictures"), ("bad.png", "not a readable image"), ("no.png", "cannot be read")],
    )
    def test_what_holds_no_picture_is_refused_by_name(self, tmp_path, name, message):
        (tmp_path / "empty").mkdir()
        (tmp_path / "bad.png").write_bytes(b"no picture")
        with pytest.raises(datasets.DataError, match=f"{name}.*{message}"):
            datasets.read_pictures([tmp_path / name], 16)

    def test_a_photograph_taken_sideways_stands_upright(self, tmp_path):
        sideways = Image.fromarray(np.repeat(np.uint8([[[0]], [[200]]]), 16, 1).repeat(8, 0).repeat(3, 2))
        upright = datasets.read_pictures([_saved(sideways, tmp_path / "plain.png")], 16)[0]
        exif = sideways.getexif()
        exif[0x0112] = 6  # to be turned clockwise
        turned = datasets.read_pictures([_saved(sideways, tmp_path / "turned.png", exif=exif)], 16)[0]
        np.testing.assert_array_equal(turned, np.rot90(upright, -1))


def _saved(picture, path, **options):
    picture.save(path, **options)
    return path
