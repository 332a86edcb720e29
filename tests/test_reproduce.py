"""`qupaint_lib.reproduce`, on small notebooks in a folder of their own."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from qupaint_lib._files import write_text
from qupaint_lib._git import git_state
from qupaint_lib.errors import ArgumentError, TableError, UnknownNameError
from qupaint_lib.reproduce import (
    BookError,
    Outcome,
    build_book,
    discover,
    execute,
    find_root,
    select,
    write_benchmarks,
    write_report,
)
from qupaint_lib.reproduce import chapters as chapters_module
from qupaint_lib.reproduce.__main__ import main
from qupaint_lib.reproduce.chapters import (
    chapter_digest,
    overrides_by_chapter,
    surroundings_digest,
)
from qupaint_lib.reproduce.report import PaperItem, read_paper_items, status_of
from qupaint_lib.results import External, Regression, Result

REPOSITORY = Path(__file__).parents[1]

CONFIG = """\
title: toy
only_build_toc_files: true
execute: {execute_notebooks: "off"}
parse: {myst_enable_extensions: [colon_fence, deflist]}
bibtex_bibfiles: [book/references.bib]
"""

PARAMETERS = """\
scale: str = "quick"  # quick, full or gpu
count: int = 3  # how many, 1 to 9
"""

FIRST = """\
import os
from qupaint_lib.results import External, Regression, note, record, say
record("seen", 1.0, "nm", External(1.1, "A. Author 2026", "publication"), 0.2, paper="Fig. 1")
record("guarded", 2.0, "", Regression(2.0), 0.0)
say("It counts {n}.", n=count)
note("a rendered scene")
print(scale, count, width_nm, image, seed, os.environ["OMP_NUM_THREADS"])
print(sorted(os.listdir("."))[-1], os.environ["QUPAINT_MICROGRAPHS"] == os.path.abspath("images"))
"""

DIFFERS = """\
from qupaint_lib.results import External, record
record("off", 5.0, "nm", External(1.0, "B. Author 2025", "measurement"), 0.5)
record("close", count, "nm", External(3, "counting", "mathematics"), 0)
"""


def chapter(root, stem, *cells, parameters=PARAMETERS, after=None):
    notebook = new_notebook()
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "language": "python",
        "display_name": "Python 3",
    }
    if after:
        notebook.metadata["qupaint"] = {"after": after}
    notebook.cells = [
        new_markdown_cell(f"# Chapter {stem[3:]}"),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *map(new_code_cell, cells),
    ]
    nbformat.write(notebook, root / "notebooks" / f"{stem}.ipynb")


def new_tree(root):
    (root / "notebooks").mkdir()
    (root / "images").mkdir()
    (root / "_config.yml").write_text(CONFIG)
    return root


def files(root):
    found = (root / "_build").rglob("*")
    return sorted(p.relative_to(root / "_build").as_posix() for p in found if p.is_file())


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    (folder / "room.py").write_text("x = 1\n")
    return folder


@pytest.fixture(scope="module")
def tree(tmp_path_factory, library):
    """Chapters after one run: fine, failing, after the failing one, differing, and two that end."""
    root = new_tree(tmp_path_factory.mktemp("tree"))
    more = (
        'width_nm: float = 2.5  # nm, above 0\nimage: str = ""  # your own\nseed: int = 7  # any\n'
    )
    chapter(root, "01_first", FIRST, parameters=PARAMETERS + more)
    chapter(root, "02_fails", "x = 1", "\n# a comment\n1 / 0", "never = True")
    chapter(root, "03_dependant", "x = 1", after=["02_fails"])
    chapter(root, "04_differs", DIFFERS)
    chapter(root, "05_dies", "import os\nos.kill(os.getpid(), 9)")
    chapter(root, "06_exits", "import sys\nsys.exit()", "never = True")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("QUPAINT_MICROGRAPHS", "images")
        outcomes = execute(root=root, library=library)
    return root, {outcome.chapter.stem: outcome for outcome in outcomes}


@pytest.fixture
def inside(tree, monkeypatch):
    monkeypatch.chdir(tree[0])
    monkeypatch.setenv("QUPAINT_MICROGRAPHS", "images")
    return tree[0]


# One run -------------------------------------------------------------------------------------


def test_states_and_files(tree):
    root, outcomes = tree
    assert {stem: outcome.state for stem, outcome in outcomes.items()} == {
        "01_first": "executed",
        "02_fails": "failed",
        "03_dependant": "not run",
        "04_differs": "executed",
        "05_dies": "failed",
        "06_exits": "failed",
    }
    assert [path for path in files(root) if "-custom" not in path] == [
        "executed/quick/01_first.ipynb",
        "executed/quick/02_fails.failed.ipynb",
        "executed/quick/04_differs.ipynb",
        "executed/quick/05_dies.failed.ipynb",
        "executed/quick/06_exits.failed.ipynb",
        "provenance/quick/01_first.json",
        "provenance/quick/04_differs.json",
        "results/quick/01_first.json",
        "results/quick/04_differs.json",
    ]


def test_a_failure_names_cell_line_and_error(tree):
    message = tree[1]["02_fails"].message
    assert "in cell [4]: # a comment" in message  # In [4] of the kept copy
    assert "ZeroDivisionError: division by zero" in message
    assert "_build/executed/quick/02_fails.failed.ipynb" in message
    assert "02_fails" in tree[1]["03_dependant"].message


def test_a_dead_kernel_and_an_exit_are_failures(tree):
    assert "in cell [3]: import os\n" in tree[1]["05_dies"].message
    assert "Kernel died" in tree[1]["05_dies"].message
    assert "in cell [3]: import sys\n    SystemExit\n" in tree[1]["06_exits"].message


def test_a_result_that_differs_is_told(tree):
    assert [r.name for r in tree[1]["04_differs"].differing] == ["off"]
    assert tree[1]["01_first"].differing == ()


def test_kernels_run_in_the_root_on_one_thread(tree):
    notebook = nbformat.read(tree[0] / "_build/executed/quick/01_first.ipynb", as_version=4)
    (printed,) = [o.text for o in notebook.cells[-1].outputs if o.output_type == "stream"]
    assert printed == "quick 3 2.5  7 1\nnotebooks True\n"


def test_provenance(tree):
    text = (tree[0] / "_build/provenance/quick/01_first.json").read_text("utf-8")
    record = json.loads(text)
    assert record["parameters"]["width_nm"] == 2.5
    assert (record["scale"], record["seed"]) == ("quick", 7)
    assert record["notes"] == ["a rendered scene"]
    assert record["packages"]["numpy"]
    assert set(record["machine"]) == {"python", "platform", "cpu_count"}
    assert 0 < record["seconds"] < 600
    assert len(record["hash"]) == 64
    assert {"commit", "dirty"} <= set(record)
    for private in (str(tree[0]), platform.node(), str(Path.home()) + "/"):
        assert private not in text


def test_commit_and_dirt(tmp_path):
    assert git_state(tmp_path) == (None, None)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "m"], check=True)
    commit, dirty = git_state(tmp_path)
    assert len(commit) == 40
    assert dirty is False
    (tmp_path / "new").write_text("x")
    assert git_state(tmp_path) == (commit, True)


def test_the_executed_copy_carries_its_provenance_and_no_foreign_path(tree):
    path = tree[0] / "_build/executed/quick/01_first.ipynb"
    metadata = nbformat.read(path, as_version=4).metadata
    stamp = metadata.qupaint.provenance
    assert stamp.parameters.count == 3
    assert "numpy" in stamp.packages
    assert len(stamp.packages) < 40
    assert metadata.papermill.input_path == "notebooks/01_first.ipynb"
    assert metadata.papermill.output_path == "_build/executed/quick/01_first.ipynb"
    assert str(tree[0]) not in path.read_text("utf-8")


# Runs after it -------------------------------------------------------------------------------


def test_unchanged_chapters_are_skipped_and_still_differ(inside, library, capsys):
    outcomes = execute(["1", "4"], root=inside, library=library)
    assert [o.state for o in outcomes] == ["unchanged", "unchanged"]
    assert [r.name for r in outcomes[1].differing] == ["off"]
    assert (
        "differs: off = 5 nm, reference 1 nm ± 0.5 nm (B. Author 2025)" in capsys.readouterr().out
    )


def test_overrides_go_to_their_own_place(inside, library, tmp_path, monkeypatch):
    before = (inside / "_build/executed/quick/04_differs.ipynb").read_bytes()
    (outcome,) = execute(["4"], overrides={"count": "4"}, root=inside, library=library)
    assert (outcome.state, outcome.differing) == ("executed", ())
    assert (inside / "_build/executed/quick/04_differs.ipynb").read_bytes() == before
    saved = json.loads((inside / "_build/results/quick-custom/04_differs.json").read_text("utf-8"))
    assert [entry["value"] for entry in saved] == [5.0, 4]
    assert [entry["status"] for entry in saved] == ["differs", "differs"]


def test_a_change_of_the_library_runs_again(inside, library):
    (library / "data").mkdir()
    (library / "data" / "table.csv").write_text("1\n")
    outcomes = execute(["4"], root=inside, library=library)
    assert [o.state for o in outcomes] == ["executed"]


def test_the_command_line_ends_with_1_for_a_failure_and_for_a_difference(inside, monkeypatch):
    (one,) = select(discover(inside), ["1"])
    ends = {
        0: [Outcome(one, "executed"), Outcome(one, "unchanged")],
        1: [Outcome(one, "executed"), Outcome(one, "failed")],
    }
    off = Result("off", 5.0, "nm", External(1.0, "B", "package"), 0.5)
    for code, outcomes in [*ends.items(), (1, [Outcome(one, "unchanged", differing=(off,))])]:
        monkeypatch.setattr("qupaint_lib.reproduce.__main__.execute", lambda *_, o=outcomes, **k: o)
        assert main([]) == code


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["7"], "chapter = '7': unknown"),
        (["01_frist"], "did you mean '01_first'"),
        (["0"], "chapter = '0': unknown"),
        (["--scale", "quik"], "did you mean 'quick'"),
        (["-p", "cuont=3"], "did you mean 'count'"),
        (["4", "-p", "width_nm=3"], "parameter = 'width_nm': unknown"),
        (["-p", "count=2.5"], "count = 2.5: must be of type int"),
        (["-p", "count=True"], "count = True"),
        (["-p", "width_nm=wide"], "width_nm = 'wide': must be of type float"),
        (["-p", "scale=full"], "is given as --scale"),
        (["-p", "image", "PATH"], "-p = 'image': is NAME=VALUE"),
        (["--jobs", "0"], "jobs = 0"),
        (["--book", "-p", "count=2"], "--book"),
    ],
)
def test_a_wrong_argument_is_one_line_and_leaves_no_trace(inside, capsys, arguments, told):
    before = files(inside)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert files(inside) == before


def test_no_book_without_its_chapters(inside, monkeypatch, capsys):
    (one,) = select(discover(inside), ["1"])
    failed = [Outcome(one, "failed")]
    monkeypatch.setattr("qupaint_lib.reproduce.__main__.execute", lambda *_, **k: failed)
    assert main(["--book"]) == 1
    assert "01_first" in capsys.readouterr().err
    with pytest.raises(BookError, match="02_fails"):
        build_book(inside)


LAUNCHER = """\
import sys
from pathlib import Path
died = sorted(Path.cwd().glob("died*"))
if len(died) < {deaths}:
    Path(f"died{{len(died)}}").touch()
    sys.exit(1)
