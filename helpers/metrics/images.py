"""How far an image is from another."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from skimage.metrics import structural_similarity

PEAK = 255.0  # the largest grey level
SSIM_WINDOW = 7  # pixels


def psnr(clean: ArrayLike, noisy: ArrayLike) -> np.ndarray:
    """Peak signal-to-noise ratio in dB against 255, one value an image; infinite where nothing differs.

    clean, noisy: (N, H, W, C) grey levels in [0, 255]. Returns float64 (N,). ValueError if the shapes differ.
    """
    clean, noisy = np.asarray(clean), np.asarray(noisy)
    _check_pairs(clean, noisy)
    error = np.square(np.subtract(clean, noisy, dtype=np.float32), dtype=np.float32)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(PEAK**2 / error.mean((1, 2, 3), dtype=np.float64))


def ssim(clean: ArrayLike, noisy: ArrayLike) -> np.ndarray:
    """Structural similarity (Wang et al. 2004) in [-1, 1], one value an image; arguments as in `psnr`."""
    clean, noisy = np.asarray(clean, np.float32), np.asarray(noisy, np.float32)
    _check_pairs(clean, noisy)
    if min(clean.shape[1:3]) < SSIM_WINDOW:
        raise ValueError(f"images of {clean.shape[1:3]} pixels: SSIM needs at least {SSIM_WINDOW} each way")
    pairs = zip(clean, noisy, strict=True)
    return np.array([structural_similarity(a, b, data_range=PEAK, channel_axis=-1) for a, b in pairs])


def strength(images: np.ndarray, sets: Sequence[Callable], *, seed: int) -> pd.DataFrame:
    """How strong noise sets are: a row each, with medians over images (N, H, W, C).

    sets: `noise.NoiseSet`s. Columns noise, level, reading, value, psnr_db, ssim, images.
    """
    rows = []
    for noise_set in sets:
        noisy = np.asarray(noise_set(images, seed=seed))
        row = {"noise": noise_set.kind, "level": noise_set.level, "reading": noise_set.reading}
        row |= {"value": noise_set.value, "psnr_db": np.median(psnr(images, noisy))}
        rows.append(row | {"ssim": np.median(ssim(images, noisy)), "images": len(images)})
    return pd.DataFrame(rows)


def _check_pairs(clean: np.ndarray, noisy: np.ndarray) -> None:
    if clean.shape != noisy.shape:
        raise ValueError(f"clean images {clean.shape} and noisy images {noisy.shape} differ in shape")
