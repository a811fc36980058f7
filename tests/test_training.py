import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from helpers import classifiers, noise, training
from helpers.backend import keras, tf
from helpers.datasets import ImageSet

COLOURS = np.array([[220, 40, 40], [40, 220, 40], [40, 40, 220]])
SHORT = training.Recipe(epochs=3, batch_size=32)
build = partial(classifiers.cnn_baseline, 16, 3)


def squares(count, seed, shares=(1, 1, 1)):
    """Coloured squares on a noisy ground; the colour is the class."""
    rng = np.random.default_rng(seed)
    labels = np.resize(np.repeat(np.arange(3), shares), count)
    images = rng.integers(0, 256, (count, 16, 16, 3)) // 3
    for image, label in zip(images, labels, strict=True):
        x, y = rng.integers(0, 7, 2)
        image[y : y + 10, x : x + 10] = COLOURS[label] + rng.integers(-20, 21, 3)
    sizes = np.full((count, 2), 16)
    return ImageSet(images.astype(np.uint8), labels, np.arange(count), ("red", "green", "blue"), sizes)


TRAIN, VALIDATION = squares(96, 0), squares(48, 1)


def fit(path, recipe=SHORT, train=TRAIN, seed=0, data="squares"):
    return training.fit(build, train, VALIDATION, recipe, seed=seed, path=path, data=data)


def assert_equal(one, other):
    for first, second in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(one.history, other.history)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("models") / "03_short.keras"


@pytest.fixture(scope="module")
def trained(path):
    return fit(path)


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
    original, calls = getattr(training._Keeper, method), []

    def interrupted(self, *args, **logs):
        original(self, *args, **logs)
        calls.append(None)
        if len(calls) == when:
            raise KeyboardInterrupt

    monkeypatch.setattr(training._Keeper, method, interrupted)


# Learning


def test_a_small_task_is_learned(tmp_path):
    recipe = training.Recipe(epochs=4, batch_size=16, learning_rate=0.003, augmentation="none")
    model, history, seconds = fit(tmp_path / "model.keras", recipe)
    assert list(history) == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    assert list(history["epoch"]) == [1, 2, 3, 4]
    assert history["loss"].iloc[-1] < 0.6 * history["loss"].iloc[0]
    assert history["val_accuracy"].iloc[-1] > 0.95
    correct = classifiers.predictions(model, VALIDATION.images) == VALIDATION.labels
    assert correct.mean() == pytest.approx(history["val_accuracy"].iloc[-1])
    assert seconds > 0


def test_every_weight_moves(trained):
    training.seed_everything(0)
    for variable, before in zip(trained.model.trainable_variables, build().trainable_variables, strict=True):
        assert np.abs(variable.numpy() - before.numpy()).max() > 1e-4, variable.path


def test_the_rate_rises_for_an_epoch_and_falls_to_zero(tmp_path, monkeypatch):
    used = []
    original = training._Keeper.on_train_end
    monkeypatch.setattr(
        training._Keeper,
        "on_train_end",
        lambda self, logs=None: (used.append(self.model.optimizer), original(self, logs)),
    )
    fit(tmp_path / "model.keras")
    (optimizer,) = used
    rate, steps = optimizer._learning_rate, 3 * 3
    assert int(optimizer.iterations) == steps
    rates = [float(rate(step)) for step in range(steps + 1)]
    assert np.argmax(rates) == 3
    assert max(rates) == pytest.approx(0.003)
    assert rates[0] < 0.1 * max(rates)
    assert rates[-1] == pytest.approx(0, abs=1e-8)
    assert isinstance(optimizer, keras.optimizers.AdamW)


def test_the_papers_recipe_is_plain_adam_at_its_rate():
    optimizer = training._optimizer(training.PAPER, steps=5)
    assert type(optimizer) is keras.optimizers.Adam
    assert float(optimizer.learning_rate) == pytest.approx(0.01)
    assert training.PAPER.epochs == 10
    assert (training.PAPER.augmentation, training.PAPER.label_smoothing) == ("none", 0)
    assert replace(training.PAPER, learning_rate=0.001) == training.NEAREST


def test_a_recipe_with_noise_and_balance_runs(tmp_path):
    recipe = replace(
        SHORT, epochs=2, noise=noise.NINE_SETS, balanced=True, schedule="constant", augmentation="paper"
    )
    history = fit(tmp_path / "model.keras", recipe).history
    assert len(history) == 2
    assert np.isfinite(history).all(axis=None)


