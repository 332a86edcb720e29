"""How a chapter states a result, and what the result is compared with.

`record` states a number beside its reference, `say` a sentence whose numbers are computed, `note` a
remark that belongs to the provenance. Each is shown on the page, and saved as well when the
environment variable ``QUPAINT_RESULTS`` names a JSON file.

A reference is `External` (a publication, another package, a measurement, mathematics) or a
`Regression`: an earlier value of ours, which guards against accidents and proves nothing. Only a
value that agrees with an external reference is called *reproduced*.
"""

from __future__ import annotations

import html
import json
import math
import os
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from pathlib import Path
from string import Formatter
from typing import ClassVar

from qupaint_lib._files import write_text
from qupaint_lib.errors import ArgumentError, TableError, UnknownNameError

__all__ = ["External", "Regression", "Result", "note", "read_results", "record", "say", "table"]

_KINDS = ("publication", "package", "measurement", "mathematics")


@dataclass(frozen=True)
class External:
    """A reference that is not ours: its value, its source in words, and the source's kind.

    ``kind`` is ``"publication"``, ``"package"``, ``"measurement"`` or ``"mathematics"``.
    """

    value: float
    source: str
    kind: str

    def __post_init__(self):
        object.__setattr__(self, "value", _number("reference.value", self.value))
        _text("reference.source", self.source)
        if self.kind not in _KINDS:
            raise UnknownNameError("reference.kind", self.kind, _KINDS)


@dataclass(frozen=True)
class Regression:
    """An earlier value of ours: a difference tells that something changed, agreement nothing."""

    value: float
    source: ClassVar[str] = "an earlier value of ours"

    def __post_init__(self):
        object.__setattr__(self, "value", _number("reference.value", self.value))


@dataclass(frozen=True)
class Result:
    """A recorded number, as `record` describes it; it shows itself as a small table."""

    name: str
    value: float
    unit: str
    reference: External | Regression | None = None
    tolerance: float | None = None
    note: str = ""
    paper: str | None = None

    def __post_init__(self):
        _text("name", self.name)
        object.__setattr__(self, "value", _number("value", self.value))
        for argument in ("unit", "note"):
            if not isinstance(text := getattr(self, argument), str):
                raise ArgumentError(argument, text, 'is a string; "" for none')
        if not isinstance(self.reference, External | Regression | None):
            raise ArgumentError(
                "reference", self.reference, "is External(…), Regression(…) or None"
            )
        if (self.tolerance is None) != (self.reference is None):
            raise ArgumentError(
                "tolerance", self.tolerance, "belongs to a reference, and it to one"
            )
        if self.tolerance is not None:
            object.__setattr__(self, "tolerance", _number("tolerance", self.tolerance))
            if self.tolerance < 0:
                raise ArgumentError(
                    "tolerance", self.tolerance, "is 0 or more, in the unit of value"
                )
        if self.paper is not None:
            _text("paper", self.paper)

    @property
    def status(self) -> str:
        """``reproduced``, ``differs``, ``regression ok``, ``regression changed`` or ``stated``."""
        if self.reference is None:
            return "stated"
        within = abs(self.value - self.reference.value) <= self.tolerance
        if isinstance(self.reference, External):
            return "reproduced" if within else "differs"
        return "regression ok" if within else "regression changed"

    def cells(self) -> tuple[str, ...]:
        """Return name, ours, status, reference, tolerance and source as plain text."""
        name = f"{self.name} ({self.note})" if self.note else self.name
        ours, reference, tolerance, source = _quantity(self.value, self.unit), "–", "–", "–"
        if self.reference is not None:
            reference = _quantity(self.reference.value, self.unit)
            tolerance = f"± {_quantity(self.tolerance, self.unit)}"
            source = self.reference.source
        return name, ours, self.status, reference, tolerance, source

    def _repr_html_(self) -> str:
        return table(self)._repr_html_()


@dataclass(frozen=True)
class _Table:
    results: tuple[Result, ...]

    def _repr_html_(self) -> str:
        # JupyterLab and the book both style the class that pandas uses, in light and dark mode.
        titles = ("result", "ours", "status", "reference", "source")
        head = "".join(f"<th>{title}</th>" for title in titles)
        body = ""
        for result in self.results:
            name, ours, status, reference, tolerance, source = result.cells()
            reference = reference if result.reference is None else f"{reference} {tolerance}"
            cells = map(html.escape, (name, ours, status, reference, source))
            body += f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        content = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        scroll = 'class="recorded" style="overflow-x: auto"'
        return f'<div {scroll}><table class="dataframe">{content}</table></div>'


