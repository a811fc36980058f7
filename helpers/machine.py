"""What this machine offers the workbook: versions, cores, memory, disk, data sets."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from helpers import gtsrb, outputs, sources

_GIB = 2**30
CPUINFO = Path("/proc/cpuinfo")  # on Linux


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
    for name in sources.NAMES[:-1]:
        yield f"data: {name}", _finding(lambda name=name: _place(name, root))


def _bfloat16() -> str:
    """Whether the parameter ``precision: mixed_bfloat16`` pays on this processor."""
    flags = CPUINFO.read_text(encoding="utf-8").split()
    found = [flag for flag in ("amx_bf16", "avx512_bf16") if flag in flags]
    return f"by this processor ({found[0]})" if found else "slow on this processor: set precision=float32"


def _memory() -> str:
    memory = psutil.virtual_memory()
    return f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB free"


def _place(name: str, root: Path) -> str:
    if name == "signs":
        return "drawn here"
    folders = [root / "raw" / name, root / name]
    if name == "gtsrb":
        places = [place.path for part in ("train", "test") for place in gtsrb.locate(part, [*folders, root])]
    else:
        places = [folder for folder in folders if folder.is_dir()]
    if not places or not all(path.exists() for path in places):
        return "not here, fetched when first used"
    return ", ".join(map(str, places))


def _finding(find: Callable[[], str]) -> str:
    try:
        return find()
    except Exception as error:
        return f"unknown ({type(error).__name__}: {error})"
