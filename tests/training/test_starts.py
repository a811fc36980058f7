"""Trainings that go on from trained weights."""

import numpy as np

from helpers import classifiers, training
from helpers.backend import keras


def classifier(seed, size=16):
    keras.utils.set_random_seed(seed)
    return classifiers.cnn_baseline(size, 3)


def test_a_copy_has_the_weights_and_leaves_the_model_alone():
    model = classifier(0)
    before = model.get_weights()
    copy = training.Copy(model)()
    copy.set_weights([weight + 1 for weight in copy.get_weights()])
    for weight, kept, moved in zip(model.get_weights(), before, copy.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, kept)
        np.testing.assert_array_equal(moved, kept + 1)


def test_copies_are_alike_by_their_layers_not_by_their_weights():
    first, second, other = (training.Copy(classifier(*each)) for each in ((0,), (1,), (0, 24)))
    assert first == second
    assert hash(first) == hash(second)
    assert first != other


def test_pretrained_starts_are_alike_whatever_their_weights(tmp_path):
    start = training.Pretrained("mobilenet_v3_small", 32, 3)
    model = start()
    model.save(tmp_path / "source.keras")
    other = training.Pretrained("mobilenet_v3_small", 32, 3, tmp_path / "source.keras", output=True)
    assert other == start != training.Pretrained("mobilenet_v3_small", 32, 4)
    assert classifiers.structure(other()) == classifiers.structure(model)
    for one, another in zip(model.get_weights(), other().get_weights(), strict=True):
        np.testing.assert_array_equal(one, another)
