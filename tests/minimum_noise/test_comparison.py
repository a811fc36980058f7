from functools import partial

import linear
import numpy as np
import pandas as pd
import pytest

from helpers import datasets, minimum_noise, plots

SEARCH = partial(minimum_noise.search, queries=300, seed=1)
BLIND = partial(minimum_noise.evolutionary, generations=3, population=5, seed=1)
DDN = partial(minimum_noise.attacks.attack, minimum_noise.attacks.ddn(60), seed=1)
NUMBERS = np.arange(10, 16)
RATIO = ["ratio", "low", "high", "p", "pairs"]


def imageset(images, labels):
    sizes = np.full((len(images), 2), linear.SIDE)
    return datasets.ImageSet(images, labels, np.arange(len(images)), ("a", "b", "c"), sizes)


@pytest.fixture(scope="module")
def problem():
    model, images, labels, least = linear.problem()
    labels = labels.copy()
    labels[5] = (labels[5] + 1) % 3  # wrong already: no noise is needed
    return model, imageset(images, labels), least


@pytest.fixture(scope="module")
def compared(problem, tmp_path_factory):
    """A search that succeeds, one that is given far too little, and an attack, on one network twice."""
    model, images, _ = problem
    methods, networks = {"search": SEARCH, "blind": BLIND, "DDN": DDN}, {"one": model, "two": model}
    cache = tmp_path_factory.mktemp("searches")
    return minimum_noise.compare(methods, networks, images, numbers=NUMBERS, cache=cache)


@pytest.fixture(scope="module")
def hopeless(problem, tmp_path_factory):
    """A network that has every image wrong: nothing to search for."""
    model, images, _ = problem
    wrong = imageset(images.images, (model(images.images).numpy().argmax(1) + 1) % 3)
    methods = {"search": SEARCH, "DDN": DDN}
    return minimum_noise.compare(methods, {"one": model}, wrong, cache=tmp_path_factory.mktemp("searches"))


def test_the_table_has_a_row_an_image_method_and_network(compared):
    table = compared.table()
    assert list(table.columns) == [
        *("image", "label", "method", "l2", "linf", "psnr", "queries", "gradients", "predicted", "margin"),
        *("success", "rounded", "already_wrong", "network"),
    ]
    assert compared.methods == ["search", "blind", "DDN"] and compared.interrupted == []
    assert len(table) == 6 * 3 * 2 and sorted(table["image"].unique()) == NUMBERS.tolist()
    assert table.groupby(["method", "network"]).size().tolist() == [6] * 6
    assert table["already_wrong"].sum() == 6
    part = table.query("method == 'search' and network == 'two'")
    np.testing.assert_array_equal(part["l2"].dropna(), compared.found["search", "two"].norms[:5])


def test_images_are_numbered_from_0_where_nobody_says_otherwise(hopeless):
    assert hopeless.table().query("method == 'DDN'")["image"].tolist() == [0, 1, 2, 3, 4, 5]


