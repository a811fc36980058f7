"""Reading image files out of a zip or a folder tree in one way, and refusing what is damaged.

Every function raises `DataError` with the file's name, what is wrong with it and what to do.
"""

import gzip
import hashlib
import io
import math
import os
import threading
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps

IMAGE_SUFFIXES = (".ppm", ".pgm", ".png", ".webp", ".jpg", ".jpeg", ".bmp")
MAX_PIXELS = 50_000_000
MAX_BYTES = 512 * 2**20

_FORMATS = ("PPM", "PNG", "WEBP", "JPEG", "BMP")
_opening = threading.Lock()


class DataError(ValueError):
    """An input that cannot be used; the message says which one, what is wrong with it and what to do."""


def is_image(name: str) -> bool:
    """Whether `name` looks like an image file (hidden files, such as macOS leaves in zips, do not)."""
    path = PurePosixPath(name)
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def check_name(name: str, origin: Path) -> str:
    """Return `name`, or raise `DataError` if following it would leave the folder it belongs to."""
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or ":" in parts[0] or "\0" in name:
        raise DataError(
            f"{origin}: the name {name!r} climbs out of its folder, so nothing of it is read: "
            "get the file from its official source, or remove that entry."
        )
    return name


class Folder:
    """The files below a folder: `names` are sorted paths relative to it, with forward slashes."""

    def __init__(self, path: Path, entries: tuple[str, ...] = ()):
        """List the files below `path`, or only those below its `entries` where some are named."""
        self.path = path
        self.names = tuple(name for name, _ in _files(path, entries))

    def folders(self, top: str = "") -> set[str]:
        """Return the names of the folders directly below `top`, which is empty or ends with a slash."""
        return subfolders(self.path / check_name(top, self.path) if top else self.path)

    def read(self, name: str) -> bytes:
        """Return the bytes of the file `name`."""
        path = self.path / check_name(name, self.path)
        try:
            _check_length(path, path.stat().st_size)
            return path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}): put it back or mend it.") from error

    def close(self) -> None:
        """Nothing is held open."""


class Zip:
    """The files inside a zip: `names` are sorted. One object may be read by several threads."""

    def __init__(self, path: Path):
        """Open the zip at `path`; a truncated or foreign file and climbing names are refused."""
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise DataError(
                f"{path} is not a complete zip file ({error}): delete it and download or copy it again."
            ) from error
        except OSError as error:
            raise DataError(f"{path} cannot be opened ({error.strerror}).") from error
        try:
            infos = self._zip.infolist()
            self.names = tuple(sorted({check_name(i.filename, path) for i in infos if not i.is_dir()}))
        except DataError:
            self._zip.close()
            raise

    def folders(self, top: str = "") -> set[str]:
        """Return the names of the folders directly below `top`, which is empty or ends with a slash."""
        below = (name[len(top) :] for name in self._zip.namelist() if name.startswith(top))
        return set(filter(_is_shown, (name.partition("/")[0] for name in below if "/" in name)))

    def read(self, name: str) -> bytes:
        """Return the bytes of the member `name`, checked against the CRC stored in the zip."""
        try:
            _check_length(f"{name} in {self.path}", self._zip.getinfo(name).file_size)
            return self._zip.read(name)
        except KeyError as error:
            raise DataError(f"{self.path} has no file {name}: get a complete copy of the zip.") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise DataError(
                f"{name} in {self.path} is damaged ({error}): delete the zip and get it again."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._zip.close()


def open_archive(path: Path, entries: tuple[str, ...] = ()) -> Folder | Zip:
    """Open a folder (only what is below `entries`, where given) or a zip for reading."""
    return Folder(path, entries) if path.is_dir() else Zip(path)


def subfolders(path: Path) -> set[str]:
    """Return the names of the folders directly in `path`, without hidden ones."""
    try:
        with os.scandir(path) as entries:
            return {entry.name for entry in entries if entry.is_dir() and _is_shown(entry.name)}
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


def decode(data: bytes, name: str) -> np.ndarray:
    """Decode an image file's bytes to uint8 RGB `(H, W, 3)`; `name` is for messages.

    The size is read from the header first: more than `MAX_PIXELS` are refused before any is decoded.
    """
    try:
        # Warning filters belong to the whole process: one thread at a time may swap them.
        with _opening, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=_FORMATS)
        if math.prod(picture.size) <= MAX_PIXELS and not picture.mode.startswith(("I", "F")):
            if picture.mode == "P":  # straight to RGB would warn about a transparent palette
                picture = picture.convert("RGBA")
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))  # upright, as it was taken
    except Image.DecompressionBombError as error:
        raise DataError(f"{name} is absurdly large ({error}): replace it or remove it.") from error
    except Exception as error:  # a decoder may fail in any way on damaged bytes
        raise DataError(f"{name} is not a readable image ({error}): replace it or remove it.") from error
    if picture.mode.startswith(("I", "F")):
        raise DataError(f"{name} has more than 8 bits per channel: save it with 8.")
    width, height = picture.size
    raise DataError(
        f"{name} is absurdly large ({width} x {height} pixels, the limit is {MAX_PIXELS:,}): "
        "replace it or remove it."
    )


