"""The README tells the truth: its numbers are those of the kept tables, its links and commands exist."""

import json
import re

import pandas as pd
import pytest
from conftest import ROOT

from helpers import metrics, outputs

README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = ROOT / "outputs" / "reference"
MODELS = ("nearest", "camera", "camera_noise")


def rows_of(heading):
    """The cells of the table below a heading, without its first two lines."""
    section = README.partition(f"### {heading}\n")[2].partition("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize(
    ("run", "heading"),
    [
        ("full-gtsrb", "Table 2 on the real GTSRB"),
        ("quick-signs", "The default run, on rendered signs"),
    ],
)
def test_accuracies_under_noise_are_the_kept_ones(run, heading):
    keys = ["noise", "level"]
    kept = pd.read_csv(REFERENCE / run / "tables/03_noise_accuracy.csv", keep_default_na=False)
    kept = kept.set_index([*keys, "model"])
    shown = metrics.with_interval(kept)
    published = pd.read_csv(ROOT / "data/published/mehrotra_table_2.csv", keep_default_na=False)
    published = published.set_index(keys)["accuracy"]
    expected = [
        [
            "clean" if kind == "none" else f"{kind.replace('_and_', ' & ')}, {level}",
            *([f"{published[kind, level]:.2f}"] if run == "full-gtsrb" else []),
            *(shown[kind, level, model] for model in MODELS),
        ]
        for kind, level in kept.index.droplevel("model").unique()
    ]
    assert rows_of(heading) == expected
    assert len(expected) == len(published)


def test_recipes_are_the_kept_ones():
    kept = pd.read_csv(REFERENCE / "full-gtsrb/tables/03_recipes.csv")
    shown = rows_of("Recipes and fits")
    assert [(recipe, fit, accuracy) for recipe, fit, _, accuracy in shown] == [
        *zip(kept["recipe"], kept["fit"], metrics.with_interval(kept), strict=True)
    ]


def test_rendered_to_real_is_the_kept_one():
    kept = pd.read_csv(REFERENCE / "full-gtsrb/tables/03_rendered_to_real.csv")
    assert metrics.with_interval(kept)[0] in README


def stability(run, protocols):
    """Rows of the README on a run of notebook 09: without noise, under these protocols, and at sigma 1."""
    tables = REFERENCE / run / "tables"
    clean = pd.read_csv(tables / "09_networks.csv").set_index("network")
    overall = pd.read_csv(tables / "09_overall.csv").set_index(["protocol", "network"])
    flips = pd.read_csv(tables / "09_flips.csv")
    flips = flips.query("copies == copies.min() and precision == 'float32'").set_index("network")
    shown = metrics.with_interval(overall)
    published, printed = (
        table["published"].map("{:.2f}".format).replace("nan", "") for table in (overall, clean)
    )
    expected = []
    for name in clean.index:
        row = [f"`{name}`", metrics.with_interval(clean)[name]]
        row += [printed[name]] if printed.any() else []
        for protocol in protocols:
            row += [shown[protocol, name], published[protocol, name]]
        expected.append([*row, f"{flips.loc[name, 'flipped']} of {flips.loc[name, 'images']:,}"])
    assert len(expected) == 7
    return expected


def test_stability_is_the_kept_one():
    protocols = ("all images, 12 sigmas", "correct images, 11 sigmas")
    assert rows_of("Which network bears Gaussian noise") == stability("full-gtsrb", protocols)
    protocols = ("all images, 12 sigmas",)
    assert rows_of("The same on MNIST") == stability("full-mnist", protocols)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_link_leads_somewhere(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^make (\w+)", README, re.MULTILINE))))
def test_make_target_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_modules_named_exist():
    named = re.search(r"\[`helpers`\]\(helpers\):(.*?)\. Images", README, re.DOTALL)[1]
    for module in re.findall(r"`(\w+)`", named):
        assert (ROOT / "helpers" / f"{module}.py").is_file(), module


@pytest.mark.parametrize("run", sorted(path.name for path in REFERENCE.iterdir()))
def test_kept_files_are_those_of_their_manifests(run):
    folder = REFERENCE / run
    manifests = [json.loads(path.read_text()) for path in (folder / "manifest").glob("*.json")]
    named = {name: what["sha256"] for manifest in manifests for name, what in manifest["files"].items()}
    for path in folder.glob("[!m]*/*"):
        assert outputs.sha256(path) == named[path.relative_to(folder).as_posix()]
    assert {f"tables/{path.name}" for path in folder.glob("tables/*")} == {
        name for name in named if name.startswith("tables/")
    }


def norm_with_interval(row):
    norms = (
        "none" if value == float("inf") else f"{value:.0f}" for value in row[["median_l2", "low", "high"]]
    )
    return "{} [{}, {}]".format(*norms)


def test_searches_are_the_kept_ones():
    kept = pd.read_csv(REFERENCE / "full-gtsrb/tables/08_methods.csv")
    assert rows_of("How little noise is enough") == [
        [
            f"`{row.method}`" if row.method[0].islower() else row.method,
            f"{row.queries:,.0f}",
            f"{row.gradients:,.0f}",
            f"{row.success:.0f}",
            f"{row.rounded:.0f}",
            norm_with_interval(kept.loc[row.Index]),
            "none" if row.optimality == float("inf") else f"{row.optimality:.2f}",
        ]
        for row in kept.itertuples()
    ]
    kept = pd.read_csv(REFERENCE / "full-gtsrb/tables/08_networks.csv").set_index(["method", "network"])
    assert rows_of("Who is harder to fool") == [
        [
            f"`{name}`",
            f"{kept.loc[('search', name), 'images']:.0f}",
            norm_with_interval(kept.loc[("search", name)]),
            norm_with_interval(kept.loc[("DDN", name)]),
        ]
        for name in kept.loc["search"].index
    ]
    assert (kept["success"] == 100).all()
