"""Backbones: sizes, preprocessing, and weights from files of the official formats."""

import re

import h5py
import numpy as np
import pytest
import torch_files
from torch_files import as_torch

from helpers import classifiers, outputs
from helpers.backend import keras
from helpers.classifiers import backbones

SIZES = {  # weights without output layer, as Keras Applications print them
    "inception_v3": 21_802_784,
    "resnet50": 23_587_712,
    "efficientnet_lite0": 3_413_024,
    "mobilenet_v3_small": 939_120,
    "efficientnet_v2_b0": 5_919_312,
    "compact": 701_784,  # this project's
}
SMALL = "compact"


@pytest.mark.parametrize("backbone", SIZES)
def test_size_and_logits(backbone):
    side = classifiers.BACKBONES[backbone].least
    network = classifiers.pretrained(backbone, side, 4)
    assert network.name == backbone and network.input_shape == (None, side, side, 3)
    assert network.output_shape == (None, 4)
    body = classifiers.backbone_of(network)
    assert body.count_params() == SIZES[backbone]
    assert network.count_params() == SIZES[backbone] + 4 * (body.output_shape[1] + 1)
    with pytest.raises(ValueError, match=f"image_size is {side - 1}: {backbone} needs at least {side}"):
        classifiers.pretrained(backbone, side - 1, 4)


def test_a_short_training_leaves_its_moments_in_the_normalisations():
    """MobileNetV3 has a momentum of 0.999 in Keras: after 40 steps 4 % of the way."""
    network = classifiers.pretrained("mobilenet_v3_small", 32, 3)
    body = classifiers.backbone_of(network)
    first = next(layer for layer in body.layers if isinstance(layer, keras.layers.BatchNormalization))
    images = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3)).astype(np.float32)
    seen = keras.Model(body.input, first.input)(images).numpy()
    for _ in range(40):
        body(images, training=True)
    np.testing.assert_allclose(first.moving_mean, seen.mean((0, 1, 2)), rtol=0.05, atol=1e-3)


@pytest.mark.parametrize("backbone", ["inception_v3", "resnet50", "efficientnet_lite0"])
def test_images_are_prepared_inside(backbone):
    side = classifiers.BACKBONES[backbone].least
    images = np.random.default_rng(0).uniform(0, 255, (2, side, side, 3)).astype(np.float32)
    taken = {
        "inception_v3": keras.applications.inception_v3.preprocess_input(images.copy()),
        "resnet50": keras.applications.resnet50.preprocess_input(images.copy()),
        "efficientnet_lite0": (images - 127) / 128,
    }[backbone]
    given = keras.Input(images.shape[1:])
    prepared = keras.Model(given, classifiers.BACKBONES[backbone].prepare(given))(images)
    np.testing.assert_allclose(prepared, taken, atol=1e-4)
    network = classifiers.pretrained(backbone, side, 4)
    expected = network.layers[-1](classifiers.backbone_of(network)(taken))
    found = network(images)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("backbone", ["mobilenet_v3_small", "efficientnet_v2_b0"])
def test_keras_prepares_inside_of_newer_backbones(backbone):
    body = classifiers.backbone_of(classifiers.pretrained(backbone, 32, 4))
    assert isinstance(body.layers[1], keras.layers.Rescaling)


