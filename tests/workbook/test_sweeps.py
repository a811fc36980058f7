import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tiny_networks
import tiny_sets
from scipy.stats import norm
from small_project import ROOT

from helpers import __main__, datasets, outputs, stability
from helpers.backend import keras
from helpers.workbook import processes, sweeps
from helpers.workbook.notebooks import Refused
from helpers.workbook.sweeps import Request

LEVELS = {"dark": 100, "pale": 156}  # 28 grey levels from the classifier's threshold
LABELS = ["model", "dataset", "image_size", "fit", "seed", "only_correct"]
ACCURACY = ["accuracy", "low", "high", "track_low", "track_high", "images", "copies"]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project in a temporary folder, whose data and results are nobody's."""
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TQDM_MININTERVAL"):
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv("DATA_ROOT", raising=False)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(outputs, "ROOT", tmp_path)
    monkeypatch.setattr("helpers.outputs.files.ROOT", tmp_path)
    monkeypatch.setattr("helpers.signs.rendering.PICTOGRAMS", ROOT / "data" / "signs")
    monkeypatch.setattr(stability, "CACHE", tmp_path / "outputs" / "sweeps")
    monkeypatch.chdir(tmp_path)
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
        copies=100,
        sigmas=(14, 28, 56),
    )


@pytest.fixture
def tiny(project):
    """The file of a convolutional network with two classes, 16 pixels wide."""
    tiny_networks.small(2, side=16).save(project / "tiny.keras")
    return str(project / "tiny.keras")


def table(request, end=""):
    return stability.CACHE / f"{request.name}{end}.csv"


def write(request, folder):
    outputs.write_json(folder / "request.json", vars(request))
    return folder / "request.json"


def chunks():
    return {path.name: path for path in stability.CACHE.glob("*/*.npz")}


def fail(*arguments, **options):
    raise AssertionError("this was not to be called")


def test_one_shard_measures_here_and_the_numbers_are_right(request_, monkeypatch, capsys):
    monkeypatch.setattr(sweeps, "Popen", fail)
    assert sweeps.run(request_)
    written = pd.read_csv(table(request_))
    assert list(written) == [*LABELS, "sigma", *ACCURACY]
    assert written[LABELS].drop_duplicates().to_numpy().tolist() == [
        ["one pixel.keras", "folder:pictures", 4, "resize", 0, False]
    ]
    assert written["sigma"].tolist() == [0, 14, 28, 56]
    assert written["accuracy"][0] == 100
    noisy = written[1:]
    np.testing.assert_allclose(noisy["accuracy"], 100 * norm.cdf(28 / noisy["sigma"]), atol=3)
    assert (written["images"] == 40).all() and (noisy["copies"] == 100).all()
    overall = pd.read_csv(table(request_, "-overall"))
    assert list(overall) == [*LABELS, *ACCURACY, "sigmas"] and overall["sigmas"].tolist() == ["14 28 56"]
    np.testing.assert_allclose(overall["accuracy"], noisy["accuracy"].mean(), rtol=1e-5)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "40 images; outputs of the model, in this order: 0 dark, 1 pale"
    assert said[1].split() == ["sigma", "accuracy", "(%)", "images", "copies"]
    assert said[2].split()[:2] == ["0.0", "100.00"]
    shown = [float(number) for number in re.findall(r"[\d.]+", said[4])]
    np.testing.assert_allclose(shown, written.loc[2, ["sigma", *ACCURACY[:3], *ACCURACY[5:]]], atol=0.006)
    assert said[6].startswith(f"overall, sigmas above 0: {overall['accuracy'][0]:.2f} [")
    names = [f"outputs/sweeps/{request_.name}{end}.csv" for end in ("", "-overall")]
    assert said[7:] == [f"the tables: {' '.join(names)}"]


