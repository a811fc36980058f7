"""The results of one notebook: tables, figures, models, and a manifest that names them all."""

import json
import os
import platform
import re
import shlex
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path

from helpers.outputs.files import ROOT, atomic, folder, sha256, write_json

COMMAND = ".venv/bin/python -m helpers"
_LITERALS = (str, int, float, bool, type(None))
_IPYTHON = {"In", "Out"}
_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


class Run:
    """The results of one notebook under one profile and data set.

    Made once, in a notebook's setup cell: `run = outputs.Run("03_cnn_baseline", globals())`. The parameters
    are the public names of the namespace that hold literals; `profile` and `dataset` must be among them.
    """

    def __init__(self, notebook: str, namespace: Mapping[str, object], root: Path = ROOT):
        """Read the parameters; ValueError for a bad notebook name, or without `profile` and `dataset`."""
        if not re.fullmatch(r"\d\d_[a-z0-9_]+", notebook):
            raise ValueError(f"{notebook!r} is not a notebook's name: expected e.g. '03_cnn_baseline'")
        self.notebook = notebook
        self.root = root
        self.parameters = _parameters(namespace)
        missing = [name for name in ("profile", "dataset") if not isinstance(self.parameters.get(name), str)]
        if missing:
            raise ValueError(f"{notebook}: the parameters cell must set {' and '.join(missing)} (text)")
        self.folder = folder(self.parameters["profile"], self.parameters["dataset"], root)
        self._started = datetime.now(UTC)
        self._clock = time.monotonic()
        self._files: set[Path] = set()

    def table(self, frame, name: str, index: bool = False):
        """Write a data frame to `tables/<number>_<name>.csv` and return it for display.

        Numbers carry six significant digits and no time stamp, so one seed gives equal bytes.
        """
        with atomic(self._promise("tables", name, ".csv")) as partial:
            frame.to_csv(partial, index=index, float_format="%.6g", lineterminator="\n")
        return frame

    def show(self, frame, name: str, decimals: int = 2) -> None:
        """Write a data frame as `table` does, and display it, numbers rounded to so many decimals.

        An accuracy or difference with its ends low and high is shown as one column, ``94.8 [94.4, 95.2]``.
        """
        from IPython.display import display  # here, so that the runner starts without it

        self.table(frame, name)
        display(readable(frame, decimals).style.hide(axis="index"))

    def figure(self, figure, name: str) -> None:
        """Write a matplotlib figure to `figures/<number>_<name>.png`, 150 dots per inch; the layout stays."""
        from PIL import Image  # here, so that the runner starts without it

        with atomic(self._promise("figures", name, ".png")) as partial:
            figure.savefig(partial, dpi=150, bbox_inches="tight")
            # A tenth smaller without transparency, pixel for pixel the same.
            with Image.open(partial) as drawn:
                drawn.convert("RGB").save(partial, optimize=True)
        # Shown next, it would be laid out once more, for as long as drawing takes.
        figure.set_layout_engine("none")

    def model_path(self, name: str, prefix: str = "") -> Path:
        """Return `models/<number>_<prefix><name>.keras`, its folder made, spaces as `_`; save by `atomic`."""
        path = self._promise("models", f"{prefix}{name}".replace(" ", "_"), ".keras")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def read_table(self, name: str):
        """Return the table of an earlier notebook, e.g. "02_psnr"; FileNotFoundError says how to make it.

        ValueError where that notebook ran with another value of a parameter that both have.
        """
        path = self._written("tables", f"{name}.csv")
        import pandas  # here, so that the runner starts without it

        return pandas.read_csv(path)

    def read_model(self, name: str) -> Path:
        """Return where the model of an earlier notebook lies, e.g. "09_compact_0"; errors as `read_table`."""
        return self._written("models", f"{name}.keras")

    def finish(self, data_digest: str | None = None) -> None:
        """Write `manifest/<notebook>.json`: what ran on what, how long it took, digests of the files written.

        FileNotFoundError if a promised model was never saved.
        """
        absent = [path for path in sorted(self._files) if not path.is_file()]
        if absent:
            raise FileNotFoundError(f"{self.notebook} named {absent[0].name} but never wrote it: {absent[0]}")
        write_json(
            self.folder / "manifest" / f"{self.notebook}.json",
            {
                "notebook": self.notebook,
                "parameters": {name: self._portable(value) for name, value in self.parameters.items()},
                "data": data_digest,
                "versions": versions(),
                "commit": _commit(self.root),
                "started": self._started.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - self._clock, 1),
                "files": {
                    path.relative_to(self.folder).as_posix(): {
                        "bytes": path.stat().st_size,
                        "sha256": sha256(path),
                    }
                    for path in sorted(self._files)
                },
            },
        )

    def _promise(self, kind: str, name: str, suffix: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r}: name a result in lower case with underscores, e.g. 'noise_accuracy'")
        path = self.folder / kind / f"{self.notebook[:2]}_{name}{suffix}"
        self._files.add(path)
        return path

    def _written(self, kind: str, name: str) -> Path:
        path = self.folder / kind / name
        if not path.is_file():
            raise FileNotFoundError(self._how_to_make(path))
        for manifest in manifests(self.folder, name[:2]):
            self._refuse_other_parameters(manifest)
        return path

    def _refuse_other_parameters(self, manifest: Path) -> None:
        """Raise ValueError where the notebook of a manifest ran with another value of a parameter of ours."""
        theirs = json.loads(manifest.read_text(encoding="utf-8"))["parameters"]
        for name in sorted(theirs.keys() & self.parameters.keys() - {"data_root"}):
            ours = self._portable(self.parameters[name])
            if ours != theirs[name]:
                command = self._command(manifest.stem[:2], self.notebook[:2])
                raise ValueError(
                    f"{manifest.stem} ran with {name}={theirs[name]}, here it is {ours}: run both with the"
                    f" same, {command} -p {name}={ours}"
                )

    def _how_to_make(self, path: Path) -> str:
        profile, dataset = self.parameters["profile"], self.parameters["dataset"]
        writer = next((self.root / "notebooks").glob(f"{path.name[:2]}_*.ipynb"), None)
        if writer is None:
            return f"{path.name} is not there, and no notebook {path.name[:2]} could write it"
        return (
            f"{path.name} is not there for profile {profile} and data set {dataset}."
            f" Notebook {writer.stem} writes it: {self._command(writer.stem)}"
        )

    def _command(self, *notebooks: str) -> str:
        profile, dataset = self.parameters["profile"], shlex.quote(self.parameters["dataset"])
        return f"{COMMAND} run {' '.join(notebooks)} --profile {profile} --dataset {dataset}"

    def _portable(self, value: object) -> object:
        """Shorten a path of this machine: relative inside the project, its last name outside."""
        if not isinstance(value, str):
            return value
        prefix, path = ("folder:", value[7:]) if value.startswith("folder:") else ("", value)
        if not os.path.isabs(path):
            return value
        inside = Path(path).is_relative_to(self.root)
        return prefix + (Path(path).relative_to(self.root).as_posix() if inside else Path(path).name)