def official(model, path):
    """Weights in an .h5 file as Keras Applications publish them: layers in order, weights by name."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                group[name] = weight.numpy()
    return path


def weights_of(model):
    return [weight.numpy() for weight in classifiers.backbone_of(model).weights]


@pytest.fixture(scope="module")
def source():
    """A backbone of random weights, those of its normalisations too."""
    network = classifiers.pretrained(SMALL, 40, 3)
    rng = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return network


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_file_gives_its_weights_at_another_image_size(source, tmp_path, suffix):
    path = tmp_path / f"source{suffix}"
    source.save(path) if suffix == ".keras" else official(classifiers.backbone_of(source), path)
    found = classifiers.pretrained(SMALL, 48, 7, path, sha256=outputs.sha256(path))
    assert found.input_shape[1] == 48 and found.output_shape[1] == 7
    for mine, theirs in zip(weights_of(found), weights_of(source), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_file_of_a_bare_backbone_gives_its_weights_too(source, tmp_path):
    classifiers.backbone_of(source).save(tmp_path / "bare.keras")
    found = classifiers.pretrained(SMALL, 48, 7, tmp_path / "bare.keras")
    np.testing.assert_array_equal(weights_of(found)[-1], weights_of(source)[-1])


def test_the_output_layer_comes_along_where_the_classes_are_the_same(source, tmp_path):
    source.save(tmp_path / "source.keras")
    found = classifiers.pretrained(SMALL, 40, 3, tmp_path / "source.keras", output=True)
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3))
    np.testing.assert_array_equal(classifiers.logits(found, images), classifiers.logits(source, images))
    with pytest.raises(ValueError, match=r"source.keras has no output layer for 4 classes"):
        classifiers.pretrained(SMALL, 40, 4, tmp_path / "source.keras", output=True)
    with pytest.raises(ValueError, match=r"weights are none: an output layer comes from a .keras file"):
        classifiers.pretrained(SMALL, 40, 3, output=True)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_cut_file_is_refused(source, tmp_path, suffix):
    path = tmp_path / f"cut{suffix}"
    source.save(path) if suffix == ".keras" else official(classifiers.backbone_of(source), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        ValueError, match=rf"{re.escape(str(path))} is damaged or holds no weights of {SMALL}"
    ):
        classifiers.pretrained(SMALL, 40, 3, path)


def test_a_file_of_another_backbone_is_refused(source, tmp_path):
    path = official(classifiers.backbone_of(source), tmp_path / "other.h5")
    with pytest.raises(
        ValueError, match=r"other.h5 is damaged or holds no weights of efficientnet_v2_b0: .*lay"
    ):
        classifiers.pretrained("efficientnet_v2_b0", 40, 3, path)
    source.save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="no weights of efficientnet_v2_b0: it holds compact"):
        classifiers.pretrained("efficientnet_v2_b0", 40, 3, tmp_path / "other.keras")


def test_weights_of_another_shape_are_refused(source, tmp_path):
    body = classifiers.backbone_of(source)
    path = official(body, tmp_path / "shape.h5")
    first = next(layer.name for layer in body.layers if isinstance(layer, keras.layers.Conv2D))
    with h5py.File(path, "r+") as file:
        values = file[f"{first}/{first}/kernel:0"][:]
        del file[f"{first}/{first}/kernel:0"]
        file[f"{first}/{first}/kernel:0"] = values[..., :-1]
    with pytest.raises(ValueError, match=r"shape.h5 is damaged or holds no weights .*hape"):
        classifiers.pretrained(SMALL, 40, 3, path)


def test_a_file_of_another_digest_is_refused(source, tmp_path):
    source.save(tmp_path / "source.keras")
    with pytest.raises(ValueError, match=r"source.keras has the SHA-256 [0-9a-f]{64} instead of 00: fetch"):
        classifiers.pretrained(SMALL, 40, 3, tmp_path / "source.keras", sha256="00")


def test_what_is_not_there_is_said(tmp_path, monkeypatch):
    with pytest.raises(
        FileNotFoundError, match=r"weights are none, imagenet or a file, .* none at .*absent.h5"
    ):
        classifiers.pretrained(SMALL, 40, 3, tmp_path / "absent.h5")
    (tmp_path / "some.zip").write_bytes(b"")
    with pytest.raises(ValueError, match=r"some.zip: weights come from .keras, .h5, and .pth for"):
        classifiers.pretrained(SMALL, 40, 3, tmp_path / "some.zip")
    torch_files.write(tmp_path / "other.pth", {"one": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match=r"other.pth: weights come from"):
        classifiers.pretrained(SMALL, 40, 3, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="sha256 is of a file, and weights are 'none'"):
        classifiers.pretrained(SMALL, 40, 3, sha256="00")
    with pytest.raises(ValueError, match="unknown backbone 'vgg': choose one of inception_v3, resnet50"):
        classifiers.pretrained("vgg", 40, 3)
    monkeypatch.setattr(backbones, "find_spec", lambda name: None)
    with pytest.raises(
        classifiers.Unavailable, match=r"efficientnet_lite0: .* '\.\[imagenet\]' fetches them"
    ):
        classifiers.pretrained("efficientnet_lite0", 32, 3, "imagenet")


def test_a_download_that_fails_says_of_what(monkeypatch):
    def offline(**options):
        raise OSError("Name or service not known")

    build = backbones.partial(backbones._of_keras, offline)
    monkeypatch.setitem(classifiers.BACKBONES, SMALL, classifiers.BACKBONES[SMALL]._replace(build=build))
    with pytest.raises(
        classifiers.Unavailable, match=r"of offline, name their .h5 file instead: Name or service"
    ):
        classifiers.pretrained(SMALL, 50, 3, "imagenet")


def test_imagenet_weights_are_a_file_of_a_package_that_is_not_imported(tmp_path, monkeypatch):
    body = classifiers.backbone_of(classifiers.pretrained("efficientnet_lite0", 32, 3))
    folder = tmp_path / backbones.LITE0_PACKAGE
    path = folder / "models" / backbones.LITE0_FILE
    path.parent.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    torch_files.write(path, as_torch(body))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=f"{backbones.LITE0_FILE} has the SHA-256"):
        classifiers.pretrained("efficientnet_lite0", 32, 3, "imagenet")
    monkeypatch.setattr(backbones, "LITE0_SHA256", outputs.sha256(path))
    found = classifiers.pretrained("efficientnet_lite0", 32, 3, "imagenet")
    for mine, theirs in zip(weights_of(found), body.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        ValueError, match=r"lite0.*pth is damaged or holds no weights of efficientnet_lite0: .*damaged"
    ):
        classifiers.pretrained("efficientnet_lite0", 32, 3, path)


@pytest.mark.skipif(
    backbones.find_spec(backbones.LITE0_PACKAGE) is None, reason="the extra imagenet is not installed"
)
def test_a_cat_is_a_cat_and_a_coffee_an_espresso():
    from skimage import data, transform

    body = classifiers.backbone_of(classifiers.pretrained("efficientnet_lite0", 224, 3, "imagenet"))
    package = backbones.find_spec(backbones.LITE0_PACKAGE).submodule_search_locations[0]
    whole = backbones.read_torch(f"{package}/models/{backbones.LITE0_FILE}")
    for picture, wanted in (data.chelsea(), range(281, 286)), (data.coffee(), (504, 967, 968)):
        side = min(picture.shape[:2])
        top, left = ((length - side) // 2 for length in picture.shape[:2])
        square = picture[top : top + side, left : left + side]
        image = transform.resize(square, (224, 224), anti_aliasing=True, preserve_range=True)[None]
        features = body(classifiers.BACKBONES["efficientnet_lite0"].prepare(image.astype(np.float32)))
        assert np.argmax(features @ whole["_fc.weight"].T + whole["_fc.bias"]) in wanted
