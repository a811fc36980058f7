"""Searches for minimum noise whose results are kept: the same question about the same model is asked once."""

import hashlib
import inspect
import json
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from helpers import atoms, boundary, minimum_noise, model_files, oracle, outputs, philox
from helpers.backend import keras, tf
from helpers.oracle import TRACE, MinimumNoise

CACHE = outputs.ROOT / "outputs" / "searches"
CODE = (atoms, boundary, minimum_noise, oracle, philox)


def remembered(
    find: Callable[..., MinimumNoise],
    model: keras.Model,
    images: np.ndarray,
    labels: ArrayLike,
    *,
    cache: Path = CACHE,
    **options: object,
) -> MinimumNoise:
    """What `find(model, images, labels, **options)` finds, from `cache` if it was found before.

    find: `minimum_noise.search`, `minimum_noise.evolutionary`, or `partial(attacks.attack, …)`. The result is
    found again by the content of model, images and labels, by the options, and by the code that searches. One
    that was interrupted is returned, not kept.
    """
    images, labels = np.ascontiguousarray(images), np.asarray(labels)
    asked = {
        "find": _described(find),
        "options": _described(options),
        "model": model_files.digest(model),
        "images": [str(images.dtype), images.shape, hashlib.sha256(images).hexdigest()],
        "labels": labels.tolist(),
        "code": [outputs.code(path) for path in (*(module.__file__ for module in CODE), _file(find))],
        "tensorflow": tf.__version__,
    }
    path = Path(cache) / f"{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:24]}.npz"
    found = _read(path)
    if found is None:
        found = find(model, images, labels, **options)
        if not found.interrupted:
            _write(path, found)
    return found


def _file(find: Callable) -> str:
    """The file that a function, or the function in a partial, is written in."""
    return inspect.getsourcefile(inspect.unwrap(find.func if isinstance(find, partial) else find))


def _write(path: Path, found: MinimumNoise) -> None:
    fields = asdict(found)
    trace = fields.pop("trace")
    with outputs.atomic(path) as unfinished:
        np.savez_compressed(unfinished, **fields, **{f"trace_{name}": trace[name] for name in TRACE})


def _read(path: Path) -> MinimumNoise | None:
    """A kept result; None if there is none, or what is there is damaged."""
    try:
        with path.open("rb") as opened, np.load(opened) as file:  # NumPy does not close what it refuses
            fields = dict(file)
        trace = pd.DataFrame({name: fields.pop(f"trace_{name}") for name in TRACE})
        return MinimumNoise(**fields | {"interrupted": bool(fields["interrupted"])}, trace=trace)
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error):
        return None


def _described(value: object) -> object:
    """Functions by their name, objects by their class and settings, as JSON takes them."""
    if isinstance(value, partial):
        return [_described(value.func), _described(list(value.args)), _described(value.keywords)]
    if isinstance(value, dict):
        return {name: _described(part) for name, part in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_described(part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if callable(value) and hasattr(value, "__qualname__"):
        return value.__qualname__
    return [type(value).__qualname__, _described(vars(value))]
