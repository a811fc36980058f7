import shutil

import matplotlib.figure
import pandas
import pytest

from helpers import outputs

PARAMETERS = {"profile": "quick", "dataset": "signs", "epochs": 3, "rates": [0.1, None], "levels": {"min": 1}}


@pytest.fixture
def run(tmp_path):
    return outputs.Run("03_cnn_baseline", PARAMETERS, root=tmp_path)


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
