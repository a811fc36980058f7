from dataclasses import replace

import pytest

from helpers import training
from helpers.backend import keras
from helpers.training import fitting


def test_the_papers_recipe_is_plain_adam_at_its_rate():
    optimizer = fitting._optimizer(training.PAPER, steps=5)
    assert type(optimizer) is keras.optimizers.Adam
    assert float(optimizer.learning_rate) == pytest.approx(0.01)
    assert training.PAPER.epochs == 10
    assert (training.PAPER.augmentation, training.PAPER.label_smoothing) == ("none", 0)
    assert replace(training.PAPER, learning_rate=0.001) == training.NEAREST


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
