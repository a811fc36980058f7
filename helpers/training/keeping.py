"""A training in the store: its result, and on the way there a checkpoint."""

import json
import re
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from helpers import outputs
from helpers.backend import keras

EMPTY: Mapping = MappingProxyType({})


class Trained(NamedTuple):
    """A trained model with its history: one row an epoch (epoch, loss, val_loss, and the task's metrics).

    The history is measured in the recipe's precision.
    """

    model: keras.Model
    history: pd.DataFrame
    seconds: float  # of training, over all interruptions
    strip: Mapping[int, np.ndarray] = EMPTY  # by epoch, what the model made then; see `Task`


class Kept:
    """Where a training lies in the store: its result, and on the way there checkpoints."""

    def __init__(self, store: outputs.Store, label: str, key: list, rungs: Mapping[int, "Kept"] = EMPTY):
        """label: of the piece, for who looks; key: of all that the training depends on.

        rungs: by epoch, where the shorter trainings lie that it is on its way.
        """
        label = re.sub(r"_\d+$", "", label)  # Keras counts models that have no name
        self.store, self.name, self.rungs = store, f"{label}-{outputs.named(key)}", rungs

    def finished(self) -> Trained | None:
        """The result; None where there is none, or a damaged one."""
        return self._read(self.name)

    def checkpoint(self) -> Trained | None:
        """The last one that is whole."""
        for path in sorted(self.store.folder.glob(f"{self.name}.epoch-*"), reverse=True):
            if state := self._read(path.name):
                return state
        return None

    def save(
        self, model: keras.Model, rows: list[dict], seconds: float, strip: Mapping[int, np.ndarray] = EMPTY
    ) -> None:
        """Keep a checkpoint, then forget those before it."""
        self._write(f"{self.name}.epoch-{len(rows):04d}", model, rows, seconds, strip)
        for path in self.store.folder.glob(f"{self.name}.epoch-*"):
            if path.name != f"{self.name}.epoch-{len(rows):04d}":
                self.store.remove(path.name)

    def finish(self, trained: Trained) -> Trained:
        """Keep the result and return what is kept, then forget the checkpoints."""
        kept = trained._replace(model=_uncompiled(trained.model))
        self._write(self.name, kept.model, kept.history.to_dict("records"), kept.seconds, kept.strip)
        for path in self.store.folder.glob(f"{self.name}.epoch-*"):
            self.store.remove(path.name)
        return kept

    def copy(self, path: Path) -> None:
        """Copy the finished model to `path`, unless it is there already."""
        model = self.store.folder / self.name / "model.keras"
        if not path.is_file() or outputs.sha256(path) != outputs.sha256(model):
            with outputs.atomic(path) as partial:
                shutil.copyfile(model, partial)

    def _write(
        self, name: str, model: keras.Model, rows: list[dict], seconds: float, strip: Mapping[int, np.ndarray]
    ) -> None:
        self.store.remove(name)  # what is there is damaged, or it would have been read
        with self.store.make(name) as partial:
            partial.mkdir()
            model.save(partial / "model.keras")
            record = {"model": outputs.sha256(partial / "model.keras"), "seconds": seconds, "history": rows}
            outputs.write_json(partial / "history.json", record)
            if strip:
                images = {str(epoch): made for epoch, made in strip.items()}
                np.savez_compressed(partial / "strip.npz", **images)

    def _read(self, name: str) -> Trained | None:
        """What was trained; None where it is absent or damaged, so that it is trained anew."""
        folder = self.store.folder / name
        try:
            record = json.loads((folder / "history.json").read_text(encoding="utf-8"))
            if record["model"] != outputs.sha256(folder / "model.keras"):
                return None
            strip = _strip(folder / "strip.npz")
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error):
            return None
        model = keras.models.load_model(folder / "model.keras")
        return Trained(model, pd.DataFrame(record["history"]), record["seconds"], strip)


def _strip(path: Path) -> dict[int, np.ndarray]:
    if not path.is_file():
        return {}
    with np.load(path) as images:
        return {int(epoch): images[epoch] for epoch in images}


def _uncompiled(model: keras.Model) -> keras.Model:
    """The same network without what trained it: its file is a third as large, and needs no optimizer of ours.

    Keras writes a compiled model's optimizer into a .keras file, whatever it is told.
    """
    copy = type(model).from_config(model.get_config())  # a clone would be compiled too
    copy.set_weights(model.get_weights())
    return copy
