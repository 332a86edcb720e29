"""Which chapters there are, what parameters they take, and whether anything they use changed."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from qupaint_lib.errors import ArgumentError, UnknownNameError

SCALES = {"quick": 600, "full": 4 * 3600, "gpu": 24 * 3600}
"""The scales, and the longest time that one cell may take at each, in seconds."""

_TYPES = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "list": list,
    "tuple": list,  # Papermill writes lists
    "dict": dict,
}


@dataclass(frozen=True)
class Parameter:
    """One line of a ``parameters`` cell, ``name: annotation = default  # help``."""

    name: str
    annotation: str
    default: object
    help: str


@dataclass(frozen=True)
class Chapter:
    """A notebook ``NN_name.ipynb``, as its source states it."""

    path: Path
    title: str
    parameters: dict[str, Parameter]
    after: tuple[str, ...]

    @property
    def stem(self) -> str:
        """The file's name without its suffix, ``NN_name``."""
        return self.path.stem


def find_root(start: str | os.PathLike = ".") -> Path:
    """Return the nearest folder upwards that holds ``_config.yml`` and ``notebooks/``."""
    start = Path(start).resolve()
    for folder in (start, *start.parents):
        if (folder / "_config.yml").is_file() and (folder / "notebooks").is_dir():
            return folder
    allowed = "lies in a folder that holds _config.yml and notebooks/"
    raise ArgumentError("current folder", start.name, allowed)


def discover(root: Path) -> list[Chapter]:
    """Return the chapters ``notebooks/NN_name.ipynb`` in order.

    Raises
    ------
    ArgumentError
        There are none, or one of them is not a notebook with a ``scale`` parameter.
    UnknownNameError
        A chapter comes after one that does not exist.
    """
    paths = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise ArgumentError("notebooks", "no chapter", "holds at least one NN_name.ipynb")
    chapters = [read_chapter(path) for path in paths]
    for i, chapter in enumerate(chapters):
        earlier = [c.stem for c in chapters[:i]]
        for name in chapter.after:
            if name not in earlier:
                raise UnknownNameError(f"{chapter.stem}: after", name, earlier)
    return chapters