def test_only_images_that_are_right_without_noise(request_, project, capsys):
    mislabelled = tiny_sets.encoded(np.full((4, 4, 3), LEVELS["pale"], np.uint8))
    tiny_sets.write_tree(project / "pictures", {f"dark/wrong {n}.png": mislabelled for n in range(10)})
    assert sweeps.run(request_)
    every = pd.read_csv(table(request_))
    assert every["accuracy"][0] == 80 and every["images"][0] == 50
    before = {path: path.stat().st_mtime_ns for path in chunks().values()}
    assert "without noise" not in capsys.readouterr().out
    right = replace(request_, only_correct=True)
    assert sweeps.run(right)
    assert {path: path.stat().st_mtime_ns for path in chunks().values()} == before
    chosen = pd.read_csv(table(right))
    assert chosen["sigma"].tolist() == [14, 28, 56] and chosen["only_correct"].all()
    np.testing.assert_allclose(chosen["accuracy"], 100 * norm.cdf(28 / chosen["sigma"]), atol=3)
    overall = pd.read_csv(table(right, "-overall"))
    assert (chosen["images"] == 40).all() and overall["images"].tolist() == [40]
    np.testing.assert_allclose(overall["accuracy"], chosen["accuracy"].mean(), rtol=1e-5)
    assert "overall, sigmas above 0 of the images that are right without noise: " in capsys.readouterr().out


def test_a_part_of_a_folder_keeps_the_shares_of_its_classes(request_, project):
    (project / "pictures" / "pale" / "00.png").unlink()
    part = replace(request_, images=13, sigmas=(1,), copies=1)
    assert sweeps.run(part)
    with np.load(*chunks().values()) as kept:
        np.testing.assert_array_equal(kept["counts"][:, 0], [[1, 0]] * 7 + [[0, 1]] * 6)


def test_of_many_classes_the_first_and_last_are_named():
    names = tuple(f"s{number}" for number in range(1, 9))
    nothing = np.zeros(5, int)
    images = datasets.ImageSet(np.zeros((5, 4, 4, 3), np.uint8), nothing, nothing, names, nothing)
    expected = "5 images; outputs of the model, in this order: 0 s1, 1 s2, 2 s3, …, 5 s6, 6 s7, 7 s8"
    assert sweeps._order(images) == expected


def test_of_signs_only_the_test_images_are_rendered(project):
    tiny_networks.small(43, side=16).save(project / "signs.keras")
    options = "--image-size 16 --images 43 --copies 1 --sigmas 10"
    assert __main__.main(["sweep", "signs.keras", *options.split()]) == 0
    (written,) = stability.CACHE.glob("signs-signs-*-overall.csv")
    assert pd.read_csv(written)["images"].tolist() == [43]
    prepared = {path.name: len(np.load(path)) for path in project.glob("data/prepared/*/*-labels.npy")}
    assert prepared == {"train-labels.npy": 1, "validation-labels.npy": 0, "test-labels.npy": 43}


def test_what_some_shards_computed_is_not_computed_again(request_, project, monkeypatch):
    assert sweeps.run(request_)
    expected = table(request_).read_bytes()
    monkeypatch.setattr("helpers.signs.rendering.PICTOGRAMS", ROOT / "data" / "signs")
    monkeypatch.setattr(stability, "CACHE", project / "outputs" / "other")
    sweeps.work(write(request_, project), 1, 3)
    before = {name: path.stat().st_mtime_ns for name, path in chunks().items()}
    assert len(before) == 1  # of 4 runs of 25 copies
    assert sweeps.run(request_)
    after = {name: path.stat().st_mtime_ns for name, path in chunks().items()}
    assert len(after) == 4 and before.items() <= after.items()
    assert table(request_).read_bytes() == expected


def test_shards_together_leave_nothing_to_compute(request_, project, monkeypatch):
    for number in range(2):
        sweeps.work(write(request_, project), number, 2)
    monkeypatch.setattr("helpers.stability.sweeps._computed", fail)
    assert sweeps.run(request_)