def test_every_question_is_asked_once(problem, tmp_path):
    model, images, _ = problem
    methods = {"search": SEARCH, "blind": BLIND}
    for _ in range(2):
        minimum_noise.compare(methods, {"one": model, "same": model}, images, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2  # the networks are equal


def test_who_stopped_early_is_named(problem, tmp_path):
    model, images, _ = problem

    def search(*problem, **options):
        return minimum_noise.MinimumNoise(**vars(SEARCH(*problem)) | {"interrupted": True})

    found = minimum_noise.compare({"hasty": search}, {"one": model}, images, cache=tmp_path)
    assert found.interrupted == ["hasty on one"]


def test_the_summary_counts_what_was_not_found_as_infinite(compared, problem):
    summary = compared.summary().set_index(["method", "network"])
    assert summary["images"].tolist() == [5] * 6
    middle = np.median(problem[2][:5])
    for method in ("search", "DDN"):
        found = summary.loc[(method, "one")]
        assert found["success"] == 100 and 1 <= found["optimality"] < 1.2
        assert middle <= found["median_l2"] < 1.2 * middle
        assert found["low"] <= found["median_l2"] <= found["high"]
    blind = summary.loc[("blind", "one")]
    assert blind["success"] == 0 and blind["median_l2"] == blind["optimality"] == np.inf
    assert blind["queries"] == 2 + 3 * 5 and np.isnan(blind["median_psnr"])
    assert summary["gradients"].tolist() == [0, 0, 0, 0, 60, 60]


def test_a_network_that_has_nothing_right_stays_in_the_summary(hopeless):
    summary = hopeless.summary()
    assert summary["method"].tolist() == ["search", "DDN"] and summary["images"].tolist() == [0, 0]
    assert summary["median_l2"].isna().all()
    assert hopeless.ratios([("search", "DDN")])["pairs"].tolist() == [0]
    assert hopeless.landed(3).sum() == 0
    assert len(hopeless.flipped("one")[0]) == 0
    for figure in (
        plots.norm_against_queries(*hopeless.curves("one"), "title"),
        plots.norm_distribution(hopeless.table(), "title"),
        plots.margins(hopeless.table(), "title"),
        plots.examples(*hopeless.examples("one", "abc"), "title"),
    ):
        figure.canvas.draw()


def test_ratios_are_of_images_that_neither_has_wrong(compared):
    rows = compared.ratios([("blind", "search")])
    assert list(rows.columns) == [
        *("method", "network", "relative_to", "median_l2", "flipped", "flipped_other", *RATIO, "p_holm")
    ]
    assert rows["network"].tolist() == ["one", "two"] and rows["pairs"].tolist() == [5, 5]
    assert (rows["ratio"] == np.inf).all() and (rows["median_l2"] == np.inf).all()
    assert (rows["flipped"] == 0).all() and (rows["flipped_other"] == 5).all()
    assert rows["p_holm"].tolist() == pytest.approx(2 * rows["p"])
    same = compared.ratios([("one", "two")], by="network")
    assert same["method"].tolist() == compared.methods and same["relative_to"].tolist() == ["two"] * 3
    assert same["ratio"].iloc[0] == 1 and same["p_holm"].iloc[0] == 1
    assert np.isnan(same["ratio"].iloc[1]) and same["pairs"].iloc[1] == 0  # neither found anything


def test_the_ratio_of_two_networks_is_that_of_their_least_noises(tmp_path):
    model, images, labels, least = linear.problem(12)
    kernel, bias = model.get_weights()
    surer = linear.classifier()  # of class 0 only
    surer.set_weights([kernel, bias + np.array([5, 0, 0])])
    needed = np.linalg.norm(linear.least_noise(surer, images, labels).reshape(len(images), -1), axis=1)
    still = surer(images).numpy().argmax(1) == labels
    expected = np.median((needed / least)[still])
    find = {"search": partial(minimum_noise.search, queries=1000, seed=0)}
    networks = {"plain": model, "surer": surer}
    found = minimum_noise.compare(find, networks, imageset(images, labels), cache=tmp_path)
    row = found.ratios([("surer", "plain")], by="network").iloc[0]
    assert row["pairs"] == still.sum() < len(images)
    assert row["ratio"] == pytest.approx(expected, rel=0.03) and abs(expected - 1) > 0.1


def test_noise_carries_over_to_networks_that_it_was_not_found_for(compared, hopeless, tmp_path):
    rows = compared.carried("one")
    assert rows["method"].tolist() == ["search", "DDN"]  # what found nothing has nothing to carry
    assert rows["network"].tolist() == ["two"] * 2 and rows["images"].tolist() == [5, 5]
    assert (rows["fooled"] == 100).all() and (rows["low"] < 100).all()  # the same network twice
    assert hopeless.carried("one").empty
    model, images, labels, _ = linear.problem(12)
    kernel, bias = model.get_weights()
    surer = linear.classifier()
    surer.set_weights([kernel, bias + np.array([5, 0, 0])])
    networks = {"plain": model, "surer": surer}
    found = minimum_noise.compare({"DDN": DDN}, networks, imageset(images, labels), cache=tmp_path)
    (row,) = found.carried("plain").to_dict("records")
    noisy = images + found.found["DDN", "plain"].noise
    still = surer(images).numpy().argmax(1) == labels
    expected = (surer(noisy).numpy().argmax(1) != labels)[still].mean()
    assert row["images"] == still.sum() and row["fooled"] == pytest.approx(100 * expected)
    assert 0 < expected < 1


def test_more_questions_are_never_worth_less(compared):
    rows = compared.worth("search", 300, ["blind", "DDN"])
    assert list(rows.columns) == [
        *("network", "queries", "median_l2", "median_low", "median_high", "relative_to", *RATIO)
    ]
    blind, seeing = (part for _, part in rows.query("network == 'one'").groupby("relative_to", sort=False))
    assert blind["queries"].tolist() == seeing["queries"].tolist() == [15, 30, 75, 150, 300]
    assert blind["median_l2"].is_monotonic_decreasing and seeing["ratio"].is_monotonic_decreasing
    assert np.isinf(seeing["ratio"].iloc[0]) and blind["ratio"].iloc[-1] == 0  # found by one of the two only
    norms = (compared.found[method, "one"].norms[:5] for method in ("search", "DDN"))
    assert seeing["ratio"].iloc[-1] == pytest.approx(np.median(np.divide(*norms)))


def test_curves_end_where_the_questions_do(compared):
    curves, levels = compared.curves("one")
    assert list(curves) == ["search", "blind"] and list(levels) == ["DDN"]
    questions, norms = curves["search"]
    assert 250 < questions[-1] <= 300 and norms[-1] == np.median(compared.found["search", "one"].norms[:5])
    assert (np.diff(np.nan_to_num(norms, posinf=1e9)) <= 0).all()
    assert len(curves["blind"][0]) == 0  # 17 questions: too few to draw
    assert levels["DDN"] == np.median(compared.found["DDN", "one"].norms[:5])


def test_examples_show_the_first_images_that_flipped(compared):
    images, noise, before, after = compared.examples("one", ("x", "y", "z"))
    np.testing.assert_array_equal(images, compared.images[:4])
    np.testing.assert_array_equal(noise, compared.found["search", "one"].noise[:4])
    assert [text[0] for text in before] == ["xyz"[label] for label in compared.labels[:4]]
    assert [text[0] for text in after] == ["xyz"[n] for n in compared.found["search", "one"].predicted[:4]]
    assert all(text.endswith("%") for text in before + after)
    assert len(compared.flipped("one")[0]) == 5 and len(compared.flipped("one", "blind")[0]) == 0


def test_sandwich_sets_found_between_certified_and_chance(compared):
    keys = {"image": NUMBERS, "label": compared.labels, "network": "one"}
    radii = pd.DataFrame(keys | {"radius": 1.0, "sigma": 4})
    half = pd.DataFrame(keys | {"share": 0.5, "threshold": 10.0})
    others = half.assign(share=0.05, threshold=3.0), half.assign(network="two", threshold=4.0)
    rows = compared.sandwich("one", radii, pd.concat([*others, half]))
    assert list(rows.columns) == ["image", "label", "distance", "radius", "chance"]
    assert rows["image"].tolist() == NUMBERS[:5].tolist()  # the last needed no noise
    assert (rows["radius"] == 1).all() and rows["chance"].tolist() == pytest.approx([10 * np.sqrt(192)] * 5)
    assert (rows["distance"] > rows["radius"]).all()
    unknown = compared.sandwich("one", radii.iloc[1:], half)
    assert unknown["radius"].isna().tolist() == [True, False, False, False, False]


def test_landed_counts_the_answers_of_all_networks(compared):
    counts = compared.landed(3)
    assert counts.sum() == 10 and np.diag(counts).sum() == 0
    np.testing.assert_array_equal(counts.sum(1), 2 * np.bincount(compared.labels[:5], minlength=3))


def test_sections_are_named(compared, hopeless):
    table = minimum_noise.tables(here=compared, there=hopeless)
    assert table["section"].value_counts().to_dict() == {"here": 36, "there": 12}
