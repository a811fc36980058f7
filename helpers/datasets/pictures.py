"""Pictures before they are fitted, read one at a time, and their commonest place: a folder per class."""

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import numpy as np

from helpers.datasets.archives import DataError, Folder, Zip, decode, is_image


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures before fitting, read one at a time: `read(i)` gives a picture and its box.

    The picture is uint8 `(H, W, 3)`; the box is x1, y1, x2, y2, both ends inclusive, or None. `read` raises
    `DataError`, and may be called from several threads. `labels` and `groups` are `(N,)`; a group (a track)
    is told apart within its class only. `sizes` `(N, 2)` are native heights and widths, or None for those
    of the arrays read.
    """

    read: Callable[[int], tuple[np.ndarray, Sequence[int] | None]]
    labels: np.ndarray
    groups: np.ndarray
    sizes: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """A data set's pictures. Without `test`, the fraction `test_fraction` of `train` is to be held out."""

    class_names: tuple[str, ...]
    train: Pictures
    test: Pictures | None = None
    test_fraction: float = 0.0
    archives: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        """Close the archives behind the pictures."""
        self.archives.close()


def tree(archive: Folder | Zip, test_fraction: float, top: str = "") -> Source:
    """A folder per class below `top` in a folder or zip, which belongs to the source from now on.

    Images lie anywhere below; numbers in the folders' names sort as numbers. Raises DataError for fewer than
    two classes, and for one without an image.
    """
    with ExitStack() as stack:
        stack.enter_context(closing(archive))
        parts = {name: re.split("([0-9]+)", name) for name in archive.folders(top)}
        classes = sorted(parts, key=lambda name: [s.zfill(12) if s.isdigit() else s for s in parts[name]])
        if len(classes) < 2:
            raise DataError(
                f"{where(archive, top)} has {len(classes)} class folders: at least two are needed, images in "
                "each."
            )
        pictures = by_class(archive, top, classes)
        return Source(tuple(classes), pictures, test_fraction=test_fraction, archives=stack.pop_all())


def by_class(
    archive: Folder | Zip, top: str, classes: Sequence[str], size: tuple[int, int] | None = None
) -> Pictures:
    """Pictures of all images in the folders `classes` below `top`, in their order; each is its own group.

    Reading one raises DataError where its (height, width) is not `size`. So does a class without an image.
    """
    number = {name: index for index, name in enumerate(classes)}
    images = [name for name in archive.names if name.startswith(top) and is_image(name)]
    owner = {name: name[len(top) :].partition("/")[0] for name in images}
    names = sorted((n for n in images if owner[n] in number), key=lambda name: (number[owner[name]], name))
    labels = np.array([number[owner[name]] for name in names], int)
    for index in np.flatnonzero(np.bincount(labels, minlength=len(classes)) == 0):
        raise DataError(
            f"{where(archive, top + classes[index])} has no images: put some there or remove the folder."
        )

    def picture(index: int) -> tuple[np.ndarray, None]:
        name = where(archive, names[index])
        image = decode(archive.read(names[index]), name)
        if size is not None and image.shape[:2] != size:
            found, needed = (f"{width} x {height}" for height, width in (image.shape[:2], size))
            raise DataError(f"{name} is {found} pixels, not {needed}: get the original or remove it.")
        return image, None

    return Pictures(picture, labels, np.arange(len(names)))


def only_folder(archive: Folder | Zip) -> str:
    """The one folder, with a slash, that all others are in, as zips often have it; empty without such."""
    tops = [f"{name}/" for name in archive.folders()]
    return tops[0] if len(tops) == 1 and archive.folders(tops[0]) else ""


def where(archive: Folder | Zip, name: str) -> str:
    """How messages call the file or folder `name` of an archive."""
    return f"{archive.path}/{name}".rstrip("/")
