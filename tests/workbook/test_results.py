"""The page of results: every kept table, from where, and by which section."""

import json

import pandas as pd
import pytest
from small_project import notebook

from helpers.workbook import results

CELLS = ("run.show(table, 'first')", 'run.table(long, "long")')


@pytest.fixture
def kept(project):
    """The small project with two kept tables of a notebook."""
    book = notebook([], 'profile = "quick"\ntrainings = 1\nrate = 0.5\nkinds = ["a"]', *CELLS)
    (project / "notebooks" / "profiles" / "full.yaml").write_text("notebooks: {05_gan: {trainings: 3}}")
    section = {"cell_type": "markdown", "id": "s", "metadata": {}, "source": "## How much?\n\ntext"}
    book["cells"].insert(3, section)  # before the second table
    (project / "notebooks" / "05_gan.ipynb").write_text(json.dumps(book))
    folder = project / "outputs" / "reference" / "full-gtsrb"
    for part in ("tables", "manifest"):
        (folder / part).mkdir(parents=True)
    short = pd.DataFrame(
        {"model": ["a", "b"], "accuracy": [90.123, 80.0], "low": [89.0, 79.0], "high": [91.0, 81.0]}
    )
    short.to_csv(folder / "tables" / "05_first.csv", index=False)
    pd.DataFrame({"x": range(results.LONGEST + 1)}).to_csv(folder / "tables" / "05_long.csv", index=False)
    said = {
        "notebook": "05_gan",
        "parameters": {"trainings": 3, "rate": 0.5, "kinds": ["b"], "gone": 1},
        "started": "2026-01-02T03:04",
        "seconds": 61.2,
    }
    said |= {"files": {"tables/05_first.csv": {}, "tables/05_long.csv": {}, "figures/05_x.png": {}}}
    (folder / "manifest" / "05_gan.json").write_text(json.dumps(said))
    return project


def test_a_short_table_is_shown_with_its_intervals_and_its_file(kept):
    page = results.text(kept)
    assert "## gtsrb, profile full" in page and "### A title" in page and "3 trainings of each" in page
    assert "[05_first.csv](outputs/reference/full-gtsrb/tables/05_first.csv)" in page
    assert "| a | 90.12 [89.00, 91.00] |" in page and "| b | 80.00 [79.00, 81.00] |" in page


def test_figures_are_linked_where_they_are_kept(kept):
    assert "05_x" not in results.text(kept)
    figure = kept / "outputs" / "reference" / "full-gtsrb" / "figures" / "05_x.png"
    figure.parent.mkdir()
    figure.touch()
    assert "Figures: [x](outputs/reference/full-gtsrb/figures/05_x.png).\n" in results.text(kept)


def test_a_long_table_is_linked_under_the_section_that_makes_it(kept):
    (line,) = (line for line in results.text(kept).splitlines() if "05_long" in line)
    assert f"{results.LONGEST + 1} rows" in line and "notebook section “How much?”" in line


def test_the_command_names_what_the_profile_has_otherwise(kept):
    (line,) = (line for line in results.text(kept).splitlines() if line.startswith("    "))
    options = """--profile full --dataset gtsrb -p 'kinds=["b"]'"""
    assert line.strip() == f".venv/bin/python -m helpers run 05 {options}"


def test_the_page_is_written_to_the_project(kept):
    path = results.write(kept)
    assert path == kept / "RESULTS.md" and path.read_text(encoding="utf-8") == results.text(kept)
