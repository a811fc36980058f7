"""The notebooks as files: what each is called, knows, needs and imports, read without running it."""

import ast
import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from helpers import outputs


class Refused(Exception):
    """A request that cannot be met; its text tells the user what is wrong and what to do."""


@dataclass(frozen=True)
class Notebook:
    """One notebook on disk."""

    path: Path

    @property
    def stem(self) -> str:
        """The name without folder and suffix, e.g. `03_cnn_baseline`."""
        return self.path.stem

    @cached_property
    def _content(self) -> dict:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            content["cells"], content["metadata"]
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(f"{self.path.name} is not a notebook (damaged file?): {error}") from error
        return content

    @cached_property
    def source(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Kind, text and tags of every cell: what is left when outputs and counters are stripped."""
        return [
            (cell["cell_type"], "".join(cell["source"]), tuple(cell.get("metadata", {}).get("tags", ())))
            for cell in self._content["cells"]
        ]

    @property
    def title(self) -> str:
        """The first heading, e.g. `03 · CNN baseline`."""
        prose = "\n".join(text for kind, text, _ in self.source if kind == "markdown")
        heading = re.search(r"^# +(.+)$", prose, re.MULTILINE)
        return heading.group(1).strip() if heading else self.stem

    @property
    def needs(self) -> tuple[str, ...]:
        """Stems of the notebooks whose results this one reads: `metadata.workbook.needs`."""
        return tuple(self._content["metadata"].get("workbook", {}).get("needs", ()))

    @cached_property
    def parameters(self) -> dict[str, object]:
        """Names assigned in the cell tagged `parameters`, and their values; None: computed."""
        trees = (_parse(text) for _, text, tags in self.source if "parameters" in tags)
        statements = [statement for tree in trees if tree for statement in tree.body]
        pairs = [(target, s.value) for s in statements if isinstance(s, ast.Assign) for target in s.targets]
        pairs += [(s.target, s.value) for s in statements if isinstance(s, ast.AnnAssign)]
        return {target.id: _literal(value) for target, value in pairs if isinstance(target, ast.Name)}

    def code(self, package: outputs.Package) -> dict[str, str]:
        """Digests of the definitions of `helpers` that the code cells rest on, by name."""
        trees = (_parse(text) for kind, text, _ in self.source if kind == "code")
        return package.reached(tree for tree in trees if tree)


def find(root: Path = outputs.ROOT) -> dict[str, Notebook]:
    """Return the notebooks `notebooks/<two digits>_*.ipynb` by stem, in reading order."""
    paths = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise Refused(f"there is no notebook in {root / 'notebooks'}")
    workbook = {path.stem: Notebook(path) for path in paths}
    for notebook in workbook.values():
        for stem in notebook.needs:
            if stem not in workbook:
                raise Refused(f"{notebook.path.name} needs the notebook {stem}{near(stem, workbook)}")
    return workbook


def select(names: Iterable[str], workbook: dict[str, Notebook]) -> list[str]:
    """Return the stems that `names` (stems, file names or numbers) stand for; all when there are none."""
    stems = [_stem(name, workbook) for name in names]
    return [stem for stem in workbook if stem in stems or not stems]


def upstream(stems: Iterable[str], workbook: dict[str, Notebook]) -> list[str]:
    """Return the notebooks that `stems` rest on, directly or not, without `stems` themselves."""
    stems = set(stems)
    reached, waiting = set(), set(stems)
    while waiting:
        needs = set(workbook[waiting.pop()].needs)
        waiting |= needs - reached
        reached |= needs
    return [stem for stem in workbook if stem in reached - stems]


def near(word: str, known: Iterable[str]) -> str:
    """Return the rest of an error message about an unknown `word`: its near matches, or all that is known."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=3)
    if close:
        return f", which is unknown; did you mean {' or '.join(close)}?"
    return f", which is unknown; there is {', '.join(known) or 'none at all'}"


def _stem(name: str, workbook: dict[str, Notebook]) -> str:
    wanted = Path(name).name.removesuffix(".ipynb")
    matches = [stem for stem in workbook if wanted in (stem, stem[:2])]
    if not matches:
        raise Refused(f"notebook {name}{near(wanted, workbook)}")
    return matches[0]


def _literal(value: ast.expr | None) -> object:
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError):
        return None


def _parse(text: str) -> ast.Module | None:
    """Parse Python with IPython's magics taken out; None for a cell that will fail with its own message."""
    lines = ("" if re.match(r"\s*[%!?]", line) else line for line in text.splitlines())
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:
        return None
