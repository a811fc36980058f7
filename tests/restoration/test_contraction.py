import numpy as np
import pytest

from helpers import noise, restoration
from helpers.backend import keras
from helpers.restoration import contraction

IMAGES = np.random.default_rng(0).uniform(60, 190, (4, 12, 12, 3)).astype(np.float32)


def with_kernels(restorer, values):
    """The restorer with kernels that are `value` at their centre for equal channels, and no bias."""
    weights, values = [], iter(values)
    for weight in restorer.get_weights():
        new = np.zeros_like(weight)
        if weight.ndim == 4:
            middle, channels = weight.shape[0] // 2, min(weight.shape[2:])
            new[middle, middle, range(channels), range(channels)] = next(values)
        weights.append(new)
    restorer.set_weights(weights)
    return restorer


def test_a_network_without_weights_changes_as_much_as_its_image():
    restorer = with_kernels(restoration.network(3), (0, 0, 0))
    found = restoration.changes(restorer, IMAGES, (1, 20), seed=0)
    assert len(found) == 2 * len(IMAGES)
    np.testing.assert_allclose(found["ratio"], 1, rtol=1e-4)
    noisy = noise.gaussian(IMAGES, 20, seed=0)
    expected = np.sqrt(((noisy - IMAGES).numpy() ** 2).sum((1, 2, 3)))
    np.testing.assert_allclose(found.query("sigma == 20")["noise"], expected, rtol=1e-4)
    np.testing.assert_allclose(restoration.local_constants(restorer, IMAGES, seed=0), 1, rtol=1e-4)
    assert restoration.upper_bound(restorer, 12) == pytest.approx(1)


def test_the_bound_is_the_product_of_the_norms_and_the_shortcut():
    restorer = with_kernels(restoration.network(3), (2, 0.5, 0.25))
    assert restoration.upper_bound(restorer, 12) == pytest.approx(1.25, rel=1e-3)
    dong = with_kernels(restoration.srcnn(), (2, 0.5, 0.25))
    assert restoration.upper_bound(dong, 12) == pytest.approx(0.25, rel=1e-3)


def test_the_local_constant_lies_between_random_changes_and_the_bound():
    keras.utils.set_random_seed(1)
    restorer = restoration.network(5)
    middle = restorer(IMAGES).numpy()
    assert middle.min() > 0 and middle.max() < 255  # nothing is clipped
    local = restoration.local_constants(restorer, IMAGES, seed=0)
    random = restoration.changes(restorer, IMAGES, (0.1,), seed=0)["ratio"]
    assert (random.to_numpy() < local * 1.001).all()
    assert local.max() < restoration.upper_bound(restorer, 12)


@pytest.mark.parametrize(("side", "given", "returned"), [(3, 2, 4), (3, 4, 2), (1, 4, 2)])
def test_the_norm_of_a_layer_is_bounded_from_above_and_closely(side, given, returned):
    """Against the singular values of the layer's whole matrix, row for row what it makes of a unit image."""
    kernel = np.random.default_rng(0).normal(size=(side, side, given, returned)).astype(np.float32)
    units = np.eye(8 * 8 * given, dtype=np.float32).reshape(-1, 8, 8, given)
    matrix = keras.ops.convert_to_numpy(keras.ops.conv(units, kernel)).reshape(len(units), -1)
    exact = np.linalg.svd(matrix, compute_uv=False).max()
    assert exact <= contraction._norm_above(kernel, 8) * (1 + 1e-6) < 1.15 * exact


def test_a_network_with_branches_has_no_bound():
    with pytest.raises(ValueError, match="no chain"):
        restoration.upper_bound(restoration.compact(), 12)
    assert restoration.local_constants(restoration.compact(), IMAGES, seed=0) == pytest.approx(1, rel=1e-3)


def test_the_table_of_constants():
    restorers = {"same": with_kernels(restoration.network(3), (0, 0, 0)), "compact": restoration.compact()}
    changed = {
        name: restoration.changes(restorer, IMAGES, (1, 5), seed=0) for name, restorer in restorers.items()
    }
    table = restoration.constants(restorers, IMAGES, changed, seed=0).set_index("restorer")
    same = table.loc["same"]
    for name in ("random", "local_median", "local", "bound"):
        assert same[name] == pytest.approx(1, rel=1e-3)
    assert np.isnan(table.loc["compact", "bound"])
    assert (table["images"] == 4).all()