def read_idx(path: Path, md5: str | None = None) -> np.ndarray:
    """Read an idx file of bytes (MNIST's format), plain or gzipped, as a uint8 array.

    `md5`, where given, is that of the unzipped file. The array's size must be the header's, exactly.
    """
    try:
        with open(path, "rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with (gzip.open if zipped else open)(path, "rb") as file:
            magic = file.read(4)
            if len(magic) < 4 or magic[:3] != b"\0\0\x08" or not 1 <= magic[3] <= 4:
                raise DataError(f"{path} is not an idx file of bytes: delete it and get it again.")
            dimensions = file.read(4 * magic[3])
            shape = tuple(int(n) for n in np.frombuffer(dimensions[: len(dimensions) // 4 * 4], ">u4"))
            _check_length(path, math.prod(shape))
            # one byte more than promised, so that a longer file shows
            values = file.read(math.prod(shape) + 1)
    except (EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path} is damaged ({error}): delete it and get it again.") from error
    if len(shape) != magic[3] or len(values) != math.prod(shape):
        raise DataError(
            f"{path} does not hold the {' x '.join(map(str, shape))} bytes that its header promises: "
            "delete it and get it again."
        )
    if md5 and hashlib.md5(magic + dimensions + values).hexdigest() != md5:
        raise DataError(f"{path} has the wrong checksum (unzipped md5 is not {md5}): get it again.")
    return np.frombuffer(values, np.uint8).reshape(shape)


def file_md5(path: Path) -> str:
    """Return the md5 of a file as 32 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def stamp(path: Path, entries: tuple[str, ...] = ()) -> str:
    """Return a hex key of the names, sizes and modification times of a file, or of all files below a folder.

    No content is read: 52,000 files take well under a second. The place of `path` itself does not count.
    A zip counts by the checksums in its directory instead, so that a copy of it is the same data.
    """
    if path.is_file() and zipfile.is_zipfile(path):
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as file:
            members = [f"{member.filename}\0{member.CRC}" for member in file.infolist()]
            return hashlib.sha256("\n".join(members).encode()).hexdigest()
    found = _files(path, entries) if path.is_dir() else [(path.name, path.stat())]
    lines = [f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}" for name, stat in found]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _files(root: Path, entries: tuple[str, ...]) -> list[tuple[str, os.stat_result]]:
    """Relative names and states of the files below `root`, sorted by name."""
    real = root.resolve()
    try:
        tops = [entry for entry in os.scandir(root) if not entries or entry.name in entries]
        return sorted((found for top in tops for found in _walk(top, real, top.name)), key=lambda f: f[0])
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read ({error.strerror}).") from error


def _walk(entry: os.DirEntry, real: Path, name: str) -> Iterator[tuple[str, os.stat_result]]:
    if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(real):
        raise DataError(
            f"{entry.path} is a link that climbs out of {real}, so nothing below that folder is read: "
            "replace the link by the files, or point to the folder where they are."
        )
    if entry.is_dir(follow_symlinks=False):
        with os.scandir(entry.path) as children:
            for child in children:
                yield from _walk(child, real, f"{name}/{child.name}")
    elif entry.is_file():
        yield name, entry.stat()


def _is_shown(folder: str) -> bool:
    """Whether a folder counts: hidden ones do not, nor what macOS adds to its zips."""
    return not folder.startswith(".") and folder != "__MACOSX"


def _check_length(name: object, length: int) -> None:
    if length > MAX_BYTES:
        raise DataError(f"{name} is absurdly large ({length:,} bytes): replace it or remove it.")
