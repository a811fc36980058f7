from types import SimpleNamespace

import pytest

from helpers import outputs
from helpers.workbook import notebooks, pipeline
from helpers.workbook.freshness import Workbook

STEMS = ("01_source", "02_user", "03_alone", "04_dies")


@pytest.fixture
def book(project, monkeypatch):
    monkeypatch.setattr(outputs, "ROOT", project)
    books = notebooks.find(project)
    parameters = {stem: {"profile": "quick"} for stem in books}
    return Workbook(books, parameters, outputs.folder("quick", "signs", project), "1")


@pytest.fixture
def snakemake(monkeypatch):
    """What Snakemake is asked for; it says the events given, and leaves the markers of what finished."""
    asked = SimpleNamespace(selected=None, events=[], status=0)

    def pretend(workbook, selected, progress, log, environment, cores):
        asked.selected = selected
        log.write_text("".join(f"line {number}\n" for number in range(30)))
        for event in asked.events:
            progress.hear(**event)
            if event["event"] == "finished":
                outputs.write_json(workbook.done(event["notebook"]), {})
        return asked.status

    monkeypatch.setattr(pipeline, "_snakemake", pretend)
    return asked


def events(*finished, failed=()):
    for stem in (*finished, *failed):
        yield {"event": "started", "notebook": stem}
        ended = {"notebook": stem, "seconds": 2.0}
        yield ended | ({"event": "failed", "error": "cell [1]"} if stem in failed else {"event": "finished"})


def test_what_is_missing_upstream_is_run_too_and_counted(book, snakemake, capsys):
    snakemake.events = [*events("01_source", "02_user")]
    assert pipeline.run(book, ["02_user"], "data", 2)
    said = capsys.readouterr().out.splitlines()
    assert said[:4] == ["01_source …", "[1/2] 01_source 2 s", "02_user …", "[2/2] 02_user 2 s"]
    assert said[4].startswith("2 ran in ") and len(said) == 5
    assert snakemake.selected == ["02_user"] and book.inputs("01_source").is_file()


def test_what_a_failure_holds_up_is_named(book, snakemake, capsys):
    snakemake.events, snakemake.status = [*events("03_alone", failed=["01_source"])], 1
    assert not pipeline.run(book, list(STEMS[:3]), "data", 2)
    said = capsys.readouterr().out
    assert "[2/3] 01_source failed after 2 s\n01_source failed in cell [1]\n" in said
    assert "not run, because of that: 02_user\n1 ran, 1 failed, 1 not run in" in said


def test_an_end_without_a_word_shows_the_end_of_the_log(book, snakemake, capsys):
    snakemake.status = 3
    assert not pipeline.run(book, ["03_alone"], "data", 2)
    said = capsys.readouterr().out
    assert "Snakemake stopped with status 3; the end of " in said
    assert "line 29\n" in said and "line 9\n" not in said


def test_a_second_run_finds_all_up_to_date(book, snakemake, capsys):
    snakemake.events = [*events(*STEMS)]
    assert pipeline.run(book, list(STEMS), "data", 2)
    capsys.readouterr()
    snakemake.events = []
    assert pipeline.run(book, list(STEMS), "data", 2)
    assert capsys.readouterr().out.startswith("4 up to date in ")
