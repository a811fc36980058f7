"""The command line: `python -m helpers run`, and `list`, `sweep`, `enrol`, `remove`, `identify` and more."""

import argparse
import os
import re
import signal
import sys
import textwrap
from dataclasses import fields
from pathlib import Path

from helpers import outputs, workbook
from helpers.outputs import relative
from helpers.workbook import Refused, freshness, pipeline, profiles

_EXTRA = "What follows -- goes to Snakemake, e.g. -- --executor slurm --jobs 20 --set-threads shard=4"
_SWEEP = (
    "Output k of the model, from 0 on, must be the k-th class of the data set. In folder:PATH that is the "
    "k-th class folder in natural order (s2 before s10); the sweep begins with the names. Of such a folder "
    "all images are swept, so let it hold none that the model was trained on. Relative paths count from the "
    "folder that you are in. A stopped sweep goes on. Any number of shards gives the same numbers on "
    "machines of one kind (processor and version of TensorFlow)."
)
_LONGEST = 1000  # characters of an error; the executed copy has it whole


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; return 0, 1 (failed), 2 (request refused) or 130 (stopped)."""
    given = sys.argv[1:] if arguments is None else arguments
    end = given.index("--") if given[:1] == ["sweep"] and "--" in given else len(given)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays in force
            signal.signal(number, signal.default_int_handler)
    try:
        options = _parser().parse_args(given[:end], argparse.Namespace(snakemake=given[end + 1 :]))
        return options.command(options)
    except Refused as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130


def run(options: argparse.Namespace) -> int:
    """Bring the named notebooks, or all, up to date."""
    book, selected, data_root = _workbook(options)
    return 0 if pipeline.run(book, selected, data_root, options.cores) else 1


def list_notebooks(options: argparse.Namespace) -> int:
    """Print every notebook with its title and whether its results are up to date."""
    book, selected, _ = _workbook(options)
    for stem in selected:
        state = textwrap.shorten(book.why(stem) or "up to date", 40, placeholder=" …")
        print(f"{stem:32} {state:40} {book.notebooks[stem].title}")
    print(f"profile {options.profile}, data set {options.dataset}: {relative(book.folder)}")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Print what the workbook finds on this machine."""
    from helpers.workbook import doctor as machine

    for name, finding in machine.findings(options.data_root or os.environ.get("DATA_ROOT") or "data"):
        print(f"{name:20} {finding}")
    return 0


def bench(options: argparse.Namespace) -> int:
    """Measure how fast the workbook's parts are on this machine."""
    from benchmarks import speeds

    for name, finding in speeds.findings(options.data_root or os.environ.get("DATA_ROOT") or "data"):
        print(f"{name:20} {finding}", flush=True)
    return 0


def results(options: argparse.Namespace) -> int:
    """Write RESULTS.md from the tables in outputs/reference."""
    from helpers.workbook import results as page

    print(relative(page.write()))
    return 0


def sweep(options: argparse.Namespace) -> int:
    """Measure a classifier (.keras file) under Gaussian noise, in one process or in shards."""
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(options.cores))
    from helpers.workbook import sweeps

    given = {field.name: getattr(options, field.name) for field in fields(sweeps.Request)}
    given["model"] = str(Path(options.model).expanduser().resolve())
    given["data_root"] = _data_root(options.data_root)
    request = sweeps.Request(**{name: value for name, value in given.items() if value is not None})
    return 0 if sweeps.run(request, options.shards, options.cores, options.snakemake) else 1


def enrol(options: argparse.Namespace) -> int:
    """Write a person's entry into a gallery of notebook 11."""
    from helpers.workbook import galleries

    print(galleries.enrol(options.gallery, options.name, options.pictures))
    return 0


def remove(options: argparse.Namespace) -> int:
    """Delete a person's entry from a gallery."""
    from helpers.workbook import galleries

    print(galleries.remove(options.gallery, options.name))
    return 0


def identify(options: argparse.Namespace) -> int:
    """Say whom pictures show, all of one person, and how surely."""
    from helpers.workbook import galleries

    print(galleries.identify(options.gallery, options.pictures))
    return 0


def shard(options: argparse.Namespace) -> int:
    """Compute one shard of a noise sweep; called by sweep.smk."""
    os.environ |= dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), str(options.cores))
    os.environ.setdefault("TQDM_MININTERVAL", "10")  # seconds between two lines of its log
    from helpers.workbook import sweeps

    sweeps.work(options.request, *options.shard)
    return 0


