"""Image sets ready for training: loaded by name, fitted to a square size, split by track, kept on disk."""

import hashlib
import json
from contextlib import closing
from pathlib import Path

import numpy as np

from helpers import outputs
from helpers.datasets import preparation, sources
from helpers.datasets.archives import DataError
from helpers.datasets.preparation import FITS
from helpers.datasets.splits import VALIDATION_FRACTION, ImageSet, Splits, split_by_group


def load(
    name: str,
    image_size: int,
    fit: str = "resize",
    root: str | Path = "data",
    *,
    train_images: int | None = None,
    test_images: int | None = None,
    seed: int = 0,
    cache: str | Path | None = None,
) -> Splits:
    """Load a data set, prepared once and then memory-mapped from the cache.

    Args:
        name: signs, gtsrb, mnist, fashion_mnist, cifar10, faces or folder:<path> (a folder per class).
            In `faces` the classes are persons, so the test pictures show the persons of the training set.
        image_size: Side of the square images in pixels.
        fit: resize, crop_or_pad or roi, see `helpers.preparation`.
        root: Where to look for `raw/<name>` or `<name>`, and for cifar10.zip and orl_faces.zip; relative to
            the project. The variable DATA_ROOT replaces the default.
        train_images: Number of images in train and validation together, None for all. Classes keep their
            shares; tracks stay whole, except that one per class is thinned to meet the number.
        test_images: Number of test images, None for all. For `signs` both numbers say how many to render.
        seed: Of the split, the choice of a part, and the rendering of `signs`.
        cache: Folder of the prepared arrays; `data/prepared` of the project if None.

    Raises:
        DataError: the source is absent, damaged or unknown; or over 10 % of it (or of a class) cannot be
            read. Fewer unreadable pictures are left out with a warning and listed in `skipped`.
    """
    if seed < 0:
        raise DataError(f"seed is {seed}: it must be at least 0.")
    _check_options(fit, image_size, train_images=train_images, test_images=test_images)
    root = sources.data_root(root)
    options = {"image_size": image_size, "fit": fit, "seed": seed}
    counts = {"train_images": train_images, "test_images": test_images}
    key = _digest(source_digest(name, root), options, counts if name == "signs" else {})
    cache = outputs.ROOT / (Path(cache) if cache else "data/prepared")
    label = name if ":" not in name else f"folder-{Path(name.removeprefix('folder:')).name}"
    folder = cache / f"{label}-{image_size}-{fit}-{key[:16]}"
    if not folder.exists():
        with closing(sources.read(name, root, seed=seed, **counts)) as source:
            parts = _plan(source, seed)
            preparation.prepare(folder, parts, name, source.class_names, image_size, fit)
    arrays, class_names, skipped = preparation.read(folder)
    train, validation, test = (
        ImageSet(**arrays[part], class_names=class_names) for part in ("train", "validation", "test")
    )
    if name != "signs":
        share = len(validation) / (len(train) + len(validation))
        held = None if train_images is None else round(train_images * share)
        train = train.part(None if held is None else train_images - held, seed)
        validation, test = validation.part(held, seed), test.part(test_images, seed)
    return Splits(train, validation, test, name, _digest(key, [train_images, test_images]), skipped)


def source_digest(name: str, root: str | Path = "data") -> str:
    """Return a hex key of the data set's files (names, sizes, times; no content is read, nothing fetched)."""
    return _digest(name, sources.key(sources.check(name), sources.data_root(root)))


def _check_options(fit: str, image_size: int, **counts: int | None) -> None:
    if fit not in FITS:
        raise DataError(f"unknown fit {fit!r}: choose one of {', '.join(FITS)}.")
    for option, value in {"image_size": image_size, **counts}.items():
        if value is not None and value < 1:
            raise DataError(f"{option} is {value}: it must be at least 1.")


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps([preparation.FORMAT, *values]).encode()).hexdigest()


def _plan(source: sources.Source, seed: int) -> dict[str, preparation.Part]:
    """Which pictures go into which split, with group numbers that are unique over all of them."""
    train, test = source.train, source.test
    groups = _unique_groups(train)
    rows = np.arange(len(groups))
    if test is None:
        test, test_groups = train, groups
        rows, test_rows = split_by_group(train.labels, groups, source.test_fraction, seed)
    else:
        test_groups = _unique_groups(test) + groups.max() + 1
        test_rows = np.arange(len(test_groups))
    stay, held = split_by_group(train.labels[rows], groups[rows], VALIDATION_FRACTION, seed)
    return {
        "train": preparation.Part(train, rows[stay], groups[rows[stay]]),
        "validation": preparation.Part(train, rows[held], groups[rows[held]]),
        "test": preparation.Part(test, test_rows, test_groups[test_rows]),
    }


def _unique_groups(pictures: sources.Pictures) -> np.ndarray:
    """Group numbers from 0 that are unique over classes."""
    pairs = np.stack([pictures.labels, pictures.groups])
    return np.unique(pairs, axis=1, return_inverse=True)[1].ravel()
