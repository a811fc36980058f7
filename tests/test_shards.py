import json
import shutil
import signal

import numpy as np
import pandas as pd
import pytest
import tiny_sets
from conftest import ROOT
from scipy.stats import norm

from helpers import __main__, outputs, processes, shards, sources, stability
from helpers.backend import keras
from helpers.notebooks import Refused
from helpers.shards import Request

LEVELS = {"dark": 100, "pale": 156}  # 28 grey levels from the classifier's threshold


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project in a temporary folder, whose data and results are nobody's."""
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TQDM_MININTERVAL"):
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv("DATA_ROOT", raising=False)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(sources, "PROJECT", tmp_path)
    monkeypatch.setattr(outputs, "ROOT", tmp_path)
    monkeypatch.setattr(stability, "CACHE", tmp_path / "outputs" / "sweeps")
    return tmp_path


@pytest.fixture
def request_(project):
    """A request whose accuracies are known: one pixel decides, with the threshold in the middle."""
    files = {
        f"{name}/{number:02d}.png": tiny_sets.encoded(np.full((4, 4, 3), level, np.uint8))
        for name, level in LEVELS.items()
        for number in range(20)
    }
    tiny_sets.write_tree(project / "pictures", files)
    images = keras.Input((4, 4, 3))
    logits = keras.layers.Dense(2)(images[:, 1, 2, :1])
    model = keras.Model(images, logits, name="pixel")
    model.set_weights([np.array([[-1.0, 1.0]]), np.array([128.0, -128.0])])
    model.save(project / "one pixel.keras")
    return Request(
        model=str(project / "one pixel.keras"),
        dataset="folder:pictures",
        image_size=4,
        fit="resize",
        copies=300,
        sigmas=(14, 28, 56),
    )


@pytest.fixture
def signs_model(project):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential([keras.Input((16, 16, 3)), layers.Rescaling(1 / 99), layers.Conv2D(4, 3)])
    for layer in (layers.ReLU(), layers.Flatten(), layers.Dense(43)):
        model.add(layer)
    model.save(project / "tiny.keras")
    return str(project / "tiny.keras")


def table(request):
    return stability.CACHE / f"{request.name}.csv"


def write(request, folder):
    outputs.write_json(folder / "request.json", vars(request))
    return folder / "request.json"


def chunks():
    return {path.name: path for path in stability.CACHE.glob("*/*.npz")}


def fail(*arguments, **options):
    raise AssertionError("this was not to be called")


def test_one_shard_measures_here_and_the_numbers_are_right(request_, monkeypatch, capsys):
    monkeypatch.setattr(shards, "Popen", fail)
    assert shards.run(request_)
    written = pd.read_csv(table(request_))
    assert list(written) == [
        *("sigma", "accuracy", "low", "high", "track_low", "track_high", "images", "copies")
    ]
    np.testing.assert_allclose(written["accuracy"], 100 * norm.cdf(28 / written["sigma"]), atol=3)
    assert (written["images"] == 8).all() and (written["copies"] == 300).all()
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["sigma", "accuracy", "(%)", "images", "copies"]
    low, high = written["low"][1], written["high"][1]
    assert f"{written['accuracy'][1]:.2f} [{low:.2f}, {high:.2f}]" in said[2]
    assert said[4].startswith(f"overall: {written['accuracy'].mean():.2f} [")
    assert said[5] == f"the table: outputs/sweeps/{request_.name}.csv"


def test_what_some_shards_computed_is_not_computed_again(request_, project, monkeypatch):
    assert shards.run(request_)
    expected = table(request_).read_bytes()
    monkeypatch.setattr(stability, "CACHE", project / "outputs" / "other")
    shards.work(write(request_, project), 1, 3)
    before = {name: path.stat().st_mtime_ns for name, path in chunks().items()}
    assert len(before) == 4  # of 12 runs of 25 copies
    assert shards.run(request_)
    after = {name: path.stat().st_mtime_ns for name, path in chunks().items()}
    assert len(after) == 12 and before.items() <= after.items()
    assert table(request_).read_bytes() == expected


def test_shards_together_leave_nothing_to_compute(request_, project, monkeypatch):
    for number in range(2):
        shards.work(write(request_, project), number, 2)
    monkeypatch.setattr(stability, "_observed", fail)
    assert shards.run(request_)


def test_jobs_give_the_numbers_of_one_process_bit_for_bit(project, signs_model, monkeypatch, capsys):
    for part in ("helpers", "data/signs"):
        shutil.copytree(ROOT / part, project / part, ignore=shutil.ignore_patterns("__pycache__"))
    options = "--image-size 16 --images 43 --train-images 43 --copies 30 --sigmas 10,40"
    command = ["sweep", signs_model, *options.split()]
    with monkeypatch.context() as patch:
        patch.setattr(stability, "CACHE", project / "outputs" / "alone")
        assert __main__.main(command) == 0
        alone, there = chunks(), (stability.CACHE / "tiny-signs.csv").read_bytes()
    monkeypatch.setattr(stability, "_observed", fail)  # the jobs are to do it all
    assert __main__.main([*command, "--shards", "2", "--cores", "2"]) == 0
    assert (stability.CACHE / "tiny-signs.csv").read_bytes() == there
    assert alone.keys() == chunks().keys() and len(alone) == 2
    for name, path in chunks().items():
        with np.load(path) as shared, np.load(alone[name]) as kept:
            for key in kept:
                np.testing.assert_array_equal(shared[key], kept[key])
    assert "2 shards, which log to outputs/sweeps/tiny-signs/shards" in capsys.readouterr().out


