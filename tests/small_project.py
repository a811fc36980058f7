"""A small project in a temporary folder: the real runner with tiny notebooks and helper modules."""

import json
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNNER = ("__init__.py", "__main__.py", "outputs", "workbook")

HELPERS = {
    "alpha/__init__": "from helpers.alpha.inner import sign\n",
    "alpha/inner/__init__": "from helpers.alpha.inner.signs import sign\n",
    "alpha/inner/signs": "from helpers import deep\n\n\ndef sign():\n    return 1 * deep.SIGN\n",
    "deep": "SIGN = 1\n",
    "beta": "FACTOR = 10\n",
    "datasets": 'NAMES = ("signs", "gtsrb", "folder:<path>")\n\n'
    "from pathlib import Path\n\n\ndef source_digest(name, root):\n"
    '    return name + Path("data/version.txt").read_text()\n',
}

GIVEN = 'profile = "quick"\ndataset = "signs"\ndata_root = "data"\n'

NOTEBOOKS = {
    "01_source": (
        [],
        GIVEN + "seed = 0\nrate = 0.5\nhold = ''",
        "import os, pathlib, time\nimport pandas\nfrom helpers import alpha, outputs\n"
        "run = outputs.Run('01_source', globals())",
        "if hold:\n    pathlib.Path(hold, 'kernel').write_text(str(os.getpid()))\n"
        "    while not pathlib.Path(hold, 'go').exists():\n        time.sleep(0.05)",
        "run.table(pandas.DataFrame({'value': [alpha.sign() * (seed + rate)]}), 'value')\nrun.finish()",
    ),
    "02_user": (
        ["01_source"],
        GIVEN + "seed = 100",
        "import pandas\nimport helpers.beta\nfrom helpers import outputs\n"
        "run = outputs.Run('02_user', globals())\nabove = run.folder / 'tables/01_value.csv'",
        "run.table(pandas.read_csv(above) * helpers.beta.FACTOR + seed, 'value')\nrun.finish()",
    ),
    "03_alone": (
        [],
        GIVEN + "fail = False",
        "import math",
        "if fail:\n    raise ValueError('on purpose')",
    ),
    "04_dies": (
        [],
        GIVEN + "fail = False",
        "import os",
        "if fail:\n    os._exit(9)",
    ),
}


def notebook(needs: list[str], parameters: str, *cells: str) -> dict:
    """Return a notebook with a heading, a cell tagged `parameters`, and code cells."""
    code = {"cell_type": "code", "execution_count": None, "outputs": []}
    tagged = code | {"id": "parameters", "metadata": {"tags": ["parameters"]}, "source": parameters}
    rest = [code | {"id": f"cell-{n}", "metadata": {}, "source": text} for n, text in enumerate(cells)]
    heading = {"cell_type": "markdown", "id": "heading", "metadata": {}, "source": "# A title\n\ntext"}
    metadata = {"workbook": {"needs": needs}}
    return {"cells": [heading, tagged, *rest], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def make_project(root: Path) -> Path:
    """Fill `root` with the small project."""
    for folder in ("helpers", "notebooks/profiles", "data/published"):
        (root / folder).mkdir(parents=True)
    for part in RUNNER:
        copy = shutil.copytree if (ROOT / "helpers" / part).is_dir() else shutil.copy
        copy(ROOT / "helpers" / part, root / "helpers" / part)
    shutil.copy(ROOT / "Snakefile", root)
    for name, text in HELPERS.items():
        path = root / "helpers" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for stem, content in NOTEBOOKS.items():
        (root / "notebooks" / f"{stem}.ipynb").write_text(json.dumps(notebook(*content)))
    (root / "data" / "version.txt").write_text("1")
    profile = "common: {seed: 3}\nnotebooks:\n  02_user: {seed: 4}\n"
    (root / "notebooks" / "profiles" / "quick.yaml").write_text(profile)
    (root / "notebooks" / "profiles" / "smoke.yaml").write_text("common: {seed: 1e-3}\n")
    return root
