"""Files of weights: where they are, whether they are whole, and that none of them is a pickle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from qupaint_lib._files import read_json
from qupaint_lib.errors import ArgumentError

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def check_source(source: object) -> bool:
    """Return whether a source is a local folder, after checking its weights; False: a Hub id.

    Raises
    ------
    ArgumentError
        Neither a folder nor a Hub id, or a folder whose weights `weight_files` refuses.
    """
    if Path(source).is_dir():
        weight_files(source)
        return True
    looks_like_path = not isinstance(source, str) or Path(source).parent.is_dir()
    if looks_like_path or not _HUB_ID.fullmatch(source):
        allowed = "an existing folder, or a Hub id 'owner/name'"
        raise ArgumentError("source", str(source), allowed)
    return False


def weight_files(folder: str | Path) -> list[Path]:
    """Return the safetensors files of a folder after opening each: whole, and no pickles.

    Raises
    ------
    ArgumentError
        Names the file that is missing, cut off, pickled or listed in no index.
    """
    folder = Path(folder)
    index, single = folder / INDEX, folder / SINGLE
    if index.is_file():
        names = sorted(set(read_json(index).get("weight_map", {}).values()))
        files = [folder / name for name in names]
    else:
        files = [single] if single.is_file() else []
    if not files:
        pickled = sorted(p.name for p in folder.iterdir() if p.suffix in _PICKLED)
        if pickled:
            allowed = "safetensors; pickled weights can run code, and are refused"
            raise ArgumentError("source", str(folder / pickled[0]), allowed)
        raise ArgumentError("source", str(folder), f"a folder with {SINGLE} or {INDEX}")
    for path in files:
        if not path.is_file() or path.parent != folder:
            raise ArgumentError("source", str(path), "a shard that the index lists, in its folder")
        read_shard(path)
    return files


def read_config(folder: Path) -> dict[str, Any]:
    """Return what a folder's config.json holds.

    Raises
    ------
    ArgumentError
        No such file, or not a JSON object.
    """
    stored = read_json(folder / "config.json")
    if not isinstance(stored, dict):
        raise ArgumentError("config.json", type(stored).__name__, "a JSON object")
    return stored


def read_shard(path: Path) -> Any:
    """Open a safetensors file; its tensors are read when they are asked for.

    Raises
    ------
    ArgumentError
        Not a whole safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        allowed = f"a whole safetensors file: {error}"
        raise ArgumentError("source", str(path), allowed) from error
