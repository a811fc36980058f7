"""Tensors of torch files: the numbers that were written, and nothing run on the way."""

import os
import pickle

import numpy as np
import pytest
import torch_files

from helpers.classifiers.checkpoints import MAGIC, VERSION, read_torch

TENSORS = {
    "kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),  # not row by row
    "offset": np.array([1.5, -2], np.float32),
    "count": np.array(7, np.int64),
}


@pytest.fixture
def path(tmp_path):
    torch_files.write(tmp_path / "some.pth", TENSORS)
    return tmp_path / "some.pth"


def test_tensors_are_what_was_written(path):
    found = read_torch(path)
    assert list(found) == list(TENSORS)
    for name, values in TENSORS.items():
        assert found[name].dtype == values.dtype and found[name].shape == values.shape
        np.testing.assert_array_equal(found[name], values)


def test_a_hostile_file_is_refused_by_name_and_not_run(path, tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was here"),)

    torch_files.write(path, TENSORS | {"more": Hostile()})
    with pytest.raises(ValueError, match=r"some.pth holds (posix|nt).mkdir, and only tensors are read"):
        read_torch(path)
    assert not (tmp_path / "was here").exists()


@pytest.mark.parametrize("value", [3, "text", [1, 2]])
def test_other_values_are_refused(path, value):
    torch_files.write(path, TENSORS | {"more": value})
    with pytest.raises(ValueError, match="more than named tensors, and only tensors are read"):
        read_torch(path)


@pytest.mark.parametrize("length", [0, 10, 100, -1])
def test_a_cut_file_is_damaged(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"some.pth is damaged, or no file of tensors"):
        read_torch(path)


def test_a_tensor_stays_within_its_numbers(path):
    content = path.read_bytes()
    shape = pickle.dumps((4, 2, 3), 2)[2:-1]
    assert content.count(shape[:6]) == 1
    path.write_bytes(content.replace(shape[:6], shape[:1] + b"\x7f" + shape[2:6]))  # 127 planes instead of 4
    with pytest.raises(ValueError, match="damaged"):
        read_torch(path)


def test_another_file_and_none(path, tmp_path):
    path.write_bytes(pickle.dumps(MAGIC) + pickle.dumps(VERSION + 1))
    with pytest.raises(ValueError, match=r"before 1\.6"):
        read_torch(path)
    with pytest.raises(FileNotFoundError, match=r"no file of weights at .*absent.pth"):
        read_torch(tmp_path / "absent.pth")
