"""Where results go: tables, figures, models and a manifest, under `outputs/<profile>-<dataset>/`."""

import ast
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTIAL = ".partial"  # part of every temporary name, so that the runner can sweep what a killed run left
_LITERALS = (str, int, float, bool, type(None))
_IPYTHON = {"In", "Out"}
_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


@contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a path to write to, moved to `path` when the block succeeds and removed when it fails.

    So `path` is whole, or as it was before. The temporary file lies in the same folder and keeps the suffix,
    because many writers look at it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{PARTIAL}{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: object) -> None:
    """Write `content` as indented JSON, atomically."""
    with atomic(path) as partial:
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code(path: str | os.PathLike) -> str:
    """Return a Python module's syntax without comments, layout, docstrings and hints: what it computes."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body.pop(0)
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.FunctionDef):
            node.returns = None
    return ast.dump(tree)


def folder(profile: str, dataset: str, root: Path = ROOT) -> Path:
    """Return `outputs/<profile>-<dataset>` under `root`.

    A `folder:<path>` data set is named after its last folder and a digest of the whole path, so that two
    folders of one name stay apart and no path of this machine shows.
    """
    kind, _, path = dataset.partition(":")
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", f"{kind}-{Path(path).name}" if path else kind).strip("-")
    if path:
        slug += "-" + hashlib.sha256(str(Path(path).expanduser().resolve()).encode()).hexdigest()[:6]
    return root / "outputs" / f"{profile}-{slug}"


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

    def figure(self, figure, name: str) -> None:
        """Write a matplotlib figure to `figures/<number>_<name>.png` at 150 dots per inch."""
        with atomic(self._promise("figures", name, ".png")) as partial:
            figure.savefig(partial, dpi=150, bbox_inches="tight")

    def model_path(self, name: str) -> Path:
        """Return `models/<number>_<name>.keras`, its folder made; save through `atomic(path)`."""
        path = self._promise("models", name, ".keras")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def read_table(self, name: str):
        """Return the table of an earlier notebook, e.g. "02_psnr"; FileNotFoundError says how to make it."""
        path = self._written("tables", f"{name}.csv")
        import pandas  # here, so that the runner starts without it

        return pandas.read_csv(path)

    def read_model(self, name: str) -> Path:
        """Return where the model of an earlier notebook lies, e.g. "09_compact_0"; errors as `read_table`."""
        return self._written("models", f"{name}.keras")

    def published(self, name: str):
        """Return a paper's table, as printed, from `data/published`; FileNotFoundError names those kept."""
        path = self.root / "data" / "published" / f"{name}.csv"
        if not path.is_file():
            kept = ", ".join(sorted(table.stem for table in path.parent.glob("*.csv")))
            raise FileNotFoundError(f"no published table {name!r} in data/published: choose one of {kept}")
        import pandas  # here, so that the runner starts without it

        return pandas.read_csv(path, keep_default_na=False)

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
        return path

    def _how_to_make(self, path: Path) -> str:
        profile, dataset = self.parameters["profile"], self.parameters["dataset"]
        writer = next((self.root / "notebooks").glob(f"{path.name[:2]}_*.ipynb"), None)
        if writer is None:
            return f"{path.name} is not there, and no notebook {path.name[:2]} could write it"
        command = f"python -m helpers run {writer.stem} --profile {profile} --dataset {shlex.quote(dataset)}"
        return (
            f"{path.name} is not there for profile {profile} and data set {dataset}."
            f" Notebook {writer.stem} writes it: {command}"
        )

    def _portable(self, value: object) -> object:
        """Shorten a path of this machine: relative inside the project, its last name outside."""
        if not isinstance(value, str):
            return value
        prefix, path = ("folder:", value[7:]) if value.startswith("folder:") else ("", value)
        if not os.path.isabs(path):
            return value
        inside = Path(path).is_relative_to(self.root)
        return prefix + (Path(path).relative_to(self.root).as_posix() if inside else Path(path).name)


def keep(profile: str, dataset: str, kinds: Sequence[str] = ("tables", "figures"), root: Path = ROOT) -> Path:
    """Copy what the manifests of a run name into `outputs/reference/<run>`, and return that folder.

    Only files of the given kinds are kept. They replace what was kept of the same notebooks; that of others
    stays. Raises FileNotFoundError without a manifest and ValueError for a file that has changed since;
    what was kept before then stays as it was.
    """
    source = folder(profile, dataset, root)
    kept = root / "outputs" / "reference" / source.name
    manifests = [path.relative_to(source) for path in _manifests(source)]
    if not manifests:
        raise FileNotFoundError(f"no finished notebook in outputs/{source.name}: run the workbook first")
    files = {name: digest for path in manifests for name, digest in _files(source / path).items()}
    files = {name: digest for name, digest in files.items() if name.partition("/")[0] in kinds}
    for name, digest in files.items():
        if not (source / name).is_file() or sha256(source / name) != digest:
            raise ValueError(f"{name} is not as its notebook wrote it: run the workbook again")
    for manifest in manifests:
        for name in _files(kept / manifest) if (kept / manifest).exists() else ():
            (kept / name).unlink(missing_ok=True)
    for name in [*files, *manifests]:
        (kept / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, kept / name)
    for empty in [path for path in kept.iterdir() if not any(path.iterdir())]:
        empty.rmdir()  # where only the older results had files
    return kept


def _files(manifest: Path) -> dict[str, str]:
    """Names and digests of the files that a notebook wrote."""
    named = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    return {name: what["sha256"] for name, what in named.items()}


def _manifests(folder: Path) -> list[Path]:
    return sorted(
        path for path in (folder / "manifest").glob("[0-9]*.json") if ".inputs" not in path.suffixes
    )


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
