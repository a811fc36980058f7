import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from filelock import Timeout
from tiny_sets import squares

from helpers import classifiers, datasets, noise, outputs, training
from helpers.backend import keras, tf
from helpers.training import fitting

SHORT = training.Recipe(epochs=3, batch_size=32)

build = partial(classifiers.cnn_baseline, 16, 3)


TRAIN, VALIDATION = squares(96, 0), squares(48, 1)


def fit(cache, recipe=SHORT, train=TRAIN, seed=0, data="squares", **options):
    return training.fit(build, train, VALIDATION, recipe, seed=seed, data=data, cache=cache, **options)


def assert_equal(one, other):
    for first, second in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(one.history, other.history)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("trainings")


@pytest.fixture(scope="module")
def trained(cache):
    return fit(cache)


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    """A checkpoint after every epoch, however short it is."""
    monkeypatch.setattr(fitting, "CHECKPOINT", 0)


class Started(Exception):
    """A training began, at `first_epoch`."""

    def __init__(self, first_epoch):
        self.first_epoch = first_epoch


@pytest.fixture
def no_training(monkeypatch):
    def started(*_, initial_epoch, **__):
        raise Started(initial_epoch)

    monkeypatch.setattr(keras.Model, "fit", started)


def killed(monkeypatch, method, when):
    """Interrupt the training after `method` of its callback was called `when` times."""
    original, calls = getattr(fitting._Keeper, method), []

    def interrupted(self, *args, **logs):
        original(self, *args, **logs)
        calls.append(None)
        if len(calls) == when:
            raise KeyboardInterrupt

    monkeypatch.setattr(fitting._Keeper, method, interrupted)


def test_every_weight_moves(trained):
    training.seed_everything(0)
    for variable, before in zip(trained.model.trainable_variables, build().trainable_variables, strict=True):
        assert np.abs(variable.numpy() - before.numpy()).max() > 1e-4, variable.path


def test_the_rate_rises_for_an_epoch_and_falls_to_zero(tmp_path, monkeypatch):
    used = []
    original = fitting._Keeper.on_train_end
    monkeypatch.setattr(
        fitting._Keeper,
        "on_train_end",
        lambda self, logs=None: (used.append(self.model.optimizer), original(self, logs)),
    )
    fit(tmp_path)
    (optimizer,) = used
    rate, steps = optimizer._learning_rate, 3 * 3
    assert int(optimizer.iterations) == steps
    rates = [float(rate(step)) for step in range(steps + 1)]
    assert np.argmax(rates) == 3
    assert max(rates) == pytest.approx(0.003)
    assert rates[0] < 0.1 * max(rates)
    assert rates[-1] == pytest.approx(0, abs=1e-8)
    assert optimizer.weight_decay == 0.02


def test_a_recipe_with_noise_and_balance_runs(tmp_path):
    recipe = replace(
        SHORT, epochs=2, noise=noise.NINE_SETS, balanced=True, schedule="constant", augmentation="paper"
    )
    history = fit(tmp_path, recipe).history
    assert len(history) == 2
    assert np.isfinite(history).all(axis=None)


def test_training_in_bfloat16_learns_resumes_and_leaves_a_float32_model(tmp_path, monkeypatch):
    recipe = replace(SHORT, epochs=4, precision="mixed_bfloat16", augmentation="none", batch_size=16)
    killed(monkeypatch, "on_epoch_end", 2)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, recipe)
    monkeypatch.undo()
    resumed = fit(tmp_path, recipe)
    assert_equal(resumed, fit(tmp_path / "other", recipe))
    assert resumed.history["val_accuracy"].iloc[-1] > 0.95
    for model in (resumed.model, fit(tmp_path, recipe).model):
        assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
        right = classifiers.predictions(model, VALIDATION.images) == VALIDATION.labels
        assert right.mean() > 0.95


def test_two_runs_give_equal_weights(trained, tmp_path):
    assert_equal(fit(tmp_path), trained)


