import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from small_project import NOTEBOOKS, make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("main") / "small project")


def start(project, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "DATA_ROOT"}
    return subprocess.Popen(
        [sys.executable, "-m", "helpers", *arguments],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def call(project, *arguments):
    process = start(project, *arguments)
    said, _ = process.communicate()
    return process.returncode, said


def wait_for(path, process):
    while not path.exists() or not path.read_text():
        assert process.poll() is None, f"{path.name} never came: {process.communicate()[0]}"
        time.sleep(0.05)
    return path.read_text()


@pytest.fixture(scope="module")
def first_run(project):
    """A run in which one notebook raises and another loses its kernel."""
    return call(project, "run", "-p", "fail=true", "-p", "rate=0.25")


def test_failures_name_notebook_cell_and_copy_and_the_others_go_on(project, first_run):
    status, said = first_run
    assert status == 1
    assert "03_alone failed in cell [4] (if fail:): ValueError: on purpose" in said
    assert "04_dies failed in cell [4]: the kernel died" in said
    assert "2 ran, 2 failed in" in said
    assert "outputs/quick-signs/executed/03_alone.ipynb" in said
    copy = (project / "outputs/quick-signs/executed/03_alone.ipynb").read_text()
    assert "ValueError" in copy and "on purpose" in copy
    assert not (project / "outputs/quick-signs/manifest/03_alone.done").exists()


def test_progress_has_two_lines_per_notebook_and_hides_snakemake(first_run):
    lines = first_run[1].splitlines()
    assert [line[:5] for line in lines[:8] if line[0] == "["] == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]
    assert sorted(line for line in lines[:8] if line[0] != "[") == [f"{stem} …" for stem in NOTEBOOKS]
    assert "rule" not in first_run[1]


def test_parameters_come_from_notebook_profile_and_command_line(project, first_run):
    tables = project / "outputs" / "quick-signs" / "tables"
    assert (tables / "01_value.csv").read_text() == "value\n3.25\n"  # seed of the profile, rate of -p
    assert (tables / "02_value.csv").read_text() == "value\n36.5\n"  # its own seed in the profile
    manifest = json.loads((project / "outputs/quick-signs/manifest/01_source.json").read_text())
    assert manifest["parameters"]["profile"] == "quick"
    assert manifest["parameters"]["data_root"] == "data"


def test_next_run_does_what_changed_and_the_one_after_nothing(project, first_run):
    status, said = call(project, "run", "01", "-p", "rate=0.25")
    assert (status, "1 up to date" in said) == (0, True), said
    status, said = call(project, "run", "-p", "rate=0.25")
    assert (status, "2 ran, 2 up to date" in said) == (0, True), said
    (project / "helpers" / "alpha" / "inner" / "signs.py").touch()
    (project / "notebooks" / "01_source.ipynb").touch()
    status, said = call(project, "run", "-p", "rate=0.25")
    assert (status, "4 up to date" in said) == (0, True), said
    assert "[" not in said
    (project / "helpers" / "beta.py").write_text("FACTOR = 20\n")
    status, said = call(project, "run", "-p", "rate=0.25")
    assert (status, "1 ran, 3 up to date" in said) == (0, True), said
    assert "[1/1] 02_user" in said
    assert (project / "outputs/quick-signs/tables/02_value.csv").read_text() == "value\n69\n"


def test_a_named_notebook_runs_alone_once_what_it_needs_is_there(project):
    arguments = ["run", "02_user", "--profile", "smoke", "--dataset", "gtsrb"]
    status, said = call(project, *arguments)
    assert (status, "2 ran" in said) == (0, True), said
    assert "[1/2] 01_source" in said and "[2/2] 02_user" in said
    (project / "helpers" / "deep.py").write_text("SIGN = -1\n")
    status, said = call(project, *arguments, "-p", "seed=7")
    assert (status, "1 ran in" in said) == (0, True), said
    assert "note: the results of 01_source are used as they are (changed: SIGN)" in said
    (project / "helpers" / "deep.py").write_text("SIGN = 1\n")


def test_after_a_kill_the_same_command_goes_on_and_the_orphans_are_ended(project, tmp_path):
    arguments = ["run", "01_source", "--profile", "smoke", "-p", f"hold={tmp_path}"]
    runner = start(project, *arguments)
    kernel = psutil.Process(int(wait_for(tmp_path / "kernel", runner)))
    status, said = call(project, *arguments)
    assert status == 2
    assert f"another run (process {runner.pid}) is at work in outputs/smoke-signs" in said
    runner.send_signal(signal.SIGKILL)
    runner.communicate()
    assert kernel.is_running()
    (tmp_path / "kernel").unlink()
    after = start(project, *arguments)
    wait_for(tmp_path / "kernel", after)
    assert not kernel.is_running()
    (tmp_path / "go").touch()
    said, _ = after.communicate()
    assert (after.returncode, "1 ran" in said) == (0, True), said
    table = project / "outputs" / "smoke-signs" / "tables" / "01_value.csv"
    assert table.read_text() == "value\n0.501\n"  # 1e-3 is a number


def test_a_request_to_end_stops_the_notebook_too(project, tmp_path):
    runner = start(
        project, "run", "01_source", "--profile", "smoke", "-p", f"hold={tmp_path}", "-p", "seed=2"
    )
    kernel = psutil.Process(int(wait_for(tmp_path / "kernel", runner)))
    runner.send_signal(signal.SIGTERM)
    said, _ = runner.communicate()
    assert runner.returncode == 130
    assert "the same command goes on from here" in said
    assert not kernel.is_running()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "sed=1"], "parameter sed, which is unknown; did you mean seed?"),
        (["03", "-p", "seed=1"], "03_alone: parameter seed, which is unknown"),
        (["--profile", "quik"], "profile quik, which is unknown; did you mean quick?"),
        (["--dataset", "sings"], "data set sings, which is unknown; did you mean signs?"),
        (["05_nothing"], "notebook 05_nothing, which is unknown; there is 01_source"),
        (["--", "05_nothing"], "notebook 05_nothing, which is unknown; there is 01_source"),
        (["-p", "seed"], "-p seed is not of the form name=value"),
        (["-p", "profile=full"], "-p profile is set by --profile"),
        (["--data-root", "nowhere"], "data root nowhere: there is no such folder"),
    ],
)
def test_requests_are_refused_by_name_before_anything_runs(project, arguments, message):
    status, said = call(project, "run", *arguments)
    assert status == 2
    assert message in said
    assert "[1/" not in said


def test_sigmas_of_a_sweep_are_numbers(project):
    status, said = call(project, "sweep", "my.keras", "--sigmas", "1,x")
    assert status == 2
    assert said == "refused: sigmas 1,x: give numbers with commas between them, such as 1,2,4\n"


def test_list_says_title_and_state(project, first_run):
    status, said = call(project, "list", "--dataset", "gtsrb")
    assert status == 0
    assert said.splitlines()[0].split() == ["01_source", "never", "ran", "A", "title"]
    assert said.splitlines()[-1].endswith("outputs/quick-gtsrb")


def test_the_folder_of_a_data_set_is_seen_from_the_caller(project):
    status, said = call(project, "list", "--dataset", "folder:../my pets")
    assert status == 0
    assert f"data set folder:{project.parent}/my pets: outputs/quick-folder-my-pets-" in said


def test_the_runner_does_not_import_tensorflow():
    code = "import sys, helpers.__main__, helpers.workbook.doctor; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
