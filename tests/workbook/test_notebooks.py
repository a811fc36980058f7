import ast
import json
import re

import pytest
from small_project import ROOT, notebook

from helpers import outputs
from helpers.workbook import notebooks
from helpers.workbook.notebooks import Notebook, Refused


def write(project, stem, content):
    path = project / "notebooks" / f"{stem}.ipynb"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return Notebook(path)


def test_title_needs_and_parameters_are_read_from_the_file(project):
    parameters = (
        'seed = 0  # a comment\nrate: float = 0.1\nlevels = {\n    "min": [1, 2],\n}\nfirst = second = int(1)'
    )
    book = write(project, "05_gan", notebook(["01_source"], parameters, "hidden = 1"))
    assert (book.stem, book.title, book.needs) == ("05_gan", "A title", ("01_source",))
    values = {"seed": 0, "rate": 0.1, "levels": {"min": [1, 2]}, "first": None, "second": None}
    assert book.parameters == values  # None: computed


@pytest.mark.parametrize("content", ['{"cells": [', "[]", "{}"])
def test_a_damaged_notebook_is_refused_by_name(project, content):
    write(project, "05_gan", content)
    with pytest.raises(Refused, match=r"05_gan\.ipynb is not a notebook"):
        notebooks.find(project)


def test_a_cell_that_is_not_python_hides_no_other(project):
    book = write(
        project,
        "05_gan",
        notebook([], "seed = 0", "%matplotlib inline", "from helpers import beta\nbeta.FACTOR"),
    )
    assert list(book.code(outputs.Package(project))) == ["FACTOR"]


def test_a_need_that_does_not_exist_is_refused(project):
    write(project, "05_gan", notebook(["01_sauce"], "seed = 0"))
    with pytest.raises(Refused, match=r"05_gan\.ipynb needs the notebook 01_sauce, .*did you mean 01_source"):
        notebooks.find(project)


def test_selection_takes_names_numbers_and_files(project):
    books = notebooks.find(project)
    assert notebooks.select([], books) == list(books)
    assert notebooks.select(["03", "01_source", "notebooks/01_source.ipynb"], books) == [
        "01_source",
        "03_alone",
    ]
    with pytest.raises(Refused, match="notebook 02_usr, which is unknown; did you mean 02_user"):
        notebooks.select(["02_usr"], books)


def test_upstream_goes_all_the_way(project):
    write(project, "05_gan", notebook(["02_user"], "seed = 0"))
    books = notebooks.find(project)
    assert notebooks.upstream(["05_gan"], books) == ["01_source", "02_user"]
    assert notebooks.upstream(["05_gan", "02_user"], books) == ["01_source"]
    assert notebooks.upstream(["03_alone"], books) == []


BOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def cells_of(path, kind):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == kind]


def text(cell):
    return "".join(cell["source"])


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
class TestAnatomy:
    """What a reader may rely on in every notebook of the workbook."""

    def test_it_opens_with_title_question_reads_writes_time_and_papers(self, path):
        opening = text(cells_of(path, "markdown")[0])
        assert opening.startswith(f"# {path.stem[:2]} · ")
        for heading in ("Question", "Reads", "Writes", "Time", "Papers"):
            assert f"**{heading}" in opening

    def test_it_ends_with_results_and_a_conclusion(self, path):
        headings = [text(cell).partition("\n")[0] for cell in cells_of(path, "markdown")]
        assert [heading for heading in headings if heading.startswith("## ")][-2:] == [
            "## Results",
            "## Conclusion",
        ]

    def test_parameters_are_literals_with_a_comment_each(self, path):
        tagged = [c for c in cells_of(path, "code") if "parameters" in c["metadata"].get("tags", [])]
        assert len(tagged) == 1
        lines = text(tagged[0]).splitlines()
        for line, node in zip(lines, ast.parse(text(tagged[0])).body, strict=True):
            ast.literal_eval(node.value)
            assert "  # " in line
        assert {"profile", "dataset", "data_root", "seed"} <= Notebook(path).parameters.keys()

    def test_code_is_short_and_defines_nothing(self, path):
        for cell in cells_of(path, "code"):
            assert len(text(cell).splitlines()) <= (30 if cell["metadata"].get("tags") else 15), text(cell)
            tree = ast.parse(text(cell))
            assert not any(isinstance(node, ast.ClassDef | ast.FunctionDef) for node in ast.walk(tree))

    def test_it_is_stored_without_outputs(self, path):
        assert not any(c["outputs"] or c["execution_count"] for c in cells_of(path, "code"))

    def test_it_ends_by_writing_its_manifest(self, path):
        assert text(cells_of(path, "code")[-1]) == "run.finish(splits.digest)"

    def test_its_needs_and_its_links_exist(self, path):
        assert set(Notebook(path).needs) <= {other.stem for other in BOOKS}
        for cell in cells_of(path, "markdown"):
            for link in re.findall(r"\]\(([^)#:]+)\)", text(cell)):
                assert (path.parent / link).exists(), link
