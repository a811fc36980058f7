"""RESULTS.md: every kept table, with its file and the section of the notebook that makes it, and figures."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from helpers import outputs
from helpers.workbook import profiles
from helpers.workbook.notebooks import Notebook, find

LONGEST = 50  # rows; a longer table is linked, not shown
_HEAD = """# Results

Written by `.venv/bin/python -m helpers results` from the tables in [outputs/reference](outputs/reference); a
test compares the two. Accuracies are in percent, norms and sigmas in grey levels; in brackets stand 95 %
intervals. Where a table has a column `trainings`, its numbers are means over so many trainings, and the
interval covers other images and other trainings; without one, it covers images alone and speaks of one
training of each network. The interval of a difference lets trainings reach as far as their number makes
sure, its p weighs them against images (Satterthwaite): where one has zero in it and the other is below
0.05, nothing is certain. Under each notebook stands how to run it again; its options `-p` are what its
profile has otherwise. Nothing measured on rendered signs is a statement about GTSRB.
"""


def text(root: Path = outputs.ROOT) -> str:
    """The whole page, from what is kept below `root`."""
    kept = root / "outputs" / "reference"
    runs = sorted(path for path in kept.iterdir() if path.is_dir())
    return "\n".join([_HEAD, *(part for run in runs for part in _run(run, root))])


def write(root: Path = outputs.ROOT) -> Path:
    """Write the page to `RESULTS.md`, and return where it lies."""
    path = root / "RESULTS.md"
    with outputs.atomic(path) as partial:
        partial.write_text(text(root), encoding="utf-8")
    return path


def _run(folder: Path, root: Path) -> Iterator[str]:
    profile, _, dataset = folder.name.partition("-")
    usual = profiles.load(profile, workbook := find(root), root)
    yield f"## {dataset}, profile {profile}\n"
    for manifest in sorted((folder / "manifest").glob("*.json")):
        said = json.loads(manifest.read_text(encoding="utf-8"))
        notebook = workbook[said["notebook"]]
        trainings = said["parameters"].get("trainings")
        repeated = f", {trainings} trainings of each" if trainings else ""
        yield f"### {notebook.title}\n"
        yield f"{said['started'][:10]}, {said['seconds']:,.0f} s{repeated}, by the parameters of:\n"
        chosen = _chosen(said["parameters"], notebook.parameters | usual[notebook.stem])
        where = ["--profile", profile, "--dataset", dataset]
        yield f"    .venv/bin/python -m helpers run {shlex.join([notebook.stem[:2], *where, *chosen])}\n"
        for name in sorted(name for name in said["files"] if name.startswith("tables/")):
            yield _table(folder / name, notebook, root)
        yield from _figures([folder / name for name in said["files"] if name.startswith("figures/")], root)


def _figures(paths: Sequence[Path], root: Path) -> Iterator[str]:
    """A line of links to those that are kept: not every figure is."""
    links = [f"[{path.stem[3:]}]({path.relative_to(root).as_posix()})" for path in paths if path.exists()]
    if links:
        yield f"Figures: {', '.join(links)}.\n"


def _chosen(parameters: Mapping[str, object], usual: Mapping[str, object]) -> Iterator[str]:
    """Options of a run for those parameters that the profile has not, or has otherwise by now."""
    for name, value in parameters.items():
        if name not in ("profile", "dataset", "data_root") and value != usual.get(name, value):
            yield from ("-p", f"{name}={json.dumps(value)}")


def _table(path: Path, notebook: Notebook, root: Path) -> str:
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    name, place = path.stem, path.relative_to(root).as_posix()
    section = _section(notebook, name[3:])
    source = f"[{name}.csv]({place}), notebook section “{section}”" if section else f"[{name}.csv]({place})"
    if len(frame) > LONGEST:
        return f"**{name}** has {len(frame):,} rows: {source}.\n"
    shown = outputs.readable(frame)
    rows = [shown.columns, ["---"] * len(shown.columns), *shown.astype(str).replace("nan", "").to_numpy()]
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return f"**{name}**: {source}.\n\n" + "\n".join(lines) + "\n"


def _section(notebook: Notebook, table: str) -> str:
    """The last heading before the cell that writes a table; empty where no cell does any more."""
    heading = ""
    for kind, content, _ in notebook.source:
        if kind == "markdown":
            found = re.findall(r"^##+ (.+)$", content, re.MULTILINE)
            heading = found[-1] if found else heading
        elif re.search(rf'"{table}"', content) and "run." in content:
            return heading
    return ""
