import numpy as np
import pandas as pd
import pytest
from tiny_sets import squares

from helpers import gans, training

TRAIN, TEST = squares(120, 0), squares(90, 1)


class Copies:
    """Stands for a game that returns given images, whatever it is asked."""

    conditional, name = True, "copies"

    def __init__(self, images, logits=None):
        self.images, self.logits = images, logits


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr(gans.judging, "scores", lambda game, test, seed: game.logits)


def values(table, network):
    return table[table["network"] == network].set_index("measure")["value"]


def test_evaluation_counts_as_the_paper_does():
    logits = np.full(90, -2.0), np.full(90, 1.0)  # of real images, of generated ones
    logits[0][:60] = 3.0
    found = values(gans.evaluation({"game": [Copies(TEST.images, logits)]}, TEST, seed=0), "game")
    assert found["accuracy"] == pytest.approx(60 / 180)
    assert found["precision"] == pytest.approx(60 / 150)
    assert found["recall"] == found["real_right"] == pytest.approx(60 / 90)
    assert found["f1"] == pytest.approx(2 * 0.4 * (2 / 3) / (0.4 + 2 / 3))
    assert found["fake_right"] == 0
    real = (60 * np.log1p(np.exp(-3)) + 30 * np.log1p(np.exp(2))) / 90
    assert found["loss"] == pytest.approx((real + np.log1p(np.exp(1))) / 2)


def test_published_values_stand_beside():
    logits = np.ones(90), -np.ones(90)
    table = gans.evaluation(
        {"game": [Copies(TEST.images, logits)]}, TEST, seed=0, published="bagrodia_evaluation"
    )
    beside = table.set_index("measure")["published"]
    assert beside["recall"] == 0.9694 and np.isnan(beside["real_right"])


def test_curves_that_run_away_raise_an_alarm():
    def curves(loss, right):
        history = pd.DataFrame({"generator_loss": loss, "pairs_right": right, "val_pairs_right": 0.5})
        return [training.Trained(None, history, 0.0)]

    games = {
        "even": curves([1.0, 0.9, 0.8, 0.9], [0.6, 0.7, 0.6, 0.7]),
        "lost": curves([1.0, 0.9, 2.0, 4.0], [0.6, 0.9, 1.0, 1.0]),
        "negative": curves([1.0, -1.0, 2.0, 40.0], [0.5] * 4),
        "one epoch": curves([0.7], [0.5]),
    }
    table = gans.balance(games).set_index("network")
    assert table["alarm"].to_dict() == {
        "even": "",
        "lost": "discriminator wins, loss grows",
        "negative": "",
        "one epoch": "",
    }
    assert table.loc["lost", "growth"] == pytest.approx(4 / 0.9)
    assert np.isnan(table.loc["negative", "growth"])
    assert table.loc["lost", "pairs_right"] == 1 and set(table["held_right"]) == {0.5}
