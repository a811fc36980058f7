import re
from itertools import islice

import numpy as np

from benchmarks import speeds
from helpers import gans


def test_every_finding_is_a_speed_and_absent_data_are_said(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("DATA_ROOT", raising=False)
    monkeypatch.setattr(speeds, "REPEATS", 1)
    monkeypatch.setattr("helpers.classifiers.networks.COMPACT_STAGES", ((8, 0),))  # sooner traced
    monkeypatch.setattr("helpers.datasets.gtsrb.obtain", _no_network)
    found = dict(speeds.findings(str(tmp_path), images=16))
    assert found.pop("preparing gtsrb").startswith("not measured")
    assert re.match(r"-?\d+ % on top of", found.pop("augmentation"))
    assert len(found) == 21 + len(gans.NETWORKS)
    assert all(float(re.match(r"[\d,.]+", text)[0].replace(",", "")) > 0 for text in found.values())
    assert "noise sweep" not in capsys.readouterr().err


def test_what_is_compared_takes_turns(monkeypatch):
    monkeypatch.setattr(speeds, "REPEATS", 2)
    calls = []
    seconds = speeds._rounds(lambda: calls.append("a"), lambda: calls.append("b"))
    assert "".join(calls) == "ab" + "abab"
    assert seconds.shape == (2, 2)


def test_comparisons_are_medians_over_the_rounds(tmp_path, monkeypatch):
    seconds = np.array([[1, 2, 4], [0.9, 8, 3.6], [0.2, 9, 0.8]])  # of sweep, bare forward, usual loop
    monkeypatch.setattr(speeds, "_rounds", lambda *calls: seconds[: len(calls)])
    found = dict(islice(speeds.findings(str(tmp_path)), 14))
    # 128 images x 12 sigmas x 20, 2 or 1 copies in 2 s; the usual loop takes 0.2 of that for 2 x 512 images
    assert found["sweep, baseline"] == "15,360 images/s, 0.90 of bare forward, 6.0 times the usual loop"
    assert found["sweep, compact"] == "1,536 images/s, 0.90 of bare forward"
    assert found["sweep, aghdam"] == "768 images/s, 0.90 of bare forward"
    expected = "1.1 times as fast forward, 1.1 times in training, as in float32"
    assert found["compact, bfloat16"] == found["aghdam, bfloat16"] == expected
    # 64 images x 50 noises x 30 generations in 94 calls of 1,024 images; DEAP: 100 questions in 0.2 s
    assert found["paper's search"] == "48,128 images/s, 0.90 of bare forward, 193 times DEAP"
    assert found["search"] == "32,256 images/s, 0.90 of bare forward"
    # 64 images x 20 or 4 samples in 2 s
    expected = "640 images/s, 0.90 of bare forward, 44,064 multiply-adds a pixel"
    assert found["restoring, compact"] == expected
    assert found["restoring, l11"].startswith("128 images/s, 0.90 of bare forward, 465,673")
    assert found["augmentation"] == "11 % on top of a training step of 360 ms"


def _no_network(places):
    raise speeds.datasets.DataError("nothing here")
