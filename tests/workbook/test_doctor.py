import pytest

from helpers.workbook import doctor


def test_findings_never_raise_and_name_every_data_set(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.psutil, "virtual_memory", lambda: 1 / 0)
    cifar = tmp_path / "cifar10" / "cifar-10-batches-bin"
    cifar.mkdir(parents=True)
    (tmp_path / "mnist").mkdir()  # without its files
    found = dict(doctor.findings(str(tmp_path)))
    assert found["memory"] == "unknown (ZeroDivisionError: division by zero)"
    assert found["data: signs"] == "drawn here"
    assert found["data: cifar10"] == str(cifar)
    assert found["data: mnist"] == found["data: gtsrb"] == "not here, fetched when first used"
    assert found["python"].startswith("3.")


def test_a_missing_data_root_is_said(tmp_path):
    found = dict(doctor.findings(str(tmp_path / "nowhere")))
    assert found["data root"].endswith("nowhere (no such folder)")


@pytest.mark.parametrize(
    ("flag", "said"), [("amx_bf16", "fast here (amx_bf16)"), (None, 'slow here: precision "auto" is float32')]
)
def test_bfloat16_is_called_fast_or_slow(flag, said, tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.backend.fast_bfloat16", lambda: flag)
    assert dict(doctor.findings(str(tmp_path)))["bfloat16"] == said
