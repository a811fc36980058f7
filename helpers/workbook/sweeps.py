"""A noise sweep shared out: the request as a file, each shard a job of Snakemake, their sum one table."""

import hashlib
import json
import math
import re
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from subprocess import Popen

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from helpers import classifiers, datasets, metrics, outputs, stability
from helpers.backend import keras
from helpers.outputs import relative
from helpers.workbook import processes, profiles
from helpers.workbook.notebooks import Refused

_FLAGS = ("--keep-going", "--rerun-incomplete", "--drop-metadata", "--nolock")  # `processes.claim` locks
_PAUSE = 0.2  # seconds between two looks at the marks
_NAMED = 3  # classes that are named from each end of their order
_TAIL = 10  # lines of Snakemake's log shown when no shard has one


@dataclass(frozen=True)
class Request:
    """What to sweep: a .keras file, the test images of a data set (None: all), and the noise.

    The data are chosen as in `datasets.load`, but all images of a folder count as test images: a model that
    comes as a file was trained elsewhere. copies, sigmas and seed are those of `stability.votes`.
    only_correct: the table is about the images that the model has right without noise, as in Table 4 of the
    restoration paper of Aghdam et al.; their stability paper takes all images.
    """

    model: str
    dataset: str = "signs"
    image_size: int = 48
    fit: str = "roi"
    images: int | None = None
    copies: int = 150
    sigmas: Sequence[float] = stability.SIGMAS
    seed: int = 0
    only_correct: bool = False
    data_root: str = "data"

    @property
    def name(self) -> str:
        """The name of the results: model file, data set and a digest of all, e.g. `compact-gtsrb-30dafa`."""
        model = re.sub(r"\W+", "-", Path(self.model).stem).strip("-") or "model"
        whole = asdict(self) | {"sigmas": [float(sigma) for sigma in self.sigmas]}
        digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
        return f"{outputs.folder(model, self.dataset).name}-{digest[:6]}"


def work(path: Path, number: int, shards: int) -> None:
    """Compute shard `number` (0 to shards - 1) of a request file into the cache; Refused as in `run`."""
    request = Request(**json.loads(path.read_text(encoding="utf-8")))
    images, model = _loaded(request)
    _sweep(request, model, images).fill((number, shards))


def run(request: Request, shards: int = 1, cores: int = 1, extra: Sequence[str] = ()) -> bool:
    """Sweep, print the accuracies and write them to `outputs/sweeps/<name>.csv` and `<name>-overall.csv`.

    One shard is computed in this process; more are so many jobs of Snakemake, which takes `extra` options of
    its own, e.g. for a cluster. The numbers are the same, bit for bit, on machines of one kind: another
    processor may round differently, and another version of TensorFlow keeps chunks of its own, so that its
    shards are computed again here. Returns whether all shards came to their end.
    Raises Refused for a data set or model that cannot be read, a misfit of both, and numbers out of range.
    """
    if shards < 1:
        raise Refused(f"shards is {shards}: it must be at least 1")
    if extra and shards == 1:
        raise Refused(f"{shlex.join(extra)}: options of Snakemake need at least 2 shards")
    images, model = _loaded(request)  # in any case: no job starts in vain, and the data are prepared once
    print(_order(images), flush=True)
    if shards > 1 and not share_out(request, shards, cores, extra):
        return False
    _report(request, _sweep(request, model, images).votes(), images.groups)
    return True


def share_out(request: Request, shards: int, cores: int, extra: Sequence[str] = ()) -> bool:
    """Let Snakemake do the shards, as many at a time as there are cores; print which failed and why.

    Returns whether all came to their end. Raises Refused while another run is at work under the same name.
    """
    folder = stability.CACHE / request.name
    marks = folder / "shards"
    with processes.claim(folder) as environment:
        shutil.rmtree(marks, ignore_errors=True)  # the cache knows what is finished
        outputs.write_json(folder / "request.json", asdict(request))
        print(f"{shards} shards, which log to {relative(marks)}", flush=True)
        snakemake = _snakemake(folder, shards, cores, extra, environment)
        with tqdm(total=shards, unit="shard") as bar:
            while snakemake.poll() is None:
                time.sleep(_PAUSE)
                if fresh := len(list(marks.glob("*.done"))) - bar.n:
                    bar.update(fresh)
    failed = [number for number in range(shards) if not (marks / f"{number}.done").is_file()]
    logs = {number: log for number in failed if (log := marks / f"{number}.log").is_file()}
    for number, log in logs.items():
        print(f"shard {number} (of 0 to {shards - 1}) failed: {_end(log)}\n  its log: {relative(log)}")
    if failed and not logs:
        log = folder / "snakemake.log"
        print(f"Snakemake stopped; the end of {relative(log)}:\n{_end(log, _TAIL)}")
    return not failed