def execute(options: argparse.Namespace) -> int:
    """Run one notebook in a fresh kernel; called by the Snakefile."""
    from helpers.workbook import jobs

    return 0 if jobs.execute(options.notebook, options.folder, options.cores) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    which = argparse.ArgumentParser(add_help=False)
    which.add_argument(
        "notebooks", nargs="*", metavar="NOTEBOOK", help="name or number, e.g. 03; all if none"
    )
    which.add_argument("--profile", default="quick", help="smoke, quick (default) or full")
    which.add_argument(
        "--dataset", type=_dataset, default="signs", help="signs (default), gtsrb, …, folder:PATH"
    )
    which.add_argument(
        "-p", "--parameter", dest="settings", action="append", default=[], metavar="NAME=VALUE"
    )
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--data-root", metavar="PATH", help="where data sets lie (default: DATA_ROOT, or data)"
    )
    cores = argparse.ArgumentParser(add_help=False)
    cores.add_argument("--cores", type=_positive, default=_cores(), help="default: all (%(default)s)")

    command = commands.add_parser("run", parents=[which, where, cores], help=run.__doc__)
    command.set_defaults(command=run)
    command = commands.add_parser("list", parents=[which, where], help=list_notebooks.__doc__)
    command.set_defaults(command=list_notebooks)
    about = {"help": sweep.__doc__, "description": f"{sweep.__doc__} {_SWEEP}", "epilog": _EXTRA}
    command = commands.add_parser("sweep", parents=[where, cores], **about)
    command.add_argument("model", metavar="MODEL.keras", help="takes grey levels in [0, 255]")
    command.add_argument("--dataset", type=_dataset, help="signs (default), gtsrb, …, folder:PATH")
    command.add_argument("--image-size", type=int, metavar="N", help="side in pixels (default: 48)")
    command.add_argument("--fit", help="resize, crop_or_pad or roi (default)")
    part = "of the test set, or of a folder, classes in proportion (default: all)"
    command.add_argument("--images", type=int, metavar="N", help=part)
    command.add_argument("--copies", type=int, metavar="N", help="of each image, noisy (default: 150)")
    command.add_argument("--sigmas", type=_numbers, metavar="S,S,…", help="grey levels (default: 1,2,4,…)")
    command.add_argument("--seed", type=int, metavar="N", help="of the noise (default: 0)")
    right = "only images that the model has right without noise, as in the papers"
    command.add_argument("--only-correct", action="store_true", help=right)
    command.add_argument("--shards", type=int, metavar="N", default=1, help="jobs of Snakemake, if above 1")
    command.set_defaults(command=sweep)
    for function in (enrol, remove, identify):
        command = commands.add_parser(function.__name__, help=function.__doc__)
        command.add_argument("gallery", metavar="GALLERY", help="its folder")
        if function is not identify:
            command.add_argument("name", metavar="NAME", help="of the person")
        if function is not remove:
            command.add_argument(
                "pictures", metavar="PICTURE", nargs="+", help="files, or folders of them, cut to the face"
            )
        command.set_defaults(command=function)
    command = commands.add_parser("shard", help=shard.__doc__)
    command.add_argument("request", type=Path)
    command.add_argument("shard", type=int, nargs=2, metavar=("NUMBER", "SHARDS"))
    command.add_argument("--cores", type=_positive, required=True)
    command.set_defaults(command=shard)
    command = commands.add_parser("results", help=results.__doc__)
    command.set_defaults(command=results)
    for function in (doctor, bench):
        command = commands.add_parser(function.__name__, parents=[where], help=function.__doc__)
        command.set_defaults(command=function)
    command = commands.add_parser("execute", help=execute.__doc__)
    command.add_argument("notebook")
    command.add_argument("folder")
    command.add_argument("--cores", type=_positive, required=True)
    command.set_defaults(command=execute)
    return parser


def _workbook(options: argparse.Namespace) -> tuple[freshness.Workbook, list[str], str]:
    """Check every name in the request; return the workbook, what is selected, and where the data lie."""
    books = workbook.find()
    selected = workbook.select(options.notebooks, books)
    profiles.check_dataset(options.dataset)
    parameters = profiles.load(options.profile, books)
    settings = profiles.read_settings(options.settings, {stem: books[stem] for stem in selected})
    for stem in selected:
        parameters[stem] |= profiles.known(settings, books[stem])
    data_root = _data_root(options.data_root)
    return (
        freshness.assemble(books, parameters, options.profile, options.dataset, data_root),
        selected,
        data_root,
    )


def _data_root(given: str | None) -> str:
    """Return where the data lie, relative inside the project; Refused when a folder is given but absent."""
    given = given or os.environ.get("DATA_ROOT")
    if not given:
        return "data"
    path = Path(given).expanduser().resolve()
    if not path.is_dir():
        raise Refused(f"data root {given}: there is no such folder; make it, or correct the path")
    return relative(path) if path.is_relative_to(outputs.ROOT) else str(path)


def _dataset(given: str) -> str:
    """Return the name of a data set, with the whole path of a folder, which is given as seen from here."""
    kind, _, path = given.partition(":")
    return f"folder:{os.path.abspath(os.path.expanduser(path))}" if kind == "folder" and path else given


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _positive(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d*", text):
        raise argparse.ArgumentTypeError(f"{text} is not a number of cores")
    return int(text)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, text.split(",")))
    except ValueError as error:
        raise Refused(f"sigmas {text}: give numbers with commas between them, such as 1,2,4") from error


if __name__ == "__main__":
    sys.exit(main())
