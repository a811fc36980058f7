"""The rooms of the package: who may import whom, and how."""

import ast
import importlib
import subprocess
import sys

import pytest
from small_project import ROOT

from helpers.outputs import Package
from helpers.outputs.code import imports

MAY = {
    "backend": set(),
    "outputs": set(),
    "metrics": set(),
    "signs": {"outputs"},
    "noise": {"backend"},
    "datasets": {"backend", "outputs", "signs"},  # the backend late, for what Keras downloads
    "classifiers": {"backend", "metrics", "noise", "outputs"},
    "training": {"backend", "classifiers", "datasets", "noise", "outputs"},
    "stability": {"backend", "classifiers", "metrics", "noise", "outputs"},
    "minimum_noise": {"backend", "classifiers", "metrics", "noise", "outputs"},
    "restoration": {"backend", "classifiers", "datasets", "metrics", "noise", "outputs", "training"},
    "gans": {"backend", "classifiers", "datasets", "metrics", "noise", "outputs", "signs", "training"},
    "recognition": {
        *("backend", "classifiers", "datasets", "gans", "metrics", "noise", "outputs", "training"),
    },
    "plots": {"metrics"},
    "widgets": {"backend", "classifiers", "metrics", "noise"},
}
MAY["workbook"] = set(MAY)
MAY["__main__"] = {"outputs", "workbook"}
ONLY = {
    "papermill": {"workbook"},
    "ipywidgets": {"widgets"},
    "matplotlib": {"plots", "widgets"},
    "seaborn": {"plots", "widgets"},
    "tensorflow": {"backend"},
    "keras": {"backend"},
    "foolbox": {"minimum_noise"},
}
PACKAGE = Package(ROOT)
NAMES = [name for name in PACKAGE.names() if name]
FACES = [name for name in NAMES if PACKAGE.module(name).path.stem == "__init__"]


def noun(name):
    return name.partition(".")[0]


def parsed(name):
    return ast.parse(PACKAGE.module(name).path.read_text(encoding="utf-8"))


def imported(name):
    """Noun, and whether by its face, of every import of the package."""
    tree = parsed(name)
    for _, target in imports(tree):
        if target.module:
            yield noun(target.module), "." not in target.module
        elif target.name:
            yield target.name, True
    for node in ast.walk(tree):
        for alias in node.names if isinstance(node, ast.Import) else ():
            if alias.name.startswith("helpers."):
                yield alias.name.split(".")[1], alias.name.count(".") == 1


def test_the_tests_stand_beside_what_they_test():
    files = {path.relative_to(ROOT / "tests") for path in (ROOT / "tests").glob("*/test_*.py")}
    rooms = {(ROOT / "helpers" / path.parent / path.name.removeprefix("test_")): path for path in files}
    assert not [str(path) for place, path in rooms.items() if not place.is_file()]


def test_there_are_few_nouns():
    assert {noun(name) for name in NAMES} == set(MAY) and len(MAY) <= 16 + 1  # the command line is no noun


@pytest.mark.parametrize("name", NAMES)
def test_a_noun_imports_what_it_may_by_its_face(name):
    for other, by_face in imported(name):
        if other != noun(name):
            assert other in MAY[noun(name)], f"{name} imports {other}"
            assert by_face, f"{name} looks behind the face of {other}"


@pytest.mark.parametrize("name", NAMES)
def test_imports_say_in_full_what_they_bind(name):
    for node in ast.walk(parsed(name)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level and all(alias.name != "*" for alias in node.names), ast.unparse(node)


@pytest.mark.parametrize("name", NAMES)
def test_a_library_has_its_room(name):
    tree = parsed(name)
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    for library in {module.partition(".")[0] for module in found} & ONLY.keys():
        assert noun(name) in ONLY[library], f"{name} imports {library}"


@pytest.mark.parametrize("name", FACES)
def test_a_face_is_short_and_defines_nothing(name):
    path = PACKAGE.module(name).path
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 30
    assert ast.get_docstring(parsed(name))
    assert not set(PACKAGE.module(name).definitions) - {"__all__"}
    face = importlib.import_module(f"helpers.{name}")
    exported = [*face.__all__]
    assert len(set(exported)) == len(exported) and all(hasattr(face, each) for each in exported)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_short(name):
    assert len(PACKAGE.module(name).path.read_text(encoding="utf-8").splitlines()) <= 310


def test_listing_starts_no_tensorflow():
    code = (
        "import sys; from helpers.__main__ import main; main(['list']); sys.exit('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
