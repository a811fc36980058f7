import numpy as np
import pandas as pd
import pytest
from tiny_sets import squares

from helpers import classifiers, noise, outputs
from helpers.backend import keras

IMAGES = squares(30, 0)


def constant(scores):
    """A classifier that answers the same to every image."""
    images = keras.Input((16, 16, 3))
    flat = keras.layers.GlobalAveragePooling2D()(images)
    model = keras.Model(images, keras.layers.Dense(3)(flat))
    model.set_weights([np.zeros((3, 3), np.float32), np.array(scores, np.float32)])
    return model


def test_the_first_answers_are_counted(monkeypatch):
    printed = pd.DataFrame({"network": ["one"], "top": [2], "published": [99.0]})
    monkeypatch.setattr(outputs, "published", lambda name: printed)
    networks = {"one": constant([3, 2, 1]), "two": [constant([3, 2, 1]), constant([1, 2, 3])]}
    table = classifiers.top_hits(networks, IMAGES, (1, 2, 3), "some_table").set_index(["network", "top"])
    shares = [(IMAGES.labels < top).mean() * 100 for top in (1, 2, 3)]
    np.testing.assert_allclose(table.loc["one", "accuracy"], shares)
    assert table.loc[("two", 1), "trainings"] == 2
    assert table.loc[("two", 2), "accuracy"] == pytest.approx(
        50 * ((IMAGES.labels < 2).mean() + (IMAGES.labels > 0).mean())
    )
    assert table["published"].dropna().to_dict() == {("one", 2): 99.0}


def test_rescued_and_broken_images_are_counted_for_every_training():
    models = {
        "old": [constant([1, 0, 0]), constant([1, 0, 0])],
        "new": [constant([0, 1, 0]), constant([1, 0, 0])],
    }
    answers = classifiers.answers(models, IMAGES)
    table = classifiers.exchanges(answers, [("new", "old")])
    assert table["rescued"].tolist() == [(IMAGES.labels == 1).sum(), 0]
    assert table["broken"].tolist() == [(IMAGES.labels == 0).sum(), 0]
    assert table["p"].tolist() == [1, 1]
    assert (table["images"] == 30).all()


def answered(wrong, trainings=3, images=400, seed=0):
    """Answers to images of class 0, of which a share is wrong: (model, set) -> share."""
    rng = np.random.default_rng(seed)
    predicted = {
        key: (rng.uniform(size=(trainings, images)) < share).astype(int) for key, share in wrong.items()
    }
    sets = dict.fromkeys(name for _, name in wrong)
    overlap = {model: 1.0 for model, _ in wrong}
    labels = np.zeros(images, int)
    return classifiers.Answers(sets, predicted, labels, None, ("a", "b"), overlap, {})


def test_effects_are_what_the_margins_leave():
    shares = {("one", "x"): 0.1, ("one", "y"): 0.3, ("other", "x"): 0.6, ("other", "y"): 0.4}
    answers = answered(shares, images=4000)
    table = classifiers.interactions(answers).set_index(["model", "noise"])
    right = {key: 100 * answers.right(*key).mean() for key in shares}
    expected = (right["one", "x"] - right["one", "y"] - right["other", "x"] + right["other", "y"]) / 4
    for key, sign in zip(shares, (1, -1, -1, 1), strict=True):
        assert table.loc[key, "difference"] == pytest.approx(sign * expected)
    assert expected == pytest.approx(10, abs=1)
    assert (table["p_holm"] < 0.01).all() and (table["trainings"] == 3).all()


def test_interactions_are_of_noise_and_of_the_classifiers_that_are_named():
    shares = {(model, name): 0.2 for model in ("one", "other", "third") for name in ("clean", "x", "y")}
    table = classifiers.interactions(answered(shares), ["one", "third"])
    assert table[["model", "noise"]].to_numpy().tolist() == [
        [model, name] for model in ("one", "third") for name in ("x", "y")
    ]


def test_noise_that_takes_the_same_from_all_is_no_interaction():
    found = []
    for seed in range(60):
        shares = {("one", "x"): 0.1, ("one", "y"): 0.3, ("other", "x"): 0.3, ("other", "y"): 0.5}
        found.append(classifiers.interactions(answered(shares, seed=seed))["p_holm"].min() < 0.05)
    assert np.mean(found) < 0.15


def test_one_classifier_has_no_interaction():
    with pytest.raises(ValueError, match="1 classifiers and 2 sets: an interaction needs two of both"):
        classifiers.interactions(answered({("one", "x"): 0.1, ("one", "y"): 0.3}))


def test_robustness_is_the_mean_over_the_noise_sets_beside_the_accuracy_without():
    answers = answered({("one", "clean"): 0.1, ("one", "x"): 0.3, ("one", "y"): 0.5})
    answers.sets.update(clean=None, x=noise.NINE_SETS[0], y=noise.NINE_SETS[1])
    answers.sizes["one"] = {"parameters": 7, "multiply_adds": 9}
    row = classifiers.robustness(answers).iloc[0]
    assert row[["network", "parameters", "multiply_adds"]].tolist() == ["one", 7, 9]
    assert row["accuracy"] == pytest.approx(100 * answers.right("one").mean())
    assert row["noisy"] == pytest.approx(50 * sum(answers.right("one", name).mean() for name in "xy"))
    assert row["low"] < row["accuracy"] < row["high"] and row["noisy_low"] < row["noisy"] < row["noisy_high"]
    assert row["noisy_high"] - row["noisy_low"] < 10
    with pytest.raises(ValueError, match="no noise set"):
        classifiers.robustness(answered({("one", "clean"): 0.1}))


def test_what_was_trained_on_few_images_is_named_by_weights_and_count():
    answers = answered({("none 43", "clean"): 0.5, ("signs 430", "clean"): 0.1})
    table = classifiers.few_images(answers)
    assert table[["weights", "labelled"]].to_numpy().tolist() == [["none", 43], ["signs", 430]]
    expected = [100 * answers.right(model).mean() for model in answers.models]
    assert table["accuracy"].tolist() == pytest.approx(expected)


def test_each_model_stands_beside_what_is_printed_for_its_name():
    parts = {}
    for name in ("resnet50", "inception_v3"):
        parts[name] = answered({(name, "clean"): 0.1, (f"{name}_noise", "clean"): 0.2})
        parts[name].sets.update(clean=None)
    table = classifiers.beside(parts, "mehrotra_table_3", {"resnet50": "signs", "inception_v3": "none"})
    assert table["published"].fillna(0).tolist() == [81.58, 0, 68.17, 0]
    assert table["weights"].tolist() == ["signs", "signs", "none", "none"]


def test_differences_under_every_set_are_corrected_together():
    shares = {("one", "clean"): 0.1, ("other", "clean"): 0.1, ("one", "x"): 0.2, ("other", "x"): 0.4}
    answers = answered(shares)
    answers.sets.update(x=noise.NINE_SETS[0])
    table = answers.differences_by_set([("one", "other")])
    assert table["noise"].tolist() == ["none", "gaussian"]
    for name, row in zip(answers.sets, table.itertuples(), strict=True):
        single = answers.differences([("one", "other")], name).iloc[0]
        assert (row.difference, row.p) == (single["difference"], single["p"])
        assert row.p_holm == pytest.approx(min(1, row.p * (2 if name == "x" else 1)))
    assert answers.differences([]).empty
