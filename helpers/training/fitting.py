"""A training that is done once: kept under what it rests on, resumed where it was killed."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from helpers import classifiers, outputs
from helpers.backend import keras, tf
from helpers.datasets import ImageSet, Splits
from helpers.training.keeping import EMPTY, Kept, Trained
from helpers.training.recipes import Recipe
from helpers.training.strips import Strip
from helpers.training.tasks import Classification, Task

Build = Callable[[], keras.Model]  # what a training starts from
CACHE = outputs.ROOT / "outputs" / "trainings"
CHECKPOINT = 20.0  # seconds at least between two checkpoints: a save takes as long as a small epoch
_last: dict[str, object] = {}  # the model that was compiled last, and for what
CLASSIFICATION = Classification()
STEPS = 16  # of one call at most: Keras' own work between two calls is a fifth of a small step


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and the Keras backend, and make TensorFlow's kernels deterministic."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def seeded(build: Build, seed: int) -> keras.Model:
    """What is built, its first weights drawn from a seed; without `seed_everything`, which costs seconds."""
    random.seed(seed)  # what Keras' initialisers and dropout draw their seeds from
    np.random.seed(seed)  # noqa: NPY002
    return build()


def fit(
    build: Build,
    train: ImageSet,
    validation: ImageSet,
    recipe: Recipe,
    *,
    seed: int,
    data: str,
    path: Path | None = None,
    cache: Path | None = None,
    title: str | None = None,
    task: Task = CLASSIFICATION,
    rungs: Sequence[int] = (),
) -> Trained:
    """Train ``build()`` on an image set by a recipe; the same call a second time loads the result.

    build: function without arguments that returns an uncompiled model, such as a classifier with logits; its
    weights are where the training starts; train, validation: `datasets.ImageSet`; recipe: of the task; data:
    digest of the data, such as `datasets.Splits.digest`; path: where a copy of the finished model goes
    (.keras); cache: folder of all trainings, `CACHE` by default; title: of the progress bar, the model's name
    by default; task: what is learned; rungs: numbers of epochs after which, on the way, what it is by then is
    kept too, for a call that asks for so many.
    The model computes in float32 whatever the recipe's precision, so it serves on any processor.
    A training is found again by its network and first weights, recipe, seed, data and code, in whatever
    notebook. A checkpoint every `CHECKPOINT` seconds, after an epoch, lets a killed one go on with the same
    numbers.
    Returns `Trained`. Raises ValueError where the sets are too small for one batch, or there are rungs where
    what is compiled depends on the number of epochs, and FloatingPointError where the loss is no longer
    finite; the last checkpoint before that stays.
    """
    alike = [build, task.alike(recipe), len(train)]
    if _last.get("alike") != alike:
        keras.utils.clear_session()  # names of layers count from the start
        seed_everything(seed)  # not for each training: TensorFlow would compile all its functions again
    model = seeded(build, seed)

    def kept_by(other: Recipe, rungs: Mapping[int, Kept] = EMPTY) -> Kept:
        key = _key(model, task, other, seed, data, len(train))
        return Kept(outputs.Store(cache or CACHE), model.name, key, rungs)

    shorter = {count: replace(recipe, epochs=count) for count in rungs if count < recipe.epochs}
    if any(task.alike(other) != task.alike(recipe) for other in shorter.values()):
        raise ValueError(
            "this training is compiled for its number of epochs: shorter ones are not on its way"
        )
    kept = kept_by(recipe, {count: kept_by(other) for count, other in shorter.items()})
    if not (trained := kept.finished()):
        if len(train) < recipe.batch_size:
            raise ValueError(f"{len(train)} training images do not fill a batch of {recipe.batch_size}")
        with kept.store.held(kept.name):  # another notebook may be training the same
            trained = kept.finished() or _trained(
                model, train, validation, task, recipe, seed, kept, title or model.name, alike
            )
    if path:
        kept.copy(Path(path))
    return trained


def fit_all(
    builds: Build | Sequence[Build] | Mapping[str, Build | Sequence[Build]],
    recipes: Mapping[str, Recipe],
    splits: Splits,
    *,
    seeds: Sequence[int] | Mapping[str, Sequence[int]],
    path: Callable[[str], Path] | None = None,
    task: Task = CLASSIFICATION,
    rungs: Sequence[int] = (),
) -> "Trainings":
    """Train by every recipe with every seed; path: of a model's copy, by a name such as ``nearest_0``.

    builds: as in `fit`, one for all seeds or a list with one for each (`Copy` goes on from a trained model);
    or a mapping of these by recipe, as seeds may be. Others and errors as in `fit`, and ValueError where the
    list has another length.
    """
    found = Trainings()
    for name, recipe in recipes.items():
        start = builds[name] if isinstance(builds, Mapping) else builds
        chosen = seeds[name] if isinstance(seeds, Mapping) else seeds
        starts = [start] * len(chosen) if callable(start) else start
        if len(starts) != len(chosen):
            raise ValueError(f"{name}: {len(starts)} models to start from, but {len(chosen)} seeds")
        found[name] = [
            fit(
                *(build, splits.train, splits.validation, recipe),
                seed=seed,
                data=splits.digest,
                path=path and path(f"{name}_{number}"),
                title=f"{name}, training {number + 1} of {len(chosen)}",
                task=task,
                rungs=rungs,
            )
            for number, (build, seed) in enumerate(zip(starts, chosen, strict=True))
        ]
    return found


def fit_ladder(
    build: Build,
    recipe: Recipe,
    epochs: Sequence[int],
    splits: Splits,
    *,
    seeds: Sequence[int],
    path: Callable[[str], Path] | None = None,
    task: Task = CLASSIFICATION,
) -> "Trainings":
    """One training a seed, and what it is after several numbers of epochs; by names such as "20 epochs".

    All else, and errors, as in `fit_all`; ValueError too where what is compiled depends on the number.
    """
    rungs = sorted(set(epochs))
    recipes = {f"{count} epochs": replace(recipe, epochs=count) for count in reversed(rungs)}
    found = fit_all(build, recipes, splits, seeds=seeds, path=path, task=task, rungs=rungs)
    return Trainings(reversed(found.items()))


class Trainings(dict[str, list[Trained]]):
    """Trainings by name, one a seed."""

    @property
    def models(self) -> dict[str, list[keras.Model]]:
        """The trained models by name, one a seed."""
        return {name: [trained.model for trained in several] for name, several in self.items()}

    @property
    def histories(self) -> dict[str, pd.DataFrame]:
        """The history of each name's first training."""
        return {name: several[0].history for name, several in self.items()}

    @property
    def seconds(self) -> dict[str, float]:
        """Of each name's fastest training: others may have compiled, or not been alone."""
        return {name: min(trained.seconds for trained in several) for name, several in self.items()}


