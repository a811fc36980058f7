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
    start = training.Pretrained("compact", 32, 3)
    model = start()
    model.save(tmp_path / "source.keras")
    other = training.Pretrained("compact", 32, 3, tmp_path / "source.keras", output=True)
    assert other == start != training.Pretrained("compact", 32, 4)
    assert classifiers.structure(other()) == classifiers.structure(model)
    for one, another in zip(model.get_weights(), other().get_weights(), strict=True):
        np.testing.assert_array_equal(one, another)


def test_a_start_is_named_by_its_weights_and_signs_stand_in_for_imagenet(tmp_path, capsys):
    start, rendered = training.Pretrained("compact", 32, 3), tmp_path / "rendered.keras"
    start().save(rendered)
    found = {}
    for weights in ("none", "signs", rendered):
        found |= training.start_by(weights, start, rendered, output=True)
    assert [(name, each.weights, each.output) for name, each in found.items()] == [
        ("none", "none", False),
        ("signs", rendered, True),
        ("file", rendered, False),
    ]
    assert training.start_by("imagenet", start, rendered, output=True)["signs"].weights == rendered
    assert capsys.readouterr().out.startswith("signs stand in for imagenet: compact was never trained on")
