"""The noise generation module of Aghdam et al. (restoration, Figure 1 and section 4.1)."""

from collections.abc import Sequence
from typing import NamedTuple

from numpy.typing import ArrayLike

from helpers.backend import tf
from helpers.noise import philox

SHARES = (0.05, 0.5)  # of the values that a sparse noise changes: least and most
_FOURTH = {"gaussian": 3.0, "uniform": 9 / 5}  # fourth moments at unit variance


class Density(NamedTuple):
    """What the values of an additive noise are drawn from."""

    shape: str  # gaussian | uniform
    sparse: bool = False  # most values are left as they are: their share is drawn for each image
    manipulated: bool = False  # intensities squared, signs kept: small ones smaller, large ones larger

    @property
    def name(self) -> str:
        """As in tables and figures, e.g. ``sparse manipulated gaussian``."""
        words = [word for word in ("sparse", "manipulated") if getattr(self, word)]
        return " ".join([*words, self.shape])


# The paper names both shapes, random deviations and ranges, and two treatments that are "probabilistically"
# applied, without formulas. Here each treatment is applied to half of the images, whatever the other.
DENSITIES = tuple(
    Density(shape, sparse, manipulated)
    for sparse in (False, True)
    for manipulated in (False, True)
    for shape in ("gaussian", "uniform")
)


def degradation(
    images: ArrayLike,
    sigma: ArrayLike = 40.0,
    *,
    seed: int | tf.Tensor,
    indices: ArrayLike | None = None,
    copy: int | tf.Tensor = 0,
    densities: Sequence[Density] = DENSITIES,
) -> tf.Tensor:
    """Each image gets noise of a density and a strength of its own, clipped to [0, 255].

    sigma: largest standard deviation in grey levels, scalar or (N,); that of an image is uniform in
    [0, sigma] and counts before values are left out. densities: drawn uniformly; a uniform noise of standard
    deviation s ranges over ±sqrt(3) s. copy: which of the M versions of an image. Other arguments, result
    and key as in `gaussian`. Raises ValueError without densities, or for another shape than these two.
    """
    unknown = {density.shape for density in densities} - _FOURTH.keys()
    if unknown or not densities:
        raise ValueError(f"densities of shapes {sorted(unknown) or 'none'}: give gaussian or uniform ones")
    images = tf.convert_to_tensor(images)
    keys = philox.keys(images, seed, indices, copy)
    sigma = tf.reshape(tf.cast(sigma, tf.float32), (-1, 1))
    kinds = [(density.shape == "gaussian", density.sparse, density.manipulated) for density in densities]
    return _degraded(images, sigma, keys, tf.constant(kinds))


@tf.function(reduce_retracing=True)
def _degraded(images: tf.Tensor, sigma: tf.Tensor, keys: philox.Keys, kinds: tf.Tensor) -> tf.Tensor:
    """kinds: (K, 3) bool, whether each density is gaussian, sparse, manipulated."""
    shape = tf.shape(images)
    values = tf.reduce_prod(shape[1:])
    # A gaussian field is that of `gaussian` under the same key; all else comes from one stream, side by side.
    drawn = philox.draw(philox.UNIFORM, keys, philox.DEGRADATION, 2 * values + 3)
    choices, level, hit = drawn[:, :3], drawn[:, 3 : 3 + values], drawn[:, 3 + values :]
    chosen = tf.gather(kinds, tf.cast(choices[:, 0] * tf.cast(tf.shape(kinds)[0], tf.float32), tf.int32))
    gaussian, sparse, manipulated = (chosen[:, column : column + 1] for column in range(3))
    field = tf.where(
        gaussian,
        philox.draw(philox.NORMAL, keys, philox.GAUSSIAN, values),
        (2 * level - 1) * 3**0.5,
    )
    fourth = tf.where(gaussian, _FOURTH["gaussian"], _FOURTH["uniform"])
    field = tf.where(manipulated, field * tf.abs(field) / tf.sqrt(fourth), field)
    share = tf.where(sparse, SHARES[0] + (SHARES[1] - SHARES[0]) * choices[:, 2:], 1.0)
    noise = sigma * choices[:, 1:2] * tf.where(hit < share, field, 0.0)
    return tf.clip_by_value(tf.cast(images, tf.float32) + tf.reshape(noise, shape), 0.0, 255.0)