def test_training_in_bfloat16_learns_resumes_and_leaves_a_float32_model(tmp_path, monkeypatch):
    recipe = replace(SHORT, epochs=4, precision="mixed_bfloat16", augmentation="none", batch_size=16)
    killed(monkeypatch, "on_epoch_end", 2)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "model.keras", recipe)
    monkeypatch.undo()
    resumed = fit(tmp_path / "model.keras", recipe)
    assert_equal(resumed, fit(tmp_path / "other.keras", recipe))
    assert resumed.history["val_accuracy"].iloc[-1] > 0.95
    for model in (resumed.model, fit(tmp_path / "model.keras", recipe).model):
        assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
        right = classifiers.predictions(model, VALIDATION.images) == VALIDATION.labels
        assert right.mean() > 0.95


# The same numbers again


def test_two_runs_give_equal_weights(trained, tmp_path):
    assert_equal(fit(tmp_path / "model.keras"), trained)


@pytest.mark.parametrize(
    ("method", "when"), [("on_epoch_end", 2), ("on_train_batch_end", 5)], ids=["after epoch 2", "in epoch 2"]
)
def test_a_killed_training_goes_on_to_the_same_weights(trained, tmp_path, monkeypatch, method, when):
    path = tmp_path / "model.keras"
    killed(monkeypatch, method, when)
    with pytest.raises(KeyboardInterrupt):
        fit(path)
    assert not path.exists()
    monkeypatch.undo()
    done = json.loads((tmp_path / "model.part.json").read_text())
    epochs = []
    original = training._Keeper.on_epoch_end
    monkeypatch.setattr(
        training._Keeper,
        "on_epoch_end",
        lambda self, epoch, logs=None: (epochs.append(epoch), original(self, epoch, logs)),
    )
    resumed = fit(path)
    assert_equal(resumed, trained)
    assert epochs == list(range(len(done["history"]), 3))
    assert resumed.seconds > done["seconds"] > 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.json", "model.keras"]


@pytest.fixture
def checkpoint(trained, path, tmp_path):
    """The path of a training with a checkpoint after its three epochs and no finished model."""
    shutil.copy(path, tmp_path / "model.part.keras")
    shutil.copy(path.with_suffix(".json"), tmp_path / "model.part.json")
    return tmp_path / "model.keras"


@pytest.mark.usefixtures("no_training")
def test_only_the_checkpoint_of_the_same_training_is_used(checkpoint):
    for change, first_epoch in (({}, 3), ({"seed": 1}, 0), ({"data": "circles"}, 0)):
        with pytest.raises(Started) as started:
            fit(checkpoint, **change)
        assert started.value.first_epoch == first_epoch


@pytest.mark.usefixtures("no_training")
def test_a_checkpoint_half_written_is_not_used(checkpoint):
    checkpoint.with_suffix(".part.keras").write_bytes(b"of the next epoch, whose record is not there yet")
    with pytest.raises(Started) as started:
        fit(checkpoint)
    assert started.value.first_epoch == 0


# The stored model


@pytest.mark.usefixtures("no_training")
def test_a_second_call_loads_what_is_stored(trained, path):
    again = fit(path)
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
def test_another_training_does_not_load_what_is_stored(path, change):
    with pytest.raises(Started):
        fit(path, **change)


@pytest.mark.usefixtures("no_training", "trained")
def test_another_network_does_not_load_what_is_stored(path):
    for other in (partial(classifiers.cnn_baseline, 16, 4), partial(classifiers.cnn_baseline, 24, 3)):
        with pytest.raises(Started):
            training.fit(other, TRAIN, VALIDATION, SHORT, seed=0, path=path, data="squares")


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("damage", ["model", "record"])
def test_a_stored_model_changed_by_others_is_trained_anew(trained, path, tmp_path, damage):
    for file in (path, path.with_suffix(".json")):
        shutil.copy(file, tmp_path)
    path = tmp_path / path.name
    assert_equal(fit(path), trained)
    if damage == "model":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.with_suffix(".json").unlink()
    with pytest.raises(Started):
        fit(path)


# Refusals


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"schedule": "linear"}, "unknown schedule 'linear': choose one of cosine, constant"),
        ({"precision": "half"}, "unknown precision 'half': choose one of float32, mixed_bfloat16"),
        ({"augmentation": "flip"}, "unknown augmentation 'flip': choose one of none, camera, paper"),
    ],
)
def test_unknown_choices_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        training.Recipe(**option)


