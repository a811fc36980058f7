import ast
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import backend

ROOT = Path(__file__).resolve().parents[1]


def test_the_import_says_nothing_and_errors_are_still_heard():
    code = "from helpers.backend import tf; tf.constant(1) + 1; import sys; print('heard', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "heard\n")


def test_tensorflow_and_keras_are_imported_at_the_top_of_no_other_module():
    for path in (ROOT / "helpers").glob("*.py"):
        names = set()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").partition(".")[0])
        assert path.name == "backend.py" or not names & {"tensorflow", "keras"}, path.name


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
