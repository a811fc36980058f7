from functools import partial

import linear
import numpy as np
import pandas as pd
import pytest

from helpers import minimum_noise
from helpers.minimum_noise import attacks, remembered, strategy


@pytest.fixture
def find():
    """The search, which notes its calls; and those."""
    calls, original = [], minimum_noise.search

    def search(*problem, **options):
        calls.append(options)
        return original(*problem, **options)

    search.__qualname__ = "search"
    return search, calls


def equal(one, other):
    for name in ("noise", "norms", "queries", "gradients", "predicted", "margin", "already_wrong"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    pd.testing.assert_frame_equal(one.trace, other.trace)


def test_a_search_is_done_once(find, tmp_path):
    search, calls = find
    problem = linear.problem()[:3]
    first, second = (remembered(search, *problem, cache=tmp_path, queries=300, seed=0) for _ in range(2))
    assert len(calls) == 1
    equal(first, second)
    assert second.success.all()
    assert second.interrupted is False
    np.testing.assert_array_equal(first.after(200), second.after(200))


def test_another_question_is_another_search(find, tmp_path):
    search, calls = find
    model, images, labels, _ = linear.problem()
    for problem, options in (
        ((model, images, labels), {"queries": 300, "seed": 0}),
        ((model, images, labels), {"queries": 300, "seed": 1}),
        ((model, images, labels), {"queries": 301, "seed": 0}),
        ((model, images[:5], labels[:5]), {"queries": 300, "seed": 0}),
        ((linear.classifier(seed=9), images, labels), {"queries": 300, "seed": 0}),
        ((model, images, (labels + 1) % 3), {"queries": 300, "seed": 0}),
    ):
        remembered(search, *problem, cache=tmp_path, **options)
    assert len(calls) == len(list(tmp_path.iterdir())) == 6


def test_attacks_and_objectives_differ_by_their_settings(tmp_path):
    problem = linear.problem()[:3]
    for steps in (5, 6, 5):
        remembered(partial(attacks.attack, attacks.ddn(steps)), *problem, cache=tmp_path, seed=0)
    remembered(partial(attacks.attack, attacks.fmn(5)), *problem, cache=tmp_path, seed=0)
    assert len(list(tmp_path.iterdir())) == 3
    evolving = {"generations": 2, "population": 4, "seed": 0}
    for objective in (minimum_noise.boundary_objective, minimum_noise.score_objective):
        for weight in (0.01, 0.1, 0.01):
            weighed = partial(objective, norm_weight=weight)
            remembered(minimum_noise.evolutionary, *problem, cache=tmp_path, **evolving, objective=weighed)
    assert len(list(tmp_path.iterdir())) == 7


def test_what_was_interrupted_is_returned_and_not_kept(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(strategy, "_born", interrupted)
    problem = linear.problem()[:3]
    found = remembered(minimum_noise.search, *problem, cache=tmp_path, queries=300, seed=0)
    assert found.interrupted
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_made_anew(find, tmp_path):
    search, calls = find
    problem = linear.problem()[:3]
    first = remembered(search, *problem, cache=tmp_path, queries=300, seed=0)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-200])
    equal(first, remembered(search, *problem, cache=tmp_path, queries=300, seed=0))
    assert len(calls) == 2
