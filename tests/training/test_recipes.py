import pytest

from helpers import training


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
