"""Fitting pictures to a square and keeping the arrays on disk, memory-mapped.

Fits (`size` is the side of the square in pixels):

- `crop_or_pad`: the centre is kept at its own scale, cropped or padded with zeros (paper 000, section 4.2);
- `resize`: the whole picture, each side shrunk by area averaging or enlarged by bicubic interpolation;
- `roi`: the annotated box is cut out, then resized (both Aghdam papers); without boxes the same as `resize`.

GTSRB's boxes name the first and the last pixel inside, so that `image[Y1 : Y2 + 1, X1 : X2 + 1]` is cut.
"""

import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm.auto import tqdm

from helpers import outputs
from helpers.datasets.archives import DataError, Folder, decode, is_image
from helpers.datasets.pictures import Pictures

FITS = ("resize", "crop_or_pad", "roi")
FORMAT = 1  # part of every key: raise it when prepared files change their meaning

_CHUNK = 64
_UNREADABLE = 0.1  # share of a class, or of all, that may be left out


class Part(NamedTuple):
    """The pictures at `rows` make up a part (train, validation or test); `groups` go with the rows."""

    pictures: Pictures
    rows: np.ndarray
    groups: np.ndarray


def fit_image(image: np.ndarray, size: int, fit: str, box: Sequence[int] | None = None) -> np.ndarray:
    """Fit one uint8 picture `(H, W, 3)` to `(size, size, 3)`; `box` is x1, y1, x2, y2, ends inclusive."""
    if fit == "crop_or_pad":
        return _crop_or_pad(image, size)
    if fit == "roi" and box is not None:
        x1, y1, x2, y2 = np.maximum(box, (0, 0, -1, -1))
        image = image[y1 : y2 + 1, x1 : x2 + 1]
        if not image.size:
            raise DataError(f"the box {tuple(map(int, box))} lies outside of the picture: mend the csv.")
    height, width = image.shape[:2]
    # sides that are too long first: area averaging is only right for shrinking
    image = cv2.resize(image, (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA)
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC)


def _crop_or_pad(image: np.ndarray, size: int) -> np.ndarray:
    height, width = image.shape[:2]
    top, left = max(0, height - size) // 2, max(0, width - size) // 2
    image = image[top : top + size, left : left + size]
    height, width = image.shape[:2]
    top, left = (size - height) // 2, (size - width) // 2
    fitted = np.zeros((size, size, 3), np.uint8)
    fitted[top : top + height, left : left + width] = image
    return fitted


def read_pictures(places: Iterable[str | Path], size: int, fit: str = "resize") -> np.ndarray:
    """Pictures of one's own, files or whole folders, fitted: uint8 (N, size, size, 3), in order of names.

    Raises DataError, with the name, for a place that is absent or holds no picture, and for one that cannot
    be read.
    """
    found = []
    for place in map(Path, places):
        files = [place]
        if place.is_dir():
            shown = (name for name in Folder(place).names if "." not in {part[0] for part in name.split("/")})
            files = [place / name for name in shown if is_image(name)]
        if not files:
            raise DataError(f"{place} holds no pictures: put some there.")
        for file in files:
            try:
                data = file.read_bytes()
            except OSError as error:
                raise DataError(f"{file} cannot be read ({error.strerror}): correct the path.") from error
            found.append(fit_image(decode(data, str(file)), size, fit))
    return np.stack(found)


def prepare(
    folder: Path, parts: dict[str, Part], name: str, class_names: Sequence[str], size: int, fit: str
) -> None:
    """Fit all parts into a folder beside `folder`, then rename it; another process may do the same.

    Unreadable pictures are left out with one warning; over 10 % of a class or of all raise `DataError`.
    """
    total = sum(len(part.rows) for part in parts.values())
    with (
        _place(folder, total * size * size * 3) as partial,
        tqdm(
            total=total,
            desc=f"preparing {folder.name.rpartition('-')[0]}",
            unit="image",
            leave=False,
            mininterval=1,
        ) as bar,
    ):
        skipped, start = {}, 0  # positions count through all parts
        for title, part in parts.items():
            reasons = _fit_part(partial, title, part, size, fit, bar)
            skipped |= {start + place: reason for place, reason in reasons.items()}
            start += len(part.rows)
        if skipped:
            labels = np.concatenate([part.pictures.labels[part.rows] for part in parts.values()])
            _check_share(name, class_names, labels, skipped)
        info = {"name": name, "class_names": class_names, "skipped": list(skipped.values())}
        outputs.write_json(partial / "info.json", info)


