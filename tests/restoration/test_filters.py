import numpy as np
import pytest

from helpers import metrics, noise, restoration

SLOPE = np.linspace(60, 190, 24, dtype=np.float32)[:, None] + np.zeros((24, 24, 1), np.float32)
CLEAN = np.stack([SLOPE, SLOPE.swapaxes(0, 1)])[..., None][..., 0, :].repeat(3, -1).astype(np.float32)


@pytest.mark.parametrize("name", restoration.FILTERS)
def test_a_filter_removes_noise_from_a_smooth_image(name):
    noisy = noise.gaussian(CLEAN, 20, seed=0).numpy()
    restored = restoration.FILTERS[name](noisy)
    assert restored.shape == CLEAN.shape
    assert restored.dtype == np.float32
    assert (metrics.psnr(CLEAN, restored) > metrics.psnr(CLEAN, noisy) + 1).all()


@pytest.mark.parametrize("name", restoration.FILTERS)
def test_a_filter_leaves_an_even_image_alone(name):
    even = np.full((1, 12, 12, 3), 100, np.uint8)
    np.testing.assert_allclose(restoration.FILTERS[name](even), even, atol=0.5)
