import linear
import numpy as np
import pytest

from helpers import minimum_noise
from helpers.backend import keras


# Two classes leave one rival; 25 are more than are followed; 3,000 questions want more offspring than atoms.
@pytest.mark.parametrize(("classes", "queries"), [(2, 1000), (3, 3000), (25, 1000)])
def test_the_search_finds_the_least_noise_of_a_linear_classifier(classes, queries):
    model, images, labels, least = linear.problem(4, classes)
    found = minimum_noise.search(model, images, labels, queries=queries, seed=0)
    assert (found.norms <= 1.03 * least).all()
    assert found.queries.max() <= queries


@pytest.mark.parametrize("queries", [200, 500])
def test_the_search_asks_as_often_as_allowed(queries):
    model, images, labels, _ = linear.problem()
    found = minimum_noise.search(model, images, labels, queries=queries, seed=0)
    assert queries - 40 < found.queries.min() <= found.queries.max() <= queries


def test_a_class_that_a_model_rules_out_changes_a_search_little():
    model, images, labels, _ = linear.problem()
    inputs = keras.Input(linear.SHAPE)
    never = keras.ops.full_like(model(inputs)[:, :1], -np.inf)
    ruled = keras.Model(inputs, keras.ops.concatenate([model(inputs), never], 1))
    found = minimum_noise.search(ruled, images, labels, queries=400, seed=0)
    alone = minimum_noise.search(model, images, labels, queries=400, seed=0)
    np.testing.assert_allclose(found.norms, alone.norms, rtol=0.02)


def test_a_model_of_probabilities_gives_the_same_search():
    model, images, labels, least = linear.problem()
    shares = keras.Model(model.input, keras.layers.Softmax()(model.output))
    found = minimum_noise.search(shares, images, labels, queries=1000, seed=0)
    assert (found.norms <= 1.05 * least).all()


def test_too_little_to_search_with_is_refused():
    with pytest.raises(ValueError, match="queries is 40: a search asks at least"):
        minimum_noise.search(*linear.problem()[:3], queries=40, seed=0)
