"""Keras and TensorFlow, imported in one place, without the start-up messages of their C++ libraries."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send the process' standard error (file 2: C++ writes past Python) nowhere for a while."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only
# On by default with AVX-512 only, but nearly twice as fast without, too.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with _silent_stderr():  # what goes wrong is raised as an exception all the same
    import keras
    import tensorflow as tf

    tf.config.list_physical_devices()  # looks for a GPU now, so that its absence is not reported later


def fast_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """By what bfloat16 is fast here: a GPU, or a flag of the processor; None where it is slow or unknown."""
    if tf.config.list_physical_devices("GPU"):
        return "GPU"
    flags = cpuinfo.read_text(encoding="utf-8").split() if cpuinfo.is_file() else []
    return next((flag for flag in ("amx_bf16", "avx512_bf16") if flag in flags), None)


__all__ = ["fast_bfloat16", "keras", "tf"]
