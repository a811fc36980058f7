import numpy as np
import pandas as pd
import pytest

from helpers import plots


def drawn(figure):
    figure.canvas.draw()
    return figure.axes


def texts(axis):
    return [text.get_text() for text in axis.get_legend().get_texts()]


def test_densities_leave_out_what_is_unchanged():
    values = {"even": np.linspace(-10, 10, 1000), "sparse": np.r_[np.zeros(750), np.linspace(-10, 10, 250)]}
    even, sparse = drawn(plots.densities(values, "title"))
    assert even.get_title() == "even\n100% changed"
    assert sparse.get_title() == "sparse\n25% changed"
    heights = sparse.patches[0].get_xy()[:, 1]
    assert np.median(heights[heights > 1e-3]) == pytest.approx(1 / 20, rel=0.5)


def test_learning_curves_show_what_the_validation_gained():
    histories = {"l3": pd.DataFrame({"epoch": [1, 2], "val_psnr": [20.0, 25.0]})}
    (axis,) = drawn(plots.learning_curves(histories, "title"))
    assert axis.lines[0].get_ydata().tolist() == [20, 25]
    assert texts(axis) == ["l3"]


def test_a_single_epoch_has_a_whole_number():
    (axis,) = drawn(plots.learning_curves({"l3": pd.DataFrame({"epoch": [1], "val_psnr": [20.0]})}, "title"))
    low, high = axis.get_xlim()
    assert [tick for tick in axis.get_xticks() if low <= tick <= high] == [1]


def test_lines_are_the_fitted_ones_beside_the_identity():
    before = np.linspace(20, 40, 50)
    lines = pd.DataFrame({"restorer": ["l3"], "psnr_0": [10.0], "psnr_1": [0.5]})
    (axis,) = drawn(plots.psnr_lines(before, {"l3": 10 + before / 2}, lines, "title"))
    fitted, same = axis.lines
    np.testing.assert_allclose(fitted.get_ydata(), 10 + fitted.get_xdata() / 2)
    np.testing.assert_allclose(same.get_ydata(), same.get_xdata())
    assert texts(axis) == ["l3", "unchanged"]
    (axis,) = drawn(plots.psnr_lines(before, {"l3": 10 + before / 2}, lines, "title", most=30))
    assert axis.lines[0].get_xdata().max() <= 30 and axis.collections[0].get_offsets()[:, 0].max() <= 30


def test_gains_are_sorted_by_sigma():
    columns = {"noise": ["20", "5"], "restorer": "l3", "gain": [3.0, -1.0]}
    table = pd.DataFrame(columns | {"low": [2.0, -2.0], "high": [4.0, 0.0]})
    (axis,) = drawn(plots.gains(table, "title"))
    assert axis.lines[0].get_xdata().tolist() == [5, 20]
    assert axis.lines[0].get_ydata().tolist() == [-1, 3]


def test_contraction_has_every_image_as_a_point():
    changes = {"l3": pd.DataFrame({"noise": [1.0, 2.0], "change": [0.5, 1.5]})}
    (axis,) = drawn(plots.contraction(changes, "title"))
    np.testing.assert_array_equal(axis.collections[0].get_offsets(), [[1, 0.5], [2, 1.5]])
    assert axis.lines[0].get_ydata().tolist() == [0, 2]


def test_restored_images_stand_in_rows_with_their_psnr():
    images = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3))
    quality = [(20.0, 30.0), (21.0, 22.0)]
    axes = drawn(plots.restored(images, images, images - 128, images, quality, "title"))
    assert len(axes) == 10
    assert axes[0].get_title() == "clean"
    assert [axes[k].get_xlabel() for k in (1, 4, 6, 9)] == ["20.0 dB", "30.0 dB", "21.0 dB", "22.0 dB"]