def read(folder: Path) -> tuple[dict[str, dict[str, np.ndarray]], tuple[str, ...], tuple[str, ...]]:
    """Return the arrays of each part (images memory-mapped), the class names, and what was skipped."""
    try:
        info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
        arrays = {
            part: {
                "images": np.load(folder / f"{part}-images.npy", mmap_mode="r"),
                **{kind: np.load(folder / f"{part}-{kind}.npy") for kind in ("labels", "groups", "sizes")},
            }
            for part in ("train", "validation", "test")
        }
        return arrays, tuple(info["class_names"]), tuple(info["skipped"])
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(
            f"the prepared arrays in {folder} are damaged ({error}): delete that folder."
        ) from error


@contextmanager
def _place(folder: Path, needed: int) -> Iterator[Path]:
    """A new folder to fill, which becomes `folder`; DataError where the disk refuses it."""
    with ExitStack() as stack:
        try:
            partial = stack.enter_context(outputs.Store(folder.parent).make(folder.name, needed))
            partial.mkdir()
        except OSError as error:
            why = error.strerror or str(error)
            raise DataError(
                f"prepared arrays cannot be stored in {folder.parent} ({why}): make room there, or pass "
                "another cache."
            ) from error
        yield partial


def _fit_part(folder: Path, title: str, part: Part, size: int, fit: str, bar: tqdm) -> dict[int, str]:
    """Write the four arrays of a part into `folder`; return why which rows were left out."""
    pictures, rows, groups = part
    images = _new_array(folder / f"{title}-images.npy", len(rows), size)
    sizes = np.zeros((len(rows), 2), np.int32)
    reasons = {}

    def fit_chunk(start: int) -> int:
        chunk = range(start, min(start + _CHUNK, len(rows)))
        for place in chunk:
            row = rows[place]
            try:
                image, box = pictures.read(row)
                images[place] = fit_image(image, size, fit, box)
            except DataError as error:
                reasons[place] = str(error)
            else:
                sizes[place] = image.shape[:2] if pictures.sizes is None else pictures.sizes[row]
        return len(chunk)

    pool = ThreadPoolExecutor(os.cpu_count())  # decoding and resizing let other threads run
    try:
        for done in pool.map(fit_chunk, range(0, len(rows), _CHUNK)):
            bar.update(done)
    finally:
        pool.shutdown(cancel_futures=True)
    keep = np.setdiff1d(np.arange(len(rows)), list(reasons)).astype(int)
    if reasons:
        kept = _new_array(folder / "kept.npy", len(keep), size)
        for place, row in enumerate(keep):
            kept[place] = images[row]
        (folder / "kept.npy").replace(folder / f"{title}-images.npy")
    for kind, array in (("labels", pictures.labels[rows]), ("groups", groups), ("sizes", sizes)):
        np.save(folder / f"{title}-{kind}.npy", array[keep].astype(np.int32))
    return {place: reasons[place] for place in sorted(reasons)}


def _new_array(path: Path, count: int, size: int) -> np.ndarray:
    return np.lib.format.open_memmap(path, "w+", np.uint8, (count, size, size, 3))


def _check_share(name: str, class_names: Sequence[str], labels: np.ndarray, skipped: dict[int, str]) -> None:
    """Warn of the pictures left out, or raise `DataError` if a class or the set loses too many."""
    first = "; ".join(list(skipped.values())[:3])
    lost = np.bincount(labels[list(skipped)], minlength=len(class_names))
    counts = np.bincount(labels, minlength=len(class_names))
    sentence = f"{len(skipped)} of {len(labels)} pictures of {name} cannot be used. The first: {first}"
    worst = int(np.argmax(lost / np.maximum(counts, 1)))
    if lost[worst] > _UNREADABLE * counts[worst]:
        raise DataError(
            f"{sentence}. Class {class_names[worst]!r} loses {lost[worst]} of its {counts[worst]}, too "
            "many to go on without: get a complete copy, or mend what is named."
        )
    warnings.warn(f"{sentence}. They are left out; mend or remove them to be rid of this.", stacklevel=4)