def record(
    name: str,
    value: float,
    unit: str,
    reference: External | Regression | None = None,
    tolerance: float | None = None,
    *,
    note: str = "",
    paper: str | None = None,
) -> Result:
    """State a result; it is shown where it, or a `table` with it, is the last line of a cell.

    Parameters
    ----------
    name : str
        What was computed. A second result of the same name replaces the first.
    value : float or int
        One finite number; an array or tensor of one element is unwrapped.
    unit : str
        Unit of ``value``; ``""`` for a pure number.
    reference : External or Regression, optional
        What ``value`` is compared with.
    tolerance : float, optional
        Largest difference from the reference that agrees, in ``unit``; given if and only if there
        is a reference.
    note : str, optional
        A short qualification, shown beside the name.
    paper : str, optional
        The figure or table of the paper that this result stands for, for instance ``"Fig. 2"``.

    Raises
    ------
    ArgumentError
        An argument is empty, not finite, negative where it may not be, or without its partner.
    """
    result = Result(name, value, unit, reference, tolerance, note, paper)
    # asdict drops the class of the reference; only an external one has a kind.
    _save({"entry": "result", **asdict(result), "status": result.status})
    return result


def table(*results: Result) -> _Table:
    """Show several results as one table."""
    for result in results:
        if not isinstance(result, Result):
            raise ArgumentError("results", result, "is what record(…) returned")
    return _Table(results)


def say(template: str, **numbers: float | str) -> None:
    """Show a Markdown sentence whose numbers are computed, and save the numbers.

    ``say("The contrast is {contrast:.1%} at {wavelength:.0f} nm.", contrast=c, wavelength=550)``
    fills the format string ``template``, which names each keyword argument and no other. A word
    that depends on the numbers may be given as a string.
    """
    _text("template", template)
    numbers = {k: v if isinstance(v, str) else _number(k, v) for k, v in numbers.items()}
    try:
        names = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
        text = _Typeset().format(template, **numbers) if names == set(numbers) else None
    except ValueError as error:
        raise ArgumentError("template", template, f"can format its numbers: {error}") from None
    if text is None:
        wrong = ", ".join(sorted(names ^ set(numbers)))
        raise ArgumentError("template", template, f"names each given number and no other: {wrong}")
    _save({"entry": "sentence", "name": template, "text": text, "numbers": numbers})
    _show(text)


def note(text: str) -> None:
    """Show a remark (Markdown) in a block of its own, and save it for the provenance."""
    _text("text", text)
    _save({"entry": "note", "name": text})
    _show("> **Note.** " + text.replace("\n", "\n> "))


def read_results(path: str | os.PathLike) -> tuple[list[Result], list[str]]:
    """Read the results and the notes that a chapter saved, each in the order of the chapter.

    Raises
    ------
    TableError
        The file does not hold what this module writes.
    """
    try:
        entries = json.loads(Path(path).read_text("utf-8"))
        if not isinstance(entries, list):
            raise TypeError("no list")
        results = [_from_json(entry) for entry in entries if entry["entry"] == "result"]
        return results, [entry["name"] for entry in entries if entry["entry"] == "note"]
    except (KeyError, TypeError, ValueError) as error:
        raise TableError(Path(path).name, str(error), "is a list of recorded results") from None


def _from_json(entry: dict) -> Result:
    fields = {key: value for key, value in entry.items() if key not in ("entry", "status")}
    if (given := fields["reference"]) is not None:
        fields["reference"] = External(**given) if "kind" in given else Regression(**given)
    return Result(**fields)


def _save(entry: dict) -> None:
    """Put an entry into the file that ``QUPAINT_RESULTS`` names, in place of its namesake."""
    if not (name := os.environ.get("QUPAINT_RESULTS")):
        return
    path = Path(name)
    old = json.loads(path.read_text("utf-8")) if path.exists() else []
    entries = {(e["entry"], e["name"]): e for e in [*old, entry]}
    write_text(path, json.dumps(list(entries.values()), indent=1, ensure_ascii=False) + "\n")


def _show(markdown: str) -> None:
    from IPython import get_ipython
    from IPython.display import Markdown, display

    if get_ipython() is None:
        print(markdown)
    else:
        display(Markdown(markdown))


class _Typeset(Formatter):
    """Formats numbers with a minus sign instead of a hyphen."""

    def format_field(self, value: object, format_spec: str) -> str:
        """Return the field; only a number's leading sign is changed."""
        text = super().format_field(value, format_spec)
        return "−" + text[1:] if isinstance(value, Real) and text.startswith("-") else text


def _quantity(value: float, unit: str) -> str:
    tiny = isinstance(value, float) and 0 < abs(value) < 1e-5  # a deviation: its size is enough
    spec = ",d" if isinstance(value, int) else ".2g" if tiny else ".6g"
    return f"{_Typeset().format_field(value, spec)} {unit}".strip()


def _number(argument: str, value: object) -> int | float:
    """Return a Python number; an array or tensor of one element is unwrapped."""
    number = value.item() if getattr(value, "shape", None) in [(), (1,)] else value
    if isinstance(number, bool) or not isinstance(number, Real) or not math.isfinite(number):
        raise ArgumentError(argument, value, "is one finite number")
    return int(number) if isinstance(number, Integral) else float(number)


def _text(argument: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ArgumentError(argument, value, "is a string that says something")
