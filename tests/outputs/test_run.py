import json
import os

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


def test_read_table_gives_what_another_notebook_wrote(run, tmp_path):
    other = outputs.Run("04_pretrained_models", PARAMETERS, root=tmp_path)
    run.table(pandas.DataFrame({"psnr": [20.5]}), "psnr")
    assert other.read_table("03_psnr")["psnr"].tolist() == [20.5]


def test_results_of_another_choice_are_refused(run, tmp_path):
    run.table(pandas.DataFrame({"psnr": [20.5]}), "psnr")
    run.finish()
    same = PARAMETERS | {"data_root": "elsewhere", "own": 1}
    assert len(outputs.Run("04_pretrained_models", same, root=tmp_path).read_table("03_psnr")) == 1
    other = outputs.Run("04_pretrained_models", PARAMETERS | {"epochs": 4}, root=tmp_path)
    with pytest.raises(ValueError, match=r"03_cnn_baseline ran with epochs=3, here it is 4: .* -p epochs=4"):
        other.read_table("03_psnr")


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


def test_a_table_is_shown_rounded_with_its_intervals_and_without_what_is_empty():
    missing = float("nan")
    frame = pandas.DataFrame(
        {
            "network": ["plain", "deep"],
            "images": [1200, 1200],
            "accuracy": [94.849, missing],
            "low": [94.4, missing],
            "high": [95.251, missing],
            "track_low": [93.0, 92.0],
            "eer": [3.25, 0.0],
            "eer_low": [1.0, 0.0],
            "eer_high": [5.5, 2.0],
            "rank": [99, 98],
            "rank_low": [97.5, 96.0],
            "rank_high": [100.0, 99.5],
            "single": [7.5, 1.5],
            "single_low": [missing, 1.0],
            "single_high": [missing, 2.0],
            "p_holm": [0.01234, 1.0],
            "published": [missing, missing],
        }
    )
    shown = outputs.readable(frame)
    assert shown.columns.tolist() == ["network", "images", "accuracy", "eer", "rank", "single", "p_holm"]
    assert shown["accuracy"].tolist() == ["94.85 [94.40, 95.25]", ""]
    assert shown["eer"].tolist() == ["3.25 [1.00, 5.50]", "0.00 [0.00, 2.00]"]
    assert shown["single"].tolist() == ["7.50", "1.50 [1.00, 2.00]"]
    assert shown["rank"][1] == "98.00 [96.00, 99.50]"  # whole by chance
    assert shown["p_holm"].tolist() == ["0.012", "1"] and shown["images"].tolist() == [1200, 1200]
    assert outputs.readable(frame, decimals=0)["accuracy"][0] == "95 [94, 95]"
    assert outputs.readable(frame[:0]).columns.tolist() == [*shown.columns, "published"]
