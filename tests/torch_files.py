"""Files as torch wrote them before 1.6, written without it: small, but of the true format."""

import pickle
import struct
import sys
import types
from collections import OrderedDict
from unittest import mock

import numpy as np

from helpers.backend import keras
from helpers.classifiers import checkpoints

layers = keras.layers
_SUFFIXES = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "kernel": "weight"}
_SUFFIXES["moving_variance"] = "running_var"


class Storage:
    """Numbers that tensors share."""

    def __init__(self, key, values):
        self.key, self.values = key, values


class Tensor:
    """A view of a storage."""

    def __init__(self, storage, shape, strides, offset=0):
        self.storage, self.given = storage, (storage, offset, shape, strides, False, OrderedDict())

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.given


class _Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, Storage):
            kind = {"f": "FloatStorage", "i": "LongStorage", "b": "BoolStorage"}[value.values.dtype.kind]
            return "storage", getattr(sys.modules["torch"], kind), value.key, "cpu", value.values.size, None
        return None


def write(path, tensors):
    """Write arrays or `Tensor`s by name, as torch would; other values are pickled as they are."""
    named = OrderedDict((name, _tensor(name, value)) for name, value in tensors.items())
    named.more = "as state dicts have it"
    views = [value for value in named.values() if isinstance(value, Tensor)]
    storages = {view.storage.key: view.storage.values for view in views}
    with mock.patch.dict(sys.modules, _torch()), path.open("wb") as file:
        for head in (checkpoints.MAGIC, checkpoints.VERSION, {"little_endian": True, "type_sizes": {}}):
            pickle.dump(head, file, 2)
        _Pickler(file, 2).dump(named)
        pickle.dump(list(storages), file, 2)
        for values in storages.values():
            file.write(struct.pack("<q", values.size) + values.tobytes())


def as_torch(model):
    """A model's weights as torch names and orders them, with the counters that it keeps."""
    tensors = {}
    for number, layer in enumerate(model.layers):
        for weight in layer.weights:
            value = weight.numpy()
            if value.ndim == 4:
                deep = isinstance(layer, layers.DepthwiseConv2D)
                value = value.transpose((2, 3, 0, 1) if deep else (3, 2, 0, 1))
            tensors[f"{number}.{_SUFFIXES[weight.name]}"] = value
        if isinstance(layer, layers.BatchNormalization):
            tensors[f"{number}.num_batches_tracked"] = np.array(3)
    return tensors


def _tensor(name, value):
    if not isinstance(value, np.ndarray):
        return value
    strides = tuple(step // value.itemsize for step in value.strides)
    stored = np.lib.stride_tricks.as_strided(value, (value.size,), (value.itemsize,))
    return Tensor(Storage(f"numbers of {name}", stored), value.shape, strides)


def _torch():
    """Modules of torch's names, as far as its files refer to them."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "BoolStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2():
        """Only named, never called."""

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    return {"torch": torch, "torch._utils": utils}
