from helpers import machine


def test_findings_never_raise_and_name_every_data_set(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: 1 / 0)
    (tmp_path / "mnist").mkdir()
    found = dict(machine.findings(str(tmp_path)))
    assert found["memory"] == "unknown (ZeroDivisionError: division by zero)"
    assert found["data: signs"] == "drawn here"
    assert found["data: mnist"] == str(tmp_path / "mnist")
    assert found["data: gtsrb"] == "not here, fetched when first used"
    assert found["python"].startswith("3.")


def test_a_missing_data_root_is_said(tmp_path):
    found = dict(machine.findings(str(tmp_path / "nowhere")))
    assert found["data root"].endswith("nowhere (no such folder)")
