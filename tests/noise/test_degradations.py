import numpy as np
import pytest

from helpers import noise

KURTOSIS = {  # of a value that was changed
    ("gaussian", False): 3,
    ("gaussian", True): 35 / 3,
    ("uniform", False): 9 / 5,
    ("uniform", True): 25 / 9,
}
each_density = pytest.mark.parametrize("density", noise.DENSITIES, ids=lambda density: density.name)


def added(count=200, sigma=8.0, **options):
    """Noise on grey images, of which nothing is clipped."""
    images = np.full((count, 32, 32, 3), 128.0, np.float32)
    return noise.degradation(images, seed=1, sigma=sigma, **options).numpy() - images


@each_density
def test_a_density_has_its_moments(density):
    found = added(densities=[density]).reshape(200, -1).astype(np.float64)
    changed = found != 0 if density.sparse else np.full(found.shape, True)
    share = changed.mean(1)
    if density.sparse:
        assert share.min() >= 0.04
        assert share.max() <= 0.52
        assert share.std() > 0.1
    deviation = np.sqrt((found**2).sum(1) / np.maximum(changed.sum(1), 1))
    assert deviation.max() <= 9.5  # 8, but for the chance of heavy tails
    np.testing.assert_allclose(np.quantile(deviation, [0.25, 0.5, 0.75]), [2, 4, 6], atol=0.9)
    strong = deviation > 4
    unit = found[strong] / deviation[strong, None]
    unit = unit[changed[strong]]
    assert abs(unit.mean()) < 0.01
    assert (unit**4).mean() == pytest.approx(KURTOSIS[density.shape, density.manipulated], rel=0.05)


def test_a_mixture_draws_all_densities_equally_often():
    found = added(2000).reshape(2000, -1)
    sparse = (np.abs(found) < 1e-6).mean(1) > 0.4
    assert sparse.mean() == pytest.approx(0.5, abs=0.05)


def test_an_image_keeps_its_noise_whatever_the_batch():
    images = np.random.default_rng(0).integers(0, 256, (6, 7, 5, 3), np.uint8)
    whole = noise.degradation(images, seed=3).numpy()
    assert whole.min() >= 0
    assert whole.max() <= 255
    parts = [noise.degradation(images[i : i + 2], seed=3, indices=np.arange(i, i + 2)) for i in (0, 2, 4)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    order = np.array([5, 0, 3])
    np.testing.assert_array_equal(noise.degradation(images[order], seed=3, indices=order), whole[order])
    others = [noise.degradation(images, seed=4), noise.degradation(images, seed=3, copy=1)]
    assert not any(np.array_equal(other, whole) for other in others)


def test_unknown_shapes_are_refused_by_name():
    images = np.zeros((1, 4, 4, 3), np.float32)
    with pytest.raises(ValueError, match="cauchy"):
        noise.degradation(images, seed=0, densities=[noise.Density("cauchy")])
    with pytest.raises(ValueError, match="none"):
        noise.degradation(images, seed=0, densities=[])
