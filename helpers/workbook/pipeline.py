"""A run of the workbook: Snakemake does the jobs, this says how they go and what came of them."""

import json
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from helpers import outputs
from helpers.outputs import relative
from helpers.workbook import processes
from helpers.workbook.freshness import Workbook
from helpers.workbook.notebooks import upstream

_FLAGS = (
    "--keep-going",  # notebooks that do not rest on a failed one go on
    "--nolock",  # `processes.claim` holds the folder
    "--rerun-incomplete",
    *("--rerun-triggers", "mtime"),  # the inputs are rewritten only when their content changes,
    *("--max-checksum-file-size", "0"),  # so their time says all
    "--drop-metadata",
)
_TAIL = 20  # lines of Snakemake's log shown after an unexpected end


@dataclass
class Progress:
    """What the notebooks of a run said so far: seconds of each that ended, and why some failed."""

    planned: int
    seconds: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def hear(self, event: str, notebook: str, seconds: float = 0, error: str = "") -> None:
        """Print the progress that one event (started, finished or failed) means."""
        if event == "started":
            print(f"{notebook} …", flush=True)
            return
        self.seconds[notebook] = seconds
        if event == "failed":
            self.failures[notebook] = error
        count = len(self.seconds)
        how = "failed after " if event == "failed" else ""
        print(f"[{count}/{max(count, self.planned)}] {notebook} {how}{seconds:.0f} s", flush=True)


def run(workbook: Workbook, selected: list[str], data_root: str, cores: int) -> bool:
    """Run those of `selected` that are out of date, and before them what they rest on and has no results.

    Two of them run at a time. Returns whether all of them are done. Raises Refused while another run is at
    work in the same folder.
    """
    started = time.monotonic()
    with processes.claim(workbook.folder) as environment:
        wanted = _with_missing(workbook, selected)
        progress = Progress(len(_stale(workbook, wanted)))
        for stem in wanted:
            workbook.prepare(stem)
        log = workbook.folder / "manifest" / "snakemake.log"
        log.parent.mkdir(exist_ok=True)
        environment |= {"DATA_ROOT": data_root}
        status = _snakemake(workbook, selected, progress, log, environment, cores)
    held = [stem for stem in wanted if not workbook.done(stem).is_file() and stem not in progress.failures]
    _tell(workbook, wanted, held, progress, time.monotonic() - started)
    if status and not progress.failures:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
        print(f"Snakemake stopped with status {status}; the end of {relative(log)}:", *tail, sep="\n")
    return status == 0


def _with_missing(workbook: Workbook, selected: list[str]) -> list[str]:
    """Return `selected` with what is missing upstream; say which results upstream are out of date."""
    wanted = set(selected)
    for stem in upstream(selected, workbook.notebooks):
        if not workbook.done(stem).is_file():
            wanted.add(stem)
        elif reason := workbook.why(stem):
            print(f"note: the results of {stem} are used as they are ({reason}); name it too to renew them")
    return [stem for stem in workbook.notebooks if stem in wanted]


def _stale(workbook: Workbook, wanted: list[str]) -> set[str]:
    """Return which of `wanted` will run: out of date themselves, or resting on one that will run."""
    stale = {stem for stem in wanted if workbook.why(stem)}
    return stale | {stem for stem in wanted if stale.intersection(upstream([stem], workbook.notebooks))}


def _snakemake(
    workbook: Workbook, selected: list[str], progress: Progress, log: Path, environment: dict, cores: int
) -> int:
    """Let Snakemake do the jobs; hear what they say on standard output, keep all else in `log`."""
    targets = [relative(workbook.done(stem)) for stem in selected]
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", str(cores), *_FLAGS]
    command += ["--config", f"outputs={relative(workbook.folder)}"]
    with log.open("w", encoding="utf-8") as chatter:
        print("$", shlex.join(command), file=chatter, flush=True)
        process = subprocess.Popen(
            command,
            cwd=outputs.ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=chatter,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C reaches this process only, which then ends the others
        )
        with process.stdout:
            for line in process.stdout:
                if line.startswith('{"event"'):
                    progress.hear(**json.loads(line))
        return process.wait()


def _tell(workbook: Workbook, wanted: list[str], held: list[str], progress: Progress, seconds: float) -> None:
    """Print the failures, what they held up, and the sum of it all."""
    folder = relative(workbook.folder)
    for stem, error in progress.failures.items():
        print(f"{stem} failed in {error}")
        print(f"  the executed copy with its traceback: {folder}/executed/{stem}.ipynb")
    if held and progress.failures:
        print(f"not run, because of that: {', '.join(held)}")
    fresh = len(set(wanted) - set(held) - set(progress.seconds))
    ran = len(progress.seconds) - len(progress.failures)
    counts = {"ran": ran, "up to date": fresh, "failed": len(progress.failures), "not run": len(held)}
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    print(f"{said} in {seconds:.0f} s; results in {folder}")