def read_chapter(path: Path) -> Chapter:
    """Read title, parameters and order of one notebook."""
    from papermill import inspect_notebook

    try:
        notebook = json.loads(path.read_text("utf-8"))
        metadata, cells = notebook["metadata"], notebook["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    except (KeyError, TypeError, ValueError) as error:
        raise ArgumentError(path.name, str(error), "is a Jupyter notebook") from None
    if metadata.get("kernelspec", {}).get("name") != "python3":
        raise ArgumentError(path.name, metadata.get("kernelspec"), "names the kernel python3")
    title = re.search(r"^# +(.+)$", text, re.MULTILINE)
    found = inspect_notebook(path).values()
    parameters = {p["name"]: _parameter(path, p) for p in found}
    if "scale" not in parameters:
        names = sorted(parameters)
        raise ArgumentError(f"{path.name}: parameters cell", names, 'has scale: str = "quick"')
    after = tuple(metadata.get("qupaint", {}).get("after", ()))
    return Chapter(path, title[1].strip() if title else path.stem, parameters, after)


def _parameter(path: Path, found: dict[str, str]) -> Parameter:
    name, annotation = found["name"], found["inferred_type_name"]
    try:
        default = ast.literal_eval(found["default"])
    except (ValueError, SyntaxError):
        allowed = "is a number, a string, True, False, None, a list or a dict"
        raise ArgumentError(f"{path.name}: {name}", found["default"], allowed) from None
    annotation = type(default).__name__ if annotation == "None" else annotation
    return Parameter(name, annotation, default, found["help"])


def select(chapters: list[Chapter], names: Iterable[str]) -> list[Chapter]:
    """Return the chapters that are meant, in order; all when no name is given.

    A name is a number (``"1"``), a stem, the file of a notebook, or the unique beginning of a stem.
    """
    names = list(names)
    wanted = {_find(chapters, name).stem for name in names}
    return [c for c in chapters if c.stem in wanted or not names]


def _find(chapters: list[Chapter], name: str) -> Chapter:
    wanted = Path(name).name.removesuffix(".ipynb")
    number = f"{int(wanted):02d}_" if wanted.isdecimal() else None
    fits = [c for c in chapters if c.stem == wanted]
    fits = fits or [c for c in chapters if c.stem.startswith(number or wanted or "/")]
    if len(fits) > 1:
        raise ArgumentError("chapter", name, f"fits one only, not {[c.stem for c in fits]}")
    if not fits:
        raise UnknownNameError("chapter", name, [c.stem for c in chapters])
    return fits[0]


def parse_assignments(texts: Iterable[str]) -> dict[str, str]:
    """Split the command line's ``NAME=VALUE`` texts."""
    pairs = [text.partition("=") for text in texts]
    for name, equals, value in pairs:
        if not (equals and name.isidentifier()):
            raise ArgumentError("-p", f"{name}{equals}{value}", "is NAME=VALUE")
    return {name: value for name, _, value in pairs}


def overrides_by_chapter(
    chapters: list[Chapter], overrides: Mapping[str, object], root: Path
) -> dict[str, dict[str, object]]:
    """Return, for each chapter's stem, the overrides that it takes, checked and converted.

    A text is read as a Python literal unless the parameter is a ``str``. A ``str`` that names a
    file in the current folder, and any parameter named ``save_…``, which names a file to be
    written, is handed on relative to ``root``, where the kernels run.

    Raises
    ------
    UnknownNameError
        No chapter has the parameter.
    ArgumentError
        The value does not fit the parameter's type, or the parameter is ``scale``.
    """
    if "scale" in overrides:
        raise ArgumentError("-p scale", overrides["scale"], "is given as --scale")
    known = {name for chapter in chapters for name in chapter.parameters} - {"scale"}
    for name in overrides:
        if name not in known:
            raise UnknownNameError("parameter", name, known)
    return {
        chapter.stem: {
            name: _convert(chapter.parameters[name], value, root)
            for name, value in overrides.items()
            if name in chapter.parameters
        }
        for chapter in chapters
    }


def _convert(parameter: Parameter, value: object, root: Path) -> object:
    kind, is_text = parameter.annotation, isinstance(value, str)
    if kind == "str":
        if is_text and value and (names_an_output(parameter.name) or Path(value).is_file()):
            value = _relative_to(root, value)
    elif is_text:
        try:
            value = ast.literal_eval({"true": "True", "false": "False"}.get(value, value))
        except (ValueError, SyntaxError):
            pass  # a text is not of the type either, as the next lines find
    try:
        return _as_type(kind, value)
    except ValueError:
        allowed = f"must be of type {kind}, like the default {parameter.default!r}"
        raise ArgumentError(parameter.name, value, allowed) from None


def names_an_output(name: str) -> bool:
    """Tell whether a parameter names a file that the chapter writes."""
    return name.startswith("save_")


def _relative_to(root: Path, path: str) -> str:
    try:
        return Path(os.path.relpath(path, root)).as_posix()
    except ValueError:  # another drive on Windows
        return Path(path).resolve().as_posix()


def _as_type(kind: str, value: object) -> object:
    """Return the value as an annotation such as ``float`` or ``list[int]`` wants it."""
    outer, _, inner = kind.partition("[")
    inner = inner.removesuffix("]").split(",")[0].strip()
    if outer in ("list", "tuple") and isinstance(value, list | tuple):
        return [_as_type(inner, item) if inner else item for item in value]
    if outer == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    wanted = _TYPES.get(outer, object)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise ValueError
    return value


def packages() -> dict[str, str]:
    """Return the version of every installed package."""
    found = {d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"]}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def surroundings_digest(library: Path, micrographs: str | None = None) -> str:
    """Hash what every chapter depends on: Python, packages, library files, the micrographs.

    Micrographs, which are large and published under fixed names, count by name and size.
    """
    digest = hashlib.sha256(json.dumps([sys.version, packages()]).encode())
    for path in _files(library):
        digest.update(path.relative_to(library).as_posix().encode() + b"\0" + path.read_bytes())
    for path in _files(Path(micrographs)) if micrographs else ():
        digest.update(
            f"{path.relative_to(micrographs).as_posix()} {path.stat().st_size}\n".encode()
        )
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    paths = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return sorted(paths)


def chapter_digest(
    chapter: Chapter, parameters: Mapping[str, object], root: Path, others: Iterable[str]
) -> str:
    """Hash a chapter's source without its outputs, its parameters, and ``others``' hashes."""
    notebook = json.loads(chapter.path.read_text("utf-8"))
    for cell in notebook["cells"]:
        cell.pop("outputs", None)
        cell.pop("execution_count", None)
    content = [notebook["cells"], notebook["metadata"], dict(parameters), list(others)]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name, value in parameters.items():
        is_input = isinstance(value, str) and not names_an_output(name)
        if is_input and value and (root / value).is_file():
            digest.update((root / value).read_bytes())
    return digest.hexdigest()
