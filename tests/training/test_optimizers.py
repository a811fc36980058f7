import numpy as np
import pytest

from helpers import training
from helpers.backend import keras, tf

SHAPES = ((3, 4), (4,), (2, 2, 3))


def ends(optimizer, steps=20, learning=slice(None)):
    """Where three weights are led by the same gradients, of which one is always zero."""
    draws = np.random.default_rng(0)
    weights = [keras.Variable(draws.normal(size=shape).astype("float32")) for shape in SHAPES]
    optimizer.build(weights)
    for _ in range(steps):
        gradients = [
            draws.normal(size=shape).astype("float32") * (10, 1, 0)[i] for i, shape in enumerate(SHAPES)
        ]
        optimizer.apply([tf.constant(g) for g in gradients[learning]], weights[learning])
    return [weight.numpy() for weight in weights]


@pytest.mark.parametrize("decay", [None, 0.02])
@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("epochs", [0, 4])
def test_the_numbers_are_those_of_keras(decay, clip, epochs):
    rate = training.cosine(0.1, epochs, 5) if epochs else 0.1
    options = {"weight_decay": decay, "global_clipnorm": clip}
    ours, theirs = (ends(kind(rate, **options)) for kind in (training.FusedAdam, keras.optimizers.Adam))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)


def test_the_first_step_is_as_long_as_the_rate_and_decay_shrinks():
    start, *_ = ends(training.FusedAdam(0.1), steps=0)
    once, *_ = ends(training.FusedAdam(0.1), steps=1)
    np.testing.assert_allclose(np.abs(once - start), 0.1, rtol=1e-5)
    *_, still = ends(training.FusedAdam(0.1, weight_decay=0.5), steps=1)
    *_, before = ends(training.FusedAdam(0.1), steps=1)
    np.testing.assert_allclose(still, before * 0.95, rtol=1e-6)


def test_weights_that_do_not_learn_stay():
    start, *_ = ends(training.FusedAdam(0.1, weight_decay=0.5), steps=0)
    unmoved, moved, _ = ends(training.FusedAdam(0.1, weight_decay=0.5), learning=slice(1, None))
    np.testing.assert_array_equal(unmoved, start)
    assert np.abs(moved).min() > 0


def test_one_operation_updates_a_weight():
    weights = [keras.Variable(np.ones(shape, "float32")) for shape in SHAPES]
    optimizer = training.FusedAdam(training.cosine(0.1, 4, 5), weight_decay=0.02)
    optimizer.build(weights)
    update = tf.function(lambda: optimizer.apply([tf.ones(shape) for shape in SHAPES], weights))
    kinds = [operation.type for operation in update.get_concrete_function().graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == len(SHAPES)
    assert kinds.count("Cos") + kinds.count("If") + kinds.count("StatelessIf") <= 2


def test_it_is_stored_and_built_anew():
    optimizer = training.FusedAdam(training.cosine(0.1, 4, 5), weight_decay=0.02)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is training.FusedAdam
    assert again.weight_decay == 0.02
    assert float(again.learning_rate) == pytest.approx(0.1 / 20)
