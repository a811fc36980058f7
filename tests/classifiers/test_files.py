import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from tiny_networks import BUILDERS, photographs, small

from helpers import classifiers, outputs, restoration
from helpers.backend import keras


def test_a_smoothed_model_saves_and_keeps_its_filter_in_training(tmp_path):
    inner = small()
    network = classifiers.smoothed(inner, 1)
    assert network.name == "small_smoothed"
    assert {id(weight) for weight in network.weights} == {id(weight) for weight in inner.weights}
    network.save(tmp_path / "smoothed.keras")
    loaded = classifiers.load(tmp_path / "smoothed.keras", 8, 4)
    images = photographs(side=8)
    found = classifiers.logits(loaded, images)
    np.testing.assert_array_equal(found, classifiers.logits(network, images))
    assert not np.allclose(found, classifiers.logits(inner, images), atol=1e-3)
    assert classifiers.digest(loaded) == classifiers.digest(network)
    assert classifiers.digest(classifiers.smoothed(inner, 1.1)) != classifiers.digest(network)


layers = keras.layers


def saved(network, tmp_path):
    network.save(tmp_path / "own.keras")
    return tmp_path / "own.keras"


def test_an_own_model_with_logits_is_taken_as_it_is(tmp_path):
    network = small()
    loaded = classifiers.load(str(saved(network, tmp_path)), 8, 4)
    assert classifiers.digest(loaded) == classifiers.digest(network)
    anywhere = small(side=None)
    images = photographs(side=11)
    loaded = classifiers.load(saved(anywhere, tmp_path), 11, 4)
    np.testing.assert_array_equal(classifiers.logits(loaded, images), classifiers.logits(anywhere, images))


def test_a_fused_model_is_read_without_the_room_that_made_it(tmp_path):
    restorer, rng = restoration.compact(8, 1), np.random.default_rng(0)  # at first it changes nothing
    restorer.set_weights([rng.normal(0, 0.1, weight.shape) for weight in restorer.get_weights()])
    fused = restoration.fuse(restorer, small(side=8))
    path, images = saved(fused, tmp_path), photographs(side=8)
    program = (
        "import sys, numpy; from helpers import classifiers; model = classifiers.load(sys.argv[1], 8, 4);"
    )
    program += "numpy.save(sys.argv[2], classifiers.logits(model, numpy.load(sys.argv[3])));"
    program += "assert not any('restoration' in name for name in sys.modules)"
    np.save(tmp_path / "images.npy", images)
    files = [path, tmp_path / "logits.npy", tmp_path / "images.npy"]
    subprocess.run([sys.executable, "-c", program, *map(str, files)], check=True)
    np.testing.assert_allclose(np.load(files[1]), classifiers.logits(fused, images), atol=1e-5)


