import os
import subprocess
import sys

import psutil
import pytest

from helpers import outputs
from helpers.workbook import processes
from helpers.workbook.notebooks import Refused

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_a_folder_is_held_by_one_run_at_a_time(tmp_path):
    folder = tmp_path / "quick-signs"
    with processes.claim(folder):
        refusal = rf"another run \(process {os.getpid()}\) is at work in {folder}"
        with pytest.raises(Refused, match=refusal), processes.claim(folder):
            pass
    with processes.claim(folder) as environment:
        assert processes.MARK in environment


def test_a_run_leaves_no_process_behind_and_touches_no_other(tmp_path):
    other = subprocess.Popen(SLEEP)
    try:
        with processes.claim(tmp_path) as environment:
            child = subprocess.Popen(SLEEP, env=environment, start_new_session=True)
            assert child.poll() is None
        child.wait(timeout=300)  # long before it would end by itself
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_process_that_is_just_being_started_is_ended_too(tmp_path, monkeypatch):
    """Between its start and its first instruction it shows no environment."""
    original, seen = psutil.Process.environ, set()

    def environ(process):
        shown = original(process) if process.pid in seen else {}
        seen.add(process.pid)
        return shown

    monkeypatch.setattr(psutil.Process, "environ", environ)
    with processes.claim(tmp_path) as environment:
        child = subprocess.Popen(SLEEP, env=environment, start_new_session=True)
    child.wait(timeout=300)


def test_what_a_killed_run_left_is_ended_and_swept(tmp_path):
    killed = (
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "from helpers.workbook import processes\n"
        "with processes.claim(Path(sys.argv[1])) as environment:\n"
        "    child = subprocess.Popen(sys.argv[2:], env=environment, start_new_session=True, stdout=-3)\n"
        "    print(child.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", killed, str(tmp_path), *SLEEP],
        cwd=outputs.ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    orphan = psutil.Process(int(done.stdout))
    half = tmp_path / "models" / f".03_cnn.0123{outputs.PARTIAL}.keras"
    half.parent.mkdir()
    half.touch()
    assert orphan.status() != "zombie"
    with processes.claim(tmp_path):
        assert not orphan.is_running() or orphan.status() == "zombie"
        assert not half.exists()


def test_a_damaged_lock_file_holds_nobody_up(tmp_path):
    (tmp_path / "run.json").write_text('{"pid": 12')
    with processes.claim(tmp_path):
        pass
