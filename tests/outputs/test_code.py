import ast

import pytest

from helpers import outputs, training

FILES = {
    "__init__": "",
    "noise/__init__": "from helpers.noise.models import add\nfrom helpers.noise import philox\n",
    "noise/models": "from helpers.noise import philox\n\n\ndef add(x):\n    return x + philox.draw(2)\n",
    "noise/philox": "COUNT = 3\n\n\ndef draw(x):\n    return x * COUNT\n\n\ndef unused():\n    return 0\n",
    "plots/__init__": "from helpers.plots.looks import style\n",
    "plots/looks": "def style():\n    return 1\n",
    "flat": "import os\n\nos.environ['A'] = 'b'\nVALUE = 1\n",
}
ADDS = "from helpers import noise\nnoise.add(1)"


@pytest.fixture
def root(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "helpers" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def reached(root, code=ADDS, **options):
    return outputs.Package(root).reached([ast.parse(code)], **options)


def change(root, name, *pairs):
    path = root / "helpers" / f"{name}.py"
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


@pytest.mark.parametrize(
    "code",
    [
        ADDS,
        "from helpers.noise import add\nadd(1)",
        "from helpers.noise.models import add as plus\nplus(1)",
        "import helpers.noise\nhelpers.noise.add(1)",
        "import helpers.noise as n, os\nn.add(1)",
        "def late():\n    from helpers import noise\n    return noise.add",
        "from helpers import noise\nnoise.models.add(1)",
    ],
)
def test_definitions_are_found_through_faces_and_folders(root, code):
    assert list(reached(root, code)) == ["COUNT", "add", "draw"]


def test_a_module_passed_as_a_thing_counts_as_a_whole(root):
    found = reached(root, "from helpers import noise\nprint(noise)")
    assert {"COUNT", "add", "draw", "unused"} <= set(found)


def test_statements_outside_of_definitions_count(root):
    code = "from helpers import flat\nflat.VALUE"
    before = reached(root, code)
    change(root, "flat", ("'b'", "'c'"))
    assert reached(root, code) != before


@pytest.mark.parametrize(
    ("name", "old", "new", "changed"),
    [
        ("noise/philox", "COUNT = 3", "COUNT = 4", ["COUNT"]),
        ("noise/philox", "x * COUNT", "x / COUNT", ["draw"]),
        ("noise/models", "x + philox", "x - philox", ["add"]),
        ("noise/philox", "return 0", "return 1", []),  # nothing uses it
        ("plots/looks", "return 1", "return 2", []),
    ],
)
def test_a_changed_line_changes_what_uses_it(root, name, old, new, changed):
    before = reached(root)
    change(root, name, (old, new))
    after = reached(root)
    assert [key for key in after if after[key] != before[key]] == changed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("COUNT = 3", "\n\nCOUNT = 3"),
        ("COUNT = 3", "# so many\nCOUNT = 3"),
        ("def draw(x):\n", 'def draw(x):\n    """Draw."""\n'),
        ("def draw(x):", "def draw(x: int) -> int:"),
        ("COUNT = 3", "import math\n\nCOUNT = 3"),
        ("    return x * COUNT", "\n    return (\n        x * COUNT\n    )"),
        ("def draw", "NEW = 1\n\n\ndef draw"),
    ],
    ids=["blank lines", "comment", "docstring", "hint", "import", "layout", "new definition"],
)
def test_what_computes_nothing_changes_nothing(root, old, new):
    before = reached(root)
    change(root, "noise/philox", (old, new))
    assert reached(root) == before


def test_a_definition_may_move(root):
    before = reached(root)
    change(root, "noise/philox", ("COUNT = 3", "from helpers.noise.counts import COUNT"))
    (root / "helpers" / "noise" / "counts.py").write_text("COUNT = 3\n")
    moved = ("from helpers.noise import philox", "from helpers.noise.philox import draw")
    change(root, "noise/models", ("philox.draw", "draw"), moved)
    assert reached(root) == before


def test_definitions_of_one_name_both_count(root):
    change(root, "plots/looks", ("def style", "def draw"), ("return 1", "return COUNT"))
    change(root, "plots/__init__", ("style", "draw"))
    code = f"{ADDS}\nfrom helpers import plots\nplots.draw()"
    before = reached(root, code)
    change(root, "plots/looks", ("return COUNT", "return 5"))
    after = reached(root, code)
    assert list(after) == ["COUNT", "add", "draw"] and after["draw"] != before["draw"]


def test_faces_with_definitions_of_one_name_never_collide(root):
    code = "from helpers import noise, plots\nnoise.SIZE, plots.SIZE"
    for room in ("noise", "plots"):
        path = root / "helpers" / room / "__init__.py"
        path.write_text(path.read_text() + "SIZE = 1\n")
    seen = [reached(root, code)]
    for room in ("noise", "plots"):
        change(root, f"{room}/__init__", ("SIZE = 1", "SIZE = 2"))
        seen.append(reached(root, code))
        change(root, f"{room}/__init__", ("SIZE = 2", "SIZE = 1"))
    assert all(list(found) == ["SIZE"] for found in seen)
    assert seen[0] != seen[1] and seen[0] != seen[2] and reached(root, code) == seen[0]
    assert reached(root, "from helpers import noise\nnoise.SIZE") != seen[0]


@pytest.mark.parametrize(
    "code", ["from helpers import noise\nnoise.philox", "import helpers.noise.philox as p\nprint(p)"]
)
def test_a_module_behind_a_face_is_a_thing_too(root, code):
    assert {"COUNT", "draw", "unused"} <= set(reached(root, code))


def test_definitions_that_use_one_another_end(root):
    change(
        root, "noise/philox", ("return x * COUNT", "return x and unused()"), ("return 0", "return draw(0)")
    )
    assert list(reached(root)) == ["add", "draw", "unused"]


def test_what_is_set_apart_does_not_count(root):
    assert reached(root, apart=("noise",)) == {}


def test_a_training_rests_on_noise_and_augmentation_but_on_no_store():
    found = outputs.rests_on(training.fit)
    assert {"batches", "mixture", "gaussian", "draw", "camera", "with_precision", "SHOT"} <= set(found)
    assert not {"Store", "Run", "atomic", "psnr"} & set(found)


def test_a_function_from_elsewhere_counts_by_its_source():
    assert list(outputs.rests_on(reached)) == ["reached"]
