from dataclasses import replace

import pytest

from helpers import training

TASK = training.Classification()


def test_the_papers_recipe_is_plain_adam_at_its_rate():
    optimizer = TASK.compiled_with(training.PAPER, steps=5)["optimizer"]
    assert type(optimizer) is training.FusedAdam
    assert optimizer.weight_decay is None
    assert float(optimizer.learning_rate) == pytest.approx(0.01)
    assert training.PAPER.epochs == 10
    assert (training.PAPER.augmentation, training.PAPER.label_smoothing) == ("none", 0)
    assert replace(training.PAPER, learning_rate=0.001) == training.NEAREST


def test_recipes_that_draw_other_batches_share_a_compiled_training():
    recipe = training.Recipe()
    assert TASK.alike(replace(recipe, balanced=True, augmentation="none")) == TASK.alike(recipe)
    assert TASK.alike(replace(recipe, learning_rate=0.1)) != TASK.alike(recipe)


def test_a_cosine_ends_at_zero_and_rises_for_an_epoch_or_a_tenth_of_the_only_one():
    for epochs, steps, peak in ((1, 5, 0), (1, 20, 2), (3, 5, 5)):
        rate = training.cosine(0.2, epochs, steps)
        rates = [float(rate(step)) for step in range(steps * epochs + 1)]
        assert max(rates) == pytest.approx(0.2)
        assert rates.index(max(rates)) == peak
        assert rates[-1] == pytest.approx(0, abs=1e-6)
