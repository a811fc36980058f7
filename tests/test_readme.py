"""The README tells the truth: its numbers are those of the kept tables, its links and commands exist."""

import re

import pandas as pd
import pytest
from conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = ROOT / "outputs" / "reference" / "full-gtsrb" / "tables"
MODELS = ("nearest", "camera", "camera_noise")


def rows_of(heading):
    """The cells of the table below a heading, without its first two lines."""
    section = README.partition(f"### {heading}\n")[2].partition("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines[2:]]


def as_shown(row):
    return f"{row.accuracy:.2f} [{row.low:.2f}, {row.high:.2f}]"


def test_table_two_is_the_kept_one():
    keys = ["noise", "level"]
    kept = pd.read_csv(REFERENCE / "03_noise_accuracy.csv", keep_default_na=False).set_index([*keys, "model"])
    published = pd.read_csv(ROOT / "data/published/mehrotra_table_2.csv", keep_default_na=False)
    published = published.set_index(keys)["accuracy"]
    expected = [
        [
            "clean" if kind == "none" else f"{kind.replace('_and_', ' & ')}, {level}",
            f"{published[kind, level]:.2f}",
            *(as_shown(kept.loc[(kind, level, model)]) for model in MODELS),
        ]
        for kind, level in kept.index.droplevel("model").unique()
    ]
    assert rows_of("Table 2 on the real GTSRB") == expected
    assert len(expected) == len(published)


def test_recipes_are_the_kept_ones():
    kept = pd.read_csv(REFERENCE / "03_recipes.csv")
    shown = rows_of("Recipes and fits")
    assert [(recipe, fit, accuracy) for recipe, fit, _, accuracy in shown] == [
        (row.recipe, row.fit, as_shown(row)) for row in kept.itertuples()
    ]


def test_rendered_to_real_is_the_kept_one():
    row = next(pd.read_csv(REFERENCE / "03_rendered_to_real.csv").itertuples())
    assert as_shown(row) in README


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