def test_shards_of_two_processes_give_the_numbers_of_one_bit_for_bit(request_, project, tiny, monkeypatch):
    shutil.copytree(ROOT / "helpers", project / "helpers")
    request = replace(request_, model=tiny, image_size=16, copies=30, sigmas=(10, 40))
    with monkeypatch.context() as patch:
        patch.setattr(stability, "CACHE", project / "outputs" / "alone")
        assert sweeps.run(request)
        alone, tables = chunks(), {path.name: path.read_bytes() for path in stability.CACHE.glob("*.csv")}
    sweeps.work(write(request, project), 0, 2)
    job = [sys.executable, "-m", "helpers", "shard", "request.json", "1", "2", "--cores", "2"]
    subprocess.run(job, cwd=project, check=True, capture_output=True)
    monkeypatch.setattr(sweeps, "share_out", lambda *arguments: True)
    monkeypatch.setattr("helpers.stability.sweeps._computed", fail)  # the shards are to have done it all
    assert sweeps.run(request, 2)
    assert {path.name: path.read_bytes() for path in stability.CACHE.glob("*.csv")} == tables
    assert alone.keys() == chunks().keys() and len(alone) == 2 and len(tables) == 2
    for name, path in chunks().items():
        with np.load(path) as shared, np.load(alone[name]) as kept:
            for key in kept:
                np.testing.assert_array_equal(shared[key], kept[key])


def test_a_failing_shard_is_named_with_its_reason_and_log(project, capsys):
    package = project / "helpers"
    package.mkdir()
    says = "import sys\nfrom pathlib import Path\nPath(sys.argv[3]).write_text(' '.join(sys.argv[1:]))\n"
    (package / "__main__.py").write_text(says + "sys.exit('out of\\nluck' if sys.argv[3] == '1' else 0)\n")
    request = Request(model="no.keras", sigmas=(1, 2))
    assert not sweeps.share_out(request, 3, 7)
    said, folder = capsys.readouterr().out, f"outputs/sweeps/{request.name}"
    assert f"3 shards, which log to {folder}/shards" in said
    assert f"shard 1 (of 0 to 2) failed: luck\n  its log: {folder}/shards/1.log" in said
    assert "shard 0" not in said and "shard 2" not in said
    assert (project / "2").read_text() == f"shard {folder}/request.json 2 3 --cores 2"
    assert (project / folder / "shards/1.log").read_text() == "out of\nluck\n"
    written = json.loads((project / folder / "request.json").read_text())
    assert Request(**written | {"sigmas": (1, 2)}) == request


def test_when_no_shard_begins_snakemake_says_why(capsys):
    request = Request(model="no.keras")
    assert not sweeps.share_out(request, 2, 1, ["--nonsense"])
    said = capsys.readouterr().out
    assert f"the end of outputs/sweeps/{request.name}/snakemake.log" in said
    assert "unrecognized arguments: --nonsense" in said


def test_no_table_without_all_shards(request_, monkeypatch):
    monkeypatch.setattr(sweeps, "share_out", lambda *arguments: False)
    assert not sweeps.run(request_, 2)
    assert not table(request_).exists()