@pytest.mark.parametrize(
    ("method", "when"),
    [("on_epoch_end", 2), ("on_train_batch_end", 5)],  # of 3 batches an epoch
    ids=["after epoch 2", "in epoch 2"],
)
def test_a_killed_training_goes_on_to_the_same_weights(trained, tmp_path, monkeypatch, method, when):
    killed(monkeypatch, method, when)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path)
    monkeypatch.undo()
    (checkpoint,) = tmp_path.glob("[!.]*")
    done = json.loads((checkpoint / "history.json").read_text())
    assert len(done["history"]) == (2 if method == "on_epoch_end" else 1)
    epochs = []
    original = fitting._Keeper.on_epoch_end
    monkeypatch.setattr(
        fitting._Keeper,
        "on_epoch_end",
        lambda self, epoch, logs=None: (epochs.append(epoch), original(self, epoch, logs)),
    )
    resumed = fit(tmp_path)
    assert_equal(resumed, trained)
    assert epochs == list(range(len(done["history"]), 3))
    assert resumed.seconds > done["seconds"] > 0
    assert [file.name for file in tmp_path.glob("[!.]*")] == [checkpoint.name.partition(".epoch")[0]]


def test_a_training_after_another_is_the_one_that_it_would_be_alone(trained, tmp_path):
    fitting._last.clear()
    alone = fit(tmp_path / "alone", seed=1)  # traced by itself
    fit(tmp_path / "first", seed=0)
    fitting._last.clear()
    assert_equal(fit(tmp_path / "second", seed=1), alone)


def test_a_recipe_that_shares_the_traced_training_of_another_is_what_it_would_be_alone(tmp_path):
    """With dropout, normalisation and other batches: `compact`, first without noise, then with."""
    build, found = partial(classifiers.compact, 16, 3), []
    noisy = replace(SHORT, epochs=1, noise=noise.NINE_SETS, balanced=True, augmentation="camera")
    options = {"seed": 3, "data": "squares"}
    for name in ("alone", "after"):
        fitting._last.clear()
        if name == "after":
            before = replace(noisy, noise=(), balanced=False, augmentation="none")
            training.fit(build, TRAIN, VALIDATION, before, cache=tmp_path / "before", **options)
            compiled = fitting._last["model"]
        found.append(training.fit(build, TRAIN, VALIDATION, noisy, cache=tmp_path / name, **options))
    assert fitting._last["model"] is compiled
    assert_equal(*found)


def test_two_processes_train_the_same_thing_once(tmp_path, monkeypatch):
    original, beside = fitting._trained, []

    def trained(*args):
        """While this process trains, another one asks for the same."""
        held = outputs.Store(tmp_path).held(args[6].name)
        with pytest.raises(Timeout), held.acquire(blocking=False):
            pass
        beside.append(held)
        return original(*args)

    monkeypatch.setattr(fitting, "_trained", trained)
    first = fit(tmp_path)
    with beside[0].acquire(blocking=False):
        assert_equal(fit(tmp_path), first)  # found again, without a lock


def test_a_model_without_a_name_is_found_again(tmp_path, monkeypatch):
    def unnamed():
        images = keras.Input((16, 16, 3))
        return keras.Model(images, keras.layers.Dense(3)(keras.layers.Flatten()(images)))

    one = training.fit(unnamed, TRAIN, VALIDATION, SHORT, seed=0, data="squares", cache=tmp_path)
    two = training.fit(unnamed, TRAIN, VALIDATION, SHORT, seed=1, data="squares", cache=tmp_path)
    monkeypatch.setattr(keras.Model, "fit", None)
    keras.utils.clear_session()
    for seed, trained in ((1, two), (0, one)):
        again = training.fit(unnamed, TRAIN, VALIDATION, SHORT, seed=seed, data="squares", cache=tmp_path)
        assert_equal(again, trained)


def test_steps_of_one_call_change_no_number(trained, tmp_path, monkeypatch):
    fitting._last.clear()
    monkeypatch.setattr(fitting, "STEPS", 1)
    assert_equal(fit(tmp_path), trained)


