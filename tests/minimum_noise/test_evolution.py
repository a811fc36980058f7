import linear
import numpy as np
import pytest

from helpers import minimum_noise
from helpers.backend import tf
from helpers.minimum_noise import evolution


def test_too_little_to_evolve_with_is_refused():
    problem = linear.problem()[:3]
    with pytest.raises(ValueError, match="0 generations of 50: both must be at least 1"):
        minimum_noise.evolutionary(*problem, generations=0, seed=0)
    with pytest.raises(ValueError, match="mutated is 0: it is a share from"):
        minimum_noise.evolutionary(*problem, mutated=0, seed=0)


def test_the_boundary_objective_is_least_just_across_the_boundary():
    shares = tf.constant([[[0.7, 0.3, 0.0], [0.49, 0.51, 0.0], [0.1, 0.9, 0.0], [0.49, 0.51, 0.0]]])
    sizes = tf.constant([[10.0, 20.0, 20.0, 30.0]])
    labels = tf.zeros((1, 4), tf.int32)
    found = minimum_noise.boundary_objective(shares, labels, sizes).numpy()[0]
    np.testing.assert_allclose(found, [70 + 0.1, 0.02 + 0.2, 0.8 + 0.2, 0.02 + 0.3], rtol=1e-5)
    found = minimum_noise.score_objective(shares, labels, sizes).numpy()[0]
    np.testing.assert_allclose(found, [70 + 0.1, 49 + 0.2, 10 + 0.2, 49 + 0.3], rtol=1e-5)


def bred(parents, fitness, draws, mutated=0.1):
    clean = tf.fill((1, 1, parents.shape[-1]), 128.0)
    return evolution._bred(clean, parents, tf.constant([fitness]), draws, tf.constant(mutated)).numpy()[0]


@pytest.mark.parametrize("mutated", [1 / 8, 1 / 256, 1.0])
def test_mutations_are_uniform_steps_on_some_genes_whatever_the_crossover(mutated):
    parents = np.zeros((1, 2, 2**15), np.float32)
    draws = np.zeros((1, 3, 12 + 2**15), np.float32)
    draws[0, :, 12:] = np.array([[0.0], [0.5], [255 / 256]]) + np.arange(2**15) / 2**23  # all that is drawn
    found = bred(parents, [0.0, 1.0], draws, mutated)
    np.testing.assert_array_equal(found, found[[0, 0, 0]])
    steps = np.sort(found[0][found[0] != 0])
    assert len(steps) == mutated * 2**15
    expected = 20 * (np.arange(len(steps)) + 0.5) / len(steps) - 10
    np.testing.assert_allclose(steps, expected, atol=1e-4)


def test_the_objective_of_the_best_noise_never_rises(monkeypatch):
    best, concat = [], evolution.tf.concat

    def watched(parts, axis):
        if len(parts) == 2 and parts[0].shape[1:] == (1,) and parts[0].dtype == tf.float32:
            best.append(parts[0].numpy()[0, 0])  # the elite's objective
        return concat(parts, axis)

    monkeypatch.setattr(evolution.tf, "concat", watched)
    model, images, labels, _ = linear.problem()
    minimum_noise.evolutionary(model, images[:1], labels[:1], generations=30, population=10, seed=0)
    assert len(best) == 29
    assert (np.diff(best) <= 0).all()
    assert best[-1] < best[0]


def test_an_evolution_warns_of_no_new_traces_however_many_images_are_left(caplog):
    model, images, labels, _ = linear.problem()
    logger = tf.get_logger()
    logger.addHandler(caplog.handler)
    try:
        for count in range(1, 7):
            minimum_noise.evolutionary(
                model, images[:count], labels[:count], generations=3, population=4, seed=0
            )
    finally:
        logger.removeHandler(caplog.handler)
    assert "retracing" not in caplog.text


def test_the_result_of_an_evolution_is_the_best_by_the_objective():
    model, images, labels, _ = linear.problem()
    options = {"generations": 200, "population": 10, "seed": 0}
    found = [
        minimum_noise.evolutionary(model, images, labels, **options, objective=objective)
        for objective in (minimum_noise.boundary_objective, minimum_noise.score_objective)
    ]
    assert (found[0].margin < 0.1).all()  # just across
    assert (found[1].margin > found[0].margin + 0.1).all()  # objective (1) goes on beyond


def test_a_population_that_improves_no_more_is_finished(monkeypatch):
    monkeypatch.setattr(evolution, "PATIENCE", 3)
    model, images, labels, _ = linear.problem()
    found = minimum_noise.evolutionary(model, images, labels, generations=1000, population=4, seed=0)
    assert len(set(found.queries)) > 1
    assert found.queries.max() < 4000


def test_offspring_cross_the_winners_of_two_tournaments():
    parents = np.zeros((1, 4, 6), np.float32)
    parents[0] = np.arange(4)[:, None] * 10.0
    draws = np.full((1, 3, 12 + 6), 0.0, np.float32)
    draws[..., :10] = 0.6  # the third of four, in both tournaments
    draws[:, :, 5] = 0.3  # the second
    draws[0, :, 10] = [0.0, 0.5, 0.9]  # arithmetic, intermediate, uniform
    draws[0, :, 11] = 0.25
    crossing = np.floor(256 * np.array([0.0, 0.2, 0.4, 0.6, 0.8, 0.9999])) / 256
    draws[0, :, 12:] = crossing + 0.99 / 256  # nothing mutates
    found = bred(parents, [3.0, 0.0, 1.0, 2.0], draws)
    np.testing.assert_allclose(found[0], 12.5)
    np.testing.assert_allclose(found[1], 10 + 10 * (1.5 * crossing - 0.25), rtol=1e-5)
    np.testing.assert_allclose(found[2], [20, 20, 20, 10, 10, 10])
