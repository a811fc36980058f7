"""README and RESULTS tell the truth: their numbers are those of the kept tables, what they name exists."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest
from small_project import ROOT

from helpers import outputs
from helpers.workbook import results

README = (ROOT / "README.md").read_text(encoding="utf-8")
RUNNING = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
REFERENCE = ROOT / "outputs" / "reference"
TABLES = REFERENCE / "full-gtsrb" / "tables"


def table(name, *index):
    frame = pd.read_csv(TABLES / f"{name}.csv", keep_default_na=False, na_values=[""])
    return frame.set_index(list(index)) if index else frame.iloc[0]


def shown(row, column="accuracy"):
    return f"{row[column]:.1f} [{row['low']:.1f}, {row['high']:.1f}]"


def measured():
    """The third column of the README's table, from the kept tables."""
    recipes, noisy = table("03_recipes", "recipe"), table("03_noise_accuracy", "model", "noise", "level")
    methods = table("08_methods", "method")["median_l2"]
    paper = recipes.loc["paper"]
    return [
        shown(recipes.loc["nearest"]),
        f"{paper['trained']:.0f} of {paper['trainings']:.0f} trainings get off the ground",
        shown(noisy.loc[("nearest", "gaussian", "min")]),
        shown(table("03_won_back", "noise", "level").loc[("gaussian", "max")], "difference"),
        shown(table("03_rendered_to_real")),
        shown(table("09_overall", "protocol", "network").loc[("all images, 12 sigmas", "paper")]),
        shown(
            table("07_overall", "protocol", "network").loc[("correct images, 11 sigmas", "compact_restored")]
        ),
        f"{methods['evolutionary (2)']:.0f}, {methods['search']:.0f}",
    ]


def printed():
    """The second column: what the papers print, empty where they print nothing."""
    kept = pd.read_csv(ROOT / "data/published/mehrotra_table_2.csv", keep_default_na=False)
    kept = kept.set_index(["noise", "level"])["accuracy"]
    overall = pd.read_csv(ROOT / "data/published/aghdam_overall.csv").query("dataset == 'gtsrb'")
    plain, restored = (
        overall.set_index(["protocol", "network"])["published"][key]
        for key in [("all images, 12 sigmas", "paper"), ("correct images, 11 sigmas", "paper_restored")]
    )
    clean, noisy = kept["none", "none"], kept["gaussian", "min"]
    return [f"{clean:.2f}", "the same", f"{noisy:.2f}", "", "", f"{plain:.2f}", f"{restored:.1f}", ""]


def test_the_table_has_the_kept_numbers():
    section = README.partition("## What it found")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len(cells) <= 8 and all(verdict for *_, verdict in cells)
    assert [row[1] for row in cells] == printed()
    assert [row[2] for row in cells] == measured()


def test_it_is_short():
    assert len(README.encode()) <= 6 * 1024


def test_no_measured_number_stands_in_a_sentence():
    prose = re.sub(
        r"```.*?```|^\|.*?$|\([^)]*\)|`[^`]*`|\[[^\]]*\]", "", README, flags=re.DOTALL | re.MULTILINE
    )
    assert not re.findall(r"\d+\.\d+", prose)


def test_results_are_written_from_what_is_kept():
    assert (ROOT / "RESULTS.md").read_text(encoding="utf-8") == results.text(ROOT), (
        "run: python -m helpers results"
    )


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_link_leads_somewhere(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^make (\w+)", README + RUNNING, re.MULTILINE))))
def test_make_target_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_rooms_named_exist():
    named = re.search(r"a room per noun:(.*?)\. Images", README, re.DOTALL)[1]
    for room in re.findall(r"`(\w+)`", named):
        assert (ROOT / "helpers" / room).is_dir() or (ROOT / "helpers" / f"{room}.py").is_file(), room


def test_the_snippet_runs(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    code = code.replace("test_images=43", f"test_images=43, cache={str(tmp_path)!r}")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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
