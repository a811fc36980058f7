import linear
import numpy as np
import pytest

from helpers import classifiers, datasets, stability
from helpers.stability import sweeps

SIGMAS = stability.EVERY_SIGMA


@pytest.fixture(scope="module")
def compared():
    model, images, labels, _ = linear.problem(12)
    sizes = np.full((len(images), 2), linear.SIDE)
    swept = datasets.ImageSet(images, labels, np.arange(len(images)), ("a", "b", "c"), sizes)
    networks = {"good": [model, model], "other": linear.classifier(3, seed=4)}
    return stability.compare(networks, swept, copies=4, seed=1, cache=None)


def test_accuracy_has_sigma_zero_and_every_sigma(compared):
    table = compared.accuracy()
    good = table[table["network"] == "good"].set_index("sigma")
    assert list(good.index) == [0, *SIGMAS]
    assert good.loc[0, "accuracy"] == 100 and good.loc[0, "copies"] == 1 and good.loc[1, "copies"] == 4
    assert (good["trainings"] == 2).all()
    assert good.loc[40, "accuracy"] == pytest.approx(100 * compared.votes["good"][0].shares([40]).mean())


def test_of_correct_images_only_those_right_without_noise_count(compared):
    table = compared.accuracy(only_correct=True).query("network == 'other'")
    votes = compared.votes["other"][0]
    assert 0 not in table["sigma"].tolist() and (table["images"] == votes.right.sum()).all()


def test_overall_has_both_protocols_beside_the_papers(compared):
    table = compared.overall("gtsrb")
    assert table["protocol"].unique().tolist() == list(stability.PROTOCOLS)
    assert table["published"].isna().all()  # no network of this name is printed


def test_gains_are_paired_by_image(compared):
    row = compared.gains(over="other").iloc[0]
    expected = compared.votes["good"][0].shares(stability.SIGMAS).mean()
    expected -= compared.votes["other"][0].shares(stability.SIGMAS).mean()
    assert row["network"] == "good" and row["difference"] == pytest.approx(100 * expected)


def test_flips_have_a_row_a_training(compared):
    table = compared.flips(1)
    assert table[["network", "training"]].values.tolist() == [["good", 0], ["good", 1], ["other", 0]]
    assert (table["copies"] == 4).all()


def test_tables_of_images_and_classes_begin_with_the_network(compared):
    for table in (compared.thresholds(), compared.class_thresholds(), compared.certified(), compared.radii()):
        assert table.columns[0] == "network" and table["network"].unique().tolist() == ["good", "other"]
    assert compared.classes().shape[0] == 6 and len(compared.calibration()) == 2 * len(SIGMAS)


def test_ensembles_share_the_passes_of_their_members(monkeypatch):
    model, images, labels, _ = linear.problem(12)
    sizes = np.full((len(images), 2), linear.SIDE)
    swept = datasets.ImageSet(images, labels, np.arange(len(images)), ("a", "b", "c"), sizes)
    trained = [model, linear.classifier(3, seed=4), linear.classifier(3, seed=5)]
    teams, protocol = classifiers.Ensembles(trained, 2), {"copies": 3, "seed": 1}
    asked, passes = [], sweeps._compiled
    monkeypatch.setattr(sweeps, "_compiled", lambda model: asked.append(model) or passes(model))
    found = stability.compare({"one": trained, "two": teams}, swept, **protocol, cache=None)
    fields = 3 + 1  # of the copies, and none for the images themselves
    assert len(asked) == len(trained) * fields and set(map(id, asked)) == set(map(id, trained))
    for team, votes in zip(teams, found.votes["two"], strict=True):
        alone = stability.Sweep(team, images, labels, votes.sigmas, **protocol, cache=None).votes()
        np.testing.assert_array_equal(votes.counts, alone.counts)
        np.testing.assert_array_equal(votes.clean_predictions, alone.clean_predictions)
        np.testing.assert_allclose(votes.sampled, alone.sampled, rtol=1e-5)
