"""MNIST, Fashion-MNIST, CIFAR-10 and faces, from the layouts in which people keep them."""

import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np

from helpers.datasets.archives import DataError, Folder, Zip, open_archive, read_idx, subfolders
from helpers.datasets.pictures import Pictures, Source, by_class, only_folder, tree, where

_ELSEWHERE = (
    "or point data_root (or the variable DATA_ROOT) to the folder above. "
    "The data set `signs` needs no download."
)
IDX = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
IDX_MD5 = {  # of the unzipped files
    ("mnist", IDX[0]): "6bbc9ace898e44ae57da46a324031adb",
    ("fashion_mnist", IDX[0]): "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    ("fashion_mnist", IDX[2]): "8181f5470baa50b63fa0f6fddb340f0a",
}
_CIFAR_BINARY = ("cifar-10-batches-bin", "cifar-10-binary.tar.gz")
_CIFAR_PARTS = ("train", "test")
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


def locate(name: str, folders: Sequence[Path]) -> list[Path]:
    """Return the files of a set (of CIFAR-10 and faces one folder or archive), or none.

    CIFAR-10 is preferred in its binary version, and extracted folders to zips; `folders` come before those
    above them, where zips may lie too. Raises DataError for an incomplete or ambiguous set.
    """
    if name not in ("cifar10", "faces"):
        return _locate_idx(folders)
    places = _cifar_places(folders) if name == "cifar10" else _faces_places(folders)
    return list(islice((place for place in places if place.exists()), 1))


def _cifar_places(folders: Sequence[Path]) -> Iterator[Path]:
    yield from (folder / file for folder in folders for file in _CIFAR_BINARY)
    for place in (place for folder in folders for place in (folder, folder / "cifar10")):
        if any((place / part).is_dir() for part in _CIFAR_PARTS):
            yield place
    yield from (place / "cifar10.zip" for place in _with_above(folders))


def _faces_places(folders: Sequence[Path]) -> Iterator[Path]:
    here = [folder for folder in folders if folder.is_dir()]
    yield from (folder for folder in here if subfolders(folder))
    yield from (_faces_zip(folder) for folder in here)
    yield from (place / "orl_faces.zip" for place in _with_above(folders))
    yield from here  # without persons: reading it will say so


def _with_above(folders: Sequence[Path]) -> list[Path]:
    return [*folders, *(folder.parent for folder in folders)]


def _faces_zip(folder: Path) -> Path:
    """The zip of faces in their folder: by its name, or the only one."""
    zips = sorted(folder.glob("*.zip"))
    if folder / "orl_faces.zip" in zips or not zips:
        return folder / "orl_faces.zip"
    if len(zips) > 1:
        raise DataError(
            f"{folder} has the zips {', '.join(path.name for path in zips)}: keep the one with a folder per "
            "person, or name it orl_faces.zip."
        )
    return zips[0]


def _locate_idx(folders: Sequence[Path]) -> list[Path]:
    for folder in folders:
        both = ((file, folder / (file + end)) for file in IDX for end in (".gz", ""))
        found = {file: path for file, path in both if path.exists()}
        if missing := [file for file in IDX if found and file not in found]:
            raise DataError(f"{folder} lacks {', '.join(missing)}: get them (.gz or unzipped) as well.")
        if found:
            return list(found.values())
    return []


def read(name: str, folders: Sequence[Path]) -> Source:
    """Open a set from its files, else through the library that downloads it."""
    files = locate(name, folders)
    if not files:
        return olivetti(folders[0]) if name == "faces" else through_keras(name, folders[0])
    if name == "faces":
        archive = open_archive(files[0])
        # a class is a person, who must be known to be recognised: pictures are held out, not persons
        return tree(archive, test_fraction=0.3, top=only_folder(archive))
    if name != "cifar10":
        return of_arrays(name, *(read_idx(file, IDX_MD5.get((name, file.stem))) for file in files))
    if files[0].name in _CIFAR_BINARY:
        return of_arrays(name, *cifar(files[0]))
    return cifar_folders(files[0])


