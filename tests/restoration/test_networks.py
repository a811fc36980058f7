import numpy as np
import pytest

from helpers import classifiers, restoration
from helpers.backend import keras

IMAGES = np.random.default_rng(0).uniform(0, 255, (3, 20, 17, 3)).astype(np.float32)
PARAMETERS = {3: 4_739, 5: 50_851, 7: 132_963, 9: 215_075, 11: 397_411}  # by hand from Table 1


def answered(model, images=IMAGES):
    return keras.ops.convert_to_numpy(model(images))


@pytest.fixture(scope="module")
def l5():
    keras.utils.set_random_seed(0)
    return restoration.network(5)


@pytest.mark.parametrize("depth", restoration.DEPTHS)
def test_the_networks_of_table_1_have_its_size_and_reach(depth):
    restorer = restoration.network(depth)
    assert restorer.count_params() == PARAMETERS[depth]
    assert restoration.margin(restorer) == (depth + 1) // 2
    assert restoration.has_shortcut(restorer)


def test_the_network_without_a_shortcut():
    restorer = restoration.srcnn()
    assert restorer.count_params() == 20_099
    assert restoration.margin(restorer) == 6
    assert not restoration.has_shortcut(restorer)


def test_the_own_network_begins_as_the_identity_and_costs_a_ninth():
    restorer = restoration.compact()
    np.testing.assert_allclose(answered(restorer), IMAGES, atol=1e-3)
    assert restoration.margin(restorer) == 0
    # 3x3 convolutions at a quarter of the pixels: 12 to 48, eight of 48, 48 to 12.
    assert restoration.multiply_adds(restorer, (20, 20, 3)) == 9 * (2 * 12 * 48 + 8 * 48 * 48) // 4 == 44_064


@pytest.mark.parametrize("build", [restoration.network, restoration.srcnn, restoration.compact])
def test_restored_images_have_the_size_and_range_of_the_images(build):
    restorer = build()
    for scale in (1, 30):  # of the weights: strong ones leave the range before the clip
        restorer.set_weights([scale * weight + 0.01 for weight in restorer.get_weights()])
        restored = answered(restorer)
        assert restored.shape == IMAGES.shape
        assert restored.min() >= 0
        assert restored.max() <= 255


@pytest.mark.parametrize("build", [restoration.network, restoration.srcnn, restoration.compact])
def test_training_and_test_phase_agree_inside_the_border(build):
    """Zeros in the padding cannot reach further than the margin."""
    restorer = build()
    twin, m = restoration.unpadded(restorer), restoration.margin(restorer)
    inner = answered(twin)
    assert inner.shape == (3, 20 - 2 * m, 17 - 2 * m, 3)
    expected = answered(restorer)[:, m : 20 - m, m : 17 - m]
    np.testing.assert_allclose(expected, np.clip(inner, 0, 255), atol=0.01)
    assert [*map(id, twin.weights)] == [*map(id, restorer.weights)]


def test_without_weights_the_shortcut_is_the_identity(l5):
    restorer = restoration.network(5)
    restorer.set_weights([np.zeros_like(weight) for weight in restorer.get_weights()])
    np.testing.assert_allclose(answered(restorer), IMAGES, atol=1e-4)


def test_the_pattern_is_what_is_added(l5):
    added = answered(restoration.pattern(l5))
    assert np.abs(added).max() <= 255
    assert np.abs(added).max() > 1
    np.testing.assert_allclose(answered(l5), np.clip(IMAGES + added, 0, 255), atol=1e-3)


def test_a_restorer_is_found_again_in_its_file(l5, tmp_path):
    l5.save(tmp_path / "l5.keras")
    again = keras.models.load_model(tmp_path / "l5.keras", safe_mode=True)
    np.testing.assert_array_equal(answered(again), answered(l5))
    assert restoration.margin(again) == 3


def test_a_fused_classifier_sees_restored_images_and_leaves_the_restorer_alone(tmp_path):
    restorer, classifier = restoration.network(3), classifiers.cnn_baseline(16, 4)
    fused = restoration.fuse(restorer, classifier)
    images = IMAGES[:, :16, :16]
    np.testing.assert_allclose(
        answered(fused, images), answered(classifier, answered(restorer, images)), atol=1e-4
    )
    trainable = {id(weight) for weight in fused.trainable_weights}
    assert trainable == {id(weight) for weight in classifier.weights}
    joint = restoration.fuse(restorer, classifier, joint=True)
    assert len(joint.trainable_weights) == len(restorer.weights) + len(classifier.weights)
    restoration.fuse(restorer, classifier)
    fused.save(tmp_path / "fused.keras")
    loaded = classifiers.load(tmp_path / "fused.keras", image_size=16, classes=4)
    np.testing.assert_allclose(answered(loaded, images), answered(fused, images), atol=1e-5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="depth is 4"):
        restoration.network(4)
    grey = restoration.network(3, channels=1)
    with pytest.raises(ValueError, match=r"\(16, 16, 3\).*\(None, None, 1\)"):
        restoration.fuse(grey, classifiers.cnn_baseline(16, 4))


def test_the_table_of_sizes():
    table = restoration.sizes({"l11": restoration.network, "compact": restoration.compact}, 48)
    table = table.set_index("restorer")
    # Table 1, layer by layer, of maps that lose two pixels with every 3x3 convolution.
    pairs = [(27 * 64, 64 * 32), (9 * 32 * 128, 128 * 64), *[(9 * 64 * 128, 128 * 64)] * 2]
    pairs += [(9 * 64 * 256, 256 * 128), (9 * 128 * 3, 0)]
    sides = range(58, 46, -2)
    by_hand = sum(side**2 * sum(pair) for side, pair in zip(sides, pairs, strict=True)) / 48**2
    assert table.loc["l11"].tolist() == [397_411, round(by_hand), 1, 6]
    assert table.loc["compact", "of_l11"] == pytest.approx(44_064 / by_hand, rel=1e-4)
