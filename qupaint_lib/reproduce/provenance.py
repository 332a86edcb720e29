"""Where the files of a run lie, and the record of how a chapter came about."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import nbformat

from qupaint_lib._git import git_state
from qupaint_lib.reproduce.chapters import Chapter, packages

_DISTRIBUTION = "qupaint-book"


@dataclass(frozen=True)
class Places:
    """The files that one chapter leaves behind, all below ``_build/``.

    ``collection`` is the scale, or ``<scale>-custom`` for a run with overrides: the book is made of
    the former, and the latter holds the last such run of each chapter.
    """

    root: Path
    collection: str
    stem: str

    @property
    def notebook(self) -> Path:
        """The executed copy."""
        return self._at("executed", ".ipynb")

    @property
    def failed(self) -> Path:
        """The copy that stopped at an error."""
        return self._at("executed", ".failed.ipynb")

    @property
    def results(self) -> Path:
        """What `qupaint_lib.results` saved."""
        return self._at("results", ".json")

    @property
    def provenance(self) -> Path:
        """The record that `record_of` returns."""
        return self._at("provenance", ".json")

    def _at(self, kind: str, suffix: str) -> Path:
        return self.root / "_build" / kind / self.collection / f"{self.stem}{suffix}"


def temporary(path: Path) -> Path:
    """Return the name under which a file is written before it is renamed to ``path``."""
    return path.with_name(f".{path.stem}.tmp{path.suffix}")


def record_of(
    chapter: Chapter,
    scale: str,
    parameters: Mapping[str, object],
    *,
    seconds: float,
    digest: str,
    notes: list[str],
    root: Path,
) -> dict:
    """Return how a chapter came about, without the names of a host, a user or a folder."""
    commit, dirty = git_state(root)
    values = {name: p.default for name, p in chapter.parameters.items()} | dict(parameters)
    return {
        "chapter": chapter.stem,
        "scale": scale,
        "commit": commit,
        "dirty": dirty,
        "parameters": values,
        "seed": values.get("seed"),
        "notes": notes,
        "seconds": round(seconds, 2),
        "machine": {
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            "cpu_count": os.cpu_count(),
        },
        "packages": packages(),
        "hash": digest,
    }


def stamp(notebook: nbformat.NotebookNode, record: dict, source: str, output: str) -> None:
    """Put a short record into an executed notebook, and relative paths in place of Papermill's."""
    short = {key: value for key, value in record.items() if key != "packages"}
    short["packages"] = {n: v for n, v in record["packages"].items() if _plain(n) in declared()}
    notebook.metadata["qupaint"] = {**notebook.metadata.get("qupaint", {}), "provenance": short}
    notebook.metadata["papermill"].update(input_path=source, output_path=output)


def declared() -> set[str]:
    """Return the names of the packages that this project asks for itself, extras aside."""
    try:
        lines = requires(_DISTRIBUTION) or []
    except PackageNotFoundError:
        lines = []
    names = (re.match(r"[\w.-]+", line)[0] for line in lines if "extra ==" not in line)
    return {_plain(name) for name in names}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read_record(path: Path) -> dict | None:
    """Read a provenance file; None where there is none."""
    return json.loads(path.read_text("utf-8")) if path.exists() else None
