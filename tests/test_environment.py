"""pyproject.toml, requirements.lock, environment.yml, the Makefile and .ci/run must say the same."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = [
    line
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if line.strip() and not line.startswith("#")
]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
PYTHONS = ("3.11", "3.12", "3.13")


def locked(python):
    """Return name and version of every line of the lock that counts under a Python on Linux."""
    environment = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.6",
        "python_version": python,
        "sys_platform": "linux",
    }
    requirements = map(Requirement, LOCK)
    counted = [r for r in requirements if r.marker is None or r.marker.evaluate(environment)]
    names = [canonicalize_name(requirement.name) for requirement in counted]
    assert len(names) == len(set(names)), "a package is locked to two versions at once"
    return {name: str(r.specifier).removeprefix("==") for name, r in zip(names, counted, strict=True)}


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_meets_every_requirement(python):
    versions = locked(python)
    wanted = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["dev"]
    wanted += PROJECT["build-system"]["requires"]  # the editable install builds with what is locked
    for requirement in map(Requirement, wanted):
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not locked: make lock"
        assert requirement.specifier.contains(version), f"{requirement} is locked to {version}: make lock"


def test_the_lock_pins_versions_and_nothing_else():
    for line in LOCK:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+( ; .+)?", line), line


@pytest.mark.parametrize("name", ["requirements.lock", "environment.yml"])
def test_no_address_hash_or_local_path(name):
    text = (ROOT / name).read_text()
    assert not re.search(r"\w+://|--hash|--index|--find-links|\bfile:|(^|\s)[/~]\w| @ ", text)


def test_conda_installs_from_the_lock_and_the_project():
    *packages, pip = CONDA["dependencies"]
    assert pip == {"pip": ["-r requirements.lock", "-e ."]}
    assert "pip" in packages
    assert CONDA["channels"] == ["conda-forge", "nodefaults"]


def test_every_file_accepts_the_same_pythons():
    accepted = SpecifierSet(PROJECT["project"]["requires-python"])
    conda = next(p for p in CONDA["dependencies"] if str(p).startswith("python"))
    assert SpecifierSet(conda.removeprefix("python")) == accepted
    make = dict(re.findall(r"^(OLDEST|NEWEST) = (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert (make["OLDEST"], make["NEWEST"]) == (PYTHONS[0], PYTHONS[-1])
    minors = [f"3.{minor}" for minor in range(30) if f"3.{minor}" in accepted]
    assert minors == list(PYTHONS)


def test_continuous_integration_runs_the_command_of_the_readme():
    command = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    blocks = re.findall(r"^```\w*\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    assert command in lines
