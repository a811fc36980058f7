"""How sure one may be of an answer under noise: certified radii, and calibration."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def expected_calibration_error(calibration: ArrayLike) -> np.ndarray:
    """Mean gap of confidence and accuracy over bins (Guo et al. 2017, equation 3): (S,) in [0, 1].

    calibration: (S, BINS, 3), in every bin of confidence the number of copies, the sum of their confidence
    and the number that are right. NaN where a sigma has no copies.
    """
    copies, confidence, right = np.moveaxis(np.asarray(calibration, float), -1, 0)
    gaps, whole = np.abs(right - confidence).sum(-1), copies.sum(-1)  # a bin weighs its copies
    return np.divide(gaps, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def certified_radius(hits: ArrayLike, copies: int, sigma: ArrayLike, *, alpha: float = 0.001) -> np.ndarray:
    """L2 radius around an image within which the majority vote under noise of sigma is right, in its unit.

    hits: votes for the true class among independent copies, any shape. Cohen, Rosenfeld and Kolter 2019,
    Theorem 1 with the Clopper-Pearson bound of Section 3.2, which fails with probability alpha at most; 0
    without a certain majority. The class is the true one, not the one voted for: no second sample is needed.
    Clipping and rounding of the copies count as parts of the classifier.
    """
    hits = np.asarray(hits)
    if ((hits < 0) | (hits > copies)).any():
        raise ValueError(f"{hits.min()} to {hits.max()} hits of {copies} copies: none below 0 or above all")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha {alpha:g}: a probability of error must lie between 0 and 1")
    bound = np.where(hits > 0, stats.beta.ppf(alpha, np.maximum(hits, 1), copies - hits + 1), 0)
    return sigma * stats.norm.ppf(np.maximum(bound, 0.5))
