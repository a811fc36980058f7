"""Tensors of torch files: the numbers that were written, and nothing run on the way."""

import os
import pickle

import numpy as np
import pytest
import torch_files
from torch_files import Storage, Tensor

from helpers.classifiers.checkpoints import MAGIC, VERSION, read_torch

NUMBERS = np.arange(12, dtype=np.float32)
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


def test_tensors_share_their_numbers(path):
    shared = Storage("shared", NUMBERS)
    tensors = {"rows": Tensor(shared, (3, 4), (4, 1)), "end": Tensor(shared, (2,), (1,), offset=10)}
    torch_files.write(path, tensors | {"column": Tensor(shared, (3,), (4,), offset=1)})
    found = read_torch(path)
    np.testing.assert_array_equal(found["rows"], NUMBERS.reshape(3, 4))
    np.testing.assert_array_equal(found["end"], [10, 11])
    np.testing.assert_array_equal(found["column"], [1, 5, 9])


def test_a_hostile_file_is_refused_by_name_and_not_run(path, tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was here"),)

    torch_files.write(path, TENSORS | {"more": Hostile()})
    with pytest.raises(ValueError, match=r"some.pth holds (posix|nt).mkdir, and only named tensors are read"):
        read_torch(path)
    assert not (tmp_path / "was here").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02Nr\xff\xff\xff\x7f.", "more than 50,000 instructions"),  # remembers 2 billion things
        (b"\x80\x02" + b"N0" * 30_000 + b"N.", "the instruction POP"),
        (b"\x80\x02" + b")" * 60_000 + b".", "more than 50,000 instructions"),
        (b"cbuiltins\neval\n.", "builtins.eval"),
    ],
)
def test_instructions_are_looked_through_first(path, content, message):
    path.write_bytes(pickle.dumps(MAGIC, 2) + content)
    with pytest.raises(ValueError, match=f"some.pth holds {message}"):
        read_torch(path)


@pytest.mark.parametrize("value", [3, "text", [1, 2]])
def test_other_values_are_refused(path, value):
    torch_files.write(path, TENSORS | {"more": value})
    with pytest.raises(ValueError, match="more than tensors, and only named tensors are read"):
        read_torch(path)
    torch_files.write(path, {"more": np.zeros(3, bool)})
    with pytest.raises(ValueError, match=r"torch.BoolStorage, and only"):
        read_torch(path)


@pytest.mark.parametrize("length", [0, 1, 10, 100, -1])
def test_a_cut_file_is_damaged(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"some.pth is damaged, or no file of torch"):
        read_torch(path)


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        *(((13,), (1,), 0), ((12,), (1,), 1), ((4,), (4,), 0), ((2, 3), (1,), 0), ((-1,), (1,), 0)),
        *(
            ((3,), (-1,), 5),
            ((10**15,), (0,), 0),
            ((12, 12), (0, 1), 0),
            ((2,), (2**62,), 0),
        ),
    ],
)
def test_a_tensor_stays_within_its_numbers(path, shape, strides, offset):
    torch_files.write(path, {"wide": Tensor(Storage("twelve", NUMBERS), shape, strides, offset)})
    with pytest.raises(ValueError, match=r"a tensor (reaches out of|has another size than) its numbers"):
        read_torch(path)


def test_another_file_and_none(path, tmp_path):
    path.write_bytes(pickle.dumps(MAGIC, 2) + pickle.dumps(VERSION + 1, 2))
    with pytest.raises(ValueError, match=r"it begins otherwise"):
        read_torch(path)
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"some.pth is of torch 1\.6 or later"):
        read_torch(path)
    with pytest.raises(FileNotFoundError, match=r"no file of weights at .*absent.pth"):
        read_torch(tmp_path / "absent.pth")
