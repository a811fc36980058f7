import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from helpers import plots
from helpers.plots import sweeps
from helpers.signs import CLASS_NAMES

NETWORKS = [f"{base}{how}" for base in ("aghdam", "compact") for how in ("", "_ensemble", "_noise", "_more")]


def accuracies(networks=("one", "two")):
    rows = [(n, s, 90.0 - s, 88.0 - s, 91.0 - s, s / 2, 3 - s) for n in networks for s in (np.nan, 4, 1, 2)]
    return pd.DataFrame(rows, columns=["network", "sigma", "accuracy", "low", "high", "ece", "gap"])


def legend(owner):
    return [text.get_text() for text in owner.get_texts()]


def is_labelled(axis):
    return bool(axis.get_xlabel() and axis.get_ylabel() and axis.get_title())


def test_accuracy_is_drawn_in_order_of_sigma_without_the_overall_row():
    axis = plots.accuracy_curves(accuracies(), "t").axes[0]
    assert is_labelled(axis) and legend(axis.get_legend()) == ["one", "two"]
    assert axis.lines[0].get_xdata().tolist() == [1, 2, 4]
    assert axis.lines[0].get_ydata().tolist() == [89, 88, 86]


def test_the_band_of_an_accuracy_reaches_from_low_to_high():
    axis = plots.accuracy_curves(accuracies(["one"]), "t").axes[0]
    corners = {tuple(point) for point in axis.collections[0].get_paths()[0].vertices}
    assert {(1, 87), (1, 90), (4, 84), (4, 87)} <= corners


def test_bands_of_many_curves_are_left_out():
    few, many = (plots.accuracy_curves(accuracies(NETWORKS[:count]), "t").axes[0] for count in (4, 5))
    assert (len(few.collections), len(many.collections)) == (4, 0)


def test_published_accuracies_are_dashed_and_black_as_no_network_is():
    published = pd.DataFrame({"network": "paper", "sigma": [10, 1], "accuracy": [70.0, 80.0]})
    axis = plots.accuracy_curves(accuracies(NETWORKS), "t", published).axes[0]
    *networks, paper = axis.lines
    assert to_hex(paper.get_color()) == "#000000" and paper.get_linestyle() == "--"
    assert paper.get_ydata().tolist() == [80, 70] and "published" in paper.get_label()
    assert "#000000" not in [to_hex(line.get_color()) for line in networks]


def test_several_published_networks_differ_by_their_marker():
    published = pd.DataFrame(
        {"network": ["old", "new", "old", "new"], "sigma": [1, 1, 10, 10], "accuracy": [80.0, 90, 60, 70]}
    )
    axis = plots.accuracy_curves(accuracies(), "t", published).axes[0]
    old, new = axis.lines[2:]
    assert (old.get_ydata().tolist(), new.get_ydata().tolist()) == ([80, 60], [90, 70])
    assert old.get_marker() != new.get_marker() and {old.get_linestyle(), new.get_linestyle()} == {"--"}
    assert legend(axis.get_legend())[2:] == ["old (published)", "new (published)"]


def test_accuracy_without_noise_is_drawn_at_sigma_0():
    clean = pd.DataFrame([("one", 0.0, 97.0, 96.0, 98.0)], columns=list(accuracies())[:5])
    axis = plots.accuracy_curves(pd.concat([accuracies(["one"]), clean]), "t").axes[0]
    assert axis.lines[0].get_xydata().tolist()[:2] == [[0, 97], [1, 89]]
    assert axis.get_xlim()[0] < 0 and axis.get_ylim()[1] > 97
    corners = {tuple(point) for point in axis.collections[0].get_paths()[0].vertices}
    assert {(0, 96), (0, 98)} <= corners


def test_networks_differ_by_colour_line_and_marker():
    lines = plots.accuracy_curves(accuracies(NETWORKS), "t").axes[0].lines
    assert len({to_hex(line.get_color()) for line in lines}) == 8
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 8  # without any colour, too
    assert {"-", "-.", ":"} <= {line.get_linestyle() for line in lines}


def test_a_legend_of_long_names_stays_beside_the_curves():
    figure = plots.accuracy_curves(accuracies([f"{n}_noise_ensemble" for n in NETWORKS]), "t")
    figure.canvas.draw()
    box = figure.axes[0].get_legend().get_window_extent()
    assert box.x0 > figure.axes[0].get_window_extent().x1 and box.x1 <= figure.bbox.x1


