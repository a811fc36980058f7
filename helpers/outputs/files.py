"""Files: written whole or not at all, named by their content, shown as seen from the project."""

import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # the project; the only place that counts folders upwards
PARTIAL = ".partial"  # part of every temporary name, so that the runner can sweep what a killed run left


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


def relative(path: Path) -> str:
    """Return a path as seen from the project, or the whole path outside of it."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


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
