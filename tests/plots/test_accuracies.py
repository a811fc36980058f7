import numpy as np
import pandas as pd

from helpers import metrics, plots


def test_every_axis_of_a_class_distribution_is_named_and_bars_stack():
    figure = plots.class_distribution({"train": np.array([0, 0, 1]), "test": np.array([1])}, ["a", "b"])
    axis = figure.axes[0]
    assert axis.get_xlabel() and axis.get_ylabel() and axis.get_title()
    assert [bar.get_height() for bar in axis.patches] == [2, 1, 0, 1]
    assert axis.patches[3].get_y() == 1
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["train", "test"]


def test_sizes_and_tracks_counts_images_and_tracks():
    figure = plots.sizes_and_tracks(np.array([[20, 30], [40, 30], [25, 25]]), np.array([7, 7, 9]))
    left, right = figure.axes
    assert sum(bar.get_height() for bar in left.patches) == 3
    assert [bar.get_height() for bar in right.patches] == [1, 1]  # one track of one frame, one of two
    assert "2 tracks" in right.get_title()


def accuracies():
    table = pd.DataFrame(
        [(s, m, 80.0, 78.0, 83.0, 70.0) for s in ("clean", "gaussian max") for m in ("one", "two")],
        columns=["set", "model", "accuracy", "low", "high", "published"],
    )
    table.loc[table["set"] == "clean", "published"] = np.nan
    return table


def test_intervals_reach_from_low_to_high_and_published_numbers_are_crosses():
    keys = {"y": "set", "x": "accuracy", "low": "low", "high": "high", "hue": "model"}
    figure = plots.intervals(accuracies(), **keys, title="t", xlabel="accuracy (%)", published="published")
    axis = figure.axes[0]
    bars = [segment for line in axis.collections for segment in line.get_segments()]
    assert {(bar[0][0], bar[1][0]) for bar in bars} == {(78.0, 83.0)} and len(bars) == 4
    crosses = next(line for line in axis.lines if line.get_marker() == "x")
    assert crosses.get_xdata().tolist() == [70.0] and crosses.get_ydata().tolist() == [1]


def test_level_curves_draw_one_panel_a_column_and_published_lines_dashed():
    table = pd.DataFrame(
        {"level": ["min", "max"] * 3, "noise": ["a"] * 4 + ["b"] * 2, "accuracy": [3.0, 1, 4, 2, 5, 4]}
    ).assign(reading=["plain", "plain", "published", "published", "plain", "plain"])
    table["low"], table["high"] = table["accuracy"] - 1, table["accuracy"] + 1
    keys = {"x": "level", "y": "accuracy", "hue": "reading", "column": "noise", "low": "low", "high": "high"}
    figure = plots.level_curves(table, **keys, title="t", ylabel="accuracy (%)")
    first, second = figure.axes
    assert [axis.get_title() for axis in figure.axes] == ["a", "b"]
    assert [line.get_linestyle() for line in first.lines] == ["-", "--"]
    assert second.lines[0].get_ydata().tolist() == [5, 4]
    figure.draw_without_rendering()
    assert [text.get_text() for text in first.get_xticklabels()] == ["min", "max"]


def test_levels_that_are_numbers_can_stand_on_a_logarithmic_axis():
    table = pd.DataFrame({"images": [43, 430], "accuracy": [1.0, 2.0], "weights": "none", "noise": "clean"})
    keys = {"x": "images", "y": "accuracy", "hue": "weights", "column": "noise", "log": True}
    axis = plots.level_curves(table, **keys, title="t", ylabel="accuracy (%)", xlabel="labelled").axes[0]
    assert (axis.get_xscale(), axis.get_xlabel()) == ("log", "labelled")
    axis.figure.draw_without_rendering()
    assert [text.get_text() for text in axis.get_xticklabels(which="both")] == ["43", "430"]


def test_a_trade_off_draws_every_row_with_its_intervals_and_the_front():
    table = pd.DataFrame({"network": ["a", "b", "c"], "cost": [1, 10, 100], "accuracy": [80.0, 70.0, 90.0]})
    table["low"], table["high"] = table["accuracy"] - 1, table["accuracy"] + 2
    texts = {"title": "t", "xlabel": "cost", "ylabel": "accuracy (%)"}
    axis = plots.trade_off(table, x="cost", y="accuracy", **texts).axes[0]
    bars = [segment[:, 1].tolist() for bars in axis.collections for segment in bars.get_segments()]
    assert bars == [[79, 82], [69, 72], [89, 92]]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["a", "b", "c"]
    assert axis.lines[-1].get_xdata().tolist() == [1, 100] and axis.get_xscale() == "log"
    axis.set_xlim(2e6, 3e7)  # less than two decades: marks between their powers, none over another
    axis.figure.canvas.draw()
    shown = [text.get_text() for text in axis.get_xticklabels(which="both")]
    assert [text for text in shown if text] == ["1 M", "2 M", "5 M", "10 M", "20 M", "50 M"]