def test_too_few_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="31 training images do not fill a batch of 32"):
        fit(tmp_path / "model.keras", train=squares(31, 0))
    assert not list(tmp_path.iterdir())


# Batches


def drawn(train, recipe, **options):
    return [(images.numpy(), labels.numpy()) for images, labels in training.batches(train, recipe, **options)]


def test_batches_may_start_at_any_epoch():
    recipe = replace(SHORT, noise=noise.NINE_SETS)
    whole = drawn(TRAIN, recipe, seed=2)
    assert len(whole) == 9
    for first in (1, 2):
        rest = drawn(TRAIN, recipe, seed=2, first_epoch=first)
        for (images, labels), (expected, expected_labels) in zip(rest, whole[3 * first :], strict=True):
            np.testing.assert_array_equal(images, expected)
            np.testing.assert_array_equal(labels, expected_labels)
    assert not np.array_equal(drawn(TRAIN, recipe, seed=3)[0][0], whole[0][0])


def test_an_epoch_shows_every_image_once_in_its_own_order():
    recipe = replace(SHORT, augmentation="none", epochs=2)
    epochs = np.split(np.concatenate([images for images, _ in drawn(TRAIN, recipe, seed=2)]), 2)
    shown = [[image.astype(np.uint8).tobytes() for image in epoch] for epoch in epochs]
    originals = [image.tobytes() for image in TRAIN.images]
    assert sorted(shown[0]) == sorted(shown[1]) == sorted(originals)
    assert len({tuple(order) for order in (*shown, originals)}) == 3


def test_batches_hold_grey_levels_with_the_labels_of_their_images():
    recipe = replace(SHORT, augmentation="none", epochs=1)
    label_of = {image.tobytes(): label for image, label in zip(TRAIN.images, TRAIN.labels, strict=True)}
    for images, labels in drawn(TRAIN, recipe, seed=2):
        assert images.shape == (32, 16, 16, 3)
        assert images.dtype == np.float32
        assert labels.shape == (32, 3)
        assert (labels.sum(1) == 1).all()
        expected = [label_of[image.astype(np.uint8).tobytes()] for image in images]
        np.testing.assert_array_equal(labels.argmax(1), expected)
    noisy = np.concatenate(
        [images for images, _ in drawn(TRAIN, replace(recipe, noise=noise.NINE_SETS), seed=2)]
    )
    clean = np.concatenate([images for images, _ in drawn(TRAIN, recipe, seed=2)])
    assert noisy.min() >= 0
    assert noisy.max() <= 255
    changed = np.abs(noisy - clean).max((1, 2, 3)) > 0
    assert 0.7 < changed.mean() < 1  # a tenth stays clean
    exact = replace(recipe, noise=noise.NINE_SETS[3:4], clean=0.5, weakest=1.0)
    waves = np.concatenate([images for images, _ in drawn(TRAIN, exact, seed=2)])
    strength = np.abs(waves - clean).max((1, 2, 3))
    assert 0.3 < (strength == 0).mean() < 0.7
    assert strength[strength > 0].min() > 16  # none is weaker than the set


def test_balanced_sampling_draws_all_classes_equally_often():
    train = squares(128, 0, shares=(1, 5, 26))
    recipe = replace(SHORT, augmentation="none", epochs=12)
    plain = np.concatenate([labels for _, labels in drawn(train, recipe, seed=4)])
    np.testing.assert_allclose(plain.mean(0), [1 / 32, 5 / 32, 26 / 32])
    even = np.concatenate([labels for _, labels in drawn(train, replace(recipe, balanced=True), seed=4)])
    assert np.abs(even.mean(0) - 1 / 3).max() < 4 * np.sqrt(2 / 9 / len(even))


def test_balanced_sampling_draws_the_images_of_a_class_equally_often():
    labels = np.array([0, 1, 1, 1])
    draws = np.concatenate([training._order(labels, True, (5, epoch)) for epoch in range(1000)])
    np.testing.assert_allclose(np.bincount(draws) / 4000, [1 / 2, 1 / 6, 1 / 6, 1 / 6], atol=0.035)


def test_seeds_reach_every_library():
    def draws():
        training.seed_everything(9)
        return np.random.random(), float(tf.random.normal(())), float(keras.random.normal(()))  # noqa: NPY002

    assert draws() == draws()
