import numpy as np
import pytest
from tiny_networks import BUILDERS, built, photographs

from helpers import classifiers
from helpers.backend import keras, tf
from helpers.classifiers import networks
from helpers.classifiers.layers import FusedNormalization

layers = keras.layers


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return classifiers.cnn_baseline(16, 5)


def test_baseline_has_the_parameters_and_layers_of_figure_8():
    network = classifiers.cnn_baseline(40, 43)
    assert network.count_params() == 234_059
    assert sum(int(np.prod(weight.shape)) for weight in network.trainable_weights) == 234_059
    counted = [(layer.output.shape[1:], layer.count_params()) for layer in network.layers[1:]]
    assert counted == [
        ((40, 40, 16), 448),
        ((20, 20, 16), 0),
        ((20, 20, 32), 4_640),
        ((10, 10, 32), 0),
        ((10, 10, 64), 18_496),
        ((5, 5, 64), 0),
        ((1600,), 0),
        ((128,), 204_928),
        ((43,), 5_547),
    ]


def test_too_small_images_and_no_images_are_refused(model):
    with pytest.raises(ValueError, match="image_size is 7"):
        classifiers.cnn_baseline(7, 3)
    with pytest.raises(ValueError, match="no images"):
        classifiers.logits(model, photographs(0))


@pytest.mark.parametrize(
    ("build", "count", "inside"),
    [
        (classifiers.aghdam, 1_123_455, (3, 3, 250)),
        (classifiers.lenet, 431_080, (4, 4, 50)),
        (classifiers.cifar_quick, 145_578, (4, 4, 64)),
    ],
)
def test_networks_of_the_stability_paper_have_their_parameters(build, count, inside):
    network = build()
    assert network.count_params() == count
    (flatten,) = [layer for layer in network.layers if isinstance(layer, layers.Flatten)]
    assert flatten.input.shape[1:] == inside
    sizes = {"aghdam": (48, 43), "lenet": (28, 10), "cifar_quick": (32, 10)}
    side, classes = sizes[network.name]
    assert network.input_shape == (None, side, side, 3)
    assert network.output_shape == (None, classes)


def test_aghdam_saves_a_quarter_of_the_parameters_by_its_groups(monkeypatch):
    def ungrouped(maps, filters, size):
        return layers.Conv2D(filters, size)(maps)

    grouped = classifiers.aghdam().count_params()
    monkeypatch.setattr(networks, "_grouped", ungrouped)
    assert classifiers.aghdam().count_params() == 1_543_455
    assert 1 - grouped / 1_543_455 == pytest.approx(0.27, abs=0.005)


def test_two_convolutions_on_halves_are_a_grouped_convolution():
    maps = keras.Input((6, 6, 4))
    split = keras.Model(maps, networks._grouped(maps, 6, 3))
    grouped = keras.Model(maps, layers.Conv2D(6, 3, groups=2)(maps))
    kernel, bias, other_kernel, other_bias = split.get_weights()
    kernels, biases = np.concatenate([kernel, other_kernel], -1), np.concatenate([bias + 1, other_bias + 2])
    split.set_weights([kernel, bias + 1, other_kernel, other_bias + 2])
    grouped.set_weights([kernels, biases])
    values = np.random.default_rng(0).normal(size=(2, 6, 6, 4)).astype(np.float32)
    np.testing.assert_allclose(split(values), grouped(values), atol=1e-5)


def test_cifar_quick_has_a_border_of_2_and_pools_upwards():
    network, images = built(classifiers.cifar_quick, 12), photographs(2, 12)
    weights = iter(network.get_weights())
    values = images.astype(np.float32) / 255
    for side in (6, 3, 2):
        values = np.pad(values, ((0, 0), (2, 2), (2, 2), (0, 0)))
        values = np.maximum(tf.nn.conv2d(values, next(weights), 1, "VALID") + next(weights), 0)
        start = values.shape[1] % 2  # windows of an even side begin at the border, as in Caffe
        values = np.pad(values, ((0, 0), (start, 1), (start, 1), (0, 0)))
        values = tf.nn.max_pool2d(values, 3, 2, "VALID").numpy()
        assert values.shape[1] == side
    values = values.reshape(2, -1) @ next(weights) + next(weights)
    values = values @ next(weights) + next(weights)
    np.testing.assert_allclose(classifiers.logits(network, images), values, rtol=1e-4, atol=1e-3)


