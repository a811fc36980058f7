import numpy as np
import pytest
from tiny_sets import squares

from helpers import metrics, noise, restoration
from helpers.backend import keras

IMAGES = squares(70, 0)
NOISES = {"gaussian": noise.NoiseSet("gaussian", "max", 20), "degraded": noise.degradation}


def scaled(factor):
    """A restorer that multiplies what it sees, within [0, 255]."""
    images = keras.Input((None, None, 3))
    middle = keras.Model(images, keras.layers.Conv2D(3, 1, use_bias=False)(images), name="pattern")
    model = keras.Model(images, keras.layers.ReLU(max_value=255.0)(middle(images)), name="scaled")
    model.set_weights([factor * np.eye(3, dtype=np.float32)[None, None]])
    return model


@pytest.fixture(scope="module")
def found():
    restorers = {"same": [scaled(1.0), scaled(1.0)], "darker": [scaled(0.9), scaled(0.5)]}
    restorers["median"] = restoration.FILTERS["median"]
    return restoration.compare(restorers, IMAGES, NOISES, samples=2, seed=3)


def test_what_is_measured_is_psnr_and_ssim_of_the_keyed_noise(found):
    for copy in (0, 1):
        noisy = noise.gaussian(IMAGES.images, 20, seed=3, copy=copy)
        expected = metrics.psnr(IMAGES.images, noisy)
        np.testing.assert_allclose(found.before["gaussian"][copy], expected, rtol=1e-5)
        np.testing.assert_allclose(found.after["same", "gaussian"][1, copy], expected, rtol=1e-4)
    noisy = noise.gaussian(IMAGES.images, 20, seed=3)
    darker = metrics.psnr(IMAGES.images, 0.5 * noisy)
    np.testing.assert_allclose(found.after["darker", "gaussian"][1, 0], darker, rtol=1e-4)
    expected = metrics.ssim(IMAGES.images, 0.5 * noisy)
    np.testing.assert_allclose(found.ssim_after["darker", "gaussian"][1], expected, rtol=1e-4)


def test_the_table_of_quality(found):
    table = found.quality().set_index(["noise", "restorer"])
    assert len(table) == 6
    same = table.loc["gaussian", "same"]
    assert same["gain"] == pytest.approx(0, abs=1e-4)
    assert same["psnr"] == pytest.approx(same["psnr_before"], rel=1e-5)
    assert (same["images"], same["samples"], same["trainings"]) == (70, 2, 2)
    assert same["multiply_adds"] == 9
    assert "patches" not in table
    counted = found.quality(patches={"same": 80}).set_index(["noise", "restorer"])["patches"]
    assert counted["gaussian", "same"] == 80 and np.isnan(counted["gaussian", "median"])
    assert np.isnan(table.loc["gaussian", "median"]["multiply_adds"])
    darker = table.loc["gaussian", "darker"]
    assert darker["low"] < darker["psnr"] < darker["high"]
    # Two trainings so unlike say little about others.
    assert darker["high"] - darker["low"] > 5 * (same["high"] - same["low"])


def test_hits_count_who_comes_first(found):
    hits = found.hits("gaussian", ["darker", "same"]).set_index("restorer")
    assert hits["top_1"].sum() == pytest.approx(100)
    assert (hits["top_2"] == 100).all()
    assert hits.loc["same", "top_1"] > 50
    assert (hits["samples"] == 2 * 70).all()


def test_lines_fit_psnr_after_to_psnr_before(found):
    lines = found.lines("degraded").set_index("restorer")
    assert lines.loc["same", "psnr_0"] == pytest.approx(0, abs=0.01)
    assert lines.loc["same", "psnr_1"] == pytest.approx(1, abs=1e-3)
    assert lines.loc["darker", "psnr_1"] < 1
    assert list(found.lines("degraded", 2)) == ["restorer", "psnr_0", "psnr_1", "psnr_2"]


def test_gains_are_paired(found):
    gains = found.gains(over="same").set_index(["noise", "restorer"])
    steps = found.after["darker", "gaussian"] - found.after["same", "gaussian"]
    row = gains.loc["gaussian", "darker"]
    assert row["gain"] == pytest.approx(steps.mean(), rel=1e-5)
    assert row["gain_low"] < row["gain"] < row["gain_high"]


def test_shares_of_the_paper_stand_beside_its_restorers():
    restorers = {"l3": scaled(1.0), "mine": scaled(0.9)}
    found = restoration.compare(restorers, IMAGES, {"gaussian": NOISES["gaussian"]}, seed=3)
    hits = found.hits("gaussian", [*restorers], "aghdam_restoration_table_2").set_index("restorer")
    assert hits.loc["l3", "published_top_1"] == pytest.approx(100 * 39548 / 189450)
    assert np.isnan(hits.loc["mine", "published_top_1"])


def test_examples_add_their_pattern():
    restorer = restoration.network(3)
    clean = IMAGES.images[:2]
    noises = [noise.NoiseSet("gaussian", "max", sigma) for sigma in (5, 40)]
    same, noisy, patterns, restored, quality = restoration.examples(restorer, clean, noises, seed=3)
    assert same is clean
    np.testing.assert_array_equal(noisy[1:], noises[1](clean[1:], seed=3, indices=[1]))
    np.testing.assert_allclose(restored, np.clip(noisy + patterns, 0, 255), atol=1e-2)
    np.testing.assert_allclose([after for _, after in quality], metrics.psnr(clean, restored), rtol=1e-4)


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="no images"):
        restoration.compare({"same": scaled(1.0)}, IMAGES.subset(slice(0)), NOISES, seed=0)
