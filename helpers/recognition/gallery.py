"""A gallery on disk: a manifest, the general network, and a file for each person.

To enrol or remove somebody touches that person's file alone, which is written beside its place and renamed:
two processes may do so at once. What belongs to all is written once, the manifest last. Who founds a gallery
or writes into it holds a lock beside its folder.
"""

import json
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import cached_property
from itertools import count
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np

from helpers import classifiers, outputs
from helpers.backend import keras
from helpers.recognition import general, signatures, stacks
from helpers.recognition.search import Index
from helpers.recognition.systems import Recogniser, Scale

FORMAT = 2  # of the files; raise it when they change their meaning
SYSTEM = "both layers"  # that a gallery searches by
KEYS = {"format", "fit", "layers", "recipe", "scale", "network"}  # of a manifest
MANIFEST, NETWORK, OTHERS, PEOPLE = "manifest.json", "general.keras", "others.npz", "people"


class GalleryError(ValueError):
    """What is wrong with a gallery or a request, and what to do."""


class Gallery:
    """People who can be recognised."""

    def __init__(self, folder: str | Path):
        """Open a gallery; GalleryError where there is none, or it is damaged or of another format."""
        self.folder = Path(folder)
        manifest = self._read(self.folder)
        path = self.folder / NETWORK
        if not path.is_file() or outputs.sha256(path) != manifest["network"]:
            raise GalleryError(f"{path} is absent or not the network of this gallery: found the gallery anew")
        scale, recipe = manifest["scale"], manifest["recipe"]
        try:
            self.scale = Scale(**scale | {"slopes": tuple(scale["slopes"])})
            self.recipe = signatures.Recipe(**recipe | {"against": tuple(recipe["against"])})
        except (TypeError, KeyError) as error:
            raise GalleryError(f"{self.folder / MANIFEST} is damaged ({error}): found it anew") from None
        self.model, self.manifest = keras.models.load_model(path), manifest
        self.image_size, self.fit = self.model.input_shape[1], manifest["fit"]
        self.made_by = outputs.named(manifest["layers"], recipe)  # the same in entries that are compared
        self.store = outputs.Store(self.folder / PEOPLE)

    @staticmethod
    def _read(folder: Path) -> dict[str, object]:
        """Its manifest; GalleryError as in `__init__`."""
        path = folder / MANIFEST
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise GalleryError(
                f"{folder} holds no gallery: notebook 11 founds one, 11_gallery among its results"
            ) from None
        except (OSError, ValueError) as error:
            raise GalleryError(f"{path} is damaged ({error}): found the gallery anew") from None
        if not isinstance(manifest, dict) or not set(manifest) >= KEYS:
            raise GalleryError(f"{path} is damaged: found the gallery anew")
        if manifest["format"] != FORMAT:
            raise GalleryError(f"{folder} has format {manifest['format']}, not {FORMAT}: found it anew")
        return manifest

    @classmethod
    def found(cls, folder: str | Path, recogniser: Recogniser, fit: str) -> "Gallery":
        """A gallery from a recogniser's layers and scale, with nobody in it.

        One that stands there is kept, with its people, if its layers are the same; else it is set aside, as
        `<folder>-old-<number>`. fit: how pictures are fitted, a choice of `datasets.FITS`.
        """
        folder, layers = Path(folder), classifiers.digest(recogniser.general)
        manifest = {"format": FORMAT, "fit": fit, "layers": layers, "recipe": asdict(recogniser.recipe)}
        manifest["scale"] = asdict(recogniser.scales[SYSTEM])
        manifest = json.loads(json.dumps(manifest))
        with _held(folder):
            if folder.exists():
                try:
                    opened = cls(folder)
                except GalleryError:
                    opened = None
                if opened and manifest.items() <= opened.manifest.items():
                    return opened
                _set_aside(folder)
            (folder / PEOPLE).mkdir(parents=True)
            with outputs.atomic(folder / NETWORK) as partial:
                recogniser.general.save(partial)
            outputs.Store(folder).save(OTHERS, {"images": recogniser.fold.public.images})
            outputs.write_json(folder / MANIFEST, manifest | {"network": outputs.sha256(folder / NETWORK)})
        return cls(folder)

    @property
    def names(self) -> list[str]:
        """Who has an entry, in order."""
        files = (path for path in self.store.folder.glob("*.npz") if not path.name.startswith("."))
        return sorted(unquote(path.stem) for path in files)

    def enrol(self, people: Mapping[str, np.ndarray], *, seed: int = 0) -> None:
        """Write an entry for each name, by images uint8 (K, H, W, C) of that person.

        Raises GalleryError for a name that is taken or cannot be one of a file, for images of another size or
        such as the general network has learned from, and where the gallery is set aside meanwhile; others as
        `signatures.enrol`.
        """
        for name, images in people.items():
            self._check(name, images)
        if not people:
            return
        others, images = self._others(), list(people.values())
        seen = {image.tobytes() for image in others}
        for name, own in people.items():
            if any(image.tobytes() in seen for image in own):
                raise GalleryError(f"{name}: the general network has learned from these images: enrol others")
        several = signatures.enrol(images, others, self.recipe, seed=seed, cache=False)
        for number, (name, images) in enumerate(people.items()):
            entry = {f"d{place}": values[number] for place, values in enumerate(several.discriminators)}
            entry |= {"features": general.embed(self.model, images), "made_by": np.array(self.made_by)}
            with _held(self.folder):
                if self._read(self.folder) != self.manifest:
                    raise GalleryError(f"{self.folder} was founded anew meanwhile: enrol {name} once more")
                self._check(name, images)  # somebody may have taken the name meanwhile
                self.store.save(_file(name), entry)

    def remove(self, name: str) -> None:
        """Delete an entry; GalleryError where there is none."""
        if name not in self.names:
            raise GalleryError(f"{name} is not in the gallery: it has {', '.join(self.names) or 'nobody'}")
        self.store.remove(_file(name))

    def index(self) -> Index:
        """All entries in memory; damaged ones and those of another network are named and left out."""
        found = {}
        for name in self.names:
            arrays = self.store.arrays(_file(name))
            if arrays is None or not self._fits(arrays):
                path = self.store.folder / _file(name)
                warnings.warn(
                    f"{path} is damaged or was made by other layers: left out; remove {name} and enrol anew",
                    stacklevel=2,
                )
            else:
                found[name] = arrays
        stacked = [
            np.stack([arrays[kind] for arrays in found.values()]) for kind in (self._shapes if found else ())
        ]
        features = [arrays["features"] for arrays in found.values()]
        return Index(self.model, tuple(found), features, stacked, self.scale)

    def _check(self, name: str, images: np.ndarray) -> None:
        if not name.strip() or not name.isprintable() or len(_file(name)) > 200:
            raise GalleryError(f"{name!r} cannot be a name: take printable characters, 60 at most")
        if name.casefold() in {known.casefold() for known in self.names}:
            raise GalleryError(f"{name} is in the gallery already: remove that entry or take another name")
        if images.shape[1:] != self.model.input_shape[1:] or not len(images):
            raise GalleryError(
                f"{name}: images {images.shape}, but the gallery takes {self.model.input_shape}"
            )

    def _fits(self, arrays: Mapping[str, np.ndarray]) -> bool:
        """Whether an entry is whole and of these layers."""
        wanted = self._shapes
        if set(arrays) != {*wanted, "features", "made_by"} or str(arrays["made_by"]) != self.made_by:
            return False
        if not all(_finite(arrays[kind]) for kind in (*wanted, "features")):
            return False
        right = all(arrays[kind].shape == shape for kind, shape in wanted.items())
        known = arrays["features"]
        return right and len(known) > 0 and known.shape[1:] == self.model.output_shape[1:]

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the arrays of a signature."""
        shape = self.model.input_shape[1:]
        first = stacks.new_discriminators(np.random.default_rng(0), 1, shape, self.recipe.width)
        return {f"d{place}": values.shape[1:] for place, values in enumerate(first)}

    def _others(self) -> np.ndarray:
        arrays = outputs.Store(self.folder).arrays(OTHERS)
        if arrays is None or "images" not in arrays:
            raise GalleryError(f"{self.folder / OTHERS} is absent or damaged: found the gallery anew")
        return arrays["images"]


def _held(folder: Path) -> AbstractContextManager:
    """What only one process does at a time; beside the gallery, which may be set aside under it."""
    return outputs.Store(folder.parent).held(folder.name)


def _file(name: str) -> str:
    """The name of a person's file: any character that a file system may refuse is written as its number."""
    return f"{quote(name, safe=' ()').replace('.', '%2E')}.npz"


def _finite(values: np.ndarray) -> bool:
    return values.dtype.kind == "f" and bool(np.isfinite(values).all())


def _set_aside(folder: Path) -> None:
    """Rename a gallery of other layers, and say so."""
    number = next(n for n in count(1) if not folder.with_name(f"{folder.name}-old-{n}").exists())
    aside = folder.rename(folder.with_name(f"{folder.name}-old-{number}"))
    people = len(list((aside / PEOPLE).glob("[!.]*.npz")))
    warnings.warn(f"{folder.name} was of other layers: {aside} has it and its {people} people", stacklevel=3)