@pytest.fixture
def tiny_compact(monkeypatch):
    monkeypatch.setattr(networks, "COMPACT_STEM", 4)
    monkeypatch.setattr(networks, "COMPACT_STAGES", ((6, 0), (8, 1)))
    return built(classifiers.compact, 16)


def test_compact_follows_its_constants(tiny_compact):
    stem, blocks = 7 * 7 * 3 * 4 + 4 * 4, (9 * 4 * 6 + 4 * 6) + (9 * 6 * 8 + 4 * 8) + (9 * 8 * 8 + 4 * 8)
    gates = sum(maps * 8 + 8 + 8 * maps + maps for maps in (4, 6, 8, 8))
    assert tiny_compact.count_params() == stem + blocks + gates + 2 * 2 * 8 * 4 + 4
    with pytest.raises(ValueError, match="at least 7"):
        classifiers.compact(6, 4)


def test_gates_scale_whole_maps_by_what_all_means_say():
    images = photographs(3, 6) / np.float32(255)
    keras.utils.set_random_seed(0)
    layer = keras.Input((6, 6, 3))
    gate = keras.Model(layer, networks._gated(layer))
    gate.set_weights([weight + 0.01 for weight in gate.get_weights()])
    first, first_bias, second, second_bias = gate.get_weights()
    means = images.mean((1, 2))
    hidden = np.maximum(means @ first[0, 0] + first_bias, 0)
    scale = 1 / (1 + np.exp(-(hidden @ second[0, 0] + second_bias)))
    np.testing.assert_allclose(gate(images), images * scale[:, None, None], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("side", "classes", "channels"), [(8, 2, 1), (9, 10, 3), (28, 10, 1), (40, 43, 3)])
def test_baseline_takes_other_sizes_and_channels(side, classes, channels):
    images = np.zeros((2, side, side, channels), np.uint8)
    found = classifiers.logits(classifiers.cnn_baseline(side, classes, channels), images)
    assert found.shape == (2, classes)
    assert found.dtype == np.float32


def test_baseline_rescales_grey_levels_inside(model):
    images = photographs()
    inner = keras.Sequential([keras.Input((16, 16, 3)), *model.layers[1:]])
    np.testing.assert_allclose(
        classifiers.logits(model, images), inner(images.astype(np.float32) / 255), atol=1e-5
    )
    np.testing.assert_array_equal(
        classifiers.logits(model, images), classifiers.logits(model, images.astype(np.float32))
    )


