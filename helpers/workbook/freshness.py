"""What each notebook's results rest on under one profile and data set, and whether they are up to date."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from helpers import datasets, outputs
from helpers.workbook.notebooks import Notebook, Refused


@dataclass(frozen=True)
class Workbook:
    """The notebooks under one profile and data set, with the parameters that each is to get."""

    notebooks: dict[str, Notebook]
    parameters: dict[str, dict]
    folder: Path
    data: str

    def done(self, stem: str) -> Path:
        """Return the marker that a notebook leaves when it succeeds: a digest per file that it wrote."""
        return self.folder / "manifest" / f"{stem}.done"

    def inputs(self, stem: str) -> Path:
        """Return the file that says what a notebook's results rest on."""
        return self.folder / "manifest" / f"{stem}.inputs.json"

    def current(self, stem: str) -> dict:
        """Return what a notebook's results would rest on if it ran now."""
        notebook = self.notebooks[stem]
        code = "\n".join(text for kind, text, _ in notebook.source if kind == "code")
        root = notebook.path.parents[1]
        published = sorted((root / "data" / "published").glob("*.csv"))
        named = {name: _file(value, root) for name, value in self.parameters[stem].items()}
        files = {name: outputs.sha256(path) for name, path in named.items() if path}
        current = {
            "parameters": self.parameters[stem],
            "notebook": hashlib.sha256(json.dumps(notebook.source).encode()).hexdigest(),
            "helpers": notebook.code(outputs.Package(root)),
            "published": {path.name: outputs.sha256(path) for path in published if path.stem in code},
            "data": self.data,
        }
        return current | ({"files": files} if files else {})  # unchanged where no file is named

    def why(self, stem: str) -> str | None:
        """Return why a notebook has to run again, None when its results are up to date."""
        if not self.done(stem).is_file():
            return "not finished yet" if self.inputs(stem).is_file() else "never ran"
        before, now = ({"files": {}} | said for said in (_read(self.inputs(stem)), self.current(stem)))
        changed = [name for key in now for name in _changed(key, before.get(key), now[key])]
        if changed:
            return f"changed: {', '.join(dict.fromkeys(changed))}"
        lost = [name for name, digest in _read(self.done(stem)).items() if self._lost(name, digest)]
        if lost:
            return f"missing or overwritten: {', '.join(lost)}"
        newer = [need for need in self.notebooks[stem].needs if self._newer(need, stem)]
        return f"newer results of {', '.join(newer)}" if newer else None

    def prepare(self, stem: str) -> None:
        """Write the inputs of a notebook, so that their time tells whether it must run again."""
        content = self.current(stem)
        if _read(self.inputs(stem)) != content:
            outputs.write_json(self.inputs(stem), content)
        if any(self._lost(name, digest) for name, digest in _read(self.done(stem)).items()):
            self.done(stem).unlink()

    def _lost(self, name: str, digest: str) -> bool:
        """Tell whether a result is gone, or a table overwritten: one seed gives one table, byte by byte."""
        path = self.folder / name
        return not path.is_file() or (path.suffix == ".csv" and outputs.sha256(path) != digest)

    def _newer(self, need: str, stem: str) -> bool:
        done = self.done(need)
        return not done.is_file() or done.stat().st_mtime_ns > self.done(stem).stat().st_mtime_ns


def assemble(
    notebooks: dict[str, Notebook], parameters: dict[str, dict], profile: str, dataset: str, data_root: str
) -> Workbook:
    """Return the workbook under a profile and data set; Refused when the data set cannot be read."""
    try:
        data = datasets.source_digest(dataset, data_root)
    except (OSError, ValueError) as error:
        raise Refused(f"data set {dataset}: {error}") from error
    common = {"profile": profile, "dataset": dataset}
    given = {stem: common | own for stem, own in parameters.items()}
    return Workbook(notebooks, given, outputs.folder(profile, dataset), data)


def _file(value: object, root: Path) -> Path | None:
    """The file that a parameter names, relative to the project, if it names one."""
    if not isinstance(value, str):
        return None
    path = root / os.path.expanduser(value)
    return path if os.path.isfile(path) else None  # False too for text that no path can be


def _changed(key: str, before: object, now: object) -> list[str]:
    """Name what differs: the parts of a mapping, else the thing itself."""
    if before == now:
        return []
    if not isinstance(now, dict) or not isinstance(before, dict):
        return [key]
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _read(path: Path) -> dict:
    """Return what a JSON file says, nothing when it is absent or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
