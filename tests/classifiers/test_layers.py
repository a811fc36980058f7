import numpy as np
import pytest
from tiny_networks import BUILDERS, photographs

from helpers import classifiers
from helpers.backend import keras, tf
from helpers.classifiers import layers

WEIGHTS = [np.random.default_rng(0).uniform(0.5, 2, 4) for _ in range(4)]


def normalizations():
    """The fused layer and that of Keras, with equal weights."""
    pair = layers.FusedNormalization(), keras.layers.BatchNormalization()
    for layer in pair:
        layer.build((None, 5, 5, 4))
        layer.set_weights(WEIGHTS)
    return pair


def answers(layer, maps, training):
    """Output, and the gradients of a function of it with respect to maps, scale and offset."""
    with tf.GradientTape() as tape:
        tape.watch(maps)
        out = layer(maps, training=training)
        loss = tf.reduce_sum(tf.cast(out, tf.float32) ** 3)
    return [out, *tape.gradient(loss, [maps, layer.gamma, layer.beta])]


@pytest.fixture(scope="module")
def maps():
    return tf.constant(np.random.default_rng(1).normal(3, 2, (64, 5, 5, 4)), tf.float32)


def test_the_fused_normalization_is_that_of_keras(maps):
    ours, theirs = normalizations()
    for training in (False, True, False):  # the last sees the moving moments that training left
        for one, other in zip(*(answers(layer, maps, training) for layer in (ours, theirs)), strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-3)
    assert not np.allclose(ours.moving_mean, WEIGHTS[2], rtol=1e-3)
    unbiased = 0.99 * WEIGHTS[3] + 0.01 * maps.numpy().astype(float).var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(ours.moving_variance, unbiased, rtol=1e-5)


def test_a_frozen_normalization_uses_and_keeps_its_moving_moments(maps):
    ours, _ = normalizations()
    ours.trainable = False
    np.testing.assert_array_equal(ours(maps, training=True), ours(maps, training=False))
    np.testing.assert_allclose(ours.moving_mean, WEIGHTS[2], rtol=1e-6)


def test_another_backend_gets_the_call_of_keras(maps, monkeypatch):
    ours, theirs = normalizations()
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    np.testing.assert_array_equal(ours(maps, training=True), theirs(maps, training=True))


def test_normalization_in_bfloat16_keeps_its_weights_exact(maps, tmp_path):
    images = keras.Input((5, 5, 4))
    model = keras.Model(images, layers.FusedNormalization(dtype="mixed_bfloat16")(images))
    out = model(maps, training=True)
    assert out.dtype == tf.bfloat16
    exact = keras.layers.BatchNormalization()(maps, training=True)
    np.testing.assert_allclose(tf.cast(out, tf.float32), exact, atol=0.03)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for weight, other in zip(model.weights, loaded.weights, strict=True):
        assert weight.dtype == "float32"
        np.testing.assert_array_equal(weight, other)
    assert np.abs(loaded.layers[-1].moving_mean.numpy()).min() > 0.01


@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (1, 5, 7, 1), (2, 1, 1, 3)])
def test_halving_and_doubling_give_the_images_back(shape):
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    halved = layers.Halved()(images)
    assert halved.shape == (shape[0], -(-shape[1] // 2), -(-shape[2] // 2), 4 * shape[3])
    np.testing.assert_array_equal(layers.Doubled()(halved, images), images)


def test_the_channels_are_the_corners_of_squares():
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    halved = keras.ops.convert_to_numpy(layers.Halved()(image))
    np.testing.assert_array_equal(halved[0, 0, 1], [2, 3, 6, 7])


def test_shapes_are_known_before_any_image():
    images = keras.Input((None, 9, 3))
    halved = layers.Halved()(images)
    assert halved.shape == (None, None, 5, 12)
    assert layers.Doubled()(halved, images).shape == (None, None, 9, 3)


# Precision


def logits(model, images):
    return model(images.astype(np.float32), training=False).numpy()


@pytest.mark.parametrize(("build", "side"), BUILDERS)
def test_bfloat16_keeps_weights_and_logits_in_float32_and_answers_alike(build, side):
    keras.utils.set_random_seed(0)
    network, images = build(side, 5), photographs(16, side)
    rounded = classifiers.with_precision(network, "mixed_bfloat16")
    assert {weight.dtype for weight in rounded.weights} == {"float32"}
    exact, found = logits(network, images), logits(rounded, images)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - exact).max() < 0.03 * np.ptp(exact)
    again = classifiers.with_precision(rounded, "float32")
    np.testing.assert_array_equal(logits(again, images), exact)
    assert classifiers.with_precision(network, "float32") is network
    assert classifiers.with_precision(rounded, "mixed_bfloat16") is rounded


def test_members_of_an_ensemble_and_smoothed_models_change_and_their_frame_does_not():
    keras.utils.set_random_seed(0)
    members, images = [classifiers.cnn_baseline(16, 5) for _ in range(2)], photographs(16, 16)
    for model in (classifiers.ensemble(members), classifiers.smoothed(members[0], 1.0)):
        rounded = classifiers.with_precision(model, "mixed_bfloat16")
        for layer in rounded.layers:
            if isinstance(layer, keras.Model):
                assert "mixed_bfloat16" in {inner.dtype_policy.name for inner in layer.layers}
            else:
                assert layer.dtype_policy.name == "float32"
        exact, found = logits(model, images), logits(rounded, images)
        assert 0 < np.abs(found - exact).max() < 0.03 * np.ptp(exact)
        again = classifiers.with_precision(rounded, "float32")
        np.testing.assert_array_equal(logits(again, images), exact)
        assert classifiers.with_precision(rounded, "mixed_bfloat16") is rounded


def test_a_model_of_a_first_and_a_last_layer_has_nothing_to_round():
    model = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    assert classifiers.with_precision(model, "mixed_bfloat16") is model


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="unknown precision 'half': choose one of float32, mixed_bfloat16"):
        classifiers.with_precision(classifiers.cnn_baseline(16, 5), "half")


def test_depthwise_convolutions_stay_in_float32_in_which_they_are_twice_as_fast():
    images = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(images))
    maps = keras.layers.Conv2D(4, 1)(keras.layers.DepthwiseConv2D(3)(maps))
    model = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(maps)))
    rounded = classifiers.with_precision(model, "mixed_bfloat16")
    types = {layer.name: layer.dtype_policy.name for layer in rounded.layers}
    assert {name for name, kind in types.items() if kind == "mixed_bfloat16"} == {
        layer.name for layer in model.layers if type(layer) in (keras.layers.Conv2D, keras.layers.Flatten)
    }
    assert classifiers.with_precision(rounded, "mixed_bfloat16") is rounded
