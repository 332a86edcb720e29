"""The chapters' structure, by the skeleton that they share. Executing them is `make book`'s."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import nbformat
import pytest
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from papermill import inspect_notebook

from qupaint_lib.reproduce import discover

REPOSITORY = Path(__file__).parents[1]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
SKELETON = [
    "Learning outcomes",
    "Prerequisites",
    "Check your understanding",
    "Summary",
    "What's next",
    "References",
]
FOLDED = {"hide-cell", "hide-input"}
BANNED_WIDGETS = {"interact", "interactive", "interactive_output", "interact_manual", "Output"}
EXERCISE = re.compile(r"^(#+ +|\*\*)(Exercise )?\d", re.MULTILINE)
OPENS_A_FIGURE = {"subplots", "subplot_mosaic", "figure"}
FOREIGN_PATH = re.compile(r"(?<![\w.:/<])(/(home|Users|root|tmp|mnt|usr|var|opt|work)/|[A-Z]:\\\w)")

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tags(cell):
    return set(cell.metadata.get("tags", []))


def parsed(cell):
    return ast.parse(TransformerManager().transform_cell(cell.source))


def calls(tree):
    """Return the names of the functions that are called, without the objects before a dot."""
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {getattr(function, "attr", getattr(function, "id", None)) for function in called}


def first_line(cell):
    return cell.source.strip().partition("\n")[0]


def headings(path):
    """Return (index of the cell, level, text) of every heading."""
    found = []
    for i, cell in enumerate(read(path).cells):
        if cell.cell_type == "markdown":
            prose = re.sub(r"^(```|~~~).*?^\1", "", cell.source, flags=re.MULTILINE | re.DOTALL)
            lines = re.findall(r"^(#+) +(.+?)\s*$", prose, re.MULTILINE)
            found += [(i, len(marks), text.replace("’", "'")) for marks, text in lines]
    return found


def section(path, title):
    """Return the cells from the heading ``title`` up to the next one of its level or above."""
    found = headings(path)
    (start,) = [n for n, (_, _, text) in enumerate(found) if text == title]
    level = found[start][1]
    ends = [i for i, other, _ in found[start + 1 :] if other <= level]
    return read(path).cells[found[start][0] : ends[0] if ends else None]


def test_there_are_chapters_and_all_are_in_the_table_of_contents():
    assert NOTEBOOKS, "notebooks/ holds no chapter"
    assert [chapter.path for chapter in discover(REPOSITORY)] == NOTEBOOKS
    toc = yaml.safe_load((REPOSITORY / "book" / "_toc.yml").read_text("utf-8"))
    listed = re.findall(r"notebooks/(\w+)", str(toc))
    assert listed == [path.stem for path in NOTEBOOKS]


@each
def test_clean_source(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.nbformat_minor >= 5
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for cell in code_cells(path):
        assert cell.outputs == [], first_line(cell)
        assert cell.execution_count is None, first_line(cell)


@each
def test_one_cell_of_typed_and_commented_parameters(path):
    (cell,) = [cell for cell in code_cells(path) if "parameters" in tags(cell)]
    statements = ast.parse(cell.source).body
    assert all(isinstance(s, ast.AnnAssign) and s.value is not None for s in statements)
    inferred = inspect_notebook(path)
    names = [statement.target.id for statement in statements]
    assert list(inferred) == names, "annotations are plain: int, float, str, bool, list[…], …"
    unsaid = [name for name, parameter in inferred.items() if len(parameter["help"]) < 3]
    assert not unsaid, "a comment ends the line: name: type = value  # unit, range"
    assert inferred["scale"]["default"] == '"quick"'
    assert inferred["scale"]["inferred_type_name"] == "str"


@each
def test_skeleton(path):
    found = headings(path)
    assert found[0][:2] == (0, 1), "the first cell holds the title"
    assert [level for _, level, _ in found].count(1) == 1, "one title only"
    texts = [text for _, _, text in found]
    assert [text for text in texts if text in SKELETON] == SKELETON


@each
def test_every_scale_states_its_time(path):
    prose = "\n\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    (time,) = re.findall(r"^\*\*Time.*?\n\n", prose, re.MULTILINE | re.DOTALL)
    for scale in ("quick", "full", "gpu"):
        assert re.search(rf"`(scale=)?{scale}`", time), scale


@each
def test_exercises_have_folded_solutions_that_run(path):
    cells = section(path, "Check your understanding")
    starts = [
        i
        for i, cell in enumerate(cells)
        if cell.cell_type == "markdown" and EXERCISE.search(cell.source)
    ]
    assert 3 <= len(starts) <= 5
    for start, end in zip(starts, [*starts[1:], len(cells)], strict=True):
        solution = [cell for cell in cells[start:end] if cell.cell_type == "code"]
        assert solution, first_line(cells[start])
        assert all(tags(cell) & FOLDED for cell in solution), first_line(cells[start])
        assert all(parsed(cell).body for cell in solution), first_line(cells[start])


@each
def test_cells_are_short(path):
    long = {first_line(cell): n for cell in code_cells(path) if (n := cell.source.count("\n")) > 29}
    assert not long


@each
def test_figures_have_caption_name_and_alternative_text(path):
    drawing = set(OPENS_A_FIGURE)
    for cell in code_cells(path):
        body = parsed(cell).body
        functions = [node for node in body if isinstance(node, ast.FunctionDef)]
        # Frames of a slider are handed on as PNG; frame_slider takes their alternative text.
        shown = (function for function in functions if "figure_png" not in calls(function))
        drawing |= {function.name for function in shown if calls(function) & drawing}
        if any(calls(node) & drawing for node in body if node not in functions):
            about = cell.metadata.get("mystnb", {})
            assert about.get("figure", {}).get("caption"), first_line(cell)
            assert about.get("figure", {}).get("name"), first_line(cell)
            assert about.get("image", {}).get("alt"), first_line(cell)


def test_names_of_figures_are_unique():
    about = [c.metadata.get("mystnb", {}) for path in NOTEBOOKS for c in code_cells(path)]
    names = [figure["name"] for a in about if (figure := a.get("figure"))]
    assert len(set(names)) == len(names)


@each
def test_no_widget_that_stalls_a_kernel(path):
    for cell in code_cells(path):
        for node in ast.walk(parsed(cell)):
            names = {getattr(node, field, None) for field in ("id", "attr", "name")}
            assert not names & BANNED_WIDGETS, first_line(cell)


@each
def test_no_foreign_path_and_no_global_seed(path):
    for cell in read(path).cells:
        assert not FOREIGN_PATH.search(cell.source), first_line(cell)
        if cell.cell_type == "code":
            seeds = r"\brandom\.seed\(|\bmanual_seed\("
            assert not re.search(seeds, cell.source), first_line(cell)


@each
def test_imports_are_declared(path):
    allowed = importable()
    for cell in code_cells(path):
        for node in ast.walk(parsed(cell)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] in allowed, f"{name} in {first_line(cell)}"


def importable():
    """Return the modules a chapter may import: standard ones, ours, those declared for readers."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = project["dependencies"] + extras["lab"] + extras["train"] + extras["cluster"]
    declared = {re.match(r"[\w.-]+", line)[0].lower() for line in lines}
    names = {"qupaint_lib", *sys.stdlib_module_names}
    for module, owners in packages_distributions().items():
        if declared & {owner.lower() for owner in owners}:
            names.add(module)
    return names
