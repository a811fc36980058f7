import pandas as pd

from helpers import plots


def test_every_system_is_a_line_on_logarithmic_axes():
    table = pd.DataFrame(
        {
            "system": ["a", "a", "a", "b", "b", "b"],
            "false_accepts": [100.0, 10, 0, 100, 50, 0],
            "false_rejects": [0.0, 5, 100, 0, 20, 100],
        }
    )
    (axis,) = plots.error_curves(table, "title").axes
    names = [text.get_text() for text in axis.get_legend().get_texts()]
    assert names == ["a", "b"] and axis.get_xscale() == axis.get_yscale() == "log"
    lines = {line.get_label(): line for line in axis.lines}
    assert lines["b"].get_ydata().tolist() == [0, 20, 100]
    assert "%" in axis.get_xlabel() and "%" in axis.get_ylabel() and axis.get_title() == "title"
