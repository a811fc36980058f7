import re

from helpers import benchmarks


def test_every_finding_is_a_speed_and_absent_data_are_said(tmp_path, monkeypatch):
    monkeypatch.delenv("DATA_ROOT", raising=False)
    monkeypatch.setattr(benchmarks, "REPEATS", 1)
    monkeypatch.setattr("helpers.gtsrb.obtain", _no_network)
    found = dict(benchmarks.findings(str(tmp_path), images=64))
    speeds = {name: text for name, text in found.items() if name != "preparing gtsrb"}
    assert len(speeds) == 5
    assert all(float(re.match(r"[\d,.]+", text)[0].replace(",", "")) > 0 for text in speeds.values())
    assert found["preparing gtsrb"].startswith("not measured")


def _no_network(places):
    raise benchmarks.datasets.DataError("nothing here")
