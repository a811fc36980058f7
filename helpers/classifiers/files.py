"""Classifiers as files: somebody's own are loaded in safe mode, and each has a digest of what it computes."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from helpers import outputs
from helpers.backend import keras
from helpers.classifiers.combined import logits_of
from helpers.classifiers.layers import OWN


def load(path: str | Path, image_size: int, classes: int, channels: int = 3) -> keras.Model:
    """Somebody's own classifier from a .keras file; code in the file is not run.

    A relative path counts from the project, in whatever folder a notebook runs; `~` is the home folder. (On
    the command line, `sweep` takes a path as seen from where it is called.)
    It takes grey levels in [0, 255] of shape (None, image_size, image_size, channels), or of any size, and
    returns logits (None, classes), or probabilities: these become their logarithms. Returns a keras.Model.
    Raises FileNotFoundError, and ValueError where the file is damaged, needs code or does not fit.
    """
    path = outputs.ROOT / os.path.expanduser(path)
    if not path.is_file():
        raise FileNotFoundError(f"no model file at {path}")
    if path.suffix != ".keras":  # Keras reads older formats too, which may run code
        raise ValueError(f"{path} is not a .keras file: save the model as one with Keras 3")
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
        found, returned = model.input_shape, model.output_shape
    except Exception as error:  # a damaged file raises whatever its reader raises
        own_code = "safe_mode" in str(error) or "Could not locate" in str(error)
        why = "needs code of its own, which is not run: use" if own_code else "is damaged or is no model with"
        raise ValueError(f"{path} {why} layers and inputs known to Keras") from error
    wanted = (None, image_size, image_size, channels)
    images = isinstance(found, tuple) and len(found) == 4
    if not images or any(size not in (None, fit) for size, fit in zip(found, wanted, strict=True)):
        change = "the model" if not images else "image_size" if found[3] == channels else "channels"
        raise ValueError(f"{path} takes input of shape {found}, not {wanted}: change {change}")
    if returned != (None, classes):
        raise ValueError(f"{path} returns {returned}, not {(None, classes)}: change classes or the data set")
    return with_logits(model, np.random.default_rng(0).uniform(0, 255, (8, *wanted[1:])))


def with_logits(model: keras.Model, images: np.ndarray) -> keras.Model:
    """The model itself, or its logarithm where what it returns for images (N, H, W, C) are probabilities."""
    scores = keras.ops.convert_to_numpy(model(images[:8].astype(np.float32), training=False))
    scores = scores.astype(np.float32)
    if scores.min() >= 0 and scores.max() <= 1 and np.abs(scores.sum(1) - 1).max() <= 1e-3:
        inputs = keras.Input(model.input_shape[1:])
        return keras.Model(inputs, logits_of(model(inputs)), name=model.name)
    return model


def check(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> None:
    """Raise ValueError where images (N, H, W, C) or labels (N,) do not fit a classifier, or are none."""
    classes = model.output_shape[-1]
    if len(images) == 0:
        raise ValueError("no images: at least one is needed")
    if len(model.input_shape) != len(images.shape) or any(
        side not in (None, given) for side, given in zip(model.input_shape, images.shape, strict=True)
    ):
        raise ValueError(f"images {images.shape} do not fit the model's input {model.input_shape}")
    whole = labels.dtype.kind in "iu"
    if not whole or labels.shape != (len(images),) or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"{len(images)} images and {classes} classes need as many whole labels from 0 to"
            f" {classes - 1}, not {labels.shape} from {labels.min(initial=0)} to {labels.max(initial=0)}"
        )


def digest(model: keras.Model) -> str:
    """SHA-256 (hex) of what a model computes: its layers, how they are connected, and its weights.

    Names, training state and the file it came from make no difference.
    """
    found = hashlib.sha256(structure(model).encode())
    for weight in map(keras.ops.convert_to_numpy, model.weights):
        found.update(f"{weight.dtype}{weight.shape}".encode() + weight.tobytes())
    return found.hexdigest()


def structure(model: keras.Model) -> str:
    """The layers of a model and how they are connected, and what this project's own layers compute, as JSON.

    Without names, and without the places of code.
    """
    own = outputs.rests_on(*OWN)
    return json.dumps([_nameless(model.get_config(), {}), own], sort_keys=True)


def _nameless(config: object, places: dict[str, int]) -> object:
    """A Keras configuration that refers to layers by their place in their model instead of their names."""
    nameless = ("name", "module", "trainable", "build_config", "compile_config", "shared_object_id")
    if isinstance(config, dict):
        if "layers" in config:
            places = {layer.get("name"): place for place, layer in enumerate(config["layers"])}
        return {
            key: value if key == "dtype" else _nameless(value, places)  # a dtype has a name that matters
            for key, value in config.items()
            if key not in nameless
        }
    if not isinstance(config, list | tuple):
        return config
    if len(config) == 3 and isinstance(config[0], str) and config[0] in places:  # (layer, node, tensor)
        return [places[config[0]], *config[1:]]
    return [_nameless(value, places) for value in config]
