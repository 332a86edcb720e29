"""Files that appear whole or not at all, and JSON that is what it should be."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from qupaint_lib.errors import ArgumentError


def write_text(path: str | os.PathLike, text: str) -> Path:
    """Write a UTF-8 file as `write_bytes` does, line ends as they are."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | os.PathLike, data: bytes) -> Path:
    """Write a file under a temporary name beside `path`, then rename it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


@contextmanager
def appearing(path: str | os.PathLike) -> Iterator[TextIO]:
    """Open a text file, too long for one string, under a temporary name; renamed when whole.

    Raises
    ------
    ArgumentError
        The folder cannot be written, or there is no space left.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            yield file
        temporary.replace(path)
    except OSError as error:
        allowed = f"a folder that can be written, with space left: {error}; what was there stays"
        raise ArgumentError("out", str(path.parent), allowed) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_entries(file: TextIO, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write the inside of a JSON list, an entry at a time."""
    for number, entry in enumerate(entries):
        file.write((",\n" if number else "\n") + json.dumps(entry))


def read_json(path: str | os.PathLike) -> Any:
    """Read a JSON file.

    Raises
    ------
    ArgumentError
        The file is missing or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArgumentError("path", str(path), f"a readable JSON file: {error}") from error
