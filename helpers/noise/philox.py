"""Random values keyed by (seed, image, copy) whatever the batch, shard or order.

TensorFlow's Philox generator is counter-based: the value at a place depends on the key and on the counter
alone. The seed is the key, the image's number and its copy make the counter.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from helpers.backend import tf

NORMAL = tf.raw_ops.StatelessRandomNormalV2
UNIFORM = tf.raw_ops.StatelessRandomUniformV2

_PHILOX = 1  # the generator's number in TensorFlow's raw operations
_VALUES_PER_COUNT = 4  # one step of the counter yields four 32-bit values

# The streams: independent draws under one seed, given out here and nowhere else.
GAUSSIAN, SALT_AND_PEPPER, PERIODIC, MIXTURE, SHOT = range(5)  # of the noise models
SWEEP = 5  # the unit-normal fields of `stability`
EVOLUTION = 6  # the evolving noises of `minimum_noise`
DEGRADATION = 7  # of what restorers are trained on
STREAMS = 8  # at most: the next copy's begin there


class Keys(NamedTuple):
    """What the random values of a batch are keyed by; made by `keys`."""

    seed: tf.Tensor  # (1,) uint64
    indices: tf.Tensor  # (N,) uint64, or (1,): the first of consecutive indices
    consecutive: bool
    copy: tf.Tensor  # uint64
    count: tf.Tensor  # N


def keys(images: tf.Tensor, seed: int | tf.Tensor, indices: ArrayLike | None, copy: int) -> Keys:
    """Keys for images (N, …) with numbers indices (N,), default 0 … N-1; ValueError if the lengths differ."""
    # One call draws a whole run of consecutive images: 1.6 times faster than image by image.
    consecutive = indices is None
    if consecutive:
        indices = (0,)
    elif not tf.is_symbolic_tensor(indices):
        indices = np.asarray(indices)
        if images.shape[0] is not None and indices.shape != (images.shape[0],):
            raise ValueError(f"{images.shape[0]} images need as many indices, not an array {indices.shape}")
        consecutive = len(indices) > 0 and np.array_equal(indices - indices[0], np.arange(len(indices)))
        indices = indices[:1] if consecutive else indices
    return Keys(
        tf.reshape(tf.cast(seed, tf.uint64), (1,)),
        tf.cast(indices, tf.uint64),
        consecutive,
        tf.cast(copy, tf.uint64),
        tf.shape(images)[0],
    )


def draw(
    distribution: Callable[..., tf.Tensor], keyed: Keys, stream: int, size: int | tf.Tensor
) -> tf.Tensor:
    """Float32 values (N, size): standard normal for `NORMAL`, in [0, 1) for `UNIFORM`.

    Those of an image depend on its seed, index and copy, on the stream and on the size only. Raises
    ValueError for a stream that is not below `STREAMS`: it would be one of the next copy's.
    """
    if stream not in range(STREAMS):
        raise ValueError(f"stream {stream}: there are 0 to {STREAMS - 1}")
    steps = (size + _VALUES_PER_COUNT - 1) // _VALUES_PER_COUNT
    width, steps = steps * _VALUES_PER_COUNT, tf.cast(steps, tf.uint64)
    high = keyed.copy * STREAMS + stream

    def values(index: tf.Tensor, count: int | tf.Tensor) -> tf.Tensor:
        counter = tf.stack([index * steps, high])
        return distribution(shape=[count, width], key=keyed.seed, counter=counter, alg=_PHILOX)

    if keyed.consecutive:
        return values(keyed.indices[0], keyed.count)[:, :size]
    single = tf.TensorSpec((None,), tf.float32)
    drawn = tf.map_fn(lambda index: values(index, 1)[0], keyed.indices, fn_output_signature=single)
    return tf.reshape(drawn, (keyed.count, width))[:, :size]