def test_calibration_has_the_signed_gap_above_the_error_of_each_network():
    figure = plots.calibration_curves(accuracies(), "t")
    gaps, errors = figure.axes
    assert [line.get_ydata().tolist() for line in gaps.lines[:2]] == [[2, 1, -1]] * 2
    assert list(gaps.lines[2].get_ydata()) == [0, 0]  # neither too sure nor too unsure
    assert [line.get_ydata().tolist() for line in errors.lines] == [[0.5, 1, 2]] * 2
    assert all(line.get_xdata().tolist() == [1, 2, 4] for line in (*gaps.lines[:2], *errors.lines))
    assert errors.get_ylim()[0] == 0 and gaps.get_ylim()[0] < -1
    assert gaps.get_ylabel() and errors.get_ylabel() and errors.get_xlabel() == plots.SIGMA
    assert legend(gaps.get_legend()) == ["one", "two"] and figure.get_suptitle() == "t"


def scatter_points(classes=43, images=7, sigmas=10, seed=0):
    """PSNR as white noise gives it, scores that fall with sigma, and a wrong class below one half."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), images)
    sigma = np.linspace(1, 40, sigmas)[:, None]
    psnr = 48 - 20 * np.log10(sigma) + generator.normal(0, 1, (len(labels), sigmas, 1))
    score = np.clip(1 - generator.exponential(sigma / 100, psnr.shape), 0, 1)
    predicted = np.where(score < 0.5, labels[:, None, None] + 1, labels[:, None, None])
    return np.stack([psnr, score, predicted], -1).astype(np.float32), labels


def panels(figure):
    return [axis for axis in figure.axes if axis.axison]


def test_scatter_has_a_panel_per_class_with_red_points_where_the_prediction_is_wrong():
    sampled = np.float32([[[[30, 0.9, 0]], [[20, 0.4, 0]]], [[[25, 0.2, 0]], [[15, 0.6, 1]]]])
    figure = plots.psnr_scatter(sampled, [0, 1], ["a", "b", "c"], "t")
    first, second, third = panels(figure)
    assert [a.get_title() for a in (first, second, third)] == [
        "a\nclass 0: 0/2",
        "b\nclass 1: 1/2",
        "c\nclass 2: 0/0",
    ]
    right, wrong = second.lines
    assert wrong.get_color() == "#c00000" and right.get_color() == sweeps.RIGHT
    np.testing.assert_allclose(wrong.get_xydata(), [[25, 0.2]])
    np.testing.assert_allclose(right.get_xydata(), [[15, 0.6]])
    np.testing.assert_allclose(first.lines[0].get_xydata(), [[30, 0.9], [20, 0.4]])
    assert figure.get_supxlabel() == "PSNR (dB)" and "score" in figure.get_supylabel()
    assert first.get_xlim() == second.get_xlim() and first.get_ylim() == third.get_ylim()


def test_scatter_shows_chosen_classes_with_the_counts_of_the_whole_sweep():
    counts = np.stack([np.arange(43), np.full(43, 5000)], 1)
    figure = plots.psnr_scatter(
        *scatter_points(), CLASS_NAMES, "t", classes=[20, 3, 14], columns=2, counts=counts
    )
    titles = [axis.get_title().split("\n") for axis in panels(figure)]
    assert [line for _, line in titles] == ["class 20: 20/5000", "class 3: 3/5000", "class 14: 14/5000"]
    assert titles[0][0] == "Dangerous curve to…" and titles[2][0] == "Stop"
    assert len(figure.axes) == 4


def test_scatter_refuses_counts_of_other_classes():
    with pytest.raises(ValueError, match=r"\(3, 2\) do not fit 43 classes"):
        plots.psnr_scatter(*scatter_points(), CLASS_NAMES, "t", counts=np.zeros((3, 2), int))


def test_scatter_leaves_out_copies_that_equal_their_image():
    sampled = np.float32([[[[np.inf, 0.9, 1]], [[20, 0.4, 0]]]])
    (axis,) = panels(plots.psnr_scatter(sampled, [0], ["a"], "t"))
    assert axis.get_title().endswith("0/1") and np.isfinite(axis.get_xlim()).all()


@pytest.mark.parametrize("name", ["Stop", "End of no passing by vehicles over 3.5 tons", "x" * 40, ""])
def test_a_name_is_cut_to_the_width_of_a_panel(name):
    figure = plots.psnr_scatter(np.zeros((0, 2, 1, 3)), [], [name], "t")
    shown = panels(figure)[0].get_title().split("\n")[0]
    assert len(shown) <= 22 and (shown == name or (name.startswith(shown[:-1]) and len(shown) > 15))


def test_scatter_of_all_signs_is_a_small_file(tmp_path):
    sampled, labels = scatter_points(images=70)
    figure = plots.psnr_scatter(sampled, labels, CLASS_NAMES, "43 classes of 700 points")
    assert sum(len(line.get_xdata()) for axis in panels(figure) for line in axis.lines) == 43 * 700
    figure.savefig(tmp_path / "scatter.png", dpi=150, bbox_inches="tight")
    assert (tmp_path / "scatter.png").stat().st_size < 400_000


def test_failures_accumulate_up_to_the_share_that_ever_fails():
    thresholds = {"one": [4, 1, np.inf, 1], "two": [np.inf, np.inf, np.nan]}
    axis = plots.failure_distribution(thresholds, "t", "sigma (grey levels)", largest=8).axes[0]
    one, two = axis.lines
    assert is_labelled(axis) and one.get_drawstyle() == "steps-post"
    assert dict(zip(*one.get_data(), strict=True)) == {0: 0, 1: 50, 4: 75, 8: 75, 16: 75}
    assert set(two.get_ydata()) == {0}
    assert legend(axis.get_legend()) == ["one (25.0 % never)", "two (100.0 % never)"]


def test_a_failure_at_the_largest_sigma_is_a_step_inside_the_frame():
    axis = plots.failure_distribution({"one": [8.0]}, "t", "sigma", largest=8).axes[0]
    assert axis.get_xlim()[1] > 8
    assert dict(zip(*axis.lines[0].get_data(), strict=True)) == {0: 0, 8: 100, 16: 100}


def test_class_thresholds_are_sorted_and_those_never_reached_are_arrows_at_the_right_edge():
    table = pd.DataFrame(
        [("never", np.inf, 30, np.inf), ("late", 20, 15, np.inf), ("early", 3, 2, 5)],
        columns=["name", "threshold", "low", "high"],
    )
    figure = plots.class_thresholds(table, "t", largest=40)
    axis = figure.axes[0]
    dots, arrows = axis.lines
    edge = axis.get_xlim()[1]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["early", "late", "never"]
    assert axis.get_ylim()[0] > axis.get_ylim()[1]  # the first on top
    assert dots.get_xydata().tolist() == [[3, 0], [20, 1]]
    assert arrows.get_marker() == ">" and arrows.get_xydata().tolist() == [[edge, 2]] and edge > 40
    reach = [segment[:, 0].tolist() for segment in axis.collections[0].get_segments()]
    assert reach == [[2, 5], [15, edge], [30, edge]]
    assert "never up to sigma 40" in legend(figure.legends[0])


def test_no_arrow_where_every_class_fails():
    table = pd.DataFrame({"name": ["a"], "threshold": [3.0], "low": [np.nan], "high": [np.nan]})
    figure = plots.class_thresholds(table, "t", largest=40)
    assert len(figure.axes[0].lines) == 1 and not any("never" in text for text in legend(figure.legends[0]))


def test_certified_share_falls_from_all_certified_images_to_none():
    radii = {20: [0, 5.0, 10, 10], 10: np.zeros(4)}
    axis = plots.certified_accuracy(radii, "t").axes[0]
    nothing, some = axis.lines
    assert is_labelled(axis) and legend(axis.get_legend()) == ["10", "20"]
    # with steps before each point, the share at r is that of the next radius from r on
    assert some.get_drawstyle() == "steps-pre"
    assert some.get_xydata().tolist() == [[0, 75], [5, 75], [10, 50], [10, 0]]
    assert nothing.get_ydata().tolist() == [0]


def test_where_nothing_is_certified_the_figure_says_so():
    assert not list(plots.certified_accuracy({10: [0, 1]}, "t").axes[0].texts)
    (said,) = plots.certified_accuracy({10: [0, 0]}, "t").axes[0].texts
    assert said.get_text().startswith("none")


def test_certified_share_is_the_share_of_radii_from_r_on():
    radii = np.random.default_rng(0).choice([0, 1.5, 2, 7, 9], 50)
    line = plots.certified_accuracy({5: radii}, "t").axes[0].lines[0]
    for r in (0.5, 1.5, 1.7, 7, 8.9, 9):
        drawn = line.get_ydata()[np.searchsorted(line.get_xdata(), r)]
        assert drawn == pytest.approx(100 * np.mean(radii >= r))


def flips(*rows):
    return pd.DataFrame(rows, columns=["network", "flipped", "images", "copies", "flipped_copies"])


def test_flips_are_shares_with_counts_beside_them():
    table = flips(("one", 30, 1200, 150, 31), ("two", 0, 10, 20_000, 0), ("none", 0, 0, 150, 0))
    axis = plots.flips_bar(table, "t").axes[0]
    assert [bar.get_width() for bar in axis.patches] == [2.5, 0, 0]
    texts = ["30 / 1,200 in 150 copies", "0 / 10 in 20,000 copies", "0 / 0 in 150 copies"]
    assert [text.get_text() for text in axis.texts] == texts
    assert [text.get_text() for text in axis.get_yticklabels()] == ["one", "two", "none"]
    assert "sigma 1" in axis.get_xlabel() and axis.yaxis_inverted()


def test_flips_have_the_wilson_interval_over_images():
    figure = plots.flips_bar(flips(("one", 15, 148, 9, 20), ("two", 0, 20, 9, 0)), "t")
    reach = [segment[:, 0].tolist() for segment in figure.axes[0].collections[0].get_segments()]
    np.testing.assert_allclose(reach, [[6.24, 16.05], [0, 16.11]], atol=5e-3)  # Newcombe 1998, table I
    assert [text.xy[0] for text in figure.axes[0].texts] == [reach[0][1], reach[1][1]]


def test_flips_of_no_image_have_no_interval():
    figure = plots.flips_bar(flips(("none", 0, 0, 150, 0)), "t")
    figure.canvas.draw()
    assert figure.axes[0].texts[0].xy[0] == 0
    assert not any(np.isfinite(s).all() for s in figure.axes[0].collections[0].get_segments() if len(s))


def test_an_annotation_of_the_longest_bar_stays_in_the_frame():
    figure = plots.flips_bar(flips(("compact_noise_ensemble", 12_630, 12_630, 1000, 12_630)), "t")
    figure.canvas.draw()
    axis = figure.axes[0]
    assert axis.texts[0].get_window_extent().x1 < axis.get_window_extent().x1


NOTHING = {
    "accuracy_curves": lambda: plots.accuracy_curves(accuracies([]), "t", accuracies([])),
    "calibration_curves": lambda: plots.calibration_curves(accuracies([]), "t"),
    "psnr_scatter": lambda: plots.psnr_scatter(np.zeros((0, 3, 1, 3)), [], ["a"], "t", classes=[]),
    "failure_distribution": lambda: plots.failure_distribution({"one": []}, "t", "x", largest=1),
    "no thresholds": lambda: plots.failure_distribution({}, "t", "x", largest=1),
    "class_thresholds": lambda: plots.class_thresholds(
        pd.DataFrame(columns=["name", "threshold", "low", "high"]), "t", largest=40
    ),
    "certified_accuracy": lambda: plots.certified_accuracy({10: []}, "t"),
    "no radii": lambda: plots.certified_accuracy({}, "t"),
    "transfer_map": lambda: plots.transfer_map(pd.DataFrame(), "t"),
    "unknown": lambda: plots.transfer_map(pd.DataFrame({"a": [np.nan]}), "t"),
    "flips_bar": lambda: plots.flips_bar(flips(), "t"),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_to_show_is_an_empty_frame_under_its_title(name):
    figure = NOTHING[name]()
    figure.canvas.draw()
    assert "t" in (figure.get_suptitle() or figure.axes[0].get_title())
    drawn = [line for axis in figure.axes for line in axis.lines if list(line.get_xdata()) != [0, 1]]
    assert not any(np.isfinite(line.get_ydata()).any() for line in drawn)  # but for the line at a gap of 0