def test_where_more_is_better_the_front_is_of_what_nothing_beats_in_both():
    table = pd.DataFrame({"network": ["a", "b", "c"], "accuracy": [99.0, 98.0, 97.0], "noisy": [50, 40, 60]})
    table["low"], table["high"] = table["accuracy"] - 1, table["accuracy"] + 1
    table["noisy_low"], table["noisy_high"] = table["noisy"] - 5, table["noisy"] + 5
    texts = {"title": "t", "xlabel": "clean (%)", "ylabel": "noisy (%)", "costs": False}
    axis = plots.trade_off(table, x="accuracy", y="noisy", **texts).axes[0]
    assert axis.lines[-1].get_xdata().tolist() == [99, 97] and axis.get_xscale() == "linear"
    assert len([s for bars in axis.collections for s in bars.get_segments()]) == 6


def test_training_curves_show_training_and_validation_of_each_model():
    history = pd.DataFrame({"epoch": [1, 2], "loss": [2, 1], "accuracy": [0.1, 0.5]})
    history["val_loss"], history["val_accuracy"] = [2.5, 1.5], [0.2, 0.4]
    figure = plots.training_curves({"one": history, "two": history})
    loss, accuracy = figure.axes
    assert len(loss.lines) == len(accuracy.lines) == 4
    assert accuracy.lines[1].get_ydata().tolist() == [0.2, 0.4]


def test_confusion_map_counts_images_and_leaves_empty_cells_blank():
    counts = np.diag([5, 3, 2])
    figure = plots.confusion_map(counts, "three classes")
    mesh = figure.axes[0].collections[0]
    assert np.ma.getmaskarray(mesh.get_array()).sum() == 6
    assert [text.get_text() for text in figure.axes[0].texts] == ["5", "3", "2"]
    assert figure.axes[0].get_xlabel() == "predicted class"


def test_per_class_draws_precision_above_recall():
    report = metrics.per_class_report(np.array([0, 0, 1]), np.array([0, 1, 1]), ["a", "b"])
    precision, recall = plots.per_class({"clean": report}, "t").axes
    assert precision.lines[0].get_ydata().tolist() == [1, 0.5]
    assert recall.lines[0].get_ydata().tolist() == [0.5, 1]


def test_per_class_leaves_the_place_of_a_class_without_images_free():
    names = ["a", "b", "c"]  # of c there is neither an image nor a prediction
    report = metrics.per_class_report(np.array([0, 0, 1]), np.array([0, 1, 1]), names)
    nothing = report.assign(precision=np.nan, recall=np.nan)
    figure = plots.per_class({"clean": report, "nothing": nothing}, "t")
    figure.canvas.draw()
    for axis in figure.axes:
        assert np.isnan(axis.lines[0].get_ydata()).tolist() == [False, False, True]
        assert axis.get_xlim()[0] < 0 and axis.get_xlim()[1] > 2
    assert np.isnan(figure.axes[0].lines[1].get_ydata()).all()


def test_transfer_map_writes_every_known_number_with_one_decimal():
    matrix = pd.DataFrame([[99.96, 50.0], [np.nan, 1.25]], ["clean", "blur"], ["periodic", "clean"])
    figure = plots.transfer_map(matrix, "t")
    axis, bar = figure.axes
    assert [text.get_text() for text in axis.texts] == ["100.0", "50.0", "1.2"]
    assert [text.get_text() for text in axis.get_xticklabels()] == ["periodic", "clean"]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["clean", "blur"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("tested on", "trained on")
    assert bar.get_ylabel() == "accuracy (%)" and axis.get_xticklabels()[0].get_rotation() > 0


def test_game_curves_show_both_losses_and_how_often_the_discriminator_is_right():
    history = pd.DataFrame({"epoch": [1, 2], "generator_loss": [3.0, 2.0], "discriminator_loss": [1.0, 1.5]})
    history = history.assign(real_right=[0.5, 1.0], fake_right=[0.25, 0.75], pairs_right=[0.5, 0.5])
    paired = history.assign(real_right=[0.5, 0.5], fake_right=[0.5, 0.5])
    figure = plots.game_curves({"one": history, "other": paired}, "t")
    assert [line.get_label() for line in figure.axes[3].lines] == ["pairs of both"]
    assert len(figure.axes) == 4 and figure.axes[2].get_title() == "other"
    losses, right = figure.axes[:2]
    assert [list(line.get_ydata()) for line in losses.lines] == [[3.0, 2.0], [1.0, 1.5]]
    assert [list(line.get_ydata()) for line in right.lines] == [[50, 100], [25, 75]]
    legends = [[text.get_text() for text in axis.get_legend().get_texts()] for axis in (losses, right)]
    assert legends == [["generator", "discriminator"], ["real images", "generated images"]]
