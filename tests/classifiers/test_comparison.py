import linear
import numpy as np
import pytest

from helpers import classifiers, datasets, noise

SETS = (None, *noise.NINE_SETS[:3])


@pytest.fixture(scope="module")
def images():
    pixels = np.random.default_rng(0).integers(0, 256, (120, *linear.SHAPE), np.uint8)
    labels = classifiers.predictions(linear.classifier(4), pixels)
    return datasets.ImageSet(pixels, labels, np.arange(120), tuple("abcd"), np.full((120, 2), linear.SIDE))


@pytest.fixture(scope="module")
def answers(images):
    models = {"good": [linear.classifier(4), linear.classifier(4)], "other": linear.classifier(4, seed=5)}
    return classifiers.answers(models, images, SETS, seed=3)


def test_every_classifier_answers_to_every_set(answers, images):
    table = answers.accuracy(weights="none")
    assert table.groupby("model").size().to_dict() == {"good": 4, "other": 4}
    assert list(table.columns[:5]) == ["model", "weights", "noise", "level", "accuracy"]
    good = table[table["model"] == "good"].set_index("level")
    assert good.loc["none", "accuracy"] == 100 and good.loc["none", "trainings"] == 2
    alone = (
        classifiers.predictions(linear.classifier(4), images.images, noise=SETS[3], seed=3) == images.labels
    )
    assert good.loc["max", "accuracy"] == pytest.approx(100 * alone.mean())
    assert good["accuracy"].is_monotonic_decreasing


def test_noise_is_drawn_once_for_all_classifiers(images):
    drawn = []

    class Counted(noise.NoiseSet):
        def __call__(self, batch, **key):
            drawn.append(len(batch))
            return super().__call__(batch, **key)

    models = {"several": [linear.classifier(4), linear.classifier(4, seed=1)], "one": linear.classifier(4)}
    found = classifiers.answers(models, images, (Counted("gaussian", "max", 40.0),), seed=3)
    assert drawn == [120] and found.models == ["several", "one"]


def test_gains_are_paired_and_corrected(answers):
    rows = answers.gains("good", over="other")
    assert rows["level"].tolist() == ["none", "min", "avg", "max"]
    assert (rows["difference"] > 0).all() and (rows["low"] <= rows["difference"]).all()
    assert rows["lost"].iloc[0] == 0 and np.isnan(rows["share"].iloc[0])
    assert (rows["p_holm"] >= rows["p"]).all()
    assert (answers.gains("good", over="good")["difference"] == 0).all()


def test_transfer_compares_all_with_one(answers):
    table = answers.transfer(over="other").set_index(["trained_on", "tested_on"])
    assert table.loc["other", "gain"].isna().all() and (table.loc["good", "gain"] > 0).all()


def test_a_papers_numbers_stand_beside(answers):
    table = answers.beside("mehrotra_table_2")
    assert table["set"].tolist()[:4] == ["clean", "gaussian min", "gaussian avg", "gaussian max"]
    assert table["published"].tolist()[:2] == [89.09, 60.49]
    wide = answers.wide("mehrotra_table_2")
    assert list(wide.columns) == ["set", "paper", "good", "other"] and len(wide) == 4


def test_trainings_that_learnt_are_counted(answers):
    table = answers.recipes().set_index("recipe")
    assert table.loc["good", "trained"] == 2 and table.loc["other", "trained"] == 0


def test_sets_of_one_name_are_told_apart_by_their_reading(images):
    found = classifiers.answers({"one": linear.classifier(4)}, images, noise.every_reading()[:6], seed=0)
    assert found.accuracy()["reading"].tolist() == ["clipped"] * 3 + ["wrapped"] * 3
    with pytest.raises(ValueError, match="one name"):
        classifiers.answers({"one": linear.classifier(4)}, images, (None, None))


def test_answers_to_other_images_are_not_joined(answers, images):
    other = classifiers.answers({"third": linear.classifier(4, seed=1)}, images)
    assert answers.joined(other).models == ["good", "other", "third"]
    fewer = classifiers.answers({"third": linear.classifier(4)}, images.subset(slice(0, 50)))
    with pytest.raises(ValueError, match="other images"):
        answers.joined(fewer)
