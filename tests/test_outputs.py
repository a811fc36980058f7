import json
import os
import shutil
import sys

import matplotlib.figure
import pandas
import pytest

from helpers import outputs

PARAMETERS = {"profile": "quick", "dataset": "signs", "epochs": 3, "rates": [0.1, None], "levels": {"min": 1}}


@pytest.fixture
def run(tmp_path):
    return outputs.Run("03_cnn_baseline", PARAMETERS, root=tmp_path)


def test_parameters_are_the_public_literals_of_the_namespace(tmp_path):
    others = {
        "_hidden": 1,
        "In": ["x"],
        "Out": {},
        "os": os,
        "print": print,
        "frame": object(),
        "names": (1, 2),
    }
    run = outputs.Run("03_cnn_baseline", PARAMETERS | others, root=tmp_path)
    assert run.parameters == PARAMETERS


def test_profile_and_dataset_must_be_given(tmp_path):
    with pytest.raises(ValueError, match="03_cnn_baseline: the parameters cell must set dataset"):
        outputs.Run("03_cnn_baseline", {"profile": "quick"}, root=tmp_path)


def test_name_of_the_notebook_must_carry_its_number(tmp_path):
    with pytest.raises(ValueError, match="'cnn_baseline' is not a notebook's name"):
        outputs.Run("cnn_baseline", PARAMETERS, root=tmp_path)


@pytest.mark.parametrize("name", ["", "../escape", "Two words", "a/b"])
def test_a_result_has_a_plain_name(run, name):
    with pytest.raises(ValueError, match="name a result in lower case"):
        run.table(pandas.DataFrame(), name)


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


def test_read_table_gives_what_another_notebook_wrote(run, tmp_path):
    other = outputs.Run("04_pretrained_models", PARAMETERS, root=tmp_path)
    run.table(pandas.DataFrame({"psnr": [20.5]}), "psnr")
    assert other.read_table("03_psnr")["psnr"].tolist() == [20.5]


def test_a_missing_table_names_its_notebook_and_the_command(run, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "02_noise_datasets.ipynb").touch()
    with pytest.raises(FileNotFoundError) as caught:
        run.read_table("02_psnr")
    assert "Notebook 02_noise_datasets writes it" in str(caught.value)
    command = "python -m helpers run 02_noise_datasets --profile quick --dataset signs"
    assert str(caught.value).endswith(command)
    with pytest.raises(FileNotFoundError, match="no notebook 11 could write it"):
        run.read_table("11_recognition")
    with pytest.raises(FileNotFoundError, match=r"02_cnn\.keras is not there .* 02_noise_datasets"):
        run.read_model("02_cnn")


def test_read_model_names_the_file_of_another_notebook(run, tmp_path):
    with outputs.atomic(run.model_path("cnn")) as partial:
        partial.write_bytes(b"weights")
    other = outputs.Run("04_pretrained_models", PARAMETERS, root=tmp_path)
    assert other.read_model("03_cnn").read_bytes() == b"weights"


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


def test_manifest_shows_no_path_of_this_machine(tmp_path):
    given = {
        "data_root": "/far/away/data",
        "dataset": "folder:/far/away/signs",
        "cache": f"{tmp_path}/data/x",
    }
    run = outputs.Run("03_cnn_baseline", PARAMETERS | given, root=tmp_path)
    run.finish()
    text = (run.folder / "manifest" / "03_cnn_baseline.json").read_text()
    assert "away" not in text and str(tmp_path) not in text
    parameters = json.loads(text)["parameters"]
    expected = {"data_root": "data", "dataset": "folder:signs", "cache": "data/x"}
    assert expected.items() <= parameters.items()


def test_a_model_that_was_never_saved_is_reported(run):
    run.model_path("cnn_baseline")
    with pytest.raises(FileNotFoundError, match=r"named 03_cnn_baseline\.keras but never wrote it"):
        run.finish()


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


def test_keep_copies_what_the_manifests_name_and_nothing_else(run, tmp_path):
    run.table(pandas.DataFrame({"a": [1]}), "numbers")
    run.figure(matplotlib.figure.Figure(), "plain")
    run.finish()
    (run.folder / "tables" / "03_older.csv").write_text("left behind")
    profile, dataset = run.parameters["profile"], run.parameters["dataset"]
    kept = outputs.keep(profile, dataset, root=tmp_path)
    assert kept == tmp_path / "outputs" / "reference" / run.folder.name
    names = {path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file()}
    assert names == {"tables/03_numbers.csv", "figures/03_plain.png", "manifest/03_cnn_baseline.json"}
    outputs.keep(profile, dataset, ["tables"], root=tmp_path)
    assert not (kept / "figures").exists()


def test_keep_replaces_its_notebooks_and_leaves_those_of_others(run, tmp_path):
    run.table(pandas.DataFrame({"a": [1]}), "numbers")
    run.finish()
    profile, dataset = run.parameters["profile"], run.parameters["dataset"]
    outputs.keep(profile, dataset, root=tmp_path)
    shutil.rmtree(run.folder)
    other = outputs.Run("09_ensembles", PARAMETERS, root=tmp_path)
    other.table(pandas.DataFrame({"a": [2]}), "votes")
    other.finish()
    kept = outputs.keep(profile, dataset, root=tmp_path)
    assert sorted(path.name for path in (kept / "tables").iterdir()) == ["03_numbers.csv", "09_votes.csv"]
    assert len(list((kept / "manifest").iterdir())) == 2


def test_keep_refuses_changed_results_and_leaves_the_kept_ones(run, tmp_path):
    profile, dataset = run.parameters["profile"], run.parameters["dataset"]
    with pytest.raises(FileNotFoundError, match="no finished notebook"):
        outputs.keep(profile, dataset, root=tmp_path)
    run.table(pandas.DataFrame({"a": [1]}), "numbers")
    run.finish()
    kept = outputs.keep(profile, dataset, root=tmp_path)
    (run.folder / "tables" / "03_numbers.csv").write_text("a\n2\n")
    with pytest.raises(ValueError, match=r"03_numbers\.csv is not as its notebook wrote it"):
        outputs.keep(profile, dataset, root=tmp_path)
    assert (kept / "tables" / "03_numbers.csv").read_text() == "a\n1\n"
