"""Tensors from files of torch, read without torch and without running what such a file may hold.

A torch file is a pickle, and a pickle is a program. Its instructions are looked through first; then an
unpickler runs them that knows tensors and nothing else. Only the format before torch 1.6 is read, of which
the ImageNet weights are that this workbook uses.
"""

import math
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C  # what such a file begins with, pickled
VERSION = 1001
KINDS = {"FloatStorage": "<f4", "LongStorage": "<i8"}  # of numbers: weights, and counters of batches
_ADMITTED = {
    *("PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "BUILD", "BINPERSID", "BINPUT", "LONG_BINPUT", "BINGET"),
    *("LONG_BINGET", "BINUNICODE", "LONG1", "BININT", "BININT1", "BININT2", "NONE", "NEWTRUE", "NEWFALSE"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT"),
    *("SETITEM", "SETITEMS"),
}
_MOST = 50_000  # instructions, and what they remember: a file of 300 tensors has 11,000


def read_torch(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a torch file by name, such as ``{"_fc.weight": (1000, 1280) float32}``.

    Raises FileNotFoundError, and ValueError where the file is damaged, is no such file, or holds anything but
    float32 and int64 tensors. Nothing in it is run.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file of weights at {path}")
    with path.open("rb") as file:
        if file.read(2) == b"PK":
            raise ValueError(f"{path} is of torch 1.6 or later: save it there in the format before")
        file.seek(0)
        try:
            return _read(file, path.stat().st_size)
        except _Refused as error:
            raise ValueError(f"{path} holds {error}, and only named tensors are read") from None
        except Exception as error:  # a damaged pickle raises whatever its instructions raise
            raise ValueError(f"{path} is damaged, or no file of torch ({error})") from error


class _Refused(Exception):
    """Something in a file that is no tensor; its text names it."""


class _Storage(NamedTuple):
    """Numbers that tensors are views of."""

    key: str  # by which the file has them
    kind: str
    count: int


class _Tensor(NamedTuple):
    """A view of a storage; offset and strides count its numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Tensors(pickle.Unpickler):
    """Admits tensors, their kinds of numbers, and ordered mappings."""

    def find_class(self, module: str, name: str) -> object:
        """What an instruction of the file may name; nothing that another could change for later."""
        if module == "torch" and name in KINDS:
            return KINDS[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise _Refused(f"{module}.{name}")

    def persistent_load(self, described: tuple) -> _Storage:
        """The storage that an instruction of the file describes."""
        word, kind, key, _, count, view = described
        if word != "storage" or view is not None or kind not in KINDS.values():
            raise _Refused("numbers of an unknown kind")
        if type(key) is not str or type(count) is not int:
            raise _Refused("numbers without name and count")
        return _Storage(key, kind, count)


def _read(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    if _unpickled(file) != MAGIC or _unpickled(file) != VERSION:
        raise ValueError("it begins otherwise")
    if not _unpickled(file)["little_endian"]:
        raise ValueError("its numbers are big-endian")
    tensors, keys = _unpickled(file), _unpickled(file)
    if not isinstance(tensors, dict) or not all(isinstance(each, _Tensor) for each in tensors.values()):
        raise _Refused("more than tensors")
    storages = {each.storage.key: each.storage for each in tensors.values()}
    values = {}
    for key in keys:
        count, kind = int.from_bytes(file.read(8), "little"), np.dtype(storages[key].kind)
        if count != storages[key].count or count * kind.itemsize > size - file.tell():
            raise ValueError("numbers are missing")
        values[key] = np.frombuffer(file.read(count * kind.itemsize), kind)
    return {name: _view(values[each.storage.key], each) for name, each in tensors.items()}


def _unpickled(file: BinaryIO) -> object:
    """The next object of a file; nothing is done before all its instructions were looked at."""
    start = file.tell()
    for number, (instruction, argument, _) in enumerate(pickletools.genops(file)):
        if instruction.name not in _ADMITTED:
            raise _Refused(f"the instruction {instruction.name}")
        if number >= _MOST or (instruction.name == "LONG_BINPUT" and argument >= _MOST):
            raise _Refused(f"more than {_MOST:,} instructions")
    file.seek(start)
    return _Tensors(file).load()


def _view(values: np.ndarray, tensor: _Tensor) -> np.ndarray:
    """The numbers of a tensor; ValueError where it reaches out of its storage."""
    _, offset, shape, strides = tensor
    sizes = (offset, *shape, *strides)
    if not all(type(size) is int and 0 <= size <= len(values) for size in sizes) or len(shape) != len(
        strides
    ):
        raise ValueError("a tensor has another size than its numbers")
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if 0 in shape or last >= len(values) or math.prod(shape) > len(values):
        raise ValueError("a tensor reaches out of its numbers")
    steps = [stride * values.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False)
