"""Tensors from files of torch, read without torch and without running what such a file may hold.

A torch file is a pickle, and a pickle is a program. Its unpickler here knows tensors and nothing else.
Only the format before torch 1.6 is read, of which the ImageNet weights are that this workbook uses.
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C  # what such a file begins with, pickled
VERSION = 1001
_KINDS = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2"}
_KINDS |= {"LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "ByteStorage": "u1"}


def read_torch(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a torch file by name, such as ``{"_fc.weight": (1000, 1280) float32}``.

    Raises FileNotFoundError, and ValueError where the file is damaged, is no such file, or holds anything but
    tensors: nothing in it is run.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size)
    except FileNotFoundError:
        raise FileNotFoundError(f"no file of weights at {path}") from None
    except _Refused as error:
        raise ValueError(f"{path} holds {error}, and only tensors are read: it may be hostile") from None
    except Exception as error:  # a damaged pickle raises whatever its instructions raise
        raise ValueError(f"{path} is damaged, or no file of tensors as torch wrote it before 1.6") from error


class _Refused(Exception):
    """Something in a file that is no tensor; its text names it."""


class _Storage(NamedTuple):
    """Numbers that tensors are views of, and where they are in the file."""

    key: str
    kind: np.dtype
    count: int


class _Tensor(NamedTuple):
    """A view of a storage, in numbers from its begin."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Tensors(pickle.Unpickler):
    """Admits tensors, their kinds of numbers, and ordered mappings."""

    def find_class(self, module: str, name: str) -> object:
        """What an instruction of the file may call."""
        if module == "torch" and name in _KINDS:
            return np.dtype(_KINDS[name])
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise _Refused(f"{module}.{name}")

    def persistent_load(self, described: tuple) -> _Storage:
        """The storage that an instruction of the file describes."""
        _, kind, key, _, count, view = described
        if view is not None:
            raise _Refused("a view of a view")
        return _Storage(key, kind, count)


def _tensor(storage: _Storage, offset: int, shape: tuple, strides: tuple, *_: object) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


def _read(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    if _unpickled(file) != MAGIC or _unpickled(file) != VERSION:
        raise ValueError("not the begin of a torch file")
    if not _unpickled(file)["little_endian"]:
        raise ValueError("big-endian numbers")
    tensors, keys = _unpickled(file), _unpickled(file)
    if not isinstance(tensors, dict) or not all(isinstance(each, _Tensor) for each in tensors.values()):
        raise _Refused("more than named tensors")
    storages = {each.storage.key: each.storage for each in tensors.values()}
    values = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        kind = storages[key].kind
        if count != storages[key].count or count * kind.itemsize > size - file.tell():
            raise EOFError(f"{count} numbers are said, and fewer are there")
        values[key] = np.frombuffer(file.read(count * kind.itemsize), kind)
    return {name: _view(values[each.storage.key], each) for name, each in tensors.items()}


def _unpickled(file: BinaryIO) -> object:
    return _Tensors(file).load()


def _view(values: np.ndarray, tensor: _Tensor) -> np.ndarray:
    """The numbers of a tensor; ValueError where it reaches out of its storage."""
    last = tensor.offset + sum((side - 1) * stride for side, stride in zip(*tensor[2:], strict=True))
    if min(tensor.offset, *tensor.strides, 0) < 0 or min(tensor.shape, default=1) < 1 or last >= len(values):
        raise ValueError("a tensor reaches out of its numbers")
    strides = [stride * values.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides, writeable=False)