def _snakemake(folder: Path, shards: int, cores: int, extra: Sequence[str], environment: dict) -> Popen:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(Path(__file__).with_name("sweep.smk"))]
    command += ["--config", f"folder={relative(folder)}", f"shards={shards}"]
    command += [f"threads={max(1, cores // shards)}", "--cores", str(cores), *_FLAGS, *extra]
    with (folder / "snakemake.log").open("w", encoding="utf-8") as log:
        print("$", shlex.join(command), file=log, flush=True)
        streams = {"stdout": log, "stderr": log}
        # a session of its own: Ctrl-C reaches this process only, which then ends the others
        return Popen(command, cwd=outputs.ROOT, env=environment, start_new_session=True, **streams)


def _end(log: Path, lines: int = 1) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _loaded(request: Request) -> tuple[datasets.ImageSet, keras.Model]:
    """The images and the classifier of a request, or Refused."""
    profiles.check_dataset(request.dataset)
    if not all(low < high for low, high in pairwise((0, *request.sigmas, math.inf))):
        raise Refused(f"sigmas {request.sigmas}: give ascending standard deviations above zero")
    if request.copies < 1 or not 0 <= request.seed < 2**63:
        raise Refused(f"copies {request.copies}, seed {request.seed}: give at least 1 copy, a seed from 0")
    if request.images is not None and request.images < 1:
        raise Refused(f"images is {request.images}: it must be at least 1")
    if not Path(request.model).is_file():  # before the data are prepared
        raise Refused(f"no model file at {request.model}")
    try:
        images = _images(request)
        return images, classifiers.load(request.model, request.image_size, len(images.class_names))
    except (OSError, ValueError) as error:
        raise Refused(str(error)) from error


def _images(request: Request) -> datasets.ImageSet:
    """The test images that a request asks for; of a folder all, because its split is not the model's."""
    place = (request.dataset, request.image_size, request.fit, request.data_root)
    if request.dataset.startswith("folder:"):
        return datasets.load(*place).joined().part(request.images, seed=0)
    unused = 1 if request.dataset == "signs" else None  # training images, which signs would render
    return datasets.load(*place, train_images=unused, test_images=request.images).test


def _sweep(request: Request, model: keras.Model, images: datasets.ImageSet) -> stability.Sweep:
    noise = {"sigmas": request.sigmas, "copies": request.copies, "seed": request.seed}
    return stability.Sweep(model, images.images, images.labels, **noise, cache=stability.CACHE)


def _order(images: datasets.ImageSet) -> str:
    """Which output of the model has to be which class, and how much is swept."""
    named = [f"{number} {name}" for number, name in enumerate(images.class_names)]
    if len(named) > 2 * _NAMED:
        named = [*named[:_NAMED], "…", *named[-_NAMED:]]
    return f"{len(images)} images; outputs of the model, in this order: {', '.join(named)}"


def _report(request: Request, votes: stability.Votes, groups: np.ndarray) -> None:
    """Write and print the accuracy at every sigma and over all."""
    table = votes.accuracy(groups, only_correct=request.only_correct)
    overall = pd.DataFrame([votes.overall(groups=groups, only_correct=request.only_correct)])
    overall["sigmas"] = " ".join(f"{sigma:g}" for sigma in votes.sigmas)
    paths = [stability.CACHE / f"{request.name}{end}.csv" for end in ("", "-overall")]
    for path, rows in zip(paths, (table, overall), strict=True):
        with outputs.atomic(path) as partial:
            labelled = pd.DataFrame(_labels(request), rows.index).join(rows)
            labelled.to_csv(partial, index=False, float_format="%.6g", lineterminator="\n")
    shown = table[["sigma", "images", "copies"]]
    shown.insert(1, "accuracy (%)", metrics.with_interval(table))
    which = " of the images that are right without noise" if request.only_correct else ""
    print(shown.to_string(index=False))
    print(f"overall, sigmas above 0{which}: {metrics.with_interval(overall)[0]} %")
    print("the tables:", *map(relative, paths))


def _labels(request: Request) -> dict[str, object]:
    """The first columns of both tables: what was measured on what. No path of this machine shows."""
    kind, _, folder = request.dataset.partition(":")
    return {
        "model": Path(request.model).name,
        "dataset": f"{kind}:{Path(folder).name}" if folder else kind,
        **{name: getattr(request, name) for name in ("image_size", "fit", "seed", "only_correct")},
    }
