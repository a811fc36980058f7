from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from kills import killed_after

from helpers import classifiers, datasets, noise, restoration, training
from helpers.backend import keras, tf
from helpers.training import fitting


def slopes(count, seed):
    """Images of 16 pixels without detail: a restorer can tell their noise."""
    ends = np.random.default_rng(seed).uniform(40, 215, (2, count, 1, 1, 3))
    images = ends[0] + (ends[1] - ends[0]) * np.linspace(0, 1, 16)[:, None]
    images = np.broadcast_to(images, (count, 16, 16, 3)).round().astype(np.uint8)
    nothing = np.zeros(count, int)
    return datasets.ImageSet(images, nothing, nothing, ("slope",), np.full((count, 2), 16))


TRAIN, VALIDATION = slopes(64, 0), slopes(32, 1)
SPLITS = datasets.Splits(TRAIN, VALIDATION, VALIDATION, "slopes", "slopes", ())
SHORT = restoration.Recipe(epochs=3, batch_size=8, learning_rate=0.003)
l3 = partial(restoration.network, 3)


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "CACHE", tmp_path / "trainings")
    monkeypatch.setattr(fitting, "CHECKPOINT", 0)


def fit(recipe=SHORT, seeds=(0,), builds=None, **options):
    return restoration.fit_all(builds or {"l3": l3}, recipe, SPLITS, seeds=seeds, **options)


def psnr(clean, images):
    return float(np.mean(restoration.psnr(tf.cast(clean, tf.float32), tf.cast(images, tf.float32))))


def test_a_restorer_learns_to_remove_noise(tmp_path):
    longer = replace(SHORT, epochs=20)
    found = fit(longer, seeds=(0, 1), path=lambda name: tmp_path / f"{name}.keras")
    noisy = noise.gaussian(VALIDATION.images, 25, seed=9)
    before = psnr(VALIDATION.images, noisy)
    for trained in found["l3"]:
        assert list(trained.history) == ["epoch", "loss", "psnr", "val_loss", "val_psnr"]
        assert trained.history["val_psnr"].iloc[-1] > trained.history["val_psnr"].iloc[0] + 1
        assert trained.model.input_shape == (None, None, None, 3)
        assert psnr(VALIDATION.images, trained.model(noisy)) > before + 1
    one, other = (trained.model for trained in found["l3"])
    assert not np.array_equal(one.get_weights()[0], other.get_weights()[0])
    kept = keras.models.load_model(tmp_path / "l3_1.keras")
    np.testing.assert_array_equal(kept(noisy), other(noisy))


def test_the_recipe_of_the_paper_trains_without_a_shortcut_too():
    recipe = replace(restoration.PAPER, epochs=2, batch_size=8)
    found = fit(recipe, builds={"l3": l3, "srcnn": restoration.srcnn})
    for name in ("l3", "srcnn"):
        history = found[name][0].history
        assert history["loss"].iloc[-1] < history["loss"].iloc[0]


def test_batches_are_degraded_patches_with_their_inner_part():
    task = restoration.Restoration(2)
    recipe = replace(SHORT, patch=12, versions=3, sigma=10)
    batches = [(a.numpy(), b.numpy()) for a, b in task.batches(TRAIN, recipe, seed=1)]
    assert len(batches) == 3 * 8
    degraded, clean = batches[0]
    assert degraded.shape == (24, 12, 12, 3)
    assert clean.shape == (24, 8, 8, 3)
    np.testing.assert_array_equal(clean[0], clean[2])  # versions of one image
    difference = degraded[:, 2:-2, 2:-2] - clean
    assert 0 < np.abs(difference).mean() < 10
    assert not np.array_equal(difference[0], difference[1])
    again = [a.numpy() for a, _ in task.batches(TRAIN, recipe, seed=1, first_epoch=2)]
    np.testing.assert_array_equal(again[0], batches[16][0])


def test_validation_is_the_same_after_every_epoch():
    task = restoration.Restoration(2)
    once, twice = ([a.numpy() for a, _ in task.validation_batches(VALIDATION, SHORT)] for _ in range(2))
    np.testing.assert_array_equal(np.concatenate(once), np.concatenate(twice))


def test_a_step_of_the_paper_is_the_one_on_paper():
    """Momentum, the penalty of equation 3, and a tenth of the rate for the last layer, by hand."""
    first, last, bias = keras.Variable([2.0]), keras.Variable([2.0]), keras.Variable([1.0])
    optimizer = restoration.Momentum(0.1, penalty=0.5, last=0.1, momentum=0.9)
    optimizer.build([first, last, bias])
    for _ in range(2):
        optimizer.apply([tf.constant([1.0]), tf.constant([1.0]), tf.constant([0.0])])
    # w1 = 2 - 0.1 (1 + 1) = 1.8; v1 = -0.2; w2 = 1.8 + 0.9 (-0.2) - 0.1 (1 + 0.9)
    assert float(first[0]) == pytest.approx(1.43)
    # The same with a rate of 0.01: w1 = 1.98, v1 = -0.02, w2 = 1.98 - 0.018 - 0.01 (1 + 0.99)
    assert float(last[0]) == pytest.approx(1.9421)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert (again.penalty, again.last) == (0.5, 0.1)


