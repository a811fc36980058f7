"""Finished pieces of long work, kept under the name of what they rest on."""

import hashlib
import json
import os
import shutil
import time
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from filelock import FileLock

from helpers.outputs.files import PARTIAL

_STALE = 24 * 3600  # seconds after which what a killed process left half is swept away


class Store:
    """A folder of pieces, files or folders; each is whole or not there, whoever else writes the same."""

    def __init__(self, folder: str | os.PathLike):
        """folder: made when the first piece is."""
        self.folder = Path(folder)

    def find(self, name: str) -> Path | None:
        """Where a finished piece lies; None where there is none."""
        path = self.folder / name
        return path if path.exists() else None

    @contextmanager
    def make(self, name: str, needed: int = 0) -> Iterator[Path]:
        """Yield a path beside the piece's place, to write a file or folder to; moved there on success.

        needed: bytes that must be free. Raises OSError without them, or where the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(f".*{PARTIAL}*"):
            with suppress(FileNotFoundError):  # its process has just finished it
                if time.time() - left.stat().st_mtime > _STALE:
                    _remove(left)
        if shutil.disk_usage(self.folder).free < needed:
            raise OSError(None, f"{needed / 2**20:,.0f} MB of free space are needed")
        place = self.folder / name
        partial = place.with_name(f".{place.stem}.{uuid.uuid4().hex[:8]}{PARTIAL}{place.suffix}")
        try:
            yield partial
            try:
                os.replace(partial, place)
            except OSError:
                if not place.is_dir():  # else another process was faster, with the same content
                    raise
        finally:
            _remove(partial)

    def held(self, name: str) -> FileLock:
        """A lock on a piece, for ``with``: whoever else makes it waits until this process has, or is gone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / f".{name}.lock")

    def arrays(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays of a piece ``<name>.npz``; None where there is none, or it is damaged."""
        path = self.folder / name
        try:
            with path.open("rb") as opened, np.load(opened) as file:  # NumPy closes no refused file
                return dict(file)
        except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
            return None

    def save(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep arrays as a piece ``<name>.npz``."""
        with self.make(name) as partial:
            np.savez_compressed(partial, **arrays)

    def remove(self, name: str) -> None:
        """Forget a piece, if it is there."""
        _remove(self.folder / name)


def named(*key: object) -> str:
    """A short name of what JSON can hold: equal keys, equal names."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]


def digest(array: np.ndarray) -> str:
    """SHA-256 (hex) of an array's values, with its shape and kind."""
    found = hashlib.sha256(f"{array.dtype}{array.shape}".encode())
    found.update(np.ascontiguousarray(array))
    return found.hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
