import linear
import numpy as np
import pytest

from helpers.minimum_noise import boundary
from helpers.minimum_noise.oracle import Oracle


def test_the_smallest_noise_is_a_projection_where_nothing_is_clipped():
    rng = np.random.default_rng(0)
    images, slopes = np.full((3, 4, 4, 3), 128.0, np.float32), rng.normal(size=(3, 4, 4, 3))
    rise = np.array([1.0, 20.0, 100.0])
    found = boundary.smallest_noise(images, slopes, rise)
    norms = (slopes**2).sum((1, 2, 3))
    np.testing.assert_allclose(found, (rise / norms)[:, None, None, None] * slopes, rtol=1e-3)


def test_the_smallest_noise_stays_in_range_and_still_reaches():
    rng = np.random.default_rng(0)
    images, slopes = rng.uniform(0, 255, (5, 4, 4, 3)), rng.normal(size=(5, 4, 4, 3))
    reachable = np.where(slopes > 0, 255 - images, -images)
    most = (reachable * slopes).sum((1, 2, 3))
    found = boundary.smallest_noise(images, slopes, 0.7 * most)
    assert (images + found).min() >= -1e-4
    assert (images + found).max() <= 255 + 1e-4
    np.testing.assert_allclose((found * slopes).sum((1, 2, 3)), 0.7 * most, rtol=1e-3)
    for _ in range(200):  # nothing nearby that reaches as far is smaller
        other = np.clip(images + found + rng.normal(0, 2, found.shape), 0, 255) - images
        enough = (other * slopes).sum((1, 2, 3)) >= 0.7 * most
        assert ((other**2).sum((1, 2, 3)) >= (found**2).sum((1, 2, 3)) * 0.999)[enough].all()


# Noise of a share of the least; what is found at most, as a multiple of the least.
@pytest.mark.parametrize(("share", "most"), [(0.2, 1.07), (1.0, 1.07), (1.7, 1.11), (10.0, 1.26)])
def test_noise_is_scaled_to_just_across_the_boundary(share, most):
    model, images, labels, least = linear.problem()
    oracle, which = Oracle(model, images, labels), np.array([1, 4])
    noise = share * linear.least_noise(model, images, labels)[which]
    noisy, ahead, sizes = boundary.crossing(oracle, which, noise)
    assert (ahead.max(1) > 0).all()
    assert (model(noisy).numpy().argmax(1) != labels[which]).all()
    assert (sizes >= 0.999 * least[which]).all()
    assert (sizes <= most * least[which]).all()
    np.testing.assert_allclose(oracle.norms[which], sizes)
    assert oracle.queries.tolist() == [1, 1 + boundary.QUESTIONS, 1, 1, 1 + boundary.QUESTIONS, 1]


def test_noise_that_does_not_reach_the_boundary_is_not_kept():
    model, images, labels, _ = linear.problem()
    oracle = Oracle(model, images, labels)
    noise = 0.05 * linear.least_noise(model, images, labels)
    noisy, ahead, sizes = boundary.crossing(oracle, np.arange(6), noise)
    assert np.isinf(sizes).all()
    assert np.isinf(oracle.norms).all()
    assert (ahead.max(1) < 0).all()
    np.testing.assert_allclose(noisy - images, boundary.SCALES[-1] * noise, atol=1e-3)
