"""Profiles: which parameters each notebook gets, checked against what it knows before anything runs."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from helpers import datasets, outputs
from helpers.workbook.notebooks import Notebook, Refused, near


class _Loader(yaml.SafeLoader):
    """YAML's plain values, with `1e-3` a number as in YAML 1.2 (PyYAML reads it as text)."""


_SCIENTIFIC = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _SCIENTIFIC, list("+-0123456789"))


def names(root: Path = outputs.ROOT) -> list[str]:
    """Return the profiles there are: the files `notebooks/profiles/<name>.yaml`."""
    return sorted(path.stem for path in (root / "notebooks" / "profiles").glob("*.yaml"))


def load(name: str, workbook: Mapping[str, Notebook], root: Path = outputs.ROOT) -> dict[str, dict]:
    """Return each notebook's parameters in the profile `name`: its `common` ones that it knows, then its own.

    Refuses an unknown profile, notebook or parameter by name.
    """
    if name not in names(root):
        raise Refused(f"profile {name}{near(name, names(root))}")
    path = root / "notebooks" / "profiles" / f"{name}.yaml"
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except yaml.YAMLError as error:
        raise Refused(f"{path.name} is not valid YAML: {error}") from error
    content = _mapping(content, path.name)
    for section in content:
        if section not in ("common", "notebooks"):
            raise Refused(f"{path.name}: section {section}{near(section, ('common', 'notebooks'))}")
    common = _mapping(content.get("common"), f"{path.name}: common")
    own = _mapping(content.get("notebooks"), f"{path.name}: notebooks")
    everywhere = frozenset().union(*(notebook.parameters for notebook in workbook.values()))
    _refuse_unknown(common, everywhere, f"{path.name}: common")
    for stem in own:
        if stem not in workbook:
            raise Refused(f"{path.name}: notebook {stem}{near(stem, workbook)}")
        own[stem] = _mapping(own[stem], f"{path.name}: {stem}")
        _refuse_unknown(own[stem], workbook[stem].parameters, f"{path.name}: {stem}")
    return {stem: known(common, notebook) | own.get(stem, {}) for stem, notebook in workbook.items()}


def known(parameters: Mapping[str, object], notebook: Notebook) -> dict[str, object]:
    """Return those of `parameters` that the notebook knows."""
    return {name: value for name, value in parameters.items() if name in notebook.parameters}


def read_settings(settings: list[str], selected: Mapping[str, Notebook]) -> dict[str, object]:
    """Parse `name=value` settings, values being YAML literals; a selected notebook must know each name."""
    parsed = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise Refused(f"-p {setting} is not of the form name=value")
        if name in ("profile", "dataset", "data_root"):
            raise Refused(f"-p {name} is set by --{name.replace('_', '-')}")
        try:
            parsed[name] = yaml.load(text, _Loader)
        except yaml.YAMLError as error:
            raise Refused(f"-p {setting}: the value is not a YAML literal: {error}") from error
    everywhere = frozenset().union(*(notebook.parameters for notebook in selected.values()))
    _refuse_unknown(parsed, everywhere, ", ".join(selected))
    return parsed


def check_dataset(name: str) -> None:
    """Refuse the name of a data set that no loader knows."""
    if name not in datasets.NAMES[:-1] and not re.fullmatch("folder:.+", name):
        raise Refused(f"data set {name}{near(name, datasets.NAMES)}")


def _refuse_unknown(parameters: Mapping[str, object], known: frozenset[str], where: str) -> None:
    for name in parameters:
        if name not in known:
            raise Refused(f"{where}: parameter {name}{near(name, known)}")


def _mapping(value: object, where: str) -> dict:
    if not isinstance(value, dict | None):
        raise Refused(f"{where} must be a mapping of names to values, not {value!r}")
    return dict(value or {})
