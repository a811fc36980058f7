"""Fixtures of all tests."""

from pathlib import Path

import pytest
from small_project import make_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a fresh small project."""
    return make_project(tmp_path / "small project")
