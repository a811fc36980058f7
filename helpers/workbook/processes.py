"""One run at a time in a folder, and nothing left alive of a run that was killed."""

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from helpers import outputs
from helpers.workbook.notebooks import Refused

MARK = "WORKBOOK_RUN"  # environment variable that every process of a run inherits
_GRACE = 3  # seconds between asking a process to end and killing it
_ROUNDS = 4  # a process may be born while its parent is being ended
_PAUSE = 0.2  # seconds between them: one that is just being started shows no environment yet


@contextmanager
def claim(folder: Path) -> Iterator[dict[str, str]]:
    """Hold `folder` for one run; yield the environment for the processes that the run starts.

    Raises Refused while another run holds the folder. The system itself drops the lock of a killed run; what
    that run left behind, processes and half-written files, is ended and removed first. On leaving, by
    whatever way, the processes of this run are ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    marks, lock = folder / "run.json", FileLock(folder / "run.lock", blocking=False)
    last = _read(marks)
    try:
        lock.acquire()
    except Timeout as error:
        pid, where = last.get("pid", "unknown"), outputs.relative(folder)
        raise Refused(f"another run (process {pid}) is at work in {where}: wait for it, or end it") from error
    with lock:
        end(last.get("run"))
        for partial in [path for path in folder.rglob(f".*{outputs.PARTIAL}*") if path.is_file()]:
            partial.unlink()
        run = uuid.uuid4().hex
        outputs.write_json(marks, {"pid": os.getpid(), "run": run})
        try:
            yield os.environ | {MARK: run}
        finally:
            end(run)


def end(run: str | None) -> None:
    """End every process that carries the mark of `run`: politely, then after three seconds by force."""
    for number in range(_ROUNDS if run else 0):
        marked = [p for p in psutil.process_iter() if _quietly(p.environ, {}).get(MARK) == run]
        for process in marked:
            _quietly(process.terminate)
        _, alive = psutil.wait_procs(marked, timeout=_GRACE)
        for process in alive:
            _quietly(process.kill)
        psutil.wait_procs(alive, timeout=_GRACE)
        if number and not marked:
            return
        time.sleep(_PAUSE)


def _quietly(action, otherwise=None):
    """Return what `action` does, or `otherwise` where the process has gone or belongs to somebody else."""
    try:
        return action()
    except (psutil.Error, OSError):
        return otherwise


def _read(marks: Path) -> dict:
    """What the last run said of itself; one that was killed before it did had started nothing yet."""
    try:
        return json.loads(marks.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
