"""Searches for minimum noise whose results are kept: the same question about the same model is asked once."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from helpers import classifiers, outputs
from helpers.backend import keras, tf
from helpers.minimum_noise.oracle import TRACE, MinimumNoise

CACHE = outputs.ROOT / "outputs" / "searches"


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
    pixels = [str(images.dtype), images.shape, hashlib.sha256(images).hexdigest()]
    asked = [_described(find), _described(options), classifiers.digest(model), pixels, labels.tolist()]
    code = outputs.rests_on(*_functions([find, options]))
    store, name = outputs.Store(cache), f"{outputs.named(asked, code, tf.__version__)}.npz"
    found = _unpacked(store.arrays(name))
    if found is None:
        found = find(model, images, labels, **options)
        if not found.interrupted:
            store.save(name, _packed(found))
    return found


def _packed(found: MinimumNoise) -> dict[str, np.ndarray]:
    fields = {name: value for name, value in vars(found).items() if name != "trace"}
    return fields | {f"trace_{name}": found.trace[name] for name in TRACE}


def _unpacked(fields: dict[str, np.ndarray] | None) -> MinimumNoise | None:
    """A kept result; None if there is none, or it is of another make."""
    try:
        trace = pd.DataFrame({name: fields.pop(f"trace_{name}") for name in TRACE})
        return MinimumNoise(**fields | {"interrupted": bool(fields["interrupted"])}, trace=trace)
    except (AttributeError, KeyError, TypeError):
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


def _functions(value: object) -> list[Callable]:
    """All functions that a search is made of: itself and those among its options."""
    if isinstance(value, partial):
        return _functions([value.func, *value.args, value.keywords])
    if isinstance(value, dict):
        return _functions(list(value.values()))
    if isinstance(value, list | tuple):
        return [found for part in value for found in _functions(part)]
    return [value] if callable(value) and hasattr(value, "__qualname__") else []
