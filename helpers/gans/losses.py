"""What the two networks of a game play for, and what keeps a discriminator smooth.

Losses are of logits of real and of generated images, (N, 1) each, and return numbers (N, 1).
"""

from collections.abc import Callable
from typing import NamedTuple

from helpers.backend import keras, tf

ops = keras.ops
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # of real and generated logits


class Objective(NamedTuple):
    """The discriminator's loss and the generator's."""

    discriminator: Loss
    generator: Loss
    paired: bool = False  # whether the generator's depends on the real logits too
    threshold: float | None = None  # logit above which an image counts as real; None: only differences count


# Minimax is that of Goodfellow et al. (2014), the discriminator's as the mean of two cross-entropies, and the
# generator's loss that does not saturate: Bagrodia's, and what Mehrotra and Dalal's sigmoid suggests. Least
# squares: Mao et al. (2017), equation 9. Wasserstein: Arjovsky et al. (2017). Hinge: Lim and Ye (2017).
# Relativistic: Jolicoeur-Martineau (2019), in pairs, as in Huang et al. (2024).
OBJECTIVES = {
    "minimax": Objective(
        lambda real, fake: (ops.softplus(-real) + ops.softplus(fake)) / 2,
        lambda real, fake: ops.softplus(-fake),
        threshold=0.0,
    ),
    "least_squares": Objective(
        lambda real, fake: (ops.square(real - 1) + ops.square(fake)) / 2,
        lambda real, fake: ops.square(fake - 1) / 2,
        threshold=0.5,
    ),
    "wasserstein": Objective(lambda real, fake: fake - real, lambda real, fake: -fake),
    "hinge": Objective(
        lambda real, fake: ops.relu(1 - real) + ops.relu(1 + fake), lambda real, fake: -fake, threshold=0.0
    ),
    "relativistic": Objective(
        lambda real, fake: ops.softplus(fake - real),
        lambda real, fake: ops.softplus(real - fake),
        paired=True,
    ),
}


def squared_gradient(score: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> tf.Tensor:
    """Squared norm of a score's gradient by each image (N, H, W, C) in units of 127.5 grey levels, (N,).

    score: images to numbers (N, 1). Mescheder et al. (2018), equations 9 and 10: R1 of real images, R2 of
    generated ones.
    """
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = score(images)
    return tf.reduce_sum(tf.square(127.5 * tape.gradient(scores, images)), (1, 2, 3))


def gradient_penalty(
    score: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor, fake: tf.Tensor, share: tf.Tensor
) -> tf.Tensor:
    """Squared distance of a gradient's norm from 1, between pairs of real and generated images, (N,).

    share: (N, 1, 1, 1) in [0, 1], of the real one. Gulrajani et al. (2017), equation 3.
    """
    between = squared_gradient(score, share * real + (1 - share) * fake)
    return tf.square(tf.sqrt(between + 1e-12) - 1)
