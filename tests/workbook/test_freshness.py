import json
import os
import re
import time

import pytest

from helpers import outputs
from helpers.workbook import notebooks
from helpers.workbook.freshness import Workbook

STEMS = ("01_source", "02_user", "03_alone")


def assemble(project, data="1", **seeds):
    books = notebooks.find(project)
    parameters = {stem: {"profile": "quick", "seed": seeds.get(f"n{stem[:2]}", 0)} for stem in books}
    return Workbook(books, parameters, outputs.folder("quick", "signs", project), data)


def finished(project, **seeds):
    """The workbook after every notebook has run: inputs first, then the marker, as Snakemake leaves them."""
    book = assemble(project, **seeds)
    for stem in STEMS:
        book.prepare(stem)
        table = book.folder / "tables" / f"{stem[:2]}_value.csv"
        table.parent.mkdir(exist_ok=True)
        table.write_text("value\n1\n")
        outputs.write_json(book.done(stem), {f"tables/{table.name}": outputs.sha256(table)})
        time.sleep(0.01)
    return book


@pytest.fixture
def done(project):
    """A project in which every notebook has run."""
    finished(project)
    return project


def reasons(book):
    return {stem: reason for stem in STEMS if (reason := book.why(stem))}


def test_a_notebook_that_never_ran_or_was_stopped_says_so(project):
    book = assemble(project)
    assert book.why("01_source") == "never ran"
    book.prepare("01_source")
    assert book.why("01_source") == "not finished yet"


def test_nothing_changed_is_up_to_date_and_touching_changes_nothing(done):
    for path in [*(done / "helpers").rglob("*.py"), *(done / "notebooks").glob("*.ipynb")]:
        path.touch()
    book = assemble(done)
    before = book.inputs("01_source").stat().st_mtime_ns
    book.prepare("01_source")
    assert book.inputs("01_source").stat().st_mtime_ns == before
    assert not reasons(book)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("alpha/inner/signs", {"01_source": "changed: sign"}),  # two floors down, through two faces
        ("deep", {"01_source": "changed: SIGN"}),
        ("beta", {"02_user": "changed: FACTOR"}),
        ("workbook/pipeline", {}),
    ],
)
def test_a_changed_definition_concerns_those_that_use_it(done, module, expected):
    path = done / "helpers" / f"{module}.py"
    path.write_text(re.sub("(= |return )(.+)$", r"\1(\2) * 1", path.read_text(), flags=re.MULTILINE))
    assert reasons(assemble(done)) == expected


def test_what_changes_no_number_makes_nothing_out_of_date(done):
    path = done / "helpers" / "deep.py"
    path.write_text('"""Now it is explained."""\n\nimport math\n\nSIGN = 1  # of what\nUNUSED = 2\n')
    assert not reasons(assemble(done))


def test_a_definition_that_moves_makes_nothing_out_of_date(done):
    inner = done / "helpers" / "alpha" / "inner"
    (inner / "moved.py").write_text(
        (inner / "signs.py")
        .read_text()
        .replace("deep.SIGN", "SIGN")
        .replace("from helpers import deep", "from helpers.deep import SIGN")
    )
    (inner / "signs.py").unlink()
    (inner / "__init__.py").write_text("from helpers.alpha.inner.moved import sign\n")
    assert not reasons(assemble(done))
    (inner / "moved.py").write_text((inner / "moved.py").read_text().replace("1 *", "2 *"))
    assert reasons(assemble(done)) == {"01_source": "changed: sign"}


def test_a_comment_two_floors_down_makes_nothing_out_of_date(done):
    path = done / "helpers" / "alpha" / "inner" / "signs.py"
    path.write_text(
        path.read_text().replace("def sign():", 'def sign() -> int:  # of it\n    """A sign."""\n')
    )
    assert not reasons(assemble(done))


def test_changed_parameters_data_and_code_are_named(done):
    assert reasons(assemble(done, n02=5)) == {"02_user": "changed: seed"}
    assert reasons(assemble(done, data="2")) == dict.fromkeys(STEMS, "changed: data")
    path = done / "notebooks" / "03_alone.ipynb"
    path.write_text(path.read_text().replace("import math", "import cmath"))
    assert reasons(assemble(done)) == {"03_alone": "changed: notebook"}


@pytest.mark.parametrize("place", ["relative", "absolute", "home"])
def test_a_changed_file_that_a_parameter_names_makes_its_notebook_out_of_date(project, place, monkeypatch):
    monkeypatch.setenv("HOME", str(project))
    mine = project / "mine.keras"
    mine.write_text("weights")
    given = {"relative": "mine.keras", "absolute": str(mine), "home": "~/mine.keras"}[place]
    book = finished(project, n02=given)
    mine.touch()
    assert not reasons(book)
    mine.write_text("weights, trained longer")
    assert reasons(book) == {"02_user": "changed: seed"}
    book.prepare("02_user")
    assert not reasons(book)
    mine.unlink()
    assert reasons(book) == {"02_user": "changed: seed"}
    other = assemble(project, n02=str(project / "helpers" / "beta.py"))
    assert reasons(other) == {"02_user": "changed: seed"}


@pytest.mark.parametrize("text", ["", ".", "notebooks", "quick", "a" * 5000, "nul\0", "~nobody/x"])
def test_text_and_folders_are_no_files(done, text):
    book = assemble(done, n02=text)
    assert "files" not in book.current("02_user")
    assert reasons(book) == {"02_user": "changed: seed"}


def test_outputs_stored_in_a_notebook_change_nothing(done):
    path = done / "notebooks" / "03_alone.ipynb"
    content = json.loads(path.read_text())
    content["cells"][1] |= {
        "execution_count": 4,
        "outputs": [{"output_type": "stream", "text": "x", "name": "stdout"}],
    }
    path.write_text(json.dumps(content))
    assert not reasons(assemble(done))


def test_a_published_table_concerns_the_notebooks_that_name_it(done):
    (done / "data" / "published" / "cmath.csv").write_text("a\n")
    (done / "data" / "published" / "math.csv").write_text("a\n")
    assert reasons(assemble(done)) == {"03_alone": "changed: math.csv"}


def test_a_lost_result_or_an_overwritten_table_is_made_again(done):
    book = assemble(done)
    (book.folder / "tables" / "01_value.csv").unlink()
    (book.folder / "tables" / "02_value.csv").write_text("value\n2\n")
    assert reasons(book) == {
        "01_source": "missing or overwritten: tables/01_value.csv",
        "02_user": "missing or overwritten: tables/02_value.csv",
    }
    book.prepare("01_source")
    assert not book.done("01_source").exists()


def test_newer_results_upstream_make_a_notebook_out_of_date(done):
    book = assemble(done)
    os.utime(book.done("01_source"))
    assert reasons(book) == {"02_user": "newer results of 01_source"}
