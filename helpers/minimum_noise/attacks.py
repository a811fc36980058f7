"""Published attacks, from foolbox, as references for the searches of `minimum_noise`."""

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from helpers.backend import keras, tf
from helpers.metrics import PEAK
from helpers.minimum_noise.oracle import MinimumNoise, Oracle, norms

with warnings.catch_warnings():  # foolbox 3.3.4 imports a name that SciPy deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    import eagerpy
    import foolbox

TOGETHER = 16  # images attacked at once: what is drawn or derived for them fits into memory


def ddn(steps: int = 100) -> foolbox.Attack:
    """Decoupling direction and norm, Rony et al. 2019; sees gradients."""
    return foolbox.attacks.DDNAttack(steps=steps)


def deepfool(steps: int = 50) -> foolbox.Attack:
    """DeepFool, Moosavi-Dezfooli et al. 2016; sees gradients."""
    return foolbox.attacks.L2DeepFoolAttack(steps=steps)


def fmn(steps: int = 100) -> foolbox.Attack:
    """Fast minimum norm, Pintor et al. 2021; sees gradients."""
    return _FastMinimumNorm(steps=steps)


def carlini_wagner(steps: int = 200, searches: int = 6) -> foolbox.Attack:
    """Carlini and Wagner 2017, `searches` constants of so many steps each; sees gradients."""
    return foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=searches, steps=steps)


def hop_skip_jump(steps: int = 20) -> foolbox.Attack:
    """HopSkipJump, Chen et al. 2020; sees the answered class only.

    `attack` starts it from the nearest image of another class, among those it is given, that is answered
    rightly; an image without such a neighbour is not searched.
    """
    return _HopSkipJump(steps=steps)


def attack(
    method: foolbox.Attack, model: keras.Model, images: np.ndarray, labels: ArrayLike, *, seed: int
) -> MinimumNoise:
    """Run an attack of foolbox on images scaled to [0, 1], as its step sizes assume, and count its questions.

    method: one of this module's, or another of foolbox' attacks without a given size; other arguments and
    errors as in `minimum_noise.search`. The smallest noise among all that the attack has tried counts as its
    result. foolbox draws from the global generator, which `seed` sets.
    """
    keras.utils.set_random_seed(seed)
    oracle = Oracle(model, images, labels)
    gradients = np.zeros(len(images), np.int64)
    wanted, start = np.flatnonzero(~oracle.already_wrong), {}
    jumps = isinstance(method, foolbox.attacks.HopSkipJumpAttack)
    if jumps and len(np.unique(oracle.labels[wanted])) < 2:
        wanted = wanted[:0]  # no image to start from
    with oracle.interruptible():
        for first in tqdm(
            range(0, len(wanted), TOGETHER), desc=type(method).__name__.strip("_"), unit="batch"
        ):
            which = wanted[first : first + TOGETHER]
            asked = _Asked(oracle, which, gradients)
            subject = foolbox.TensorFlowModel(asked, bounds=(0, 1), device="/CPU:0")
            scaled = tf.constant(oracle.images[which] / PEAK)
            if jumps:
                start["starting_points"] = tf.stack([_nearest_other(oracle, image) for image in which])
            method(subject, scaled, tf.constant(oracle.labels[which], tf.int64), epsilons=None, **start)
    return oracle.result(gradients)


def _nearest_other(oracle: Oracle, image: int) -> tf.Tensor:
    """The nearest image that is rightly answered with another class, in [0, 1].

    HopSkipJump has to start from a misclassified image, and uniform noise, its default, is not always one.
    """
    others = np.flatnonzero(~oracle.already_wrong & (oracle.labels != oracle.labels[image]))
    nearest = others[norms(oracle.images[others] - oracle.images[image]).argmin()]
    return tf.constant(oracle.images[nearest] / PEAK)


class _HopSkipJump(foolbox.attacks.HopSkipJumpAttack):
    """With directions of unit norm for each image: foolbox 3.3.4 divides by one norm of the whole batch."""

    def approximate_gradients(self, *arguments: object) -> eagerpy.Tensor:
        found = super().approximate_gradients(*arguments)
        return found / eagerpy.maximum(found.flatten(1).norms.l2(-1), 1e-12).reshape((-1, 1, 1, 1))


class _FastMinimumNorm(foolbox.attacks.L2FMNAttack):
    """With the paper's projection: that of foolbox 3.3.4 divides norms by themselves and changes nothing."""

    def project(self, x: eagerpy.Tensor, x0: eagerpy.Tensor, epsilon: eagerpy.Tensor) -> eagerpy.Tensor:
        noise = x - x0
        share = eagerpy.minimum(1, epsilon / eagerpy.maximum(noise.flatten(1).norms.l2(-1), 1e-12))
        return x0 + noise * share.reshape((-1, 1, 1, 1))


class _Asked:
    """The model of an oracle as foolbox wants it, for some of its images; every question is counted.

    So is every gradient that passes back to the images.
    """

    def __init__(self, oracle: Oracle, which: np.ndarray, gradients: np.ndarray):
        self.oracle, self.which, self.gradients = oracle, which, gradients

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Logits of images in [0, 1], as many for each image of the oracle."""
        each = len(images) // len(self.which)

        @tf.custom_gradient
        def watched(scaled: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
            def back(upstream: tf.Tensor) -> tf.Tensor:
                self.gradients[self.which] += each
                return upstream

            return tf.identity(scaled), back

        noisy = tf.clip_by_value(PEAK * watched(images), 0.0, PEAK)
        logits = self.oracle.scores(noisy)
        self.oracle.count(self.which, each)
        if each == 1:
            whole = tf.reduce_all(tf.math.is_finite(noisy), (1, 2, 3)).numpy()  # an attack may divide by zero
            self.oracle.checked(self.which[whole], logits.numpy()[whole])
            wrong = tf.argmax(logits, 1).numpy() != self.oracle.labels[self.which]
            self.oracle.keep(self.which, noisy.numpy(), wrong & whole)
        return logits
