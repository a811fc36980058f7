"""One notebook as a job: run in a fresh kernel, with events for the runner, a line of JSON each."""

import functools
import json
import os
import sys
import time
from pathlib import Path
from typing import TextIO

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from helpers import outputs

_LONGEST = 1000  # characters of an error; the executed copy has it whole


def execute(stem: str, place: str, cores: int) -> bool:
    """Run the notebook `stem` with the inputs in the folder `place`; return whether it went well.

    Events (started, finished, failed) go to standard output, all else to standard error.
    """
    folder = outputs.ROOT / place
    copy = folder / "executed" / f"{stem}.ipynb"
    inputs = json.loads((folder / "manifest" / f"{stem}.inputs.json").read_text(encoding="utf-8"))
    # the kernel of this very environment, whatever kernels and thread settings are installed elsewhere
    kernels = [f"{sys.prefix}/share/jupyter", os.environ.get("JUPYTER_PATH", "")]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, kernels))
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(cores))
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # it shares the GPU with another notebook
    # the runner listens until nobody holds its pipe, so the kernel and what it starts must not inherit it
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    say = functools.partial(_say, events, stem)
    started = time.time()
    say("started")
    try:
        _execute(stem, copy, inputs["parameters"] | {"data_root": os.environ["DATA_ROOT"]})
    except PapermillExecutionError as error:
        line = error.source.strip().partition("\n")[0]
        reason = f"cell [{error.exec_count}] ({line}): {error.ename}: {error.evalue[:_LONGEST]}"
    except DeadKernelError:
        reason = f"cell [{_last_cell(copy)}]: the kernel died, most often because the memory was full"
    except Exception as error:
        reason = f"execution, outside of any cell: {type(error).__name__}: {error}"
    else:
        outputs.write_json(folder / "manifest" / f"{stem}.done", _written(folder, stem, started))
        say("finished", seconds=time.time() - started)
        return True
    say("failed", seconds=time.time() - started, error=reason)
    return False


def _execute(stem: str, copy: Path, parameters: dict[str, object]) -> None:
    """Execute; once more where the kernel died at its start, as two that start at once may draw one port."""
    notebook = str(outputs.ROOT / "notebooks" / f"{stem}.ipynb")
    options = {"kernel_name": "python3", "language": "python", "cwd": str(outputs.ROOT)}
    for last in (False, True):
        try:
            papermill.execute_notebook(notebook, str(copy), parameters, **options, progress_bar=False)
            return
        except RuntimeError as error:
            if last or "died before replying" not in str(error):
                raise


def _say(events: TextIO, notebook: str, event: str, **more: object) -> None:
    print(json.dumps({"event": event, "notebook": notebook, **more}), file=events, flush=True)


def _last_cell(copy: Path) -> int:
    """Return the number of the last cell that was begun in an executed copy."""
    cells = json.loads(copy.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return sum(cell["metadata"].get("papermill", {}).get("status") != "pending" for cell in code)


def _written(folder: Path, stem: str, started: float) -> dict[str, str]:
    """Return the digests in the manifest that the notebook wrote in this very run, if it wrote one."""
    manifest = folder / "manifest" / f"{stem}.json"
    if not manifest.is_file() or manifest.stat().st_mtime < started:
        return {}
    files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    return {name: file["sha256"] for name, file in files.items()}
