import numpy as np
import pandas as pd

from helpers import plots


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


def test_norm_distribution_counts_what_was_not_found():
    axis = drawn(plots.norm_distribution(table(), "title"))
    first, second = axis.lines
    assert first.get_xdata().tolist() == [10, 20, 30]
    assert first.get_ydata().tolist() == [25, 50, 75]
    assert second.get_ydata().tolist() == [25, 50, 75, 100]
    assert texts(axis) == ["a (25)", "b (5)"]
    assert axis.get_xscale() == "log"
    some = table().assign(already_wrong=[False, True, True, True] * 2, net=["x"] * 4 + ["y"] * 4)
    axis = drawn(plots.norm_distribution(some, "title", by="net"))
    assert [line.get_ydata().tolist() for line in axis.lines] == [[100], [100]]
    assert axis.get_legend().get_title().get_text() == "net (median norm)"


def test_margins_are_of_what_was_found():
    axis = drawn(plots.margins(table(), "title"))
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]


def test_norm_against_queries_leaves_out_what_is_infinite():
    curves = {"search": ([10, 100, 1000], [np.inf, 50, 20]), "jump": ([10, 100], [np.inf, 80])}
    axis = drawn(plots.norm_against_queries(curves, {"DDN": 15.0}, "title"))
    search, _, level = axis.lines
    np.testing.assert_array_equal(search.get_ydata(), [np.nan, 50, 20])
    assert level.get_ydata()[0] == 15
    assert texts(axis) == ["search", "jump", "DDN, which sees gradients: 15"]


def test_sandwich_sorts_images_and_counts_what_is_known():
    columns = {"radius": [0, 5, 8], "distance": [30, 10, np.inf], "chance": [300, np.inf, 200]}
    axis = drawn(plots.sandwich(pd.DataFrame(columns), "title"))
    chance, distance, radius = axis.lines
    np.testing.assert_array_equal(distance.get_ydata(), [10, 30, np.nan])
    np.testing.assert_array_equal(chance.get_ydata(), [np.nan, 300, 200])
    np.testing.assert_array_equal(radius.get_ydata(), [5, np.nan, 8])
    assert texts(axis)[1] == "smallest found (2 of 3 images)"


def test_nothing_found_is_an_empty_figure():
    nothing = table().assign(l2=np.nan, success=False)
    for figure in (
        plots.norm_distribution(nothing, "title"),
        plots.margins(nothing, "title"),
        plots.norm_against_queries({"a": ([1, 2], [np.inf, np.inf])}, {}, "title"),
        plots.sandwich(pd.DataFrame({"radius": [0.0], "distance": [np.inf], "chance": [np.inf]}), "title"),
        plots.examples(*[np.zeros((0, 6, 6, 3))] * 2, [], [], "title"),
    ):
        figure.canvas.draw()
