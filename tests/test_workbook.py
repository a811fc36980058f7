"""The whole workbook as its users run it: profile smoke, every notebook in a fresh kernel under papermill."""

import json
import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from small_project import ROOT

STEMS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, so that nobody's results are touched."""
    root = tmp_path_factory.mktemp("pipeline") / "project"
    ignored = shutil.ignore_patterns("raw", "prepared", "__pycache__")
    for part in ("helpers", "notebooks", "data"):
        shutil.copytree(ROOT / part, root / part, ignore=ignored)
    shutil.copy(ROOT / "Snakefile", root)
    return root


def run(project, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "DATA_ROOT"}
    command = [sys.executable, "-m", "helpers", "run", "--profile", "smoke", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def first(project):
    return run(project)


def test_every_notebook_runs(first):
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"{len(STEMS)} ran in" in first.stdout


@pytest.mark.parametrize("stem", STEMS)
def test_outputs_carry_no_warning_and_no_error(project, first, stem):
    executed = json.loads((project / "outputs/smoke-signs/executed" / f"{stem}.ipynb").read_text())
    outputs = [output for cell in executed["cells"] for output in cell.get("outputs", ())]
    assert outputs
    for output in outputs:
        assert output["output_type"] != "error"
        assert output.get("name") != "stderr", output["text"]
        assert "WARNING" not in "".join(output.get("text", ""))


@pytest.mark.parametrize("stem", STEMS)
def test_manifest_names_parameters_versions_and_every_file(project, first, stem):
    folder = project / "outputs/smoke-signs"
    manifest = json.loads((folder / "manifest" / f"{stem}.json").read_text())
    assert manifest["parameters"]["profile"] == "smoke" and manifest["parameters"]["seed"] == 0
    assert manifest["versions"]["tensorflow"]
    assert all((folder / name).is_file() for name in manifest["files"])
    written = {path.name for path in (folder / "tables").glob(f"{stem[:2]}_*.csv")}
    assert written == {name.split("/")[1] for name in manifest["files"] if name.startswith("tables/")}


def test_table_two_has_every_model_and_set_with_its_interval(project, first):
    table = pd.read_csv(project / "outputs/smoke-signs/tables/03_noise_accuracy.csv", keep_default_na=False)
    assert list(table.columns[:8]) == [
        *("model", "weights", "noise", "level", "accuracy", "low", "high", "track_low")
    ]
    assert table.groupby("model").size().tolist() == [10, 10, 10]
    assert (table["images"] == 215).all()
    assert ((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"])).all()
    assert table["accuracy"].between(0, 100).all() and table["accuracy"].nunique() > 5


def test_a_second_run_does_nothing(project, first):
    again = run(project)
    assert again.returncode == 0 and f"{len(STEMS)} up to date" in again.stdout and "ran" not in again.stdout


def test_another_noise_seed_runs_one_notebook_and_trains_nothing(project, first):
    models = {path: path.stat().st_mtime_ns for path in (project / "outputs").glob("*/models/*.keras")}
    again = run(project, "03", "-p", "noise_seed=7")
    assert again.returncode == 0 and "[1/1] 03_cnn_baseline" in again.stdout
    assert models == {path: path.stat().st_mtime_ns for path in models}


def test_a_notebook_writes_what_its_head_says(project, first):
    for path in sorted((project / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        head = "".join(json.loads(path.read_text())["cells"][0]["source"]).partition("**Writes**")[2]
        said = {name for name in re.findall(rf"`({path.stem[:2]}_\w+)`", head.partition("**Time**")[0])}
        manifest = project / "outputs/smoke-signs/manifest" / f"{path.stem}.json"
        files = json.loads(manifest.read_text())["files"]
        written = {name[7:-4] for name in files if name.startswith("tables/")}
        assert written <= said and said - written <= {"03_rendered_to_real"}, path.stem


def test_trainings_done_once_give_the_same_tables_again(project, first):
    """The kept trainings and sweeps gone, the same seeds give the same bytes."""
    tables = {path: path.read_bytes() for path in (project / "outputs/smoke-signs/tables").glob("13_*.csv")}
    for store in ("trainings", "sweeps", "searches"):
        shutil.rmtree(project / "outputs" / store)
    (project / "outputs/smoke-signs/manifest/13_your_own_classifier.done").unlink()
    assert run(project, "13").returncode == 0
    assert tables and all(path.read_bytes() == content for path, content in tables.items())
