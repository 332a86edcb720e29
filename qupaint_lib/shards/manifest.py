"""What a folder of shards holds: its manifest, and whether the files are what it says."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from qupaint_lib._files import read_json, write_text
from qupaint_lib.errors import ArgumentError

MANIFEST = "manifest.json"
_PACKAGES = ("numpy", "opencv-python-headless", "pillow", "pyarrow", "qupaint-book", "scipy")


@dataclass(frozen=True)
class Shard:
    """A finished file.

    Attributes
    ----------
    file : str
        Its name in the folder.
    samples : int
        Number of rows.
    bytes : int
        Its size.
    sha256 : str
        Of its content, hexadecimal.
    """

    file: str
    samples: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The record of a folder of shards.

    Attributes
    ----------
    dataset : dict
        What the shards' content follows from: ``n``, ``seed``, ``samples_per_shard``, ``split``,
        ``columns`` and ``configuration``.
    versions : dict of str to str
        Of Python, and of the packages that can change a sample.
    shards : tuple of Shard
        Those that are finished, in order.
    """

    dataset: Mapping[str, Any]
    versions: Mapping[str, str]
    shards: tuple[Shard, ...] = ()

    @property
    def files(self) -> list[str]:
        """Names of all shards, finished or not."""
        count = len(self.spans)
        split = self.dataset["split"]
        return [f"{split}-{k:05d}-of-{count:05d}.parquet" for k in range(count)]

    @property
    def spans(self) -> list[tuple[int, int]]:
        """First sample of each shard, and the one after its last."""
        n, step = self.dataset["n"], self.dataset["samples_per_shard"]
        return [(first, min(first + step, n)) for first in range(0, n, step)]

    @property
    def complete(self) -> bool:
        """Whether every shard is recorded."""
        return len(self.shards) == len(self.spans)

    def save(self, folder: Path) -> None:
        """Write the manifest, whole or not at all."""
        data = {
            "complete": self.complete,
            "dataset": self.dataset,
            "versions": self.versions,
            "shards": [asdict(shard) for shard in self.shards],
        }
        write_text(folder / MANIFEST, json.dumps(data, indent=1, sort_keys=True) + "\n")


def load_manifest(folder: str | Path) -> Manifest:
    """Read the manifest of a folder.

    Raises
    ------
    ArgumentError
        There is none, or it is not one of ours.
    """
    path = Path(folder) / MANIFEST
    data = read_json(path)
    try:
        shards = tuple(Shard(**entry) for entry in data["shards"])
        manifest = Manifest(data["dataset"], data["versions"], shards)
        if not {shard.file for shard in shards} <= set(manifest.files):
            raise ValueError("a shard that the data set does not have")
    except (KeyError, TypeError, ValueError) as error:
        raise ArgumentError("manifest", str(path), f"a manifest of shards: {error!r}") from error
    return manifest


def verify(folder: str | Path) -> dict[str, str]:
    """Return what is wrong with a folder of shards: reasons by file, empty when all is well.

    Every file is read, and compared with its size and SHA-256 in the manifest.

    Raises
    ------
    ArgumentError
        The folder has no readable manifest.
    """
    folder = Path(folder)
    manifest = load_manifest(folder)
    recorded = {shard.file: fault(folder, shard) for shard in manifest.shards}
    reasons = {name: recorded.get(name, "not made yet") for name in manifest.files}
    return {name: reason for name, reason in reasons.items() if reason}


def fault(folder: Path, shard: Shard) -> str | None:
    """Return what is wrong with a finished shard, or None."""
    path = folder / shard.file
    if not path.is_file():
        return "missing"
    if (size := path.stat().st_size) != shard.bytes:
        return f"{size:,} bytes instead of {shard.bytes:,}"
    return None if sha256(path) == shard.sha256 else "altered: another SHA-256"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that can change a sample."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def differences(old: Any, new: Any, name: str = "") -> Iterable[str]:
    """Yield "name: old there, new here" for each value in which two trees of JSON differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{name}.{key}" if name else key)
    elif old != new:
        yield f"{name}: {old!r} there, {new!r} here"