def test_a_saved_model_loads_without_this_project(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert loaded.name == "cnn_baseline"
    np.testing.assert_array_equal(
        classifiers.logits(loaded, photographs()), classifiers.logits(model, photographs())
    )


@pytest.mark.parametrize(("build", "side"), BUILDERS)
def test_networks_take_grey_levels_and_save(build, side, tmp_path):
    network = built(build, side)
    images = photographs(3, side)
    found = classifiers.logits(network, images)
    assert found.shape == (3, 4)
    assert np.ptp(found, 0).min() > 1e-4  # the images matter
    np.testing.assert_array_equal(found, classifiers.logits(network, images.astype(np.float32)))
    network.save(tmp_path / "model.keras")
    loaded = classifiers.load(tmp_path / "model.keras", side, 4)
    assert loaded.name == build.__name__
    np.testing.assert_array_equal(classifiers.logits(loaded, images), found)
    assert classifiers.digest(loaded) == classifiers.digest(network)


@pytest.mark.parametrize(("build", "side"), [pair for pair in BUILDERS if pair[1] > 8])
def test_networks_refuse_images_too_small_for_their_poolings(build, side):
    with pytest.raises(ValueError, match=rf"image_size is {side - 1}: .* at least {side}"):
        build(side - 1, 4)


@pytest.mark.parametrize(("build", "side"), BUILDERS)
def test_networks_train_without_complaints_of_the_graph_optimiser(build, side, capfd):
    network = built(build, side)
    network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    before = network.get_weights()
    network.train_on_batch(photographs(2, side).astype(np.float32), np.array([0, 3]))
    assert "remapper" not in capfd.readouterr().err
    assert all(np.any(old != new) for old, new in zip(before, network.get_weights(), strict=True))


def test_lenet_is_caffes_and_sees_the_first_channel_only():
    network, images = built(classifiers.lenet, 16), photographs(2, 16)
    weights = iter(network.get_weights())
    values = images[..., :1].astype(np.float32) / 255
    for _ in range(2):
        values = tf.nn.conv2d(values, next(weights), 1, "VALID") + next(weights)
        values = tf.nn.max_pool2d(values, 2, 2, "VALID")
    values = np.maximum(values.numpy().reshape(2, -1) @ next(weights) + next(weights), 0)
    values = values @ next(weights) + next(weights)
    found = classifiers.logits(network, images)
    np.testing.assert_allclose(found, values, rtol=1e-4, atol=1e-3)
    images[..., 1:] = 0
    np.testing.assert_array_equal(classifiers.logits(network, images), found)


def leaky(values):
    return np.where(values > 0, values, 0.01 * values)


def test_aghdam_computes_figure_2():
    network, images = built(classifiers.aghdam, 32), photographs(2, 32)
    weights = iter(network.get_weights())
    values = images.astype(np.float32) / 255 @ next(weights) + next(weights)
    for groups in (1, 2, 2):
        parts = []
        for part in np.split(values, groups, -1):
            parts.append(tf.nn.conv2d(part, next(weights), 1, "VALID") + next(weights))
        values = tf.nn.max_pool2d(leaky(np.concatenate(parts, -1)), 2, 2, "VALID").numpy()
    values = leaky(values.reshape(2, -1) @ next(weights) + next(weights)) @ next(weights) + next(weights)
    np.testing.assert_allclose(classifiers.logits(network, images), values, rtol=1e-4, atol=1e-3)
    dropout, last = network.layers[-2:]
    assert (dropout.rate, last.count_params()) == (0.5, 300 * 4 + 4)


def test_compact_sees_neither_brightness_nor_contrast(tiny_compact):
    normalised = keras.Model(tiny_compact.input, tiny_compact.layers[2].output)
    images = photographs(3, 16).astype(np.float32)
    values = images.reshape(3, -1)
    variances = values.var(1) + 16
    expected = (values - values.mean(1, keepdims=True)) / np.sqrt(variances)[:, None]
    np.testing.assert_allclose(normalised(images).numpy().reshape(3, -1), expected, atol=1e-4)
    dark = classifiers.logits(tiny_compact, 10 + images / 2)
    np.testing.assert_allclose(dark, classifiers.logits(tiny_compact, images), atol=0.02)
    assert not np.allclose(dark, classifiers.logits(tiny_compact, images[::-1]), atol=0.02)
    flat = tiny_compact(np.full((1, 16, 16, 3), 9, np.float32)).numpy()
    assert np.isfinite(flat).all()


def test_a_residual_block_that_returns_nothing_changes_nothing(tiny_compact, monkeypatch):
    *_, last = [layer for layer in tiny_compact.layers if isinstance(layer, FusedNormalization)]
    last.gamma.assign(last.gamma * 0)
    last.beta.assign(last.beta * 0)
    monkeypatch.setattr(networks, "COMPACT_STAGES", ((6, 0), (8, 0)))
    plain = classifiers.compact(16, 4)
    weights = tiny_compact.get_weights()
    plain.set_weights(weights[:27] + weights[36:])
    np.testing.assert_allclose(
        classifiers.logits(tiny_compact, photographs()), classifiers.logits(plain, photographs()), atol=1e-4
    )
    last.beta.assign(last.beta + 1)
    assert not np.allclose(
        classifiers.logits(tiny_compact, photographs()), classifiers.logits(plain, photographs()), atol=1e-2
    )
