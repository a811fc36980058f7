"""Where each data set's pictures come from: files below the data root, else the library that fetches them.

Looked for in `<root>/raw/<name>`, then `<root>/<name>`; the zips `cifar10.zip` and `orl_faces.zip` also in
`<root>/raw` and `<root>`. Nothing here resizes, splits or caches.
"""

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from helpers import outputs
from helpers.datasets import gtsrb, pictures, small_sets
from helpers.datasets.archives import DataError, Folder, Zip, decode, open_archive, stamp
from helpers.datasets.pictures import Pictures, Source

NAMES = ("signs", "gtsrb", "mnist", "fashion_mnist", "cifar10", "faces", "folder:<path>")


def data_root(root: str | Path = "data") -> Path:
    """Return the folder to look in: `DATA_ROOT` wins over the default; relative means to the project."""
    if str(root) == "data":
        root = os.environ.get("DATA_ROOT") or root
    return outputs.ROOT / Path(root).expanduser()


def check(name: str) -> str:
    """Return `name`, or raise `DataError` listing the data sets there are."""
    if name not in NAMES[:-1] and not re.fullmatch(r"folder:.+", name):
        raise DataError(f"unknown data set {name!r}: choose one of {', '.join(NAMES)}.")
    return name


def key(name: str, root: Path) -> str:
    """Return a key that changes when the files of the data set do; no content is read."""
    if name == "signs":
        from helpers import signs

        return signs.digest()
    if name == "gtsrb":
        return " ".join(gtsrb.key(gtsrb.locate(part, _folders(name, root))) for part in ("train", "test"))
    if name.startswith("folder:"):
        return stamp(_named_folder(name))
    files = small_sets.locate(name, _folders(name, root))
    return " ".join(map(stamp, files)) if files else f"library {name}"


def places(name: str, root: Path) -> list[Path]:
    """Return the folders and archives that hold the data set below `root`; none if some is to be fetched."""
    if name == "signs":
        return []
    if name == "gtsrb":
        parts = [gtsrb.locate(part, _folders(name, root)) for part in ("train", "test")]
        found = [place.path for part in parts for place in part]
    else:
        found = small_sets.locate(name, _folders(name, root))
        found = found if name in ("cifar10", "faces") else [file.parent for file in found]
    return list(dict.fromkeys(found)) if all(path.exists() for path in found) else []


def read(name: str, root: Path, **rendering: int | None) -> Source:
    """Open a data set; `rendering` (seed, train_images, test_images) matters to `signs` alone."""
    if name == "signs":
        return _signs(**rendering)
    if name == "gtsrb":
        return _gtsrb(_folders(name, root))
    if name.startswith("folder:"):
        return pictures.tree(open_archive(_named_folder(name)), test_fraction=0.2)
    return small_sets.read(name, _folders(name, root))


def remarks(name: str) -> str:
    """What one should know of a data set before believing a number of it; empty where nothing is known."""
    return gtsrb.REMARKS if name == "gtsrb" else ""


def _folders(name: str, root: Path) -> list[Path]:
    return [root / "raw" / name, root / name, *([root] if name == "gtsrb" else [])]


def _named_folder(name: str) -> Path:
    path = outputs.ROOT / Path(name.removeprefix("folder:")).expanduser()
    if not path.is_dir():
        raise DataError(f"{path} is not a folder: data set {name!r} needs one with a folder per class.")
    return path


def _signs(seed: int, train_images: int | None, test_images: int | None) -> Source:
    from helpers import signs

    def rendered(count: int, seed: int) -> Pictures:
        def picture(index: int) -> tuple[np.ndarray, Sequence[int]]:
            frame = signs.frame(index, seed=seed)
            return frame.image, frame.roi

        return Pictures(picture, *signs.labels_and_tracks(count, seed=seed))

    # two endless sets that share no track
    train, test = rendered(train_images or 12_900, 2 * seed), rendered(test_images or 4_300, 2 * seed + 1)
    return Source(signs.CLASS_NAMES, train, test)


def _gtsrb(folders: list[Path]) -> Source:
    train_places, test_places = (gtsrb.locate(part, folders) for part in ("train", "test"))
    gtsrb.obtain(train_places + test_places)
    with ExitStack() as stack:
        train, *test = (
            stack.enter_context(closing(open_archive(*place))) for place in train_places + test_places
        )
        return Source(
            gtsrb.CLASS_NAMES,
            _annotated(train, gtsrb.read_training(train)),
            _annotated(test[0], gtsrb.read_test(test)),
            archives=stack.pop_all(),
        )


def _annotated(archive: Folder | Zip, records: list[gtsrb.Record]) -> Pictures:
    def picture(index: int) -> tuple[np.ndarray, Sequence[int]]:
        record = records[index]
        image = decode(archive.read(record.file), f"{record.file} in {archive.path}")
        if image.shape[:2] != record.size:
            height, width = record.size
            raise DataError(
                f"{record.file} in {archive.path} is {image.shape[1]} x {image.shape[0]} pixels, but its csv "
                f"row says {width} x {height}: images and csv must come from one archive."
            )
        return image, record.box

    _, labels, groups, sizes, _ = zip(*records, strict=True)
    return Pictures(picture, *map(np.array, (labels, groups, sizes)))