def _trained(
    model: keras.Model,
    train: ImageSet,
    validation: ImageSet,
    task: Task,
    recipe: Recipe,
    seed: int,
    kept: Kept,
    title: str,
    alike: list,
) -> Trained:
    """Train, from the last checkpoint on if there is one, and keep the result."""
    state, steps = kept.checkpoint(), len(train) // recipe.batch_size
    model = state.model if state else _ready(model, task, recipe, steps, alike)
    rows = state.history.to_dict("records") if state else []
    before = state.seconds if state else 0.0
    ends = {*kept.rungs, recipe.epochs}
    strip = Strip(getattr(task, "pictures", None), ends, state.strip if state else {})
    keeper = _Keeper(kept, rows, before, recipe.epochs * steps, title, strip)
    model.fit(
        task.batches(train, recipe, seed=seed, first_epoch=len(rows)),
        validation_data=task.validation_batches(validation, recipe),
        initial_epoch=len(rows),
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[keeper],
    )
    return keeper.finish(kept)


def _ready(model: keras.Model, task: Task, recipe: Recipe, steps: int, alike: list) -> keras.Model:
    """The model compiled for a recipe; with the traced functions of the last one, if that was alike.

    To trace and compile a training takes up to eight seconds, as long as a short one itself.
    """
    fresh = _compiled(model, task, recipe, steps)
    optimizers = getattr(task, "optimizers", _only_optimizer)(fresh)
    structure = classifiers.structure(fresh), [weight.trainable for weight in fresh.weights]
    if _last.get("alike") != alike or _last["structure"] != structure:
        _last.update(alike=alike, structure=structure, model=fresh, optimizers=optimizers)
        return fresh
    used = _last["model"]
    for old, new in ((used, fresh), *zip(_last["optimizers"], optimizers, strict=True)):
        for variable, wanted in zip(old.variables, new.variables, strict=True):
            variable.assign(wanted)
    return used


