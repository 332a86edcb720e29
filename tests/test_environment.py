"""One list of dependencies, one lock of versions, and nothing else."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWN_MODULES = {"qupaint_lib"} | {path.stem for path in (ROOT / "tests").rglob("*.py")}
HEAVY = {"torch", "transformers", "peft", "accelerate", "datasets", "dask", "distributed"}


def requirements(*extras: str) -> dict[str, Requirement]:
    """Declared requirements by canonical name, without the project's own extras."""
    groups = PROJECT["optional-dependencies"]
    lines = sum((groups[extra] for extra in extras), list(PROJECT["dependencies"]))
    parsed = map(Requirement, lines)
    own = canonicalize_name(PROJECT["name"])
    return {
        canonicalize_name(item.name): item for item in parsed if canonicalize_name(item.name) != own
    }


DECLARED = requirements(*PROJECT["optional-dependencies"])


@cache
def locked_versions() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][^\s+@/]*", pin) for pin in pins)
    return {canonicalize_name(name): pin for name, pin in (line.split("==") for line in pins)}


@cache
def installed_distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())


def code_of(path: Path) -> str:
    """Python source of a module, or of a notebook without its magics."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    lines = "\n".join("".join(cell["source"]) for cell in cells).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def imported_modules(path: Path) -> set[str]:
    """Top-level names of the modules that a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(code_of(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found


SOURCES = [
    path
    for folder, pattern in (
        ("qupaint_lib", "*.py"),
        ("notebooks", "*.ipynb"),
        ("tests", "*.py"),
        ("book", "*.py"),
    )
    for path in sorted((ROOT / folder).rglob(pattern))
    if ".ipynb_checkpoints" not in path.parts
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_import_is_declared(path: Path) -> None:
    distributions = installed_distributions()
    foreign = imported_modules(path) - set(sys.stdlib_module_names) - OWN_MODULES
    unknown = foreign - set(distributions)
    assert not unknown, f"imported but not installed: {sorted(unknown)}"
    undeclared = {
        module
        for module in foreign
        if not {canonicalize_name(name) for name in distributions[module]} & set(DECLARED)
    }
    # Sphinx comes with jupyter-book, which is declared; only the book's own extension needs it.
    if path.is_relative_to(ROOT / "book"):
        undeclared -= {"sphinx"}
    assert not undeclared, f"imported but not declared in pyproject.toml: {sorted(undeclared)}"


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_declared_dependency_is_locked_at_the_tested_version(name: str) -> None:
    pinned = locked_versions()[name]
    assert DECLARED[name].specifier.contains(pinned, prereleases=True)
    assert version(name).partition("+")[0] == pinned


def test_torch_is_locked_where_it_was_measured() -> None:
    assert locked_versions()["torch"] == "2.13.0"


def test_core_dependencies_are_light() -> None:
    assert not set(requirements()) & HEAVY
    assert not set(requirements("lab")) & HEAVY


def test_torchvision_is_needed_nowhere() -> None:
    assert "torchvision" not in DECLARED
    assert "torchvision" not in locked_versions()
    assert not [path for path in SOURCES if "torchvision" in imported_modules(path)]


def test_dev_installs_every_other_extra() -> None:
    own = next(
        Requirement(line)
        for line in PROJECT["optional-dependencies"]["dev"]
        if Requirement(line).name == PROJECT["name"]
    )
    assert own.extras == set(PROJECT["optional-dependencies"]) - {"dev"}


def test_nothing_is_declared_twice() -> None:
    lines = sum(PROJECT["optional-dependencies"].values(), list(PROJECT["dependencies"]))
    names = [canonicalize_name(Requirement(line).name) for line in lines]
    assert sorted(names) == sorted(set(names))


def test_conda_environment_lists_python_and_the_package_only() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, through_pip = environment["dependencies"]
    assert python == f"python{PROJECT['requires-python']}"
    assert pip == "pip"
    assert through_pip == {"pip": ["-c constraints.txt", "-e .[dev]"]}


def test_there_is_no_other_list_of_dependencies() -> None:
    others = ("requirements*.txt", "setup.py", "setup.cfg", "Pipfile*", "*/requirements*.txt")
    assert not [path for pattern in others for path in ROOT.glob(pattern)]
