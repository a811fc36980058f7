"""Where results go, and what becomes of them.

A notebook makes one `Run`: it writes tables, figures and models under `outputs/<profile>-<dataset>/`, and at
the end a manifest that names each with its digest. `keep` copies them to `outputs/reference`. `Store` holds
finished pieces of long work (trainings, chunks of sweeps, searches), found again by what they rest on;
`rests_on` reads that from the code itself. Every file is written beside its place and renamed.
"""

from helpers.outputs.cache import Store, digest, named
from helpers.outputs.code import Package, rests_on
from helpers.outputs.files import PARTIAL, ROOT, atomic, folder, relative, sha256, write_json
from helpers.outputs.reference import keep
from helpers.outputs.run import Run, published, readable, versions

__all__ = [
    *("PARTIAL", "ROOT", "Package", "Run", "Store", "atomic", "digest", "folder", "keep", "named"),
    *("published", "readable", "relative", "rests_on", "sha256", "versions", "write_json"),
]
