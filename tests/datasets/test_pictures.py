import numpy as np
import pytest
from tiny_sets import class_folders, encoded, picture, write_tree, write_zip

from helpers.datasets import pictures
from helpers.datasets.archives import DataError, open_archive


@pytest.fixture(params=["folder", "zip"])
def archive(request, tmp_path):
    """A function from files to an open archive that holds them."""

    def opened(files):
        write = {"folder": write_tree, "zip": lambda path, files: write_zip(path / "all.zip", files)}
        return open_archive(write[request.param](tmp_path, files))

    return opened


def test_a_tree_has_classes_in_natural_order_and_every_picture(archive):
    source = pictures.tree(archive(class_folders(("s10", "s2"), images=3)), test_fraction=0.2)
    assert source.class_names == ("s2", "s10") and source.test is None and source.test_fraction == 0.2
    assert source.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert len(set(source.train.groups)) == 6
    image, box = source.train.read(4)
    np.testing.assert_array_equal(image, picture(1))  # the second of s10
    assert box is None
    source.close()


def test_one_class_and_a_class_without_images_are_refused(archive):
    with pytest.raises(DataError, match="has 1 class folders: at least two are needed"):
        pictures.tree(archive(class_folders(("cat",))), test_fraction=0.2)
    with pytest.raises(DataError, match="dog has no images"):
        pictures.tree(archive(class_folders(("cat",)) | {"dog/notes.txt": b"none"}), test_fraction=0.2)


def test_a_picture_of_another_size_is_refused_when_it_is_read(archive):
    files = class_folders() | {"cat/odd.png": encoded(picture(0, 7, 9))}
    opened = archive(files)
    found = pictures.by_class(opened, "", ("cat", "dog"), size=(12, 10))
    assert found.read(0)[0].shape == (12, 10, 3)
    with pytest.raises(DataError, match=r"cat/odd\.png is 9 x 7 pixels, not 10 x 12"):
        found.read(10)
    opened.close()


def test_the_one_folder_around_all_is_found(archive):
    within = {f"faces/{name}": data for name, data in class_folders().items()}
    assert pictures.only_folder(archive(within)) == "faces/"


def test_several_folders_have_none_around_them(archive):
    assert pictures.only_folder(archive(class_folders())) == ""