def test_one_run_at_a_time_under_a_name(request_, monkeypatch):
    monkeypatch.setattr(sweeps, "Popen", fail)
    with processes.claim(stability.CACHE / request_.name), pytest.raises(Refused, match="another run"):
        sweeps.share_out(request_, 2, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "sings"], "data set sings, which is unknown; did you mean signs?"),
        (["--dataset", "folder:nowhere"], "nowhere is not a folder"),
        (["--shards", "0"], "shards is 0: it must be at least 1"),
        (["--copies", "0"], "copies 0, seed 0: give at least 1 copy"),
        (["--seed", "-1"], "copies 150, seed -1: give at least 1 copy, a seed from 0"),
        (["--images", "0"], "images is 0: it must be at least 1"),
        (["--image-size", "0"], "image_size is 0: it must be at least 1"),
        (["--fit", "squeeze"], "unknown fit 'squeeze'"),
        (["--sigmas", "2,1"], "sigmas (2.0, 1.0): give ascending"),
        (["--sigmas", "0,1"], "sigmas (0.0, 1.0): give ascending"),
        (["--sigmas", "1,nan"], "sigmas (1.0, nan): give ascending"),
        (["--sigmas", "1,inf"], "sigmas (1.0, inf): give ascending"),
        (["--", "--jobs", "3"], "--jobs 3: options of Snakemake need at least 2 shards"),
    ],
)
def test_a_request_is_refused_before_anything_is_made(project, tiny, arguments, message, capsys):
    assert __main__.main(["sweep", tiny, *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("refused: ") and message in said
    assert [path.name for path in project.iterdir()] == ["tiny.keras"]


def test_an_absent_model_is_refused(project, capsys):
    assert __main__.main(["sweep", str(project / "no.keras")]) == 2
    assert f"refused: no model file at {project}/no.keras" in capsys.readouterr().err


def test_a_model_that_does_not_fit_is_refused_with_both_shapes(request_, tiny, monkeypatch, capsys):
    monkeypatch.setattr(sweeps, "Popen", fail)
    options = ["--dataset", "folder:pictures", "--image-size", "4", "--fit", "resize", "--shards", "2"]
    assert __main__.main(["sweep", tiny, *options]) == 2
    assert "takes input of shape (None, 16, 16, 3), not (None, 4, 4, 3)" in capsys.readouterr().err
    assert not chunks()


def test_the_command_line_fills_the_request(project, monkeypatch):
    calls = []
    monkeypatch.setattr(sweeps, "run", lambda *arguments: calls.append(arguments) or True)
    images = "--dataset gtsrb --image-size 40 --fit resize --images 9"
    noise = "--copies 7 --sigmas 1,2.5 --seed 3 --only-correct"
    command = ["sweep", "my.keras", *images.split(), *noise.split(), "--shards", "5", "--cores", "4"]
    assert __main__.main([*command, "--", "--executor", "slurm", "--", "-j", "2"]) == 0
    model = str(project / "my.keras")
    request = Request(model, "gtsrb", 40, "resize", 9, 7, (1, 2.5), 3, True, "data")
    assert calls.pop() == (request, 5, 4, ["--executor", "slurm", "--", "-j", "2"])
    assert __main__.main(["sweep", "my.keras", "--cores", "2"]) == 0
    assert calls.pop() == (Request(model), 1, 2, [])


def test_paths_are_those_of_the_caller(project, monkeypatch):
    calls = []
    monkeypatch.setattr(sweeps, "run", lambda request, *rest: calls.append(request) or True)
    monkeypatch.setenv("HOME", str(project / "home"))
    (project / "below").mkdir()
    monkeypatch.chdir(project / "below")
    assert __main__.main(["sweep", "my.keras", "--dataset", "folder:../pets"]) == 0
    assert __main__.main(["sweep", "~/my.keras", "--dataset", "folder:~/pets"]) == 0
    assert calls == [
        Request(str(project / "below/my.keras"), f"folder:{project}/pets"),
        Request(str(project / "home/my.keras"), f"folder:{project}/home/pets"),
    ]


def test_the_help_says_which_output_is_which_class(capsys):
    with pytest.raises(SystemExit):
        __main__.main(["sweep", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Output k of the model, from 0 on, must be the k-th class" in said
    assert "the same numbers on machines of one kind (processor and version of TensorFlow)" in said


def test_a_job_computes_its_shard_on_its_threads(monkeypatch):
    calls = []
    monkeypatch.setattr(sweeps, "work", lambda *arguments: calls.append(arguments))
    assert __main__.main(["shard", "a/request.json", "1", "3", "--cores", "4"]) == 0
    path, *rest = calls.pop()
    assert (path.as_posix(), *rest) == ("a/request.json", 1, 3)
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "4"


@pytest.mark.parametrize(
    ("model", "dataset", "name"),
    [
        ("/a/compact.keras", "gtsrb", "compact-gtsrb"),
        ("03 nearest, v1.2.keras", "signs", "03-nearest-v1-2-signs"),
        ("??.keras", "signs", "model-signs"),
    ],
)
def test_results_are_named_after_model_and_data(model, dataset, name):
    assert re.fullmatch(rf"{name}-[0-9a-f]{{6}}", Request(model, dataset).name)


def test_no_two_requests_have_results_of_one_name():
    request = Request("a.keras", sigmas=(1, 2))
    others = {"model": "b/a.keras", "dataset": "gtsrb", "image_size": 40, "fit": "resize", "images": 9}
    others |= {"copies": 7, "sigmas": (1, 3), "seed": 1, "only_correct": True, "data_root": "elsewhere"}
    assert others.keys() == vars(request).keys()
    names = {replace(request, **{field: value}).name for field, value in others.items()}
    assert len(names | {request.name}) == 11
    assert replace(request, sigmas=[1.0, 2.0]).name == request.name