def test_a_relative_path_counts_from_the_project(tmp_path, monkeypatch):
    saved(small(), tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(outputs, "ROOT", tmp_path)
    assert classifiers.load("own.keras", 8, 4).output_shape == (None, 4)
    monkeypatch.setattr(outputs, "ROOT", tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"no model file at .*elsewhere/own\.keras"):
        classifiers.load("own.keras", 8, 4)


def test_the_home_folder_may_be_shortened(tmp_path, monkeypatch):
    saved(small(), tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert classifiers.load("~/own.keras", 8, 4).output_shape == (None, 4)


def own_loss(truth, found):
    """A loss that only this file knows: it is not needed to classify."""
    return keras.losses.sparse_categorical_crossentropy(truth, found)


def test_an_own_model_with_probabilities_gets_logits(tmp_path):
    network = small(activation="softmax")
    network.compile("sgd", own_loss, jit_compile=False)
    network.train_on_batch(photographs(2, 8).astype(np.float32), np.array([0, 3]))
    loaded = classifiers.load(saved(network, tmp_path), 8, 4)
    images = photographs(side=8)
    expected = np.log(network(images.astype(np.float32)))
    np.testing.assert_allclose(classifiers.logits(loaded, images), expected, atol=1e-5)
    network.layers[-1].bias.assign([1e6, 0, 0, 0])
    loaded = classifiers.load(saved(network, tmp_path), 8, 4)
    np.testing.assert_allclose(classifiers.logits(loaded, images)[0], [0, *3 * [np.log(1e-37)]], rtol=1e-5)


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_outputs_that_do_not_sum_to_one_stay(activation, tmp_path):
    network = small(activation=activation)
    loaded = classifiers.load(saved(network, tmp_path), 8, 4)
    assert classifiers.digest(loaded) == classifiers.digest(network)


@pytest.mark.parametrize(
    ("fitting", "message"),
    [
        ((9, 4, 3), r"input of shape \(None, 8, 8, 3\), not \(None, 9, 9, 3\): change image_size"),
        ((8, 4, 1), r"input of shape \(None, 8, 8, 3\), not \(None, 8, 8, 1\): change channels"),
        ((8, 43, 3), r"returns \(None, 4\), not \(None, 43\): change classes"),
    ],
)
def test_an_own_model_of_another_shape_is_refused(fitting, message, tmp_path):
    with pytest.raises(ValueError, match=rf"own\.keras .*{message}"):
        classifiers.load(saved(small(), tmp_path), *fitting)


def test_own_models_of_other_inputs_and_outputs_are_refused(tmp_path):
    network = small()
    flat = keras.Sequential([keras.Input((192,)), layers.Dense(4)])
    pair = [keras.Input((8, 8, 3)), keras.Input((8, 8, 3))]
    two = keras.Model(pair, layers.Add()([network(images) for images in pair]))
    fixed = keras.Input((8, 8, 3), batch_size=2)
    for other in (flat, two, keras.Model(fixed, network(fixed))):
        with pytest.raises(ValueError, match=r"input of shape .*192|input of shape \[|shape \(2, 8, 8, 3\)"):
            classifiers.load(saved(other, tmp_path), 8, 4)
    outputs = keras.Model(network.input, [network.output, network.output])
    with pytest.raises(ValueError, match=r"returns \[\(None, 4\), \(None, 4\)\]"):
        classifiers.load(saved(outputs, tmp_path), 8, 4)


class Foreign(layers.Layer):
    """A layer that only this file knows."""

    def call(self, values):
        return values


@pytest.mark.parametrize("layer", [layers.Lambda(lambda values: values * 2), Foreign()])
def test_code_in_an_own_model_is_not_run(layer, tmp_path):
    images = keras.Input((8, 8, 3))
    path = saved(keras.Model(images, small()(layer(images))), tmp_path)
    with pytest.raises(ValueError, match=r"own\.keras needs code of its own, which is not run"):
        classifiers.load(path, 8, 4)


def test_missing_damaged_and_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no model file at .*none\.keras"):
        classifiers.load(tmp_path / "none.keras", 8, 4)
    with pytest.raises(FileNotFoundError):
        classifiers.load(tmp_path, 8, 4)
    path = saved(small(), tmp_path)
    content = path.read_bytes()
    older = tmp_path / "own.h5"
    older.write_bytes(content)
    with pytest.raises(ValueError, match=r"own\.h5 is not a \.keras file"):
        classifiers.load(older, 8, 4)
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 255
    for damaged in (b"", content[:100], content[:-5], bytes(flipped)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"own\.keras is damaged"):
            classifiers.load(path, 8, 4)


def with_weights(network, weights):
    network.set_weights(weights)
    return classifiers.digest(network)


@pytest.mark.parametrize("build", [*(pair[0] for pair in BUILDERS), classifiers.cnn_baseline])
def test_a_digest_does_not_depend_on_names(build):
    network = build(32, 4)
    again = build(32, 4)
    assert [layer.name for layer in again.layers] != [layer.name for layer in network.layers]
    assert classifiers.digest(again) != classifiers.digest(network)
    found = classifiers.digest(network)
    assert with_weights(again, network.get_weights()) == found
    again.trainable = False
    again.compile("adam", "mse", jit_compile=False)
    assert classifiers.digest(again) == found
    assert len(found) == 64


def test_a_digest_depends_on_what_is_computed():
    build = partial(small, seed=3)
    network = build()
    found, weights = classifiers.digest(network), network.get_weights()
    assert with_weights(build(), weights) == found
    assert with_weights(build(name="other"), weights) == found
    assert with_weights(build(side=9), weights) != found
    assert with_weights(build(strides=2), weights) != found
    assert with_weights(build(activation="softmax"), weights) != found
    for changed in range(len(weights)):
        others = [weight.copy() for weight in weights]
        others[changed].flat[-1] += 1e-6
        assert with_weights(build(), others) != found


def test_a_digest_depends_on_the_connections():
    def joined(which):
        images = keras.Input((4, 4, 3))
        parts = [layers.ReLU(max_value=1)(images), layers.ReLU(max_value=2)(images)]
        last = layers.Subtract()([layers.Add()(parts), parts[which]])
        return classifiers.digest(keras.Model(images, last))

    assert joined(0) == joined(0)
    assert joined(0) != joined(1)


def test_a_digest_depends_on_the_precision():
    def narrow(dtype):
        return keras.Sequential([keras.Input((2,)), layers.ReLU(dtype=dtype), layers.Softmax()])

    assert classifiers.digest(narrow("float32")) == classifiers.digest(narrow("float32"))
    assert classifiers.digest(narrow("float32")) != classifiers.digest(narrow("float16"))


def test_a_digest_looks_into_nested_models():
    def nested(seed=0, **options):
        return classifiers.digest(
            classifiers.ensemble([small(seed=1), classifiers.smoothed(small(seed=seed, **options), 1)])
        )

    assert nested() == nested()
    assert len({nested(), nested(seed=2), nested(strides=2), nested(activation="relu")}) == 4
