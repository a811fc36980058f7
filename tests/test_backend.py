import subprocess
import sys

import pytest
from small_project import ROOT

from helpers import backend


def test_the_import_says_nothing_and_errors_are_still_heard():
    code = "from helpers.backend import tf; tf.constant(1) + 1; import sys; print('heard', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "heard\n")


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("fpu avx512_bf16 amx_bf16", "amx_bf16"),
        ("fpu avx512_bf16x avx512_bf16", "avx512_bf16"),
        ("avx2", None),
    ],
)
def test_the_processors_bfloat16_is_found(flags, found, tmp_path):
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    assert backend.fast_bfloat16(tmp_path / "cpuinfo") == found
    assert backend.fast_bfloat16(tmp_path / "nowhere") is None
