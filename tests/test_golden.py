"""Numbers that no rearrangement of the code may change: draws, noise, a sweep, searches, a table.

They were taken before the package was divided into rooms. A change here means that results published so far
cannot be had again: change a number only together with the reason for it.
"""

import linear
import numpy as np
import pytest

from helpers import classifiers, minimum_noise, noise, stability
from helpers.backend import tf
from helpers.noise import philox

IMAGES = np.random.default_rng(5).integers(0, 256, (2, 6, 6, 3), np.uint8)
INDICES = [3, 40_000]
UNIFORM = {  # stream: the first of three values of both images; multiples of 2^-23, so exact
    0: (0.8526359796524048, 0.47901153564453125),
    1: (0.41356658935546875, 0.5589371919631958),
    2: (0.8327521085739136, 0.5944536924362183),
    3: (0.4994014501571655, 0.017352819442749023),
    4: (0.8308999538421631, 0.05771815776824951),
    5: (0.5336432456970215, 0.5171698331832886),
    6: (0.5883245468139648, 0.4664415121078491),
}
NOISY = {  # model: level, the first value of both images, their means
    "gaussian": (25, (169.63034, 73.37453), (118.85118, 124.47478)),
    "periodic": (32, (231.72293, 64.92818), (110.71466, 121.95090)),
    "salt_and_pepper": (0.3, (168.0, 0.0), (114.88889, 118.85185)),
    "shot": (30, (156.66916, 64.27135), (117.45311, 125.04395)),
    "blur": (1.0, (107.83018, 109.11638), (114.54166, 125.40234)),
}
RIGHT = (200, 191, 162, 138, 172, 147, 119, 180, 168, 156)  # of 200, clean and under the nine sets


@pytest.mark.parametrize(("stream", "values"), UNIFORM.items())
def test_uniform_draws(stream, values):
    keys = philox.keys(tf.zeros((2, 1)), 11, INDICES, 2)
    assert tuple(philox.draw(philox.UNIFORM, keys, stream, 3).numpy()[:, 0]) == values


def test_normal_draws():
    keys = philox.keys(tf.zeros((2, 1)), 11, INDICES, 2)
    expected = [[0.4590271, -0.3288453, -0.7090644], [0.9531451, -0.7507168, 0.4237583]]
    np.testing.assert_allclose(philox.draw(philox.NORMAL, keys, 0, 3), expected, atol=1e-6)


@pytest.mark.parametrize("kind", NOISY)
def test_noise_of_two_images(kind):
    level, first, means = NOISY[kind]
    noisy = noise.MODELS[kind](IMAGES, level, seed=7, indices=INDICES, copy=1).numpy()
    np.testing.assert_allclose(noisy[:, 0, 0, 0], first, atol=1e-3)
    np.testing.assert_allclose(noisy.mean((1, 2, 3)), means, atol=1e-3)


def test_mixture_of_two_images():
    noisy = noise.mixture(IMAGES, seed=7, indices=INDICES).numpy()
    np.testing.assert_allclose(noisy[:, 0, 0, 0], (204.66048, 56.23946), atol=1e-3)
    np.testing.assert_allclose(noisy.mean((1, 2, 3)), (122.12923, 124.07416), atol=1e-3)


def test_sweep():
    table = stability.sweep(*linear.problem()[:3], sigmas=(10, 40, 80), copies=20, seed=3, cache=None)
    assert table["accuracy"].tolist() == pytest.approx([100, 100, 100 * 86 / 120, 100 * 65 / 120])
    assert table[["low", "high"]].iloc[2].tolist() == pytest.approx([62.5, 80.8333], abs=1e-3)


def test_searches():
    found = minimum_noise.search(*linear.problem()[:3], queries=300, seed=1)
    expected = [32.50699, 41.19813, 22.26785, 25.83183, 26.05140, 24.49962]
    np.testing.assert_allclose(found.norms, expected, rtol=1e-3)
    found = minimum_noise.evolutionary(*linear.problem()[:3], generations=20, population=10, seed=1)
    expected = [109.57109, 113.78179, 97.54505, 109.72300, 95.79465, 90.04556]
    np.testing.assert_allclose(found.norms, expected, rtol=1e-3)


def test_table_of_accuracies():
    images = np.random.default_rng(0).integers(0, 256, (200, *linear.SHAPE), np.uint8)
    model = linear.classifier(4)
    labels = model(images.astype(np.float32)).numpy().argmax(1)
    for noise_set, right in zip((None, *noise.NINE_SETS), RIGHT, strict=True):
        found = classifiers.predictions(model, images, noise=noise_set, seed=2)
        assert (found == labels).sum() == pytest.approx(right, abs=1)  # a tie may round the other way
