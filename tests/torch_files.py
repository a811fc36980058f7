"""Files as torch wrote them before 1.6, written without it: small, but of the true format."""

import pickle
import struct
import sys
import types
from collections import OrderedDict

import numpy as np

from helpers.backend import keras
from helpers.classifiers import checkpoints

layers = keras.layers


class _Storage:
    def __init__(self, key, values):
        self.key, self.values = key, values


class _Tensor:
    def __init__(self, storage, shape, strides):
        self.given = storage, 0, shape, strides, False, OrderedDict()

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.given


class _Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, _Storage):
            kind = getattr(sys.modules["torch"], _kind(value.values))
            return "storage", kind, value.key, "cpu", value.values.size, None
        return None


def write(path, tensors):
    """Write named arrays, float32 or int64, as torch would; other values are pickled as they are."""
    _pretend_torch()
    try:
        storages = {f"{9000 + n}": np.asarray(v) for n, v in enumerate(tensors.values()) if _is_array(v)}
        named, keys = OrderedDict(), iter(storages)
        for name, value in tensors.items():
            named[name] = value
            if _is_array(value):
                key = next(keys)
                strides = tuple(step // value.itemsize for step in value.strides)
                storages[key] = np.lib.stride_tricks.as_strided(value, (value.size,), (value.itemsize,))
                named[name] = _Tensor(_Storage(key, storages[key]), value.shape, strides)
        sizes = {"little_endian": True, "type_sizes": {"int": 4}}
        with path.open("wb") as file:
            for head in (checkpoints.MAGIC, checkpoints.VERSION, sizes):
                pickle.dump(head, file, 2)
            _Pickler(file, 2).dump(named)
            pickle.dump(list(storages), file, 2)
            for values in storages.values():
                file.write(struct.pack("<q", values.size) + values.tobytes())
    finally:
        for name in ("torch", "torch._utils"):
            del sys.modules[name]


def as_torch(model):
    """A model's weights as torch names and orders them, and the counters that it keeps."""
    tensors = {}
    for number, layer in enumerate(model.layers):
        for weight in layer.weights:
            value = weight.numpy()
            if value.ndim == 4:
                deep = isinstance(layer, layers.DepthwiseConv2D)
                value = value.transpose((2, 3, 0, 1) if deep else (3, 2, 0, 1))
            tensors[f"{number}.{weight.name}"] = value.T if value.ndim == 2 else value
        if isinstance(layer, layers.BatchNormalization):
            tensors[f"{number}.num_batches_tracked"] = np.array(3)
    return tensors


def _pretend_torch():
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2():
        """Only named, never called."""

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    sys.modules |= {"torch": torch, "torch._utils": utils}


def _kind(values):
    return {"f": "FloatStorage", "i": "LongStorage"}[values.dtype.kind]


def _is_array(value):
    return isinstance(value, np.ndarray)
