"""Image sets, and how they are split so that no track stands on two sides."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.datasets.archives import DataError

VALIDATION_FRACTION = 0.1


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images `(N, H, W, 3)` uint8 with labels `(N,)`, groups `(N,)` and native height and width `(N, 2)`.

    A group holds pictures that must stay together: the frames of one track, else a picture alone. Group
    numbers are unique over classes and over the three splits. From the cache, `images` is memory-mapped.
    """

    images: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    class_names: tuple[str, ...]
    sizes: np.ndarray

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __repr__(self) -> str:
        """Return what it is, without the pixels."""
        return f"ImageSet({len(self)} images {self.images.shape[1:]}, {len(self.class_names)} classes)"

    def subset(self, indices: np.ndarray | slice) -> "ImageSet":
        """Return the images at `indices`: a view for a slice, a copy in memory for an array."""
        arrays = (array[indices] for array in (self.images, self.labels, self.groups, self.sizes))
        images, labels, groups, sizes = arrays
        return ImageSet(images, labels, groups, self.class_names, sizes)

    def spread(self, count: int, among: np.ndarray | None = None) -> tuple["ImageSet", np.ndarray]:
        """Return `count` images at equal distances (all, where there are fewer) and their numbers.

        among: `(N,)` bool, the images to choose from; all of them too where it is true for none.
        """
        choice = np.arange(len(self)) if among is None or not among.any() else np.flatnonzero(among)
        numbers = np.unique(choice[np.linspace(0, len(choice) - 1, min(count, len(choice))).astype(int)])
        return self.subset(numbers), numbers

    def part(self, count: int | None, seed: int) -> "ImageSet":
        """Return `count` images (None, or more than there are: all), classes in proportion.

        Groups stay whole, except that one per class is thinned to meet the number; a class keeps an image
        at least where there are as many as classes. Raises DataError for a count below 0.
        """
        if count is not None and count < 0:
            raise DataError(f"count is {count}: a part needs 0 images or more.")
        if count is None or count >= len(self):
            return self
        classes, frequencies = np.unique(self.labels, return_counts=True)
        exact = frequencies * count / len(self)
        quotas = np.maximum(np.floor(exact), int(count >= len(classes))).astype(int)
        while quotas.sum() != count:
            if quotas.sum() < count:
                quotas[np.argmax(exact - quotas)] += 1
            else:
                quotas[np.argmax(np.where(quotas > 1, quotas - exact, -np.inf))] -= 1
        chosen = []
        for label, quota in zip(classes, quotas, strict=True):
            members = np.flatnonzero(self.labels == label)
            rng = np.random.default_rng([seed, label])
            for group in rng.permutation(np.unique(self.groups[members])):
                frames = members[self.groups[members] == group]
                kept = min(quota, len(frames))
                chosen.append(frames[np.linspace(0, len(frames) - 1, kept).astype(int)])
                quota -= kept
                if not quota:
                    break
        return self.subset(np.sort(np.concatenate(chosen)))


@dataclass(frozen=True, eq=False)
class Splits:
    """The three image sets of a data set, unpackable as `train, validation, test`.

    `digest` is a hex key of the source and all options; `skipped` says which pictures could not be read.
    """

    train: ImageSet
    validation: ImageSet
    test: ImageSet
    name: str
    digest: str
    skipped: tuple[str, ...]

    def __iter__(self) -> Iterator[ImageSet]:
        """Iterate over train, validation, test."""
        return iter((self.train, self.validation, self.test))

    def table(self) -> pd.DataFrame:
        """What the splits hold: split, images, classes, tracks (NaN where every image is one of its own)."""
        rows = []
        for name, part in zip(("train", "validation", "test"), self, strict=True):
            tracks = len(np.unique(part.groups))
            counts = {"images": len(part), "classes": len(np.unique(part.labels))}
            rows.append({"split": name} | counts | {"tracks": tracks if tracks < len(part) else np.nan})
        return pd.DataFrame(rows)

    def classes(self) -> pd.DataFrame:
        """Images of every class in each split: class, name, train, validation, test."""
        names = self.train.class_names
        columns = {"class": range(len(names)), "name": names}
        for name, part in zip(("train", "validation", "test"), self, strict=True):
            columns[name] = np.bincount(part.labels, minlength=len(names))
        return pd.DataFrame(columns)

    def joined(self) -> ImageSet:
        """Return all images as one set, by class and in the order of the files, as a copy in memory."""
        kinds = ("images", "labels", "groups", "sizes")
        arrays = {kind: np.concatenate([getattr(part, kind) for part in self]) for kind in kinds}
        whole = ImageSet(**arrays, class_names=self.test.class_names)
        return whole.subset(np.argsort(whole.groups, kind="stable"))


def split_by_group(
    labels: np.ndarray, groups: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of what stays and of what is held out; no group is on both sides.

    Of each class, `fraction` of its groups is held out, at least one if it has two; group numbers must be
    unique over classes. A class with a single group stays.
    """
    held = []
    for label in np.unique(labels):
        choices = np.unique(groups[labels == label])
        if len(choices) > 1:
            count = min(max(1, round(fraction * len(choices))), len(choices) - 1)
            held.append(np.random.default_rng([seed, label]).choice(choices, count, replace=False))
    out = np.isin(groups, np.concatenate([[], *held]))
    return np.flatnonzero(~out), np.flatnonzero(out)
