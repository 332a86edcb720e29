"""`qupaint_lib.results`: what a chapter may state, what it is called, and where it is kept."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from qupaint_lib import results
from qupaint_lib.errors import ArgumentError, TableError, UnknownNameError
from qupaint_lib.results import External, Regression, note, read_results, record, say, table

PAPER = External(1.0, "A. Author 2026, Table 1", "publication")


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "deeper" / "results.json"
    monkeypatch.setenv("QUPAINT_RESULTS", str(path))
    return path


@pytest.fixture(autouse=True)
def no_file(monkeypatch):
    monkeypatch.delenv("QUPAINT_RESULTS", raising=False)


@pytest.mark.parametrize(
    ("value", "reference", "tolerance", "status"),
    [
        (1.0, PAPER, 0, "reproduced"),
        (1.25, PAPER, 0.25, "reproduced"),
        (1.26, PAPER, 0.25, "differs"),
        (0.7, PAPER, 0.25, "differs"),
        (3, External(3, "counting", "mathematics"), 0, "reproduced"),
        (1.0, Regression(1.0), 0, "regression ok"),
        (1.1, Regression(1.0), 0.01, "regression changed"),
        (1.0, None, None, "stated"),
    ],
)
def test_status(value, reference, tolerance, status):
    assert record("x", value, "nm", reference, tolerance).status == status


@pytest.mark.parametrize("difference", [0.0, 1e-12, 1.0])
@pytest.mark.parametrize("tolerance", [0.0, 1e3])
def test_a_regression_is_never_called_reproduced(difference, tolerance):
    result = record("x", 1.0 + difference, "", Regression(1.0), tolerance)
    assert result.status.startswith("regression")
    assert "reproduced" not in result._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("", 1.0, ""), "name"),
        (("  ", 1.0, ""), "name"),
        (("x", math.nan, ""), "value"),
        (("x", -math.inf, ""), "value"),
        (("x", "1.0", ""), "value"),
        (("x", True, ""), "value"),
        (("x", 1j, ""), "value"),
        (("x", np.ones(2), ""), "value"),
        (("x", 1.0, None), "unit"),
        (("x", 1.0, "", 1.0, 0.1), "reference"),
        (("x", 1.0, "", None, 0.1), "tolerance"),
        (("x", 1.0, "", PAPER), "tolerance"),
        (("x", 1.0, "", PAPER, -0.1), "tolerance"),
        (("x", 1.0, "", PAPER, math.nan), "tolerance"),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_is_written(file, arguments, named):
    with pytest.raises(ArgumentError) as caught:
        record(*arguments)
    assert caught.value.argument == named
    assert not file.exists()


def test_wrong_references():
    with pytest.raises(UnknownNameError, match="publication"):
        External(1.0, "somebody", "publicaton")
    with pytest.raises(ArgumentError, match="source"):
        External(1.0, "", "package")
    with pytest.raises(ArgumentError, match=r"reference\.value"):
        Regression(math.nan)
    with pytest.raises(ArgumentError, match="paper"):
        record("x", 1.0, "", paper="")
    with pytest.raises(ArgumentError, match="note"):
        record("x", 1.0, "", note=None)


def test_numbers_become_python_numbers():
    assert type(record("x", np.float32(0.5), "").value) is float
    assert type(record("x", np.int64(3), "").value) is int
    assert type(record("x", np.array([2.5]), "").value) is float
    assert type(record("x", np.array(2.5), "").value) is float


def test_a_result_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        record("x", 1.0, "").value = 2.0


def test_shown_with_reference_source_tolerance_and_status():
    html = record("a < b", 1.2, "nm", PAPER, 0.5, note="by hand")._repr_html_()
    for text in ("a &lt; b (by hand)", "1.2 nm", "1 nm", "Table 1", "± 0.5 nm", "reproduced"):
        assert text in html


def test_a_table_holds_a_row_per_result():
    html = table(record("x", 1, ""), record("y", 12345, "px"))._repr_html_()
    assert html.count("<tr>") == 3
    assert "12,345 px" in html
    with pytest.raises(ArgumentError, match="results"):
        table(1.0)


def test_saved_in_order_and_the_same_name_in_place(file):
    record("a", 1, "nm")
    record("b", 2.0, "", PAPER, 1.5, note="why", paper="Fig. 2")
    record("c", 3.0, "", Regression(4), 1)
    record("a", 9, "nm")
    read, notes = read_results(file)
    assert [(r.name, r.value) for r in read] == [("a", 9), ("b", 2.0), ("c", 3.0)]
    assert read[1] == record("b", 2.0, "", PAPER, 1.5, note="why", paper="Fig. 2")
    assert [r.status for r in read] == ["stated", "reproduced", "regression ok"]
    assert notes == []
    assert [p.name for p in file.parent.iterdir()] == ["results.json"]


def test_without_the_variable_nothing_is_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record("a", 1, "nm")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_old_file(file, monkeypatch):
    record("a", 1, "nm")
    old = file.read_text("utf-8")

    def full_disk(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(results.Path, "replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        record("b", 2, "nm")
    assert file.read_text("utf-8") == old


def test_say_shows_and_saves_its_numbers(file, capsys):
    say("{word} by {x:.1%} at {n} nm", word="darker", x=np.float64(0.141), n=550)
    assert capsys.readouterr().out == "darker by 14.1% at 550 nm\n"
    (entry,) = json.loads(file.read_text("utf-8"))
    assert entry["numbers"] == {"word": "darker", "x": 0.141, "n": 550}
    assert entry["text"] == "darker by 14.1% at 550 nm"


@pytest.mark.parametrize(
    ("template", "numbers", "named"),
    [
        ("", {}, "template"),
        ("{x}", {}, "template"),
        ("{}", {"x": 1}, "template"),
        ("no field", {"x": 1}, "template"),
        ("{x:d}", {"x": 1.5}, "template"),
        ("{x", {"x": 1}, "template"),
        ("{x}", {"x": math.nan}, "x"),
        ("{x}", {"x": [1]}, "x"),
    ],
)
def test_a_wrong_sentence(file, template, numbers, named):
    with pytest.raises(ArgumentError) as caught:
        say(template, **numbers)
    assert caught.value.argument == named
    assert not file.exists()


def test_a_note_is_shown_in_a_block_and_saved_once(file, capsys):
    note("a rendered scene")
    note("a rendered scene")
    assert capsys.readouterr().out.splitlines()[0] == "> **Note.** a rendered scene"
    assert read_results(file) == ([], ["a rendered scene"])
    with pytest.raises(ArgumentError, match="text"):
        note(" ")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"entry": "result", "name": "x"}]'])
def test_a_foreign_file(tmp_path, text):
    path = tmp_path / "results.json"
    path.write_text(text, "utf-8")
    with pytest.raises(TableError, match=r"results\.json"):
        read_results(path)
