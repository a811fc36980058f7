"""Fixtures of all tests."""

from pathlib import Path

import pytest
from small_project import make_project


def pytest_collection_modifyitems(items):
    """Put the longest file first, so that the others run beside it."""
    items.sort(key=lambda item: item.path.name != "test_workbook.py")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a fresh small project."""
    return make_project(tmp_path / "small project")
