"""What code rests on: every definition of the package that it reaches, by name, through imports and folders.

A definition counts by its syntax without comments, layout, docstrings, hints and imports, and with names of
other modules' definitions shortened to the last part. So moving a definition to another file, or explaining
it better, changes nothing; changing a line of it changes all that uses it.
"""

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from helpers.outputs.files import ROOT

PACKAGE = "helpers"
_LOOSE = "(statements)"  # of a module, outside of any definition


class Target(NamedTuple):
    """What an import binds: a module of the package, and a name in it (None: the module itself)."""

    module: str
    name: str | None


class Module:
    """One file of the package: its definitions by name, what it imports, and its other statements."""

    def __init__(self, name: str, path: Path):
        """name: dotted, below the package; path: of the file. Raises SyntaxError where it is no Python."""
        self.name, self.path = name, path
        tree = ast.parse(path.read_text(encoding="utf-8"))
        self.imports = dict(imports(tree))
        self.definitions: dict[str, list[ast.stmt]] = {}
        for statement in tree.body[bool(ast.get_docstring(tree)) :]:
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                for defined in _defined(statement):
                    self.definitions.setdefault(defined, []).append(statement)


class Package:
    """The package `helpers` of a project, as text: nothing of it is imported."""

    def __init__(self, root: Path = ROOT):
        """root: the folder of the project."""
        self.folder = root / PACKAGE
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module | None:
        """The module of a dotted name below the package ("" for itself), None where there is none."""
        if name not in self._modules:
            place = self.folder.joinpath(*filter(None, name.split(".")))
            path = next((p for p in (place / "__init__.py", place.with_suffix(".py")) if p.is_file()), None)
            self._modules[name] = path and Module(name, path)
        return self._modules[name]

    def names(self) -> list[str]:
        """Dotted names of all modules."""
        files = (path.relative_to(self.folder).with_suffix("") for path in self.folder.rglob("*.py"))
        return sorted(".".join(part for part in file.parts if part != "__init__") for file in files)

    def reached(self, trees: Iterable[ast.Module], apart: Iterable[str] = ()) -> dict[str, str]:
        """Digest of every definition, by its name, that code outside the package reaches.

        trees: parts of the code, such as the cells of a notebook, which share their names; apart: top-level
        modules that do not count.
        """
        whole = ast.Module([statement for tree in trees for statement in tree.body], [])
        bound, waiting = dict(imports(whole)), []
        for chain in _chains(whole):
            if chain[0] in bound:
                waiting += self._follow(bound[chain[0]], chain[1:])
        return self._closed(waiting, frozenset(apart))

    def resting(self, module: str, name: str, apart: Iterable[str] = ()) -> dict[str, str]:
        """As `reached`, from one definition of the package on, itself included."""
        return self._closed([(module, name)], frozenset(apart))

    def _closed(self, waiting: list[tuple[str, str]], apart: frozenset[str]) -> dict[str, str]:
        found: dict[tuple[str, str], str] = {}
        while waiting:
            place = waiting.pop()
            module = self.module(place[0])
            if place in found or place[0].partition(".")[0] in apart or place[1] not in module.definitions:
                continue
            statements = module.definitions[place[1]]
            found[place] = _digest(self._canonical(module, statement) for statement in statements)
            waiting.append((place[0], _LOOSE))
            for chain in (chain for statement in statements for chain in _chains(_bare(statement))):
                waiting += self._named(module, chain)
        digests: dict[str, list[str]] = {}
        for (_, name), digest in found.items():
            digests.setdefault(name, []).append(digest)
        return {name: _digest(sorted(each)) for name, each in sorted(digests.items())}

    def _named(self, module: Module, chain: list[str]) -> list[tuple[str, str]]:
        """The definitions that a chain of names such as ``noise.philox.draw`` stands for in a module."""
        if chain[0] in module.definitions:
            return [(module.name, chain[0])]
        return self._follow(module.imports[chain[0]], chain[1:]) if chain[0] in module.imports else []

    def _follow(self, target: Target, chain: list[str]) -> list[tuple[str, str]]:
        names = [target.name, *chain] if target.name else chain
        module = self.module(target.module)
        if module is None:
            return []
        if not names:  # the module as a thing: all of it
            return self._everything(module.name)
        below = f"{module.name}.{names[0]}".strip(".")
        itself = module.imports.get(names[0], target) == Target(module.name, names[0])
        if names[0] not in module.definitions and (itself or names[0] not in module.imports):
            return self._follow(Target(below, None), names[1:])
        return self._named(module, names)

    def _everything(self, name: str) -> list[tuple[str, str]]:
        """All definitions of a module and of those below it."""
        below = [each for each in self.names() if f"{each}.".startswith(f"{name}.") or not name]
        return [(each, defined) for each in below for defined in self.module(each).definitions]

    def _canonical(self, module: Module, statement: ast.stmt) -> str:
        package = self

        class Shortened(ast.NodeTransformer):
            def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
                chain = next(_chains(node), ())
                if chain and chain[0] in module.imports and chain[0] not in module.definitions:
                    for length in range(2, len(chain) + 1):
                        found = package._named(module, chain[:length])
                        if len(found) == 1 and found[0][1] == chain[length - 1]:
                            short: ast.AST = ast.Name(chain[length - 1], ast.Load())
                            for name in chain[length:]:
                                short = ast.Attribute(short, name, ast.Load())
                            return short
                return self.generic_visit(node)

        return ast.dump(Shortened().visit(_bare(statement)))


@cache
def rests_on(*functions: Callable, apart: tuple[str, ...] = ("outputs",)) -> dict[str, str]:
    """Digests of all definitions that functions of the package rest on; of others, of their source alone.

    apart: top-level modules that decide no number; by default where results are kept.
    """
    found = {}
    for function in functions:
        function = inspect.unwrap(function)
        package, _, module = function.__module__.partition(".")
        if package == PACKAGE:
            found |= _package().resting(module, function.__qualname__.partition(".")[0], apart)
        else:
            found[function.__qualname__] = _digest([inspect.getsource(function)])
    return found


def imports(tree: ast.AST) -> Iterator[tuple[str, Target]]:
    """Names that imports of the package bind anywhere in a tree, with what they stand for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first, _, rest = alias.name.partition(".")
                if first == PACKAGE:
                    yield alias.asname or first, Target(rest if alias.asname else "", None)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            first, _, rest = (node.module or "").partition(".")
            if first == PACKAGE:
                for alias in node.names:
                    yield alias.asname or alias.name, Target(rest, alias.name)


@cache
def _package() -> Package:
    return Package()


def _defined(statement: ast.stmt) -> list[str]:
    """Names that a statement at the top of a module defines."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    targets = [statement.target] if isinstance(statement, ast.AnnAssign) else targets
    nodes = [node for target in targets for node in ast.walk(target)]
    names = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return names or [_LOOSE]


def _bare(tree: ast.AST) -> ast.AST:
    """A copy without docstrings, hints of arguments and results, and imports."""
    tree = ast.parse(ast.unparse(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            node.body.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(getattr(node, "body", None), list):
            node.body = [part for part in node.body if not isinstance(part, ast.Import | ast.ImportFrom)]
    return tree


def _chains(tree: ast.AST) -> Iterator[list[str]]:
    """Every name used in a tree, with the attributes behind it: ``a.b.c`` is [a, b, c]."""
    names, node = [], tree
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        yield [node.id, *reversed(names)]
        return
    for child in ast.iter_child_nodes(node):
        yield from _chains(child)


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