def manifests(folder: Path, number: str = "[0-9]") -> list[Path]:
    """The manifests of a run's finished notebooks, or of those whose names begin with a number."""
    found = (folder / "manifest").glob(f"{number}*.json")
    return sorted(path for path in found if ".inputs" not in path.suffixes)


def readable(frame, decimals: int = 2):
    """A data frame as text: rounded, counts whole, missing values empty, an interval beside what it is of.

    Columns `low` and `high` go into the one before them, `x_low` and `x_high` into an `x` before them; those
    of further intervals (by image or track), and those without any value, are left to the file.
    """
    shown = {}
    for name in frame.columns:
        column = frame[name]
        if (
            name.endswith(("_low", "_high"))
            or name in ("low", "high")
            or (len(frame) and column.isna().all())
        ):
            continue
        beside = list(frame.columns[frame.columns.get_loc(name) + 1 :][:2])
        interval = beside in (["low", "high"], [f"{name}_low", f"{name}_high"])
        number = column.dtype.kind == "f" or interval  # means that are whole by chance are read as integers
        text = "{:.2g}".format if name in ("p", "p_holm") else partial(_rounded, decimals=decimals)
        values = zip(column, column.isna(), strict=True)
        shown[name] = ["" if missing else text(value) if number else value for value, missing in values]
        if interval:
            ends = frame[beside].notna().all(axis=1), *(frame[end] for end in beside)
            texts = [
                f" [{_rounded(low, decimals)}, {_rounded(high, decimals)}]" if known else ""
                for known, low, high in zip(*ends, strict=True)
            ]
            shown[name] = [value and value + text for value, text in zip(shown[name], texts, strict=True)]
    return frame.__class__(shown)


def published(name: str, root: Path = ROOT):
    """A paper's table, as printed, from `data/published`; FileNotFoundError names those kept."""
    path = root / "data" / "published" / f"{name}.csv"
    if not path.is_file():
        kept = ", ".join(sorted(table.stem for table in path.parent.glob("*.csv")))
        raise FileNotFoundError(f"no published table {name!r} in data/published: choose one of {kept}")
    import pandas  # here, so that the runner starts without it

    return pandas.read_csv(path, keep_default_na=False)


def _rounded(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if abs(value) < 1e4 else f"{value:,.0f}"


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that decide the numbers, importing none of them."""
    found = {"python": platform.python_version()}
    for package in ("tensorflow", "keras", "numpy"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def _parameters(namespace: Mapping[str, object]) -> dict[str, object]:
    public = (name for name in namespace if not name.startswith("_") and name not in _IPYTHON)
    return {name: namespace[name] for name in public if _is_literal(namespace[name])}


def _is_literal(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_literal, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_literal(item) for key, item in value.items())
    return type(value) in _LITERALS


def _commit(root: Path) -> str | None:
    """Return the checked-out git commit (with "-dirty" after changes), or None outside a repository."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