def _only_optimizer(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    """The optimizer of a model that has one, its variables and those of the metrics in place.

    Without the latter, TensorFlow traces the first training step twice. Targets have the shape of the
    answers; from it, Keras sees what "accuracy" means.
    """
    model.optimizer.build(model.trainable_variables)
    answers = keras.ops.zeros([side or 1 for side in model.output_shape])
    model.compute_metrics(None, answers, answers)
    model.reset_metrics()
    return [model.optimizer]


def _compiled(model: keras.Model, task: Task, recipe: Recipe, steps: int) -> keras.Model:
    model = classifiers.with_precision(model, recipe.precision)
    most = min(STEPS, max(1, steps // 3))  # of fewer calls, TensorFlow would warn that it compiles often
    together = max(count for count in range(1, most + 1) if steps % count == 0)
    options = {"jit_compile": False, "steps_per_execution": together}  # XLA is slower on a CPU
    model.compile(**task.compiled_with(recipe, steps), **options)
    return model


def _key(model: keras.Model, task: Task, recipe: Recipe, seed: int, data: str, count: int) -> list:
    """Everything that the trained weights depend on."""
    start = [classifiers.digest(model), [weight.trainable for weight in model.weights]]
    code, beside = outputs.rests_on(type(task), _compiled), getattr(task, "digest", None)
    return [start, asdict(recipe), seed, data, count, code, tf.__version__, *([beside] if beside else [])]


class _Keeper(keras.callbacks.Callback):
    """Shows the progress, and after an epoch keeps the history, and a checkpoint if the last is old."""

    def __init__(self, kept: Kept, rows: list[dict], before: float, total: int, title: str, strip: Strip):
        super().__init__()
        self.kept, self.rows, self.before, self.total, self.title = kept, rows, before, total, title
        self.strip = strip

    def finish(self, kept: Kept) -> Trained:
        """Keep what it is by now as a result."""
        model = classifiers.with_precision(self.model, "float32")
        strip = self.strip.until(len(self.rows))
        return kept.finish(Trained(model, pd.DataFrame(self.rows), self.seconds(), strip))

    def seconds(self) -> float:
        return self.before + time.perf_counter() - self.started

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.started = self.saved = time.perf_counter()
        done = int(self.model.optimizer.iterations)
        self.bar = tqdm(total=self.total, initial=done, desc=self.title, unit="batch", mininterval=1)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.bar.update(int(self.model.optimizer.iterations) - self.bar.n)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        for name in (
            "loss",
            "val_loss",
        ):  # the last step may have spoilt the weights after the loss was taken
            if not np.isfinite(logs.get(name, 0.0)):
                raise FloatingPointError(
                    f"{self.title}: {name} {logs[name]} after epoch {epoch + 1}. Take a lower learning rate"
                )
        self.rows.append({"epoch": epoch + 1} | {name: float(value) for name, value in logs.items()})
        self.bar.set_postfix({name: f"{logs[name]:.3f}" for name in logs if name.startswith("val")})
        self.strip.grow(self.model, epoch + 1)
        if rung := self.kept.rungs.get(epoch + 1):
            with rung.store.held(rung.name):
                if not rung.finished():
                    self.finish(rung)
        if time.perf_counter() - self.saved >= CHECKPOINT:
            self.kept.save(self.model, self.rows, self.seconds(), self.strip.rows)
            self.saved = time.perf_counter()

    def on_train_end(self, logs: dict | None = None) -> None:
        self.bar.close()
        self.strip.close()
