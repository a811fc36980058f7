from dataclasses import replace

import numpy as np
import pytest
from kills import killed_after
from tiny_sets import squares

from helpers import gans, training
from helpers.backend import keras, tf
from helpers.datasets import Splits
from helpers.training import fitting

TRAIN, VALIDATION = squares(64, 0), squares(32, 1)
OURS = gans.Recipe(epochs=3, batch_size=32)
PLAIN = replace(OURS, objective="minimax", r1=0.0, r2=0.0, shift=0.0, brightness=0.0, ema_decay=0.0)
RESIDUAL, DENSE = gans.Start("residual", 16, 3, classes=3), gans.Start("dense", 16)


def fit(cache, start=RESIDUAL, recipe=OURS, seed=0, train=TRAIN, rungs=()):
    options = {"seed": seed, "data": "squares", "cache": cache, "task": gans.Adversarial(), "rungs": rungs}
    return training.fit(start, train, VALIDATION, recipe, **options)


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    monkeypatch.setattr(fitting, "CHECKPOINT", 0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return fit(tmp_path_factory.mktemp("trainings"))


def moved(model, start=RESIDUAL):
    training.seed_everything(0)
    pairs = zip(model.weights, start().weights, strict=True)
    return {new.path: np.abs(np.asarray(new) - np.asarray(old)).max() for new, old in pairs}


def stepped(start, recipe):
    """A game before and after one step."""
    keras.utils.set_random_seed(0)
    game = start()
    game.compile(recipe.as_dict(), jit_compile=False)
    game.build_optimizers()
    before = [np.asarray(weight) for weight in game.weights]
    game.train_step(
        (tf.constant(TRAIN.images[:32]), tf.constant(TRAIN.labels[:32], tf.int32), tf.constant([0, 1]))
    )
    return game, before


def test_every_weight_of_both_networks_moves(trained):
    *changes, last = moved(trained.model).values()
    assert min(changes) > 0 and last == 0  # the last bias is in both logits, whose difference alone counts


def test_the_history_has_both_losses_and_how_often_the_discriminator_is_right(trained):
    history = trained.history
    assert set(gans.games.RESULTS) < set(history)
    total = history["discriminator_loss"] + history["generator_loss"]
    np.testing.assert_allclose(history["loss"], total, rtol=1e-4)
    assert history["pairs_right"].between(0, 1).all()
    np.testing.assert_array_equal(history["real_right"], history["pairs_right"])  # it has no threshold


def test_a_killed_game_goes_on_to_the_same_weights(trained, tmp_path, monkeypatch):
    ended = killed_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path)
    resumed = fit(tmp_path)
    assert ended == [0, 1, 2]
    for one, other in zip(resumed.model.get_weights(), trained.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(resumed.history, trained.history)
    assert list(resumed.strip) == [1, 2, 3]
    for epoch, images in resumed.strip.items():
        assert images.shape == (10, 16, 16, 3) and images.dtype == np.uint8
        np.testing.assert_array_equal(images, trained.strip[epoch])


def test_a_game_on_its_way_is_one_that_ended_there_even_if_it_was_killed(trained, tmp_path, monkeypatch):
    shorter = {count: replace(OURS, epochs=count) for count in (1, 2)}
    alone = {count: fit(tmp_path / "alone", recipe=recipe) for count, recipe in shorter.items()}
    ended = killed_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, rungs=shorter)
    found = {3: fit(tmp_path, rungs=shorter)}
    found |= {count: fit(tmp_path, recipe=recipe) for count, recipe in shorter.items()}
    assert ended == [0, 1, 2]  # all of them
    for count, expected in {**alone, 3: trained}.items():
        for one, other in zip(found[count].model.get_weights(), expected.model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(found[count].history, expected.history)
        assert list(found[count].strip) == list(expected.strip)


def test_a_ladder_is_one_training_of_the_longest_by_name_from_the_shortest(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "CACHE", tmp_path)
    splits, ended = (
        Splits(TRAIN, VALIDATION, VALIDATION, "squares", "squares", ()),
        killed_after(monkeypatch, 9),
    )
    found = gans.fit_ladder(DENSE, PLAIN, [2, 1], splits, seeds=[0, 1])
    assert ended == [0, 1, 0, 1]
    lengths = {name: [len(trained.history) for trained in several] for name, several in found.items()}
    assert list(lengths.items()) == [("1 epochs", [1, 1]), ("2 epochs", [2, 2])]


def test_the_second_training_of_a_kind_is_compiled_already_and_has_its_own_numbers(trained, tmp_path):
    other = fit(tmp_path, seed=1)
    again = fit(tmp_path / "again")
    assert np.abs(other.history["loss"] - trained.history["loss"]).max() > 0
    np.testing.assert_array_equal(again.history, trained.history)


def test_averaged_weights_lie_between_the_first_and_the_last(trained, tmp_path):
    game = trained.model
    last = fit(tmp_path, recipe=replace(OURS, ema_decay=0.0)).model
    gaps = [
        [np.abs(slow - fast).max() for slow, fast in zip(*found, strict=True)]
        for found in ((each.average.get_weights(), each.generator.get_weights()) for each in (game, last))
    ]
    assert min(gaps[0]) > 0 and max(gaps[1]) == 0


@pytest.mark.parametrize("moves_both", [False, True])
def test_the_generators_turn_moves_the_discriminator_where_the_recipe_says_so(moves_both):
    """Adam's first step is the rate in each weight; a second, to please the generator, undoes much of it."""
    rate = 0.01
    recipe = replace(PLAIN, learning_rate=rate, beta_1=0.5, beta_2=0.999, moves_both=moves_both)
    game, before = stepped(DENSE, recipe)
    kernels = [weight for weight in game.discriminator.weights if len(weight.shape) == 2]
    places = [next(k for k, each in enumerate(game.weights) if each is kernel) for kernel in kernels]
    steps = np.abs(np.asarray(game.weights[places[-1]]) - before[places[-1]])
    moved_by_rate = np.isclose(steps, rate, rtol=1e-2).mean()
    assert (moved_by_rate < 0.5) == moves_both
    assert len(game.optimizer.variables) == 2 + 2 * (4 + 4 * moves_both)


def test_separate_turns_are_two_steps_of_the_discriminator():
    game, _ = stepped(DENSE, replace(PLAIN, two_steps=True))
    assert int(game.discriminator_optimizer.iterations) == 2 * int(game.optimizer.iterations) == 2


def test_penalties_flatten_the_discriminator():
    slopes = []
    for weight in (0.0, 1e3):
        game, _ = stepped(RESIDUAL, replace(PLAIN, r1=weight, learning_rate=0.01))
        with tf.GradientTape() as tape:
            images = tf.constant(TRAIN.images[:32], tf.float32)
            tape.watch(images)
            logits, _ = game.scored(images, tf.constant(TRAIN.labels[:32], tf.int32))
        slopes.append(float(tf.norm(tape.gradient(logits, images))))
    assert slopes[1] < slopes[0]


@pytest.mark.parametrize("objective", sorted(gans.OBJECTIVES))
def test_every_objective_runs_with_every_penalty(objective):
    recipe = replace(OURS, objective=objective, gradient_penalty=1.0)
    game, before = stepped(RESIDUAL, recipe)
    assert all(np.isfinite(np.asarray(weight)).all() for weight in game.weights)
    assert any(np.abs(np.asarray(w) - b).max() > 0 for w, b in zip(game.weights, before, strict=True))


def test_an_auxiliary_discriminator_learns_the_classes(tmp_path):
    recipe = replace(OURS, epochs=12, objective="hinge", learning_rate=0.002)
    game = fit(tmp_path, gans.Start("auxiliary", 16, 3, 3), recipe).model
    _, named = game.discriminator(VALIDATION.images.astype(np.float32))
    assert (np.argmax(named, -1) == VALIDATION.labels).mean() > 0.9


def test_losses_that_are_not_finite_stop_the_game_and_leave_the_last_checkpoint(tmp_path):
    with pytest.raises(FloatingPointError, match=r"perceptron: loss .* Take a lower learning rate"):
        fit(
            tmp_path,
            gans.Start("perceptron", 16),
            replace(PLAIN, objective="wasserstein", learning_rate=1e20, epochs=4),
        )


def test_two_steps_are_refused_where_classes_are_named():
    game = gans.Start("auxiliary", 16, 3, 3)()
    with pytest.raises(ValueError, match="two_steps are not for auxiliary"):
        game.compile(replace(PLAIN, two_steps=True).as_dict())


def test_a_discriminator_with_a_threshold_is_right_by_it(tmp_path):
    history = fit(tmp_path, DENSE, replace(PLAIN, epochs=2)).history
    assert (history["real_right"] != history["fake_right"]).any()
