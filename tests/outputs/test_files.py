import json
import os
import sys

import matplotlib.figure
import pandas
import pytest

from helpers import outputs

PARAMETERS = {"profile": "quick", "dataset": "signs", "epochs": 3, "rates": [0.1, None], "levels": {"min": 1}}


@pytest.fixture
def run(tmp_path):
    return outputs.Run("03_cnn_baseline", PARAMETERS, root=tmp_path)


def test_folder_of_a_named_set_and_of_a_users_folder(tmp_path):
    assert outputs.folder("quick", "signs", tmp_path) == tmp_path / "outputs" / "quick-signs"
    first = outputs.folder("full", "folder:/some where/my signs", tmp_path).name
    second = outputs.folder("full", "folder:/else/my signs", tmp_path).name
    assert first.startswith("full-folder-my-signs-")
    assert first != second
    assert "some" not in first


def test_table_is_returned_and_has_equal_bytes_each_time(run):
    frame = pandas.DataFrame({"name": ["a", "b"], "accuracy": [1 / 3, 2e-9], "images": [1_000_000, 2]})
    assert run.table(frame, "noise_accuracy") is frame
    path = run.folder / "tables" / "03_noise_accuracy.csv"
    assert path.read_bytes() == b"name,accuracy,images\na,0.333333,1000000\nb,2e-09,2\n"


def test_figure_is_written_at_150_dots_per_inch(run):
    figure = matplotlib.figure.Figure(figsize=(2, 1))
    figure.add_axes((0, 0, 1, 1)).axis("off")
    assert run.figure(figure, "levels") is None
    image = (run.folder / "figures" / "03_levels.png").read_bytes()
    assert image.startswith(b"\x89PNG")
    width = int.from_bytes(image[16:20], "big")
    assert width == (2 + 2 * 0.1) * 150  # a tight box keeps a tenth of an inch around


def test_manifest_records_what_ran_and_what_was_written(run):
    run.table(pandas.DataFrame({"a": [1]}), "one")
    with outputs.atomic(run.model_path("cnn_baseline")) as partial:
        assert partial.suffix == ".keras"
        partial.write_bytes(b"model")
    run.finish(data_digest="abc")
    manifest = json.loads((run.folder / "manifest" / "03_cnn_baseline.json").read_text())
    assert manifest["parameters"] == PARAMETERS
    assert manifest["data"] == "abc"
    assert manifest["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert manifest["commit"] is None  # no repository around the temporary folder
    assert manifest["seconds"] >= 0
    assert list(manifest["files"]) == ["models/03_cnn_baseline.keras", "tables/03_one.csv"]
    digest = "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4"
    assert manifest["files"]["models/03_cnn_baseline.keras"] == {"bytes": 5, "sha256": digest}


def test_atomic_leaves_the_old_file_when_writing_fails(tmp_path):
    path = tmp_path / "new folder" / "table.csv"
    with outputs.atomic(path) as partial:
        partial.write_text("old")
    with pytest.raises(RuntimeError, match="in the middle"), outputs.atomic(path) as partial:
        partial.write_text("half")
        assert path.read_text() == "old"
        raise RuntimeError("in the middle")
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["table.csv"]
