"""Classic filters beside the networks, from scikit-image; three are told an estimate of the noise."""

import warnings

import numpy as np
from skimage import filters as ranks
from skimage import restoration as classic


def median(images: np.ndarray) -> np.ndarray:
    """The median of 3x3 pixels, in every channel. images, here and below: (N, H, W, C) in [0, 255]."""
    return _each(images, lambda image, sigma: ranks.median(image, np.ones((3, 3, 1))))


def gaussian(images: np.ndarray) -> np.ndarray:
    """A Gaussian of one pixel."""
    return _each(images, lambda image, sigma: ranks.gaussian(image, 1.0, channel_axis=-1))


def bilateral(images: np.ndarray) -> np.ndarray:
    """The mean of near pixels of like colour (Tomasi and Manduchi 1998), twice the noise being alike."""
    options = {"win_size": 5, "sigma_spatial": 1.0, "mode": "edge", "channel_axis": -1}
    return _each(
        images,
        lambda image, sigma: classic.denoise_bilateral(image, sigma_color=2 * sigma + 1e-3, **options),
    )


def wavelet(images: np.ndarray) -> np.ndarray:
    """Wavelet coefficients shrunk by BayesShrink's threshold (Chang et al. 2000)."""
    options = {"channel_axis": -1, "rescale_sigma": True, "convert2ycbcr": False}
    return _each(images, lambda image, sigma: classic.denoise_wavelet(image, sigma + 1e-6, **options))


def non_local_means(images: np.ndarray) -> np.ndarray:
    """The mean of pixels with like surroundings (Buades et al. 2005)."""
    options = {"patch_size": 5, "patch_distance": 5, "fast_mode": True, "channel_axis": -1}
    return _each(
        images,
        lambda image, sigma: classic.denoise_nl_means(image, h=0.8 * sigma + 1e-3, sigma=sigma, **options),
    )


FILTERS = {
    function.__name__.replace("_", " "): function
    for function in (median, gaussian, bilateral, wavelet, non_local_means)
}


def _each(images: np.ndarray, restore) -> np.ndarray:
    """Filter images one by one, as scikit-image does; restore: (image in [0, 1], its noise) -> image."""
    restored = []
    for image in np.asarray(images, np.float32) / 255:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of an even image: nothing to estimate from
            sigma = float(classic.estimate_sigma(image, channel_axis=-1, average_sigmas=True))
        restored.append(restore(image, sigma if np.isfinite(sigma) else 0.0))
    return np.clip(255 * np.array(restored, np.float32), 0, 255)
