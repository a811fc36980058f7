import numpy as np
import pytest

from helpers import metrics


def test_rates_are_those_counted_by_hand():
    rates = metrics.roc([3, 5, 5, 8], [1, 3, 4, 2])
    assert rates["threshold"].tolist() == [1, 2, 3, 4, 5, 8, np.inf]
    assert rates["false_accepts"].tolist() == [1, 0.75, 0.5, 0.25, 0, 0, 0]
    assert rates["false_rejects"].tolist() == [0, 0, 0, 0.25, 0.25, 0.75, 1]
    assert metrics.equal_error_rate([3, 5, 5, 8], [1, 3, 4, 2]) == 0.25


def test_scores_that_are_apart_never_err_and_swapped_ones_always_do():
    assert metrics.equal_error_rate([4, 5], [1, 2, 3]) == 0
    assert metrics.equal_error_rate([1, 2], [3, 4, 5]) == 1
    assert metrics.equal_error_rate([1, 1], [1, 1, 1]) == 0.5


def test_two_normal_distributions_err_as_on_paper():
    rng = np.random.default_rng(0)
    rate = metrics.equal_error_rate(rng.normal(1, 1, 40_000), rng.normal(-1, 1, 40_000))
    assert rate == pytest.approx(0.1587, abs=0.004)  # the normal distribution beyond one sigma


def test_the_rate_does_not_depend_on_the_scale_of_the_scores():
    rng = np.random.default_rng(1)
    own, others = rng.normal(1, 1, 200), rng.normal(0, 1, 300)
    assert metrics.equal_error_rate(np.exp(own), np.exp(others)) == metrics.equal_error_rate(own, others)


@pytest.mark.parametrize(("own", "others", "kind"), [([], [1.0], "genuine"), ([1.0], [], "impostor")])
def test_both_kinds_are_needed(own, others, kind):
    with pytest.raises(ValueError, match=f"no {kind} scores"):
        metrics.roc(own, others)


def test_what_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="1 of the impostor scores are not numbers"):
        metrics.equal_error_rate([1.0], [2.0, np.nan])


def people(count, rng, spread=1.0):
    """Scores of so many people, five probes each against ten entries, one of them their own."""
    genuine = np.tile(np.arange(10) == 0, 5 * count)
    persons = np.repeat(np.arange(count), 50)
    bias = spread * rng.normal(size=count)[persons]  # some people are easier than others
    return rng.normal(2.0 * genuine + bias * genuine, 1), genuine, persons


def test_an_interval_covers_the_rate_of_everybody_about_as_often_as_it_says():
    truth = metrics.equal_error_rate(*(people(4000, np.random.default_rng(0))[0][g] for g in _kinds(4000)))
    inside = 0
    for seed in range(40):
        scores, genuine, persons = people(30, np.random.default_rng(seed + 1))
        _, low, high = metrics.equal_error_interval([scores], [genuine], [persons], resamples=200, seed=seed)
        inside += low <= truth <= high
    assert inside >= 33  # 38 expected


def _kinds(count):
    own = np.tile(np.arange(10) == 0, 5 * count)
    return own, ~own


def test_trainings_widen_the_interval_and_a_difference_of_equals_is_zero():
    scores, genuine, persons = people(20, np.random.default_rng(0))
    other = scores + np.random.default_rng(1).normal(0, 1, len(scores))
    one = metrics.equal_error_interval([scores, scores], [genuine] * 2, [persons] * 2, resamples=200)
    two = metrics.equal_error_interval([scores, other], [genuine] * 2, [persons] * 2, resamples=200)
    assert two[2] - two[1] > one[2] - one[1] > 0
    same = metrics.equal_error_interval([scores], [genuine], [persons], less=[scores], resamples=50)
    assert same == (0, 0, 0)
    worse, low, _ = metrics.equal_error_interval([other], [genuine], [persons], less=[scores], resamples=300)
    assert worse > low > 0


def test_an_interval_stays_within_what_a_rate_can_be():
    rng = np.random.default_rng(0)
    several = [people(5, rng) for _ in range(3)]
    rate, low, high = metrics.equal_error_interval(*map(list, zip(*several, strict=True)), resamples=100)
    assert 0 <= low <= rate <= high <= 1


def test_nobody_who_erred_does_not_prove_that_nobody_would():
    scores, genuine, persons = people(6, np.random.default_rng(0))
    rate, low, high = metrics.equal_error_interval(
        [scores + 100 * genuine], [genuine], [persons], resamples=50
    )
    assert rate == low == 0
    assert high == pytest.approx(metrics.share_interval(np.zeros(6))[2])
