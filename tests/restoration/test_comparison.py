from dataclasses import replace

import numpy as np
import pandas as pd
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
    assert counted["gaussian", "same"] == 80 and pd.isna(counted["gaussian", "median"])
    assert pd.isna(table.loc["gaussian", "median"]["multiply_adds"])
    darker = table.loc["gaussian", "darker"]
    assert darker["low"] < darker["gain"] < darker["high"]
    assert darker["gain"] == pytest.approx(darker["psnr"] - darker["psnr_before"], rel=1e-5)
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
    assert row["low"] < row["gain"] < row["high"]
    base = found.after["darker", "gaussian"].mean(1)  # a filter meets both of its trainings
    row = found.gains(over="darker").set_index(["noise", "restorer"]).loc["gaussian", "median"]
    expected = found.after["median", "gaussian"].mean(1) - base
    assert row["trainings"] == 2 and row["gain"] == pytest.approx(expected.mean(), rel=1e-5)
    assert row["high"] - row["low"] > 5  # and they differ


def test_what_a_wrong_border_costs_is_told_from_the_rest():
    """A restorer that is wrong at the border alone loses PSNR on the whole, and nothing inside."""

    def framed(images):
        images = np.array(images)
        images[:, [0, -1]] = images[:, :, [0, -1]] = 0
        return images

    restorers = {"same": np.array, "framed": framed}
    found = restoration.compare(restorers, IMAGES, {"gaussian": NOISES["gaussian"]}, seed=3)
    quality = found.quality().set_index("restorer")
    assert quality.loc["framed", "gain"] < -1
    assert quality.loc["framed", "inner"] == pytest.approx(0, abs=1e-4)
    (row,) = found.gains(over="framed").to_dict("records")
    assert row["inner"] == pytest.approx(0, abs=1e-4) and row["gain"] > 1
    assert row["inner_low"] <= row["inner"] <= row["inner_high"]


def test_shares_of_the_paper_stand_beside_all_of_its_restorers_alone():
    restorers = {f"l{depth}": scaled(1 - depth / 100) for depth in restoration.DEPTHS}
    restorers |= {"srcnn": scaled(0.8), "mine": scaled(0.7)}
    found = restoration.compare(restorers, IMAGES, {"gaussian": NOISES["gaussian"]}, seed=3)
    printed = "aghdam_restoration_table_2"
    hits = found.hits("gaussian", [*restorers][:-1], printed).set_index("restorer")
    assert hits.loc["l3", "published_top_1"] == pytest.approx(100 * 39548 / 189450)
    for others in (["l3", "l5"], [*restorers]):
        assert "published_top_1" not in found.hits("gaussian", others, printed)


def test_examples_add_their_pattern():
    restorer = restoration.network(3)
    clean = IMAGES.images[:2]
    noises = [noise.NoiseSet("gaussian", "max", sigma) for sigma in (5, 40)]
    same, noisy, patterns, restored, quality = restoration.examples(restorer, clean, noises, seed=3)
    assert same is clean
    np.testing.assert_array_equal(noisy[1:], noises[1](clean[1:], seed=3, indices=[1]))
    np.testing.assert_allclose(restored, np.clip(noisy + patterns, 0, 255), atol=1e-2)
    np.testing.assert_allclose([after for _, after in quality], metrics.psnr(clean, restored), rtol=1e-4)


def test_lines_are_fitted_to_samples_up_to_a_psnr(found):
    most = np.median(found.before["degraded"])
    some = found.lines("degraded", most=most).set_index("restorer")
    assert some.loc["same", "psnr_1"] == pytest.approx(1, abs=1e-3)
    whole = found.lines("degraded").set_index("restorer")
    assert some.loc["darker", "psnr_1"] > whole.loc["darker", "psnr_1"]


def test_images_without_a_middle_are_refused():
    tiny = replace(IMAGES, images=IMAGES.images[:, :12, :12])
    with pytest.raises(ValueError, match="12x12 pixels are all border"):
        restoration.compare({"same": np.array}, tiny, NOISES, seed=0)


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="no images"):
        restoration.compare({"same": scaled(1.0)}, IMAGES.subset(slice(0)), NOISES, seed=0)