@pytest.mark.parametrize("recipe", [restoration.Recipe(), replace(restoration.PAPER, clipnorm=5.0)])
def test_a_long_gradient_is_shortened_to_the_norm(recipe):
    """Two gradients of norms 100 and 1 lead where 5 and 1 lead, and without the limit elsewhere."""

    def ends(recipe, gradients):
        optimizer = restoration.Restoration(0).compiled_with(recipe, 10)["optimizer"]
        weights = [keras.Variable([1.0, 1.0]), keras.Variable([1.0])]
        optimizer.build(weights)
        for scale in gradients:
            optimizer.apply([tf.constant([0.6, 0.0]) * scale, tf.constant([0.8]) * scale])
        return np.concatenate([weight.numpy() for weight in weights])

    np.testing.assert_allclose(ends(recipe, [100, 1]), ends(recipe, [5, 1]), rtol=1e-6)
    free = replace(recipe, clipnorm=None)
    assert np.abs(ends(free, [100, 1]) - ends(free, [5, 1])).max() > 1e-5


def test_a_killed_training_goes_on_with_the_same_numbers(tmp_path, monkeypatch):
    recipe = replace(restoration.PAPER, epochs=3, batch_size=8)
    whole = fit(recipe)["l3"][0]
    monkeypatch.setattr(fitting, "CACHE", tmp_path / "killed")
    ended = killed_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        fit(recipe)
    resumed = fit(recipe)["l3"][0]
    assert ended == [0, 1, 2]
    for one, other in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loss_that_is_not_finite_stops_and_leaves_the_checkpoint(tmp_path, monkeypatch):
    steep = replace(restoration.PAPER, epochs=3, batch_size=8, learning_rate=1e4)
    with pytest.raises(FloatingPointError, match="lower learning rate"):
        fit(steep, builds={"srcnn": restoration.srcnn})
    assert not [*(tmp_path / "trainings").glob("[!.]*")]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"optimizer": "sgd"}, "unknown optimizer 'sgd'"),
        ({"versions": 0}, "versions is 0"),
        ({"clipnorm": 0.0}, "clipnorm is 0.0"),
    ],
)
def test_unknown_choices_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        restoration.Recipe(**option)
    with pytest.raises(ValueError, match="unknown recipe 'his'"):
        restoration.recipe_named("his")
    assert restoration.recipe_named("paper", epochs=2) == replace(restoration.PAPER, epochs=2)


def test_starting_from_other_weights_is_another_training():
    """Fine-tuning: what `training.fit` finds again depends on where it starts."""
    options = {"seed": 0, "data": "slopes", "task": restoration.Restoration(2)}
    found = []
    for start in (0, 5):
        model = restoration.unpadded(l3())
        model.set_weights([np.full_like(weight, start / 100) for weight in model.get_weights()])
        found.append(training.fit(lambda m=model: m, TRAIN, VALIDATION, SHORT, **options).model)
    assert not np.array_equal(found[0].get_weights()[0], found[1].get_weights()[0])


def classifier(seed):
    keras.utils.set_random_seed(seed)
    return classifiers.cnn_baseline(16, 2)


@pytest.mark.parametrize("joint", [False, True])
def test_fine_tuning_behind_a_restorer_leaves_the_given_ones_alone(joint, tmp_path):
    recipe = training.Recipe(epochs=1, batch_size=8, augmentation="none")
    keras.utils.set_random_seed(0)
    restorer, trained = l3(), [classifier(1), classifier(2)]
    before = [model.get_weights() for model in (restorer, *trained)]
    found = restoration.fine_tune(
        trained,
        recipe,
        replace(SPLITS, train=two_classes(TRAIN), validation=two_classes(VALIDATION)),
        seeds=(0, 1),
        restorers=[restorer],
        joint=joint,
        path=lambda name: tmp_path / f"{name}.keras",
        name="fused",
    )
    for model, weights in zip((restorer, *trained), before, strict=True):
        for one, other in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(one, other)
    assert {path.name for path in tmp_path.glob("*.keras")} == {"fused_0.keras", "fused_1.keras"}
    for each, start in zip(found, trained, strict=True):
        inside, behind = (each.model.get_layer(name) for name in ("restorer", "classifier"))
        same = [np.array_equal(a, b) for a, b in zip(inside.get_weights(), before[0], strict=True)]
        assert all(same) != joint
        assert not np.array_equal(behind.get_weights()[0], start.get_weights()[0])


def test_the_same_fine_tuning_in_an_empty_store_gives_the_same_weights(tmp_path, monkeypatch):
    recipe = training.Recipe(epochs=1, batch_size=8, augmentation="camera")
    splits = replace(SPLITS, train=two_classes(TRAIN), validation=two_classes(VALIDATION))
    keras.utils.set_random_seed(0)
    options, found = {"seeds": (0,), "restorers": [l3()], "joint": True}, []
    for store in ("one", "other"):
        monkeypatch.setattr(fitting, "CACHE", tmp_path / store)
        found += restoration.fine_tune([classifier(1)], recipe, splits, **options)
    for one, other in zip(*(each.model.get_weights() for each in found), strict=True):
        np.testing.assert_array_equal(one, other)


def test_fine_tuning_alone_starts_from_the_given_weights():
    recipe = training.Recipe(epochs=1, batch_size=8, augmentation="none", learning_rate=1e-9)
    splits = replace(SPLITS, train=two_classes(TRAIN), validation=two_classes(VALIDATION))
    (found,) = restoration.fine_tune([classifier(3)], recipe, splits, seeds=(0,))
    for one, other in zip(found.model.get_weights(), classifier(3).get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def two_classes(images):
    labels = np.arange(len(images)) % 2
    return replace(images, labels=labels, class_names=("even", "odd"))
