import numpy as np
import pytest

from helpers import metrics


def grey(*levels, side=16):
    return np.stack([np.full((side, side, 3), level, np.uint8) for level in levels])


def test_psnr_by_hand():
    found = metrics.psnr(grey(100, 0, 7), grey(101, 255, 7))
    np.testing.assert_allclose(found, [10 * np.log10(255**2), 0, np.inf])
    assert found.dtype == np.float64


def test_psnr_averages_the_error_over_an_image():
    noisy = grey(100, 100)
    noisy[0, :8, :, :] += 10  # half of the values: a mean square of 50
    noisy[1, 0, 0, 0] += 10  # one value of 768
    expected = [10 * np.log10(255**2 / 50), 10 * np.log10(255**2 * 768 / 100)]
    np.testing.assert_allclose(metrics.psnr(grey(100, 100), noisy), expected)


def test_psnr_of_bytes_does_not_wrap_around():
    np.testing.assert_allclose(metrics.psnr(grey(3), grey(13)), metrics.psnr(grey(13), grey(3)))
    np.testing.assert_allclose(metrics.psnr(grey(3), grey(13)), 10 * np.log10(255**2 / 100))


def test_psnr_of_known_noise():
    clean = np.full((4, 64, 64, 3), 128.0)
    noisy = clean + np.random.default_rng(0).normal(0, 10, clean.shape)
    np.testing.assert_allclose(metrics.psnr(clean, noisy), 20 * np.log10(255 / 10), atol=0.2)


def test_psnr_refuses_images_of_another_shape():
    with pytest.raises(ValueError, match=r"clean images \(2, .* and noisy images \(1, .* differ in shape"):
        metrics.psnr(grey(1, 2), grey(1))


def test_ssim_of_even_images_by_hand():
    constant = (0.01 * 255) ** 2
    expected = [1, (2 * 50 * 200 + constant) / (50**2 + 200**2 + constant)]
    np.testing.assert_allclose(metrics.ssim(grey(80, 50), grey(80, 200)), expected, atol=1e-5)


def test_ssim_falls_with_noise_and_turns_negative_for_a_negative():
    rng = np.random.default_rng(0)
    clean = rng.uniform(60, 200, (1, 32, 32, 3))
    field = rng.normal(size=clean.shape)
    found = [metrics.ssim(clean, clean + sigma * field)[0] for sigma in (0, 10, 40)]
    assert 1 - 1e-6 < found[0] <= 1 + 1e-6
    assert 1 > found[1] > found[2] > 0
    assert metrics.ssim(clean, 255 - clean)[0] < -0.5


def test_ssim_refuses_images_below_its_window():
    with pytest.raises(ValueError, match="SSIM needs at least 7"):
        metrics.ssim(np.zeros((1, 6, 9, 3)), np.zeros((1, 6, 9, 3)))
