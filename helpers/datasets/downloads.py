"""Downloading one file with progress, checksum and resume.

Pooch checks the md5 and puts the file in place; what it lacks, going on with a partial download, is added
here: bytes are kept in `<file>.part`, and the next attempt asks the server for the rest of them.
"""

import fcntl
import logging
import os
from pathlib import Path

import pooch
import requests
from tqdm.auto import tqdm

from helpers.datasets.archives import DataError

TIMEOUT = (5, 30)  # seconds to connect, and between two pieces
_PIECE = 1 << 16  # bytes

logger = logging.getLogger(__name__)


def fetch(url: str, path: Path, md5: str) -> Path:
    """Download `url` to `path` unless `path` is there, and return `path`.

    A connection that breaks is taken up again as long as bytes keep coming; where none come at all, the
    first failure raises `DataError`, within seconds. So does content whose md5 is not `md5`.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path.with_name(".lock"), "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second process waits here for the first one's file
            if not path.exists():
                pooch.retrieve(url, f"md5:{md5}", path.name, path.parent, downloader=_Resumed(part))
    except requests.RequestException as error:
        raise DataError(f"{url} cannot be downloaded ({_reason(error)}).") from error
    except ValueError as error:
        raise DataError(f"{url} came with the wrong checksum (md5 is not {md5}): run again.") from error
    except OSError as error:
        raise DataError(f"{url} cannot be stored as {path} ({error.strerror}).") from error
    return path


class _Resumed:
    """A pooch downloader that goes on where `part` ends."""

    def __init__(self, part: Path):
        self.part = part

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        while True:
            start = self._size()
            try:
                self._receive(url, start)
                break
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
                if self._size() == start:
                    raise
                logger.warning("%s broke off (%s), going on", url, _reason(error))
        os.replace(self.part, output_file)

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _receive(self, url: str, start: int) -> None:
        """Append the bytes of `url` from `start` on to the part, or begin again if the server cannot."""
        headers = {"Range": f"bytes={start}-", "Accept-Encoding": "identity"} if start else {}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                return  # nothing is left to send; the checksum decides
            response.raise_for_status()
            resumed = response.status_code == requests.codes.partial_content
            length = response.headers.get("Content-Length")
            bar = tqdm(
                desc=f"downloading {self.part.stem}",
                initial=start if resumed else 0,
                total=int(length) + (start if resumed else 0) if length else None,
                unit="B",
                unit_scale=True,
                mininterval=1,
                leave=False,
            )
            with bar, open(self.part, "ab" if resumed else "wb") as file:
                for piece in response.iter_content(_PIECE):
                    file.write(piece)
                    bar.update(len(piece))


def _reason(error: BaseException) -> str:
    """The innermost cause of a chain of network errors, in one line."""
    if isinstance(error, requests.HTTPError):
        return f"status {error.response.status_code}"
    while error.__context__ is not None:
        error = error.__context__
    return str(error)
