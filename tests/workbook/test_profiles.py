import ast

import pytest

from helpers.workbook import notebooks, profiles
from helpers.workbook.notebooks import Refused


@pytest.fixture
def books(project):
    return notebooks.find(project)


def write(project, text):
    (project / "notebooks" / "profiles" / "quick.yaml").write_text(text)


def test_common_parameters_go_to_those_that_know_them_and_own_ones_win(project, books):
    assert profiles.load("quick", books, project) == {
        "01_source": {"seed": 3},
        "02_user": {"seed": 4},
        "03_alone": {},
        "04_dies": {},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("common: {sed: 1}", r"quick\.yaml: common: parameter sed, which is unknown; did you mean seed"),
        ("notebooks: {02_user: {rate: 1}}", r"quick\.yaml: 02_user: parameter rate, which is unknown"),
        (
            "notebooks: {02_usr: {seed: 1}}",
            r"quick\.yaml: notebook 02_usr, which is unknown; did you mean 02_user",
        ),
        ("comon: {seed: 1}", r"quick\.yaml: section comon, which is unknown; did you mean common"),
        ("common: [seed]", r"quick\.yaml: common must be a mapping"),
        ("common: {seed: 1", r"quick\.yaml is not valid YAML"),
    ],
)
def test_a_faulty_profile_is_refused_by_name(project, books, text, message):
    write(project, text)
    with pytest.raises(Refused, match=message):
        profiles.load("quick", books, project)


def test_an_empty_profile_changes_nothing(project, books):
    write(project, "common:\nnotebooks:\n  03_alone:\n")
    assert set(profiles.load("quick", books, project)) == set(books)
    assert not any(profiles.load("quick", books, project).values())


def test_settings_are_yaml_literals(books):
    given = ["seed=7", "rate=1e-3", "hold=text", "fail=true"]
    expected = {"seed": 7, "rate": 0.001, "hold": "text", "fail": True}
    assert profiles.read_settings(given, books) == expected
    assert profiles.read_settings(["seed=[1, null]"], books) == {"seed": [1, None]}
    with pytest.raises(Refused, match="-p seed=\\[1: the value is not a YAML literal"):
        profiles.read_settings(["seed=[1"], books)


def test_a_setting_must_be_known_by_a_selected_notebook(books):
    with pytest.raises(Refused, match="02_user, 03_alone: parameter rate, which is unknown"):
        profiles.read_settings(["rate=1"], {stem: books[stem] for stem in ("02_user", "03_alone")})


def test_data_sets_are_checked_by_name():
    profiles.check_dataset("fashion_mnist")
    profiles.check_dataset("folder:/anywhere")
    with pytest.raises(Refused, match="data set minst, which is unknown; did you mean mnist"):
        profiles.check_dataset("minst")
    with pytest.raises(Refused, match="data set folder:, which is unknown"):
        profiles.check_dataset("folder:")


def test_the_workbooks_own_profiles_fit_its_notebooks():
    books = notebooks.find()
    assert profiles.names() == ["full", "quick", "smoke"]
    for name in profiles.names():
        assert set(profiles.load(name, books)) == set(books)


def defaults(book):
    """What the cell of parameters assigns: names and literals."""
    (text,) = (text for _, text, tags in book.source if "parameters" in tags)
    return {statement.targets[0].id: ast.literal_eval(statement.value) for statement in ast.parse(text).body}


def test_a_notebook_agrees_with_those_it_reads_on_what_both_have():
    books = notebooks.find()
    for name in profiles.names():
        given = profiles.load(name, books)
        values = {stem: defaults(book) | given[stem] for stem, book in books.items()}
        pairs = [(stem, other) for stem, book in books.items() for other in book.needs]
        assert ("07_restoration_fusion", "09_ensembles") in pairs
        assert ("08_minimum_noise_search", "09_ensembles") in pairs
        for stem, other in pairs:
            ours, theirs = values[stem], values[other]
            shared = ours.keys() & theirs.keys()
            assert {"seed", "image_size", "fit", "train_images", "test_images"} <= shared
            assert ("sweep_images" in shared) == (stem != "04_pretrained_models")  # which sweeps nothing
            assert {key: ours[key] for key in shared} == {key: theirs[key] for key in shared}
        search = values["08_minimum_noise_search"]
        assert search["members"] <= values["09_ensembles"]["members"]
        assert search["images"] <= search["sweep_images"]
