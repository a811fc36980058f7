"""How far generated images are from real ones, as sets of features (N, D) of some network.

The numbers depend on whose features they are: never compare them with those of another network.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import pairwise_distances_chunked
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors


def frechet_distance(features: ArrayLike, others: ArrayLike) -> float:
    """Squared Fréchet distance of two normal distributions with the means and covariances of two sets.

    features (N, D), others (M, D). Heusel et al. (2017), equation 6. Raises ValueError for other shapes, and
    for fewer than two in a set.
    """
    sets = _checked(features, others, least=2)
    means = [found.mean(0) for found in sets]
    # With QR factors R of the centred sets, the trace of the root of S1 S2 is the sum of the singular values
    # of R1 R2': no root of a matrix that is nearly singular.
    factors = [
        np.linalg.qr(found - mean, mode="r") / np.sqrt(len(found) - 1)
        for found, mean in zip(sets, means, strict=True)
    ]
    common = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    spread = sum(np.square(factor).sum() for factor in factors)
    return float(max(0.0, np.square(means[0] - means[1]).sum() + spread - 2 * common))


def kernel_distance(
    features: ArrayLike, others: ArrayLike, *, seed: int, subsets: int = 20, size: int = 500
) -> tuple[float, float]:
    """Squared maximum mean discrepancy, kernel (x y / D + 1)³, unbiased: its mean and standard error.

    Over subsets of so many of each set, or of all there are. Bińkowski et al. (2018), section 4.
    """
    one, other = _checked(features, others, least=2)
    if max(len(one), len(other)) <= size:  # every subset would be all there are
        return float(_discrepancy(one, other)), 0.0
    rng, found = np.random.default_rng(seed), []
    for _ in range(subsets):
        parts = [part[rng.permutation(len(part))[:size]] for part in (one, other)]
        found.append(_discrepancy(*parts))
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(subsets)) if subsets > 1 else np.nan


def precision_recall(
    real: ArrayLike,
    generated: ArrayLike,
    *,
    neighbours: int = 3,
    groups: ArrayLike | None = None,
    generated_groups: ArrayLike | None = None,
) -> tuple[float, float]:
    """Share of generated features among the real ones, and of real among the generated: in [0, 1] both.

    Among: within the distance of some member of the set to its k-th neighbour there. Kynkäänniemi et al.
    (2019), equations 1 and 2: a low precision means bad images, a low recall missing ones. groups (N,) and
    generated_groups (M,), of the features: neighbours are of other groups, as frames of one track say nothing
    about how far apart tracks are; None: each is a group of its own.
    """
    real, generated = _checked(real, generated, least=neighbours + 1)
    radii = [_radii(*each, neighbours) for each in ((real, groups), (generated, generated_groups))]
    return _among(generated, real, radii[0]), _among(real, generated, radii[1])


def density_coverage(
    real: ArrayLike, generated: ArrayLike, *, neighbours: int = 5, groups: ArrayLike | None = None
) -> tuple[float, float]:
    """How many real neighbourhoods a generated feature is in, over k, and the share of those that have one.

    A neighbourhood reaches to the k-th neighbour. Naeem et al. (2020), equations 3 and 4. A density near 1 is
    that of more real ones; unlike a precision, it does not rise for noise that is near one stray real image.
    groups: as in `precision_recall`.
    """
    real, generated = _checked(real, generated, least=neighbours + 1)
    radii, found = _radii(real, groups, neighbours), np.zeros(len(real), int)
    for inside in _inside(generated, real, radii):
        found += inside.sum(0)
    return float(found.sum() / (neighbours * len(generated))), float((found > 0).mean())


def nearest(features: ArrayLike, others: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Distance of every feature to the nearest of others, float64 (N,), and the place of that, int64 (N,)."""
    features, others = _checked(features, others, least=1)
    distances, places = NearestNeighbors(n_neighbors=1).fit(others).kneighbors(features)
    return distances[:, 0], places[:, 0]


def _checked(features: ArrayLike, others: ArrayLike, least: int) -> list[np.ndarray]:
    sets = [np.asarray(found, np.float64) for found in (features, others)]
    if any(found.ndim != 2 for found in sets) or sets[0].shape[1] != sets[1].shape[1]:
        shapes = " and ".join(str(found.shape) for found in sets)
        raise ValueError(
            f"features are {shapes}: two sets (N, D) and (M, D) of as many features are compared"
        )
    if min(map(len, sets)) < least:
        raise ValueError(f"sets of {len(sets[0])} and {len(sets[1])} features: {least} of each are needed")
    return sets


def _discrepancy(one: np.ndarray, other: np.ndarray) -> float:
    return _within(one) + _within(other) - 2 * _kernel(one, other).mean()


def _kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return polynomial_kernel(one, other, degree=3, coef0=1)


def _within(part: np.ndarray) -> float:
    """Mean of the kernel over pairs of two different members."""
    kernel = _kernel(part, part)
    return (kernel.sum() - np.trace(kernel)) / (len(part) * (len(part) - 1))


def _radii(members: np.ndarray, groups: ArrayLike | None, neighbours: int) -> np.ndarray:
    """Distance of each member to its k-th neighbour of other groups, (N,)."""
    groups = np.arange(len(members)) if groups is None else np.asarray(groups)
    sizes = np.unique(groups, return_counts=True)[1]
    if neighbours > len(members) - sizes.max():
        raise ValueError(
            f"{len(sizes)} groups: the largest leaves fewer than {neighbours} features of others"
        )
    near = NearestNeighbors(n_neighbors=neighbours + sizes.max()).fit(members)
    distances, places = near.kneighbors(members)
    others = np.cumsum(groups[places] != groups[:, None], axis=1)
    return distances[np.arange(len(members)), (others == neighbours).argmax(1)]


def _among(features: np.ndarray, members: np.ndarray, radii: np.ndarray) -> float:
    return float(np.concatenate([part.any(1) for part in _inside(features, members, radii)]).mean())


def _inside(features: np.ndarray, members: np.ndarray, radii: np.ndarray) -> Iterator[np.ndarray]:
    """Whether each feature is within each member's radius, some features at a time: (n, N)."""
    return pairwise_distances_chunked(features, members, reduce_func=lambda distances, _: distances <= radii)