def test_a_copy_of_the_model_goes_where_it_is_wanted_once(trained, cache, tmp_path):
    path = tmp_path / "03_short.keras"
    fit(cache, path=path)
    before = path.stat().st_mtime_ns
    fit(cache, path=path)
    assert path.stat().st_mtime_ns == before
    assert_equal(training.Trained(keras.models.load_model(path), trained.history, 0.0), trained)


def test_fit_all_trains_every_recipe_with_every_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "CACHE", tmp_path)
    splits = datasets.Splits(TRAIN, VALIDATION, VALIDATION, "squares", "squares", ())
    recipes = {"one": SHORT, "two": replace(SHORT, learning_rate=0.001)}
    found = training.fit_all(
        build, recipes, splits, seeds=(0, 1), path=lambda name: tmp_path / f"{name}.keras"
    )
    assert {name: len(models) for name, models in found.models.items()} == {"one": 2, "two": 2}
    assert {path.stem for path in tmp_path.glob("*.keras")} == {"one_0", "one_1", "two_0", "two_1"}
    one, other = (trained.model.get_weights()[0] for trained in found["one"])
    assert not np.array_equal(one, other)


def test_a_training_that_is_compiled_for_its_length_has_no_rungs(tmp_path):
    with pytest.raises(ValueError, match="not on its way"):
        fit(tmp_path, rungs=(1,))
    fit(tmp_path, replace(SHORT, epochs=1), rungs=(1, 3))  # none of them is shorter


@pytest.fixture
def checkpoint(trained, cache, tmp_path):
    """A store with a checkpoint after three epochs and no finished model."""
    (finished,) = (path for path in cache.glob("[!.]*") if ".epoch" not in path.name)
    shutil.copytree(finished, tmp_path / f"{finished.name}.epoch-0003")
    return tmp_path


@pytest.mark.usefixtures("no_training")
def test_only_the_checkpoint_of_the_same_training_is_used(checkpoint):
    for change, first_epoch in (({}, 3), ({"seed": 1}, 0), ({"data": "circles"}, 0)):
        with pytest.raises(Started) as started:
            fit(checkpoint, **change)
        assert started.value.first_epoch == first_epoch


@pytest.mark.usefixtures("no_training")
def test_a_checkpoint_that_is_damaged_is_not_used(checkpoint):
    next(checkpoint.glob("*/model.keras")).write_bytes(b"half of it")
    with pytest.raises(Started) as started:
        fit(checkpoint)
    assert started.value.first_epoch == 0


@pytest.mark.usefixtures("no_training")
def test_a_second_call_loads_what_is_stored(trained, cache):
    again = fit(cache)
    assert_equal(again, trained)
    assert again.seconds == trained.seconds
    np.testing.assert_array_equal(
        classifiers.logits(again.model, VALIDATION.images),
        classifiers.logits(trained.model, VALIDATION.images),
    )


@pytest.mark.usefixtures("no_training", "trained")
@pytest.mark.parametrize(
    "change",
    [
        {"recipe": replace(SHORT, epochs=4)},
        {"recipe": replace(SHORT, noise=noise.NINE_SETS)},
        {"recipe": replace(SHORT, noise=noise.NINE_SETS[:1])},
        {"recipe": replace(SHORT, precision="mixed_bfloat16")},
        {"seed": 1},
        {"data": "circles"},
        {"train": squares(95, 0)},
    ],
    ids=["epochs", "noise", "one set", "precision", "seed", "data", "count"],
)
def test_another_training_does_not_load_what_is_stored(cache, change):
    with pytest.raises(Started):
        fit(cache, **change)


@pytest.mark.usefixtures("no_training", "trained")
def test_another_network_does_not_load_what_is_stored(cache):
    for other in (partial(classifiers.cnn_baseline, 16, 4), partial(classifiers.cnn_baseline, 24, 3)):
        with pytest.raises(Started):
            training.fit(other, TRAIN, VALIDATION, SHORT, seed=0, data="squares", cache=cache)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("damage", ["model", "record"])
def test_a_stored_model_changed_by_others_is_trained_anew(trained, cache, tmp_path, damage):
    shutil.copytree(cache, tmp_path, dirs_exist_ok=True)
    assert_equal(fit(tmp_path), trained)
    (model,) = tmp_path.glob("*/model.keras")
    if damage == "model":
        model.write_bytes(model.read_bytes()[:-100])
    else:
        model.with_name("history.json").unlink()
    with pytest.raises(Started):
        fit(tmp_path)


