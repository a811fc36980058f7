"""Where each data set's pictures come from: files below the data root, else the library that fetches them.

Looked for in `<root>/raw/<name>`, then `<root>/<name>`. Nothing here resizes, splits or caches.
"""

import os
import re
import tarfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from helpers import gtsrb
from helpers.archives import DataError, Folder, Zip, decode, is_image, open_archive, read_idx, stamp

PROJECT = Path(__file__).parents[1]
NAMES = ("signs", "gtsrb", "mnist", "fashion_mnist", "cifar10", "faces", "folder:<path>")

_ELSEWHERE = (
    "or point data_root (or the variable DATA_ROOT) to the folder above. "
    "The data set `signs` needs no download."
)
_IDX = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
_IDX_MD5 = {  # of the unzipped files
    ("mnist", _IDX[0]): "6bbc9ace898e44ae57da46a324031adb",
    ("fashion_mnist", _IDX[0]): "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    ("fashion_mnist", _IDX[2]): "8181f5470baa50b63fa0f6fddb340f0a",
}
_CIFAR_FILES = (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin")
_CIFAR_IMAGES = 10_000  # in each file
_CLASS_NAMES = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    "cifar10": (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
}


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


def data_root(root: str | Path = "data") -> Path:
    """Return the folder to look in: `DATA_ROOT` wins over the default; relative means to the project."""
    if str(root) == "data":
        root = os.environ.get("DATA_ROOT") or root
    return PROJECT / Path(root).expanduser()


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
    files = _files(name, root)
    return " ".join(map(stamp, files)) if files else f"library {name}"


def read(name: str, root: Path, **rendering: int | None) -> Source:
    """Open a data set; `rendering` (seed, train_images, test_images) matters to `signs` alone."""
    if name == "signs":
        return _signs(**rendering)
    if name == "gtsrb":
        return _gtsrb(_folders(name, root))
    if name.startswith("folder:"):
        return _tree(_named_folder(name), test_fraction=0.2)
    files = _files(name, root)
    if name == "faces":
        # a class is a person, who must be known to be recognised: pictures are held out, not persons
        return _tree(files[0], test_fraction=0.3) if files else _olivetti(_folders(name, root)[0])
    if not files:
        return _keras(name, _folders(name, root)[0])
    if name == "cifar10":
        return _source_of_arrays(name, *_cifar(files[0]))
    return _source_of_arrays(name, *(read_idx(file, _IDX_MD5.get((name, file.stem))) for file in files))


def _folders(name: str, root: Path) -> list[Path]:
    return [root / "raw" / name, root / name, *([root] if name == "gtsrb" else [])]


def _named_folder(name: str) -> Path:
    path = PROJECT / Path(name.removeprefix("folder:")).expanduser()
    if not path.is_dir():
        raise DataError(f"{path} is not a folder: data set {name!r} needs one with a folder per class.")
    return path


def _files(name: str, root: Path) -> list[Path]:
    """The files (for `faces` and CIFAR-10 perhaps one folder or archive) of a small set, or none."""
    for folder in _folders(name, root):
        if name == "faces" and folder.is_dir():
            return [folder]
        if name == "cifar10":
            for path in (folder / "cifar-10-batches-bin", folder / "cifar-10-binary.tar.gz"):
                if path.exists():
                    return [path]
        if name in ("mnist", "fashion_mnist"):
            both = ((file, folder / (file + end)) for file in _IDX for end in (".gz", ""))
            found = {file: path for file, path in both if path.exists()}
            if missing := [file for file in _IDX if file not in found]:
                if not found:
                    continue
                raise DataError(f"{folder} lacks {', '.join(missing)}: get them (.gz or unzipped) as well.")
            return list(found.values())
    return []


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


def _tree(path: Path, test_fraction: float) -> Source:
    """A folder per class, images anywhere below it; numbers in the folders' names sort as numbers."""
    folders = [entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    parts = {name: re.split("([0-9]+)", name) for name in folders}
    classes = sorted(folders, key=lambda name: [s.zfill(12) if s.isdigit() else s for s in parts[name]])
    if len(classes) < 2:
        raise DataError(f"{path} has {len(classes)} class folders: at least two are needed, images in each.")
    number = {name: index for index, name in enumerate(classes)}
    archive = Folder(path, tuple(classes))
    names = sorted(filter(is_image, archive.names), key=lambda name: number[name.partition("/")[0]])
    labels = np.array([number[name.partition("/")[0]] for name in names], int)
    for index in np.flatnonzero(np.bincount(labels, minlength=len(classes)) == 0):
        raise DataError(f"{path / classes[index]} has no images: put some there or remove the folder.")

    def picture(index: int) -> tuple[np.ndarray, None]:
        return decode(archive.read(names[index]), str(path / names[index])), None

    pictures = Pictures(picture, labels, np.arange(len(names)))
    return Source(tuple(classes), pictures, test_fraction=test_fraction)


def _cifar(path: Path) -> list[np.ndarray]:
    """CIFAR-10's binary version: records of one label and 3 x 32 x 32 bytes. (Pickles are not read.)"""
    contents = {}
    try:
        if path.is_dir():
            contents = {file: (path / file).read_bytes() for file in _CIFAR_FILES if (path / file).exists()}
        else:
            with tarfile.open(path) as tar:
                for member in tar:  # read in memory: no name inside is ever followed
                    file = PurePosixPath(member.name).name
                    if file in _CIFAR_FILES and member.isfile() and member.size == _CIFAR_IMAGES * 3073:
                        contents[file] = tar.extractfile(member).read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DataError(f"{path} is damaged ({error}): delete it and get it again.") from error
    for file in _CIFAR_FILES:
        if len(contents.get(file, b"")) != _CIFAR_IMAGES * 3073:
            raise DataError(f"{file} in {path} is missing or has the wrong size: get a complete copy.")
    records = np.frombuffer(b"".join(contents[file] for file in _CIFAR_FILES), np.uint8).reshape(-1, 3073)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    labels = records[:, 0]
    first = len(records) - _CIFAR_IMAGES
    return [images[:first], labels[:first], images[first:], labels[first:]]


def _keras(name: str, folder: Path) -> Source:
    import keras

    try:
        (train, train_labels), (test, test_labels) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # keras raises bare Exception when a download fails
        files = "cifar-10-binary.tar.gz" if name == "cifar10" else f"{', '.join(_IDX)} (.gz or unzipped)"
        raise DataError(
            f"{name} is not on this machine and cannot be downloaded ({error}). Put {files} into {folder}, "
            + _ELSEWHERE
        ) from error
    return _source_of_arrays(name, train, train_labels.ravel(), test, test_labels.ravel())


def _olivetti(folder: Path) -> Source:
    from sklearn.datasets import fetch_olivetti_faces

    try:
        faces = fetch_olivetti_faces(n_retries=0)
    except OSError as error:
        raise DataError(
            f"faces is not on this machine and cannot be downloaded ({error}). Put the ORL folders "
            f"s1 … s40 into {folder}, " + _ELSEWHERE
        ) from error
    pictures = _of_arrays(np.rint(faces.images * 255).astype(np.uint8), faces.target)
    return Source(tuple(f"s{n + 1}" for n in range(faces.target.max() + 1)), pictures, test_fraction=0.3)


def _source_of_arrays(name: str, train: np.ndarray, train_labels: np.ndarray, *test: np.ndarray) -> Source:
    for images, labels in ((train, train_labels), test):
        shapes = f"images of shape {images.shape} with labels of shape {labels.shape}"
        if images.ndim < 3 or labels.shape != images.shape[:1]:
            raise DataError(f"{name} has {shapes}: one of its files is another's, get them again.")
        if labels.max(initial=0) >= len(_CLASS_NAMES[name]):
            raise DataError(f"{name} has label {labels.max()}, which is no class of it: get its files again.")
    return Source(_CLASS_NAMES[name], _of_arrays(train, train_labels), _of_arrays(*test))


def _of_arrays(images: np.ndarray, labels: np.ndarray) -> Pictures:
    """Pictures held in memory, grey `(N, H, W)` or colour `(N, H, W, 3)`; each is its own group."""

    def picture(index: int) -> tuple[np.ndarray, None]:
        image = images[index]
        return (np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image), None

    return Pictures(picture, np.asarray(labels), np.arange(len(labels)))
