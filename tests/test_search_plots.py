import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers import search_plots


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def drawn(figure):
    figure.canvas.draw()
    return figure.axes[0]


def texts(axis):
    return [text.get_text() for text in axis.get_legend().get_texts()]


def table():
    columns = {"method": ["a"] * 4 + ["b"] * 4, "l2": [10, 20, 30, np.nan, 5, 5, 5, 5]}
    columns |= {"margin": [1e-4, 2e-3, 0.1, 0.0, *[0.5] * 4], "success": [True] * 3 + [False] + [True] * 4}
    columns |= {"already_wrong": [False] * 8}
    return pd.DataFrame(columns)


def test_examples_state_factor_norm_and_psnr():
    images = np.full((2, 6, 6, 3), 100, np.uint8)
    noise = np.zeros((2, 6, 6, 3), np.float32)
    noise[0, 0, 0] = [4, 0, -3]
    noise[1] = 2
    figure = search_plots.examples(images, noise, ["stop: 90%", "x"], ["yield: 51%", "y"], "title")
    labels = [axis.get_xlabel() for axis in figure.axes]
    assert labels[0] == "stop: 90%"
    assert labels[1] == "noise × 32\nnorm 5.0, PSNR 54.5 dB"
    assert labels[2] == "yield: 51%"
    shown = figure.axes[1].images[0].get_array()
    assert shown[0, 0].tolist() == [255, 128, 32]  # 128 + 32 · 4 is cut at 255
    assert shown[5, 5].tolist() == [128] * 3
    assert figure.axes[2].images[0].get_array()[0, 0].tolist() == [104, 100, 97]


def test_norm_distribution_counts_what_was_not_found():
    axis = drawn(search_plots.norm_distribution(table(), "title"))
    first, second = axis.lines
    assert first.get_xdata().tolist() == [10, 20, 30]
    assert first.get_ydata().tolist() == [25, 50, 75]
    assert second.get_ydata().tolist() == [25, 50, 75, 100]
    assert texts(axis) == ["a (25)", "b (5)"]
    assert axis.get_xscale() == "log"
    some = table().assign(already_wrong=[False, True, True, True] * 2, net=["x"] * 4 + ["y"] * 4)
    axis = drawn(search_plots.norm_distribution(some, "title", by="net"))
    assert [line.get_ydata().tolist() for line in axis.lines] == [[100], [100]]
    assert axis.get_legend().get_title().get_text() == "net (median norm)"


def test_margins_are_of_what_was_found():
    axis = drawn(search_plots.margins(table(), "title"))
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]


def test_norm_against_queries_leaves_out_what_is_infinite():
    curves = {"search": ([10, 100, 1000], [np.inf, 50, 20]), "jump": ([10, 100], [np.inf, 80])}
    axis = drawn(search_plots.norm_against_queries(curves, {"DDN": 15.0}, "title"))
    search, _, level = axis.lines
    np.testing.assert_array_equal(search.get_ydata(), [np.nan, 50, 20])
    assert level.get_ydata()[0] == 15
    assert texts(axis) == ["search", "jump", "DDN, which sees gradients: 15"]


def test_sandwich_sorts_images_and_counts_what_is_known():
    columns = {"radius": [0, 5, 8], "distance": [30, 10, np.inf], "chance": [300, np.inf, 200]}
    axis = drawn(search_plots.sandwich(pd.DataFrame(columns), "title"))
    chance, distance, radius = axis.lines
    np.testing.assert_array_equal(distance.get_ydata(), [10, 30, np.nan])
    np.testing.assert_array_equal(chance.get_ydata(), [np.nan, 300, 200])
    np.testing.assert_array_equal(radius.get_ydata(), [5, np.nan, 8])
    assert texts(axis)[1] == "smallest found (2 of 3 images)"


def test_nothing_found_is_an_empty_figure():
    nothing = table().assign(l2=np.nan, success=False)
    for figure in (
        search_plots.norm_distribution(nothing, "title"),
        search_plots.margins(nothing, "title"),
        search_plots.norm_against_queries({"a": ([1, 2], [np.inf, np.inf])}, {}, "title"),
        search_plots.sandwich(
            pd.DataFrame({"radius": [0.0], "distance": [np.inf], "chance": [np.inf]}), "title"
        ),
        search_plots.examples(*[np.zeros((0, 6, 6, 3))] * 2, [], [], "title"),
    ):
        figure.canvas.draw()