from ipykernel import kernelapp
kernelapp.launch_new_instance()
"""


@pytest.mark.parametrize(("deaths", "state"), [(1, "executed"), (2, "failed")])
def test_a_kernel_that_dies_at_its_start_gets_one_more_try(
    tmp_path, library, capsys, deaths, state
):
    root = new_tree(tmp_path)
    chapter(root, "01_first", "x = 1")
    (root / "ipykernel_launcher.py").write_text(LAUNCHER.format(deaths=deaths))  # before the real
    (outcome,) = execute(root=root, library=library)
    assert outcome.state == state
    assert len(list(root.glob("died*"))) == deaths
    assert capsys.readouterr().out.count("once more") == 1


SLOW = """\
import os, time
from pathlib import Path
Path("kernel.pid").write_text(str(os.getpid()))
time.sleep(100)
"""


def test_an_interrupt_keeps_what_is_finished(tmp_path):
    root = new_tree(tmp_path)
    chapter(root, "01_slow", SLOW)
    command = [sys.executable, "-m", "qupaint_lib.reproduce"]
    process = subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True)
    kernel = root / "kernel.pid"
    wait_until(lambda: kernel.exists() and kernel.read_text())
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert "interrupted" in process.stderr.read()
    assert files(root) == []
    wait_until(lambda: not alive(int(kernel.read_text())))


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


# Chapters, parameters, hashes ----------------------------------------------------------------


def test_root_is_found_from_below(inside, tmp_path):
    assert find_root(inside / "notebooks") == inside
    with pytest.raises(ArgumentError, match=r"_config\.yml"):
        find_root(tmp_path)


def test_chapters_as_their_sources_state_them(inside):
    found = discover(inside)
    assert [c.stem for c in found[:3]] == ["01_first", "02_fails", "03_dependant"]
    assert found[0].title == "Chapter first"
    assert found[0].parameters["width_nm"].default == 2.5
    assert found[0].parameters["width_nm"].help == "nm, above 0"
    assert found[2].after == ("02_fails",)


@pytest.mark.parametrize("name", ["1", "01", "01_first", "01_f", "notebooks/01_first.ipynb"])
def test_a_chapter_has_several_names(inside, name):
    assert [c.stem for c in select(discover(inside), [name, "1"])] == ["01_first"]


def test_broken_sources_are_told_before_anything_runs(tmp_path):
    root = new_tree(tmp_path)
    with pytest.raises(ArgumentError, match=r"NN_name\.ipynb"):
        discover(root)
    chapter(root, "01_one", after=["02_two"])
    chapter(root, "02_two")
    with pytest.raises(UnknownNameError, match="after"):
        discover(root)
    chapter(root, "01_one", parameters="count: int = 3  # how many\n")
    with pytest.raises(ArgumentError, match="scale"):
        discover(root)
    chapter(root, "01_one", parameters=PARAMETERS + "x: int = count  # not a literal\n")
    with pytest.raises(ArgumentError, match="x = 'count'"):
        discover(root)
    (root / "notebooks/01_one.ipynb").write_text('{"cells": [')
    with pytest.raises(ArgumentError, match="is a Jupyter notebook"):
        discover(root)
    (root / "notebooks/01_one.ipynb").write_text('{"cells": [], "metadata": {}}')
    with pytest.raises(ArgumentError, match="python3"):
        discover(root)


@pytest.mark.parametrize(
    ("annotation", "default", "given", "value"),
    [
        ("int", "1", "-3", -3),
        ("float", "1.0", "3", 3.0),
        ("float", "1.0", "1e-5", 1e-5),
        ("bool", "True", "false", False),
        ("bool", "True", "False", False),
        ("str", '"a"', "3", "3"),
        ("str", '"a"', "a = b", "a = b"),
        ("list[float]", "[1.0]", "[1, 2.5]", [1.0, 2.5]),
        ("tuple[int, int]", "(1, 2)", "(3, 4)", [3, 4]),
        ("list", "[]", "[1, 'a']", [1, "a"]),
        ("list[list[int]]", "[]", "[[1], [2]]", [[1], [2]]),
        ("dict", "{}", "{'a': 1}", {"a": 1}),
        ("float", "1.0", 3, 3.0),
    ],
)
def test_values_get_the_parameters_type(tmp_path, annotation, default, given, value):
    chapters = parameter_chapter(tmp_path, annotation, default)
    converted = overrides_by_chapter(chapters, {"x": given}, tmp_path)["01_one"]["x"]
    assert (converted, type(converted)) == (value, type(value))


@pytest.mark.parametrize(
    ("annotation", "default", "given"),
    [
        ("int", "1", "1.0"),
        ("int", "1", "one"),
        ("float", "1.0", "nan"),
        ("float", "1.0", "True"),
        ("bool", "True", "1"),
        ("str", '"a"', 3),
        ("list[float]", "[1.0]", "[1, 'a']"),
        ("list[int]", "[1]", "3"),
        ("dict", "{}", "[1]"),
        ("int", "1", "__import__('os')"),
    ],
)
def test_values_of_another_type_are_refused(tmp_path, annotation, default, given):
    chapters = parameter_chapter(tmp_path, annotation, default)
    with pytest.raises(ArgumentError, match="must be of type"):
        overrides_by_chapter(chapters, {"x": given}, tmp_path)


def parameter_chapter(root, annotation, default):
    new_tree(root)
    chapter(root, "01_one", parameters=f"{PARAMETERS}x: {annotation} = {default}  # it\n")
    return discover(root)


def test_an_image_is_the_callers(inside, monkeypatch):
    monkeypatch.chdir(inside / "images")
    (inside / "images" / "mine.png").write_text("x")
    chapters = discover(inside)
    for given, value in [("mine.png", "images/mine.png"), ("nobody.png", "nobody.png")]:
        values = overrides_by_chapter(chapters, {"image": given}, inside)
        assert values["01_first"] == {"image": value}
        assert values["04_differs"] == {}


def test_a_file_to_be_written_is_the_callers_too(tmp_path, monkeypatch):
    parameter_chapter(tmp_path, "str", '""')
    path = tmp_path / "notebooks/01_one.ipynb"
    path.write_text(path.read_text("utf-8").replace("x: str", "save_it: str"), "utf-8")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    values = overrides_by_chapter(discover(tmp_path), {"save_it": "new.json"}, tmp_path)
    assert values["01_one"] == {"save_it": "elsewhere/new.json"}


def test_any_file_that_a_parameter_names_is_an_input_and_an_output_is_none(tmp_path):
    parameter_chapter(tmp_path, "str", '""')
    (one,) = discover(tmp_path)
    written = replace(one, parameters={"save_x": replace(one.parameters["x"], name="save_x")})

    def digests():
        return [
            chapter_digest(c, {n: "mine.json"}, tmp_path, [])
            for c, n in ((one, "x"), (written, "save_x"))
        ]

    (tmp_path / "mine.json").write_text("1")
    (as_input, as_output) = digests()
    (tmp_path / "mine.json").write_text("2")
    assert digests()[0] != as_input and digests()[1] == as_output


def test_a_chapters_surroundings(tmp_path, monkeypatch):
    library, images = tmp_path / "library", tmp_path / "images"
    for folder in (library, images):
        folder.mkdir()
        (folder / "a").write_text("1")
    seen = {surroundings_digest(library), surroundings_digest(library, str(images))}
    (images / "a").write_text("22")
    seen.add(surroundings_digest(library, str(images)))
    (library / "a").write_text("2")
    seen.add(surroundings_digest(library))
    monkeypatch.setattr(chapters_module, "packages", lambda: {"numpy": "0"})
    seen.add(surroundings_digest(library))
    assert len(seen) == 5
    (library / "__pycache__").mkdir()
    (library / "__pycache__" / "a.pyc").write_text("x")
    assert surroundings_digest(library) in seen


def test_a_chapters_hash_follows_source_and_parameters_not_outputs(tmp_path):
    root = new_tree(tmp_path)
    chapter(root, "01_one", "x = 1")
    (one,) = discover(root)

    def digest(*others, **more):
        return chapters_module.chapter_digest(one, {"scale": "quick", **more}, root, others)

    first = digest()
    assert len({first, digest(count=4), digest("earlier chapter")}) == 3
    notebook = nbformat.read(one.path, as_version=4)
    notebook.cells[-1].execution_count = 5
    notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="1")]
    nbformat.write(notebook, one.path)
    assert digest() == first
    notebook.cells[-1].source = "x = 2"
    nbformat.write(notebook, one.path)
    assert digest() != first


def test_a_file_is_written_in_one_step(tmp_path, monkeypatch):
    path = tmp_path / "a" / "b.json"
    write_text(path, "old")

    def broken(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(KeyboardInterrupt):
        write_text(path, "new")
    assert path.read_text() == "old"


# Report --------------------------------------------------------------------------------------

GOOD = Result("a", 1.0, "", External(1.0, "B", "publication"), 0.1)
OFF = Result("b", 2.0, "", External(1.0, "B", "publication"), 0.1)
OURS = Result("c", 1.0, "", Regression(1.0), 0.1)
STATED = Result("d", 1.0, "")


@pytest.mark.parametrize(
    ("obstacle", "full_scale", "exists", "results", "scale", "status"),
    [
        (None, "quick", True, [GOOD], "quick", "reproduced"),
        (None, "quick", True, [GOOD, GOOD], "full", "reproduced"),
        (None, "quick", True, [], "quick", "counterpart"),
        (None, "quick", True, [OURS], "gpu", "counterpart"),
        (None, "quick", True, [STATED], "quick", "counterpart"),
        (None, "quick", True, [GOOD, OURS], "quick", "counterpart"),
        (None, "quick", True, [GOOD, STATED], "quick", "counterpart"),
        (None, "quick", True, [GOOD, OFF], "quick", "differs"),
        (None, "full", True, [GOOD], "quick", "reduced scale"),
        (None, "full", True, [GOOD], "gpu", "reproduced"),
        ("reduced scale", "quick", True, [GOOD], "gpu", "reduced scale"),
        ("data not public", "quick", True, [GOOD], "gpu", "data not public"),
        ("data not public", "quick", True, [OFF], "gpu", "differs"),
        ("data not public", "quick", False, [], "quick", "not yet"),
        (None, "quick", False, [GOOD], "quick", "not yet"),
    ],
)
def test_status_of_an_item(obstacle, full_scale, exists, results, scale, status):
    item = PaperItem("Fig. 1", "x", "01_first", obstacle, full_scale=full_scale)
    assert status_of(item, exists, results, scale) == status


def test_an_item_that_never_gets_a_counterpart():
    item = PaperItem("Fig. 1", "x", None, "data not public")
    assert status_of(item, False, [], "quick") == "data not public"


def test_every_figure_and_table_of_the_paper_is_listed():
    items = read_paper_items(REPOSITORY / "book" / "paper_items.yml")
    listed = {key for item in items for key in (item.covers or [item.id])}
    figures = [f"Fig. {i}" for i in range(1, 17)]
    for name in [*figures, *(f"Table {i}" for i in range(1, 6))]:
        assert any(key == name or key.startswith((f"{name} (", f"{name}a")) for key in listed), name
    for item in items:
        columns = item.published.get("columns", [])
        for values in item.published.get("rows", {}).values():
            assert len(values) == len(columns), item.id
        for row, column in item.headline:
            assert column in columns
            assert row in item.published["rows"]


@pytest.mark.parametrize(
    "text",
    ["items: [{id: x}]", "- 1", "items: [{id: x, shows: y, counterpart: null, obstacle: lazy}]"],
)
def test_a_wrong_list_of_items(tmp_path, text):
    path = tmp_path / "paper_items.yml"
    path.write_text(text)
    with pytest.raises((TableError, UnknownNameError)):
        read_paper_items(path)


ITEMS = {
    "items": [
        {"id": "Fig. 1", "shows": "a | b", "counterpart": "01_first", "obstacle": None},
        {"id": "Fig. 2", "shows": "c", "counterpart": "04_differs", "obstacle": "reduced scale"},
        {
            "id": "Table 1",
            "shows": "d",
            "counterpart": "09_later",
            "obstacle": None,
            "published": {"columns": ["AP"], "rows": {"ours_4B": [42.4]}},
            "headline": [["ours_4B", "AP"]],
        },
    ]
}


@pytest.fixture
def with_book(inside):
    (inside / "book").mkdir(exist_ok=True)
    (inside / "book/paper_items.yml").write_text(yaml.safe_dump(ITEMS))
    (inside / "book/intro.md").write_text("# Toy\n\n```{bibliography}\n```\n")
    source = (REPOSITORY / "book/references.bib").read_text("utf-8")
    (inside / "book/references.bib").write_text(source, "utf-8")
    toc = {"format": "jb-book", "root": "book/intro"}
    toc["chapters"] = [{"file": "book/reproduction_report"}, {"file": "notebooks/01_first"}]
    toc["chapters"] += [{"file": "notebooks/04_differs"}, {"file": "book/benchmarks"}]
    (inside / "book/_toc.yml").write_text(yaml.safe_dump(toc))
    return inside


def test_the_report(with_book, tmp_path):
    page = tmp_path / "report.md"
    write_report(with_book, "quick", page)
    lines = [line for line in page.read_text("utf-8").splitlines() if line.startswith("|")]
    rows = {line.split("|")[1].strip(): line for line in lines}
    first = rows["**Fig. 1**"]
    assert "**reproduced**" in first
    assert "a \\| b" in first
    assert "[Chapter first](../notebooks/01_first.ipynb)" in first
    assert "`.venv/bin/papermill notebooks/01_first.ipynb out.ipynb -p scale quick`" in first
    assert "| – | seen: 1 nm" in first  # the paper itself has no number
    assert "1.1 nm ± 0.2 nm (A. Author 2026)" in first
    assert "**reduced scale**" in rows["**Fig. 2**"]
    assert "**not yet**" in rows["**Table 1**"]
    assert "ours\\_4B, AP: 42.4" in rows["**Table 1**"]
    assert "planned, chapter 9" in rows["**Table 1**"]
    text = page.read_text("utf-8")
    assert "| guarded | 2 | regression ok |" in text
    assert "| off | 5 nm | differs | 1 nm | ± 0.5 nm | B. Author 2025 |" in text
    assert "a rendered scene" in text
    assert "not executed at this scale" in text  # the chapter that failed


def test_a_mistyped_key_of_the_paper(with_book, tmp_path):
    items = {"items": ITEMS["items"][1:]}
    (with_book / "book/paper_items.yml").write_text(yaml.safe_dump(items))
    with pytest.raises(UnknownNameError, match="Fig"):
        write_report(with_book, "quick", tmp_path / "report.md")
    assert list(tmp_path.iterdir()) == []


def test_the_page_of_benchmarks(tmp_path):
    page, source = tmp_path / "benchmarks.md", tmp_path / "_build" / "benchmarks.json"
    write_benchmarks(tmp_path, page)
    assert "make benchmarks" in page.read_text("utf-8")
    source.parent.mkdir()
    row = {"workload": "W1", "ours": "f", "peer": "tmm", "ours_median_s": 0.0176, "note": ""}
    row |= {"peer_median_s": 36.2, "ratio": 2056.8, "bar": 1500, "stretch": 5000}
    slow = row | {"workload": "W2", "ratio": 1.5, "bar": 2, "stretch": None, "ours_median_s": 3e-7}
    machine = {"python": "3.12", "platform": "Linux", "cpu_count": 2, "versions": {"tmm": "0.2.0"}}
    source.write_text(json.dumps({"machine": machine, "rows": [row, slow]}))
    write_benchmarks(tmp_path, page)
    text = page.read_text("utf-8")
    assert "Python 3.12 on Linux, 2 CPUs; tmm 0.2.0." in text
    first = "| W1 | f | tmm | 17.6 ms | 36.2 s | **2,057×** | ≥ 1,500×, met | ≥ 5,000×, not met |"
    assert first in text
    assert "300 ns" in text
    assert "≥ 2×, **missed** | –" in text
    source.write_text("[]")
    with pytest.raises(ArgumentError, match="make benchmarks"):
        write_benchmarks(tmp_path, page)


# Book ----------------------------------------------------------------------------------------


def test_the_book_is_built_once_and_warnings_are_errors(with_book, monkeypatch, capsys):
    failed = ("02_fails", "03_dependant", "05_dies", "06_exits")
    for stem in failed:
        (with_book / f"notebooks/{stem}.ipynb").rename(with_book / f"{stem}.away")
    try:
        page = build_book(with_book)
        assert page == with_book / "_build/html/index.html"
        assert "It counts 3." in (page.parent / "notebooks/01_first.html").read_text("utf-8")
        assert "building" in capsys.readouterr().out
        assert build_book(with_book) == page
        assert "building" not in capsys.readouterr().out

        (with_book / "book/intro.md").write_text(
            "# Toy\n\n[](nowhere.md)\n\n```{bibliography}\n```\n"
        )
        with pytest.raises(BookError, match=r"book/intro\.md:3: WARNING"):
            build_book(with_book)
        assert not page.exists()
        with pytest.raises(BookError):
            build_book(with_book)
    finally:
        for stem in failed:
            (with_book / f"{stem}.away").rename(with_book / f"notebooks/{stem}.ipynb")
