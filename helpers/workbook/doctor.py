"""What this machine offers the workbook: versions, cores, memory, disk, data sets."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from helpers import datasets, outputs

_GIB = 2**30


def findings(data_root: str) -> Iterator[tuple[str, str]]:
    """Yield name and finding, line by line; what cannot be found out is said, never raised."""
    for name, version in outputs.versions().items():
        yield name, version or "not installed"
    yield "cores", _finding(lambda: f"{os.cpu_count()}")
    yield "bfloat16", _finding(_bfloat16)
    yield "memory", _finding(_memory)
    yield "disk", _finding(lambda: f"{shutil.disk_usage(outputs.ROOT).free / _GIB:.0f} GiB free")
    root = outputs.ROOT / Path(data_root).expanduser()
    yield "data root", data_root if root.is_dir() else f"{data_root} (no such folder)"
    for name in datasets.NAMES[:-1]:
        yield f"data: {name}", _finding(lambda name=name: _place(name, root))


def _bfloat16() -> str:
    """Whether the precision mixed_bfloat16, which ``precision = "auto"`` chooses then, pays here."""
    from helpers.backend import fast_bfloat16

    found = fast_bfloat16()
    return f"fast here ({found})" if found else 'slow here: precision "auto" is float32'


def _memory() -> str:
    memory = psutil.virtual_memory()
    return f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB free"


def _place(name: str, root: Path) -> str:
    if name == "signs":
        return "drawn here"
    places = datasets.places(name, root)
    return ", ".join(map(str, places)) or "not here, fetched when first used"


def _finding(find: Callable[[], str]) -> str:
    try:
        return find()
    except Exception as error:
        return f"unknown ({type(error).__name__}: {error})"