def test_too_few_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="31 training images do not fill a batch of 32"):
        fit(tmp_path, train=squares(31, 0))
    assert not list(tmp_path.iterdir())


def test_seeds_reach_every_library():
    def draws():
        training.seed_everything(9)
        return np.random.random(), float(tf.random.normal(())), float(keras.random.normal(()))  # noqa: NPY002

    assert draws() == draws()


def test_a_small_task_is_learned(tmp_path):
    recipe = training.Recipe(epochs=4, batch_size=16, learning_rate=0.003, augmentation="none")
    model, history, seconds, strip = fit(tmp_path, recipe)
    assert not strip  # a classifier makes no pictures
    assert list(history) == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    assert list(history["epoch"]) == [1, 2, 3, 4]
    assert history["loss"].iloc[-1] < 0.6 * history["loss"].iloc[0]
    assert history["val_accuracy"].iloc[-1] > 0.95
    correct = classifiers.predictions(model, VALIDATION.images) == VALIDATION.labels
    assert correct.mean() == pytest.approx(history["val_accuracy"].iloc[-1])
    assert seconds > 0


def test_each_seed_may_go_on_from_a_model_of_its_own_and_is_what_it_would_be_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "CACHE", tmp_path)
    splits = datasets.Splits(TRAIN, VALIDATION, VALIDATION, "squares", "squares", ())
    models = []
    for seed in (5, 6):
        keras.utils.set_random_seed(seed)
        models.append(build())
    starts = [training.Copy(model) for model in models]
    fitting._last.clear()
    found = training.fit_all(starts, {"on": SHORT}, splits, seeds=(0, 1))["on"]
    for start, seed, trained in zip(starts, (0, 1), found, strict=True):
        fitting._last.clear()
        options = {"seed": seed, "data": "squares", "cache": tmp_path / "alone"}
        assert_equal(training.fit(start, TRAIN, VALIDATION, SHORT, **options), trained)
    with pytest.raises(ValueError, match="on: 2 models to start from, but 3 seeds"):
        training.fit_all(starts, {"on": SHORT}, splits, seeds=(0, 1, 2))


def test_a_frozen_copy_is_not_trained_by_what_was_compiled_for_another(tmp_path):
    keras.utils.set_random_seed(5)
    model = build()
    options = {"seed": 0, "data": "squares", "cache": tmp_path}
    free = training.fit(training.Copy(model), TRAIN, VALIDATION, SHORT, **options)
    model.layers[1].trainable = False
    frozen = training.fit(training.Copy(model), TRAIN, VALIDATION, SHORT, **options)
    first = model.layers[1].kernel.numpy()
    assert not np.array_equal(free.model.layers[1].kernel.numpy(), first)
    np.testing.assert_array_equal(frozen.model.layers[1].kernel.numpy(), first)


def test_a_name_has_the_seconds_of_its_fastest_training():
    taken = [[12.0, 5.0], [7.0]]
    several = [[training.Trained(None, None, seconds) for seconds in row] for row in taken]
    assert training.Trainings(zip("ab", several, strict=True)).seconds == {"a": 5.0, "b": 7.0}


def test_weights_spoilt_by_the_last_step_are_seen_in_validation(tmp_path):
    class Spoilt(keras.layers.Layer):
        def call(self, values, training=False):
            return values if training else values * np.nan

    def build():
        images = keras.Input((16, 16, 3))
        values = keras.layers.Dense(3)(keras.layers.Flatten()(images))
        return keras.Model(images, Spoilt()(values), name="spoilt")

    recipe = training.Recipe(epochs=1, batch_size=16, augmentation="none")
    with pytest.raises(FloatingPointError, match=r"spoilt: val_loss nan after epoch 1. Take a lower"):
        training.fit(build, squares(48, 0), squares(48, 1), recipe, seed=0, data="nan", cache=tmp_path)
    assert not list(tmp_path.glob("*/model.keras"))
