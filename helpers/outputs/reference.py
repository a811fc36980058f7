"""What is kept of a run, in `outputs/reference`, for the results page and for whoever compares."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from helpers.outputs.files import ROOT, folder, sha256
from helpers.outputs.run import manifests


def keep(profile: str, dataset: str, kinds: Sequence[str] = ("tables", "figures"), root: Path = ROOT) -> Path:
    """Copy what the manifests of a run name into `outputs/reference/<run>`, and return that folder.

    Only files of the given kinds are kept. They replace what was kept of the same notebooks; that of others
    stays. Raises FileNotFoundError without a manifest and ValueError for a file that has changed since;
    what was kept before then stays as it was.
    """
    source = folder(profile, dataset, root)
    kept = root / "outputs" / "reference" / source.name
    finished = [path.relative_to(source) for path in manifests(source)]
    if not finished:
        raise FileNotFoundError(f"no finished notebook in outputs/{source.name}: run the workbook first")
    files = {name: digest for path in finished for name, digest in _files(source / path).items()}
    files = {name: digest for name, digest in files.items() if name.partition("/")[0] in kinds}
    for name, digest in files.items():
        if not (source / name).is_file() or sha256(source / name) != digest:
            raise ValueError(f"{name} is not as its notebook wrote it: run the workbook again")
    for manifest in finished:
        for name in _files(kept / manifest) if (kept / manifest).exists() else ():
            (kept / name).unlink(missing_ok=True)
    for name in [*files, *finished]:
        (kept / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, kept / name)
    for empty in [path for path in kept.iterdir() if not any(path.iterdir())]:
        empty.rmdir()  # where only the older results had files
    return kept


def _files(manifest: Path) -> dict[str, str]:
    """Names and digests of the files that a notebook wrote."""
    named = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    return {name: what["sha256"] for name, what in named.items()}
