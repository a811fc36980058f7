import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from helpers import outputs
from helpers.backend import keras
from helpers.training.keeping import Kept, Trained

ROWS = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]


@pytest.fixture
def model():
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    network.compile("adam", "mse")
    network.optimizer.build(network.trainable_variables)
    return network


@pytest.fixture
def kept(tmp_path):
    return Kept(outputs.Store(tmp_path), "net", ["key"])


def test_a_result_comes_back_as_it_was_and_replaces_the_checkpoints(kept, model, tmp_path):
    assert kept.finished() is None and kept.checkpoint() is None
    kept.save(model, ROWS[:1], 3.0)
    kept.finish(Trained(model, pd.DataFrame(ROWS), 5.0))
    found = kept.finished()
    np.testing.assert_array_equal(found.model.get_weights()[0], model.get_weights()[0])
    assert found.history.to_dict("records") == ROWS and found.seconds == 5.0
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]


def test_a_result_carries_nothing_of_its_training_and_a_checkpoint_all(kept, model, tmp_path):
    def compiled(path):
        with zipfile.ZipFile(next(tmp_path.glob(path))) as file:
            return json.loads(file.read("config.json"))["compile_config"]

    kept.save(model, ROWS[:1], 3.0)
    assert compiled("*/model.keras")["optimizer"]
    kept.finish(Trained(model, pd.DataFrame(ROWS), 5.0))
    assert not compiled("*/model.keras")
    assert not kept.finished().model.compiled and model.compiled


def test_the_last_checkpoint_that_is_whole_is_the_one_that_counts(kept, model, tmp_path):
    kept.save(model, ROWS[:1], 3.0)
    kept.save(model, ROWS, 4.0)
    assert [path.name for path in tmp_path.iterdir()] == [f"{kept.name}.epoch-0002"]
    assert kept.checkpoint().history.to_dict("records") == ROWS
    next(tmp_path.glob("*/model.keras")).write_bytes(b"half of it")
    assert kept.checkpoint() is None


def test_the_name_holds_the_key_and_not_how_often_keras_counted(tmp_path):
    def name(label, key):
        return Kept(outputs.Store(tmp_path), label, key).name

    assert name("functional_7", ["a"]) == name("functional", ["a"]) != name("functional", ["b"])
    assert name("functional_7", ["a"]).startswith("functional-")


def test_a_strip_is_kept_with_a_checkpoint_and_a_result(kept, model, tmp_path):
    strip = {1: np.zeros((2, 4, 4, 3), np.uint8), 12: np.ones((2, 4, 4, 3), np.uint8)}
    kept.save(model, ROWS, 3.0, strip)
    kept.finish(Trained(model, pd.DataFrame(ROWS), 5.0, kept.checkpoint().strip))
    found = kept.finished().strip
    assert list(found) == [1, 12]
    np.testing.assert_array_equal(found[12], strip[12])
    next(tmp_path.glob("*/strip.npz")).write_bytes(b"half of it")
    assert kept.finished() is None
