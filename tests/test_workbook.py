"""The whole workbook as its users run it: profile smoke, every notebook in a fresh kernel under papermill."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
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
    done = run(project)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copytree(project / "outputs/smoke-signs/tables", project.parent / "tables")
    return done


def test_every_notebook_runs(first):
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


def test_noise_sweep_and_search_take_a_grey_data_set(project, first, tmp_path):
    rng = np.random.default_rng(0)
    for person in range(1, 6):  # each has a face of two grey levels, in varying light
        face = np.full((32, 32), 60.0)
        face[4 * person : 4 * person + 8, 6:26] = 190
        for number in range(1, 41):
            seen = face * rng.uniform(0.7, 1.2) + rng.normal(0, 3, face.shape)
            path = tmp_path / "faces" / f"s{person}" / f"{number}.pgm"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(seen.clip(0, 255).astype(np.uint8)).save(path)
    done = run(project, "08", "09", "--dataset", "faces", "--data-root", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    tables = project / "outputs/smoke-faces/tables"
    networks = pd.read_csv(tables / "09_networks.csv")
    assert networks["accuracy"].between(0, 100).all() and networks["accuracy"].max() > 50
    assert pd.read_csv(tables / "08_minimum_noise.csv").query("success")["l2"].gt(0).any()


def test_two_whole_runs_give_the_same_bytes(project, first):
    """From an empty folder of results, once side by side and once in another order: nothing is kept."""
    shutil.rmtree(project / "outputs")
    assert run(project, "13").returncode == 0 and run(project).returncode == 0
    before = {path.name: path.read_bytes() for path in (project.parent / "tables").glob("*.csv")}
    after = {path.name: path.read_bytes() for path in (project / "outputs/smoke-signs/tables").glob("*.csv")}
    assert len(before) > 30 and before.keys() == after.keys()
    assert [name for name, content in before.items() if content != after[name]] == []