def cifar_folders(path: Path) -> Source:
    """CIFAR-10 as fast.ai has it, with any number of images: `{train,test}/<class>/<image>` in folder or zip.

    Raises DataError for a missing or unknown class; reading a picture of another size than 32 x 32 does too.
    """
    with ExitStack() as stack:
        archive = stack.enter_context(closing(open_archive(path)))
        top = "" if archive.folders() & set(_CIFAR_PARTS) else only_folder(archive)
        if missing := [part for part in _CIFAR_PARTS if part not in archive.folders(top)]:
            raise DataError(
                f"{where(archive, top)} lacks the folder {' and '.join(missing)}: it needs train and test "
                "with a folder per class in each, so get a complete copy."
            )
        parts = [_cifar_part(archive, f"{top}{part}/") for part in _CIFAR_PARTS]
        return Source(_CLASS_NAMES["cifar10"], *parts, archives=stack.pop_all())


def _cifar_part(archive: Folder | Zip, top: str) -> Pictures:
    """The pictures of the ten class folders below `top`; DataError names those that differ."""
    wanted, found = _CLASS_NAMES["cifar10"], archive.folders(top)
    missing = [name for name in wanted if name not in found]
    unknown = sorted(found - set(wanted))
    wrong = [f"{verb} {', '.join(names)}" for verb, names in (("lacks", missing), ("has", unknown)) if names]
    if wrong:
        raise DataError(
            f"{where(archive, top)} {' and '.join(wrong)}: it must have the class folders "
            f"{', '.join(wanted)}, no others. Rename or remove what differs, or get a complete copy."
        )
    return by_class(archive, top, wanted, size=(32, 32))


def cifar(path: Path) -> list[np.ndarray]:
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


def through_keras(name: str, folder: Path) -> Source:
    """A set that Keras downloads; DataError says where to put its files where that fails."""
    from helpers.backend import keras

    try:
        (train, train_labels), (test, test_labels) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # keras raises bare Exception when a download fails
        files = (
            "cifar-10-binary.tar.gz or cifar10.zip"
            if name == "cifar10"
            else f"{', '.join(IDX)} (.gz or unzipped)"
        )
        raise DataError(
            f"{name} is not on this machine and cannot be downloaded ({error}). Put {files} into {folder}, "
            + _ELSEWHERE
        ) from error
    return of_arrays(name, train, train_labels.ravel(), test, test_labels.ravel())


def olivetti(folder: Path) -> Source:
    """The faces that scikit-learn downloads; DataError as in `through_keras`."""
    from sklearn.datasets import fetch_olivetti_faces

    try:
        faces = fetch_olivetti_faces(n_retries=0)
    except OSError as error:
        raise DataError(
            f"faces is not on this machine and cannot be downloaded ({error}). Put the ORL folders "
            f"s1 … s40 or orl_faces.zip into {folder}, " + _ELSEWHERE
        ) from error
    pictures = _pictures(np.rint(faces.images * 255).astype(np.uint8), faces.target)
    return Source(tuple(f"s{n + 1}" for n in range(faces.target.max() + 1)), pictures, test_fraction=0.3)


def of_arrays(name: str, train: np.ndarray, train_labels: np.ndarray, *test: np.ndarray) -> Source:
    """A set whose images and labels, of training and test, are arrays; DataError where they do not fit."""
    for images, labels in ((train, train_labels), test):
        shapes = f"images of shape {images.shape} with labels of shape {labels.shape}"
        if images.ndim < 3 or labels.shape != images.shape[:1]:
            raise DataError(f"{name} has {shapes}: one of its files is another's, get them again.")
        if labels.max(initial=0) >= len(_CLASS_NAMES[name]):
            raise DataError(f"{name} has label {labels.max()}, which is no class of it: get its files again.")
    return Source(_CLASS_NAMES[name], _pictures(train, train_labels), _pictures(*test))


def _pictures(images: np.ndarray, labels: np.ndarray) -> Pictures:
    """Pictures held in memory, grey `(N, H, W)` or colour `(N, H, W, 3)`; each is its own group."""

    def picture(index: int) -> tuple[np.ndarray, None]:
        image = images[index]
        return (np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image), None

    return Pictures(picture, np.asarray(labels), np.arange(len(labels)))
