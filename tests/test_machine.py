import pytest

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


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("fpu avx512_bf16 amx_bf16", "by this processor (amx_bf16)"),
        ("fpu avx512_bf16x avx512_bf16", "by this processor (avx512_bf16)"),
        ("fpu avx2", "slow on this processor: set precision=float32"),
    ],
)
def test_the_processors_bfloat16_is_found(flags, found, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    assert dict(machine.findings(str(tmp_path)))["bfloat16"] == found
