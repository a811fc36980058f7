"""Backbones: sizes, preprocessing, and weights from files of the official formats."""

import re

import h5py
import numpy as np
import pytest
import torch_files
from torch_files import as_torch

from helpers import classifiers, outputs
from helpers.backend import keras
from helpers.classifiers import backbones as room

SIZES = {  # weights without output layer, as Keras Applications print them
    "inception_v3": 21_802_784,
    "resnet50": 23_587_712,
    "efficientnet_lite0": 3_413_024,
    "mobilenet_v3_small": 939_120,
    "efficientnet_v2_b0": 5_919_312,
}
SMALL = "mobilenet_v3_small"


@pytest.mark.parametrize("backbone", SIZES)
def test_size_and_logits(backbone):
    side = classifiers.BACKBONES[backbone].least
    network = classifiers.pretrained(backbone, side, 4)
    assert network.name == backbone and network.input_shape == (None, side, side, 3)
    assert network.output_shape == (None, 4)
    body = classifiers.backbone_of(network)
    assert body.count_params() == SIZES[backbone]
    assert network.count_params() == SIZES[backbone] + 4 * (body.output_shape[1] + 1)


def test_images_are_prepared_inside():
    images = np.zeros((1, 75, 75, 3), np.float32) + np.array([10, 100, 200], np.float32)
    taken = keras.applications.resnet50.preprocess_input(images.copy())
    assert np.allclose(prepared("resnet50", images), taken, atol=1e-4)
    taken = keras.applications.inception_v3.preprocess_input(images.copy())
    assert np.allclose(prepared("inception_v3", images), taken, atol=1e-5)
    assert np.allclose(prepared("efficientnet_lite0", images), (images - 127) / 128, atol=1e-5)


def prepared(backbone, images):
    given = keras.Input(images.shape[1:])
    return keras.Model(given, classifiers.BACKBONES[backbone].prepare(given))(images)


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


def test_a_torch_file_gives_its_weights(tmp_path):
    body = classifiers.backbone_of(classifiers.pretrained("efficientnet_lite0", 32, 3))
    torch_files.write(tmp_path / "lite0.pth", as_torch(body))
    found = classifiers.pretrained("efficientnet_lite0", 32, 3, tmp_path / "lite0.pth")
    for mine, theirs in zip(weights_of(found), body.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("suffix", [".h5", ".keras", ".pth"])
def test_a_cut_file_is_refused(source, tmp_path, suffix):
    path = tmp_path / f"cut{suffix}"
    if suffix == ".pth":
        torch_files.write(path, {"one": np.zeros(3, np.float32)})
    else:
        source.save(path) if suffix == ".keras" else official(classifiers.backbone_of(source), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=rf"{re.escape(str(path))} is damaged or holds no weights of Mobile"):
        classifiers.pretrained(SMALL, 40, 3, path)


def test_a_file_of_another_backbone_is_refused(source, tmp_path):
    path = official(classifiers.backbone_of(source), tmp_path / "other.h5")
    with pytest.raises(
        ValueError, match=r"other.h5 is damaged or holds no weights of efficientnetv2-b0: .*lay"
    ):
        classifiers.pretrained("efficientnet_v2_b0", 40, 3, path)
    source.save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="no weights of efficientnetv2-b0: it holds MobileNetV3Small"):
        classifiers.pretrained("efficientnet_v2_b0", 40, 3, tmp_path / "other.keras")


def test_weights_of_another_shape_are_refused(source, tmp_path):
    path = official(classifiers.backbone_of(source), tmp_path / "shape.h5")
    with h5py.File(path, "r+") as file:
        values = file["conv/conv/kernel:0"][:]
        del file["conv/conv/kernel:0"]
        file["conv/conv/kernel:0"] = values[..., :-1]
    with pytest.raises(ValueError, match=r"shape.h5 is damaged or holds no weights .*hape"):
        classifiers.pretrained(SMALL, 40, 3, path)


def test_a_file_of_another_digest_is_refused(source, tmp_path):
    source.save(tmp_path / "source.keras")
    with pytest.raises(ValueError, match=r"source.keras has the SHA-256 [0-9a-f]{64} instead of 00: fetch"):
        classifiers.pretrained(SMALL, 40, 3, tmp_path / "source.keras", sha256="00")


def test_what_is_not_there_is_said(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no file of weights at .*absent.h5"):
        classifiers.pretrained(SMALL, 40, 3, tmp_path / "absent.h5")
    (tmp_path / "some.zip").write_bytes(b"")
    with pytest.raises(ValueError, match=r"some.zip is none of .keras, .h5, .pth"):
        classifiers.pretrained(SMALL, 40, 3, tmp_path / "some.zip")
    with pytest.raises(ValueError, match="unknown backbone 'vgg': choose one of inception_v3, resnet50"):
        classifiers.pretrained("vgg", 40, 3)
    with pytest.raises(ValueError, match="image_size is 74: inception_v3 needs at least 75"):
        classifiers.pretrained("inception_v3", 74, 3)
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    with pytest.raises(
        classifiers.Unavailable, match=r"efficientnet_lite0: .* '\.\[imagenet\]' fetches them"
    ):
        classifiers.pretrained("efficientnet_lite0", 32, 3, "imagenet")


def test_a_download_that_fails_says_of_what(monkeypatch):
    def offline(image_size, weights):
        raise OSError("Name or service not known")

    backbone = classifiers.BACKBONES["resnet50"]._replace(build=offline)
    monkeypatch.setitem(classifiers.BACKBONES, "resnet50", backbone)
    with pytest.raises(classifiers.Unavailable, match="no ImageNet weights of resnet50: Name or service"):
        classifiers.pretrained("resnet50", 50, 3, "imagenet")


def test_the_weights_of_the_package_name_the_weights_of_the_package(tmp_path, monkeypatch):
    """Its file is checked, and nothing of the package is imported."""
    body = classifiers.backbone_of(classifiers.pretrained("efficientnet_lite0", 32, 3))
    folder = tmp_path / room.LITE0_PACKAGE
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    torch_files.write(folder / "models" / room.LITE0_FILE, as_torch(body))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=f"{room.LITE0_FILE} has the SHA-256"):
        classifiers.pretrained("efficientnet_lite0", 32, 3, "imagenet")
    monkeypatch.setattr(room, "LITE0_SHA256", outputs.sha256(folder / "models" / room.LITE0_FILE))
    found = classifiers.pretrained("efficientnet_lite0", 32, 3, "imagenet")
    np.testing.assert_array_equal(weights_of(found)[0], body.weights[0])


@pytest.mark.skipif(room.find_spec(room.LITE0_PACKAGE) is None, reason="the extra imagenet is not installed")
def test_a_cat_is_a_cat_and_a_coffee_an_espresso():
    from skimage import data, transform

    body = classifiers.backbone_of(classifiers.pretrained("efficientnet_lite0", 224, 3, "imagenet"))
    whole = room.read_torch(room._packaged())
    for picture, wanted in (data.chelsea(), range(281, 286)), (data.coffee(), (504, 967, 968)):
        side = min(picture.shape[:2])
        top, left = ((length - side) // 2 for length in picture.shape[:2])
        square = picture[top : top + side, left : left + side]
        image = transform.resize(square, (224, 224), anti_aliasing=True, preserve_range=True)[None]
        features = body(classifiers.BACKBONES["efficientnet_lite0"].prepare(image.astype(np.float32)))
        assert np.argmax(features @ whole["_fc.weight"].T + whole["_fc.bias"]) in wanted