def test_a_failing_shard_is_named_with_its_reason_and_log(project, capsys):
    package = project / "helpers"
    package.mkdir()
    says = "import sys\nfrom pathlib import Path\nPath(sys.argv[3]).write_text(' '.join(sys.argv[1:]))\n"
    (package / "__main__.py").write_text(says + "sys.exit('out of\\nluck' if sys.argv[3] == '1' else 0)\n")
    request = Request(model="no.keras", sigmas=(1, 2))
    assert not shards.share_out(request, 3, 7)
    said = capsys.readouterr().out
    assert "shard 1 (of 0 to 2) failed: luck\n  its log: outputs/sweeps/no-signs/shards/1.log" in said
    assert "shard 0" not in said and "shard 2" not in said
    assert (project / "2").read_text() == "shard outputs/sweeps/no-signs/request.json 2 3 --cores 2"
    assert (project / "outputs/sweeps/no-signs/shards/1.log").read_text() == "out of\nluck\n"
    written = json.loads((project / "outputs/sweeps/no-signs/request.json").read_text())
    assert Request(**written | {"sigmas": (1, 2)}) == request


def test_when_no_shard_begins_snakemake_says_why(capsys):
    assert not shards.share_out(Request(model="no.keras"), 2, 1, ["--nonsense"])
    said = capsys.readouterr().out
    assert "the end of outputs/sweeps/no-signs/snakemake.log" in said
    assert "unrecognized arguments: --nonsense" in said


def test_no_table_without_all_shards(request_, monkeypatch):
    monkeypatch.setattr(shards, "share_out", lambda *arguments: False)
    assert not shards.run(request_, 2)
    assert not table(request_).exists()


def test_one_run_at_a_time_under_a_name(request_, monkeypatch):
    monkeypatch.setattr(shards, "Popen", fail)
    with processes.claim(stability.CACHE / request_.name), pytest.raises(Refused, match="another run"):
        shards.share_out(request_, 2, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "sings"], "data set sings, which is unknown; did you mean signs?"),
        (["--dataset", "folder:nowhere"], "nowhere is not a folder"),
        (["--shards", "0"], "shards is 0: it must be at least 1"),
        (["--copies", "0"], "copies 0, seed 0: give at least 1 copy"),
        (["--seed", "-1"], "copies 150, seed -1: give at least 1 copy, a seed from 0"),
        (["--images", "0"], "test_images is 0: it must be at least 1"),
        (["--image-size", "0"], "image_size is 0: it must be at least 1"),
        (["--fit", "squeeze"], "unknown fit 'squeeze'"),
        (["--sigmas", "2,1"], "sigmas (2.0, 1.0): give ascending"),
        (["--sigmas", "0,1"], "sigmas (0.0, 1.0): give ascending"),
        (["--sigmas", "1,nan"], "sigmas (1.0, nan): give ascending"),
        (["--sigmas", "1,inf"], "sigmas (1.0, inf): give ascending"),
        (["--", "--jobs", "3"], "--jobs 3: options of Snakemake need at least 2 shards"),
    ],
)
def test_a_request_is_refused_before_anything_is_made(project, signs_model, arguments, message, capsys):
    assert __main__.main(["sweep", signs_model, *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("refused: ") and message in said
    assert [path.name for path in project.iterdir()] == ["tiny.keras"]


def test_an_absent_model_is_refused(project, capsys):
    assert __main__.main(["sweep", str(project / "no.keras")]) == 2
    assert f"refused: no model file at {project}/no.keras" in capsys.readouterr().err


def test_a_model_that_does_not_fit_is_refused_with_both_shapes(request_, signs_model, monkeypatch, capsys):
    monkeypatch.setattr(shards, "Popen", fail)
    options = ["--dataset", "folder:pictures", "--image-size", "4", "--fit", "resize", "--shards", "2"]
    assert __main__.main(["sweep", signs_model, *options]) == 2
    assert "takes input of shape (None, 16, 16, 3), not (None, 4, 4, 3)" in capsys.readouterr().err
    assert not chunks()


def test_the_command_line_fills_the_request(project, monkeypatch):
    calls = []
    monkeypatch.setattr(shards, "run", lambda *arguments: calls.append(arguments) or True)
    monkeypatch.chdir(project)
    images = "--dataset gtsrb --image-size 40 --fit resize --images 9 --train-images 8"
    noise = "--copies 7 --sigmas 1,2.5 --seed 3"
    command = ["sweep", "my.keras", *images.split(), *noise.split(), "--shards", "5", "--cores", "4"]
    assert __main__.main([*command, "--", "--executor", "slurm", "--", "-j", "2"]) == 0
    model = str(project / "my.keras")
    request = Request(model, "gtsrb", 40, "resize", 9, 8, 7, (1, 2.5), 3, "data")
    assert calls.pop() == (request, 5, 4, ["--executor", "slurm", "--", "-j", "2"])
    assert __main__.main(["sweep", "my.keras", "--cores", "2"]) == 0
    assert calls.pop() == (Request(model), 1, 2, [])


def test_a_job_computes_its_shard_on_its_threads(monkeypatch):
    calls = []
    monkeypatch.setattr(shards, "work", lambda *arguments: calls.append(arguments))
    assert __main__.main(["shard", "a/request.json", "1", "3", "--cores", "4"]) == 0
    path, *rest = calls.pop()
    assert (path.as_posix(), *rest) == ("a/request.json", 1, 3)
    assert __main__.os.environ["TF_NUM_INTRAOP_THREADS"] == "4"


@pytest.mark.parametrize(
    ("model", "dataset", "name"),
    [
        ("/a/compact.keras", "gtsrb", "compact-gtsrb"),
        ("03 nearest, v1.2.keras", "signs", "03-nearest-v1-2-signs"),
        ("??.keras", "signs", "model-signs"),
    ],
)
def test_results_are_named_after_model_and_data(model, dataset, name):
    assert Request(model, dataset).name == name
