"""The pages that are written rather than typed: the reproduction report and the benchmarks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from qupaint_lib._files import write_text
from qupaint_lib.errors import ArgumentError, TableError, UnknownNameError
from qupaint_lib.reproduce.chapters import SCALES, Chapter, discover
from qupaint_lib.reproduce.provenance import Places, read_record
from qupaint_lib.results import Result, read_results

OBSTACLES = ("data not public", "reduced scale")

# Front matter of pages with wide tables: no contents beside the text.
_WIDE = """\
---
html_theme.sidebar_secondary.remove: true
---

"""

_INTRODUCTION = """\
# Reproduction report

Every figure and table of the QuPAINT paper {{cite}}`nguyen2026qupaint` with our counterpart, then
every number that the chapters recorded, and how each chapter came about. `make book` writes this
page from what the chapters recorded at the scale `{scale}`.

The commands run from the repository's root after `make env`. Chapter 3 works on a public micrograph
where it finds one (`make micrographs` fetches them, `QUPAINT_MICROGRAPHS` names their folder), else
on a rendered scene; its notes below say which. A Papermill run shows its results in the notebook;
`.venv/bin/python -m qupaint_lib.reproduce NN` also keeps them, with provenance.

The statuses mean:

reproduced
: our numbers agree with *external* references (a publication, a package, a measurement,
  mathematics) within the stated tolerance, with the full data

counterpart
: our figure or text stands beside the paper's, which holds no number to compare

reduced scale
: computed, with less data or a smaller model than the paper's

data not public
: the paper's data are not released, so that ours can only make the same point with other data

differs
: a number of ours is outside the tolerance around its external reference

not yet
: belongs to a chapter that is not written yet
"""

_RESULTS = """\
## Every recorded result

A *regression* compares with an earlier value of ours: it guards against accidents and proves
nothing. A result is *stated* when there is nothing to compare it with.
"""

_PROVENANCE = """\
## Provenance

The commit is the one at which a chapter was last executed: while its inputs stay the same it is not
executed again, and keeps it.

The same, with the versions of all installed packages, the parameters and the seed, lies in
`_build/provenance/{scale}/`, and in short in the metadata of every notebook that a chapter's page
offers for download.
"""

_BENCHMARKS = """\
# Benchmarks

How fast the library is beside its peers, measured in one run on one machine with the same number of
threads. Ratios are what the tests hold on to; the times are medians and depend on the machine.
"""

_NO_BENCHMARKS = """
Nothing is measured yet on this machine: `make benchmarks` does it, and `make book` then shows the
table here.
"""


@dataclass(frozen=True)
class PaperItem:
    """A figure or table of the paper; the fields are those of ``book/paper_items.yml``."""

    id: str
    shows: str
    counterpart: str | None
    obstacle: str | None
    why: str = ""
    covers: tuple[str, ...] = ()
    full_scale: str = "quick"
    published: dict = field(default_factory=dict)
    headline: tuple[tuple[str, str], ...] = ()

    def __post_init__(self):
        if self.obstacle is not None and self.obstacle not in OBSTACLES:
            raise UnknownNameError(f"{self.id}: obstacle", self.obstacle, OBSTACLES)
        if self.full_scale not in SCALES:
            raise UnknownNameError(f"{self.id}: full_scale", self.full_scale, SCALES)


def read_paper_items(path: Path) -> list[PaperItem]:
    """Read ``book/paper_items.yml``."""
    try:
        return [PaperItem(**entry) for entry in yaml.safe_load(path.read_text("utf-8"))["items"]]
    except (KeyError, TypeError, yaml.YAMLError) as error:
        raise TableError(path.name, str(error), "holds items with the fields at its top") from None


def status_of(item: PaperItem, exists: bool, results: Sequence[Result], scale: str) -> str:
    """Return the status of an item of the paper.

    It is *reproduced* only if results were recorded for it, each of them against an external
    reference and within the tolerance, with nothing in the way of the full data, at a scale that
    computes the item in full.

    Parameters
    ----------
    item : PaperItem
        The figure or table.
    exists : bool
        Whether its counterpart, a chapter or a page, is there.
    results : sequence of Result
        What was recorded for it.
    scale : str
        The scale at which it was recorded.
    """
    if not exists:
        return item.obstacle if item.counterpart is None and item.obstacle else "not yet"
    if any(result.status == "differs" for result in results):
        return "differs"
    if item.obstacle is not None:
        return item.obstacle
    if list(SCALES).index(scale) < list(SCALES).index(item.full_scale):
        return "reduced scale"
    proven = results and all(result.status == "reproduced" for result in results)
    return "reproduced" if proven else "counterpart"


def write_report(root: Path, scale: str, page: Path) -> None:
    """Write the reproduction report of one scale, from what the chapters have left in ``_build/``.

    Raises
    ------
    UnknownNameError
        A result names an item that the paper does not have.
    """
    items = read_paper_items(root / "book" / "paper_items.yml")
    chapters = discover(root)
    places = {chapter.stem: Places(root, scale, chapter.stem) for chapter in chapters}
    recorded = {
        stem: read_results(place.results)[0] if place.results.exists() else []
        for stem, place in places.items()
    }
    records = {stem: read_record(place.provenance) for stem, place in places.items()}
    _check_keys(items, recorded)
    sections = [
        _WIDE + _INTRODUCTION.format(scale=scale),
        _items_section(root, items, chapters, recorded, records, scale),
        *(_published_section(item) for item in items if item.published),
        _RESULTS,
        _results_section(chapters, recorded),
        _PROVENANCE.format(scale=scale),
        _provenance_section(chapters, records),
    ]
    write_text(page, "\n".join(sections))


def _check_keys(items: list[PaperItem], recorded: dict[str, list[Result]]) -> None:
    known = [key for item in items for key in (item.id, *item.covers)]
    for results in recorded.values():
        for result in results:
            if result.paper is not None and result.paper not in known:
                raise UnknownNameError(f"paper (of {result.name!r})", result.paper, known)


def _items_section(
    root: Path,
    items: list[PaperItem],
    chapters: list[Chapter],
    recorded: dict[str, list[Result]],
    records: dict[str, dict | None],
    scale: str,
) -> str:
    by_stem = {chapter.stem: chapter for chapter in chapters}
    rows = []
    for item in items:
        keys = (item.id, *item.covers)
        results = [r for found in recorded.values() for r in found if r.paper in keys]
        sources = [stem for stem, found in recorded.items() if any(r.paper in keys for r in found)]
        chapter = by_stem.get(item.counterpart)
        stems = dict.fromkeys([chapter.stem, *sources] if chapter else sources)
        is_page = item.counterpart and (root / "book" / f"{item.counterpart}.md").exists()
        status = status_of(item, bool(chapter or is_page), results, scale)
        rows.append(
            (
                f"**{plain(item.id)}**",
                f"**{status}**",
                plain(item.shows),
                _headline(item),
                _lines(f"{plain(r.name)}: {plain(r.cells()[1])}" for r in results),
                _lines(map(_reference, results)),
                _link(item, chapter, is_page),
                _lines(_command(stem, scale, records[stem]) for stem in stems),
                plain(item.why) or "–",
            )
        )
    header = ("item", "status", "what it shows", "paper's number", "ours")
    header += ("reference of ours", "our counterpart", "exact command, and its runtime", "remark")
    return "## The paper, item by item\n\n" + _scrolling(header, rows)


def _reference(result: Result) -> str:
    _, _, _, reference, tolerance, source = map(plain, result.cells())
    return f"{reference} {tolerance} ({source})" if result.reference else "–"


def _command(stem: str, scale: str, record: dict | None) -> str:
    command = f"`.venv/bin/papermill notebooks/{stem}.ipynb out.ipynb -p scale {scale}`"
    return f"{command}, {record['seconds']:.0f} s" if record else command


def _link(item: PaperItem, chapter: Chapter | None, is_page: bool | None) -> str:
    if chapter is not None:
        return _chapter_link(chapter)
    if is_page:
        return f"[]({item.counterpart}.md)"
    number = re.match(r"\d\d(?=_)", item.counterpart or "")
    return f"planned, chapter {int(number[0])}" if number else "–"


def _chapter_link(chapter: Chapter) -> str:
    return f"[{plain(chapter.title)}](../notebooks/{chapter.stem}.ipynb)"


def _headline(item: PaperItem) -> str:
    """Return the paper's own numbers, where it has some."""
    columns, rows = item.published.get("columns", []), item.published.get("rows", {})
    cells = [
        f"{row}, {column}: {rows[row][columns.index(column)]}" for row, column in item.headline
    ]
    return _lines(map(plain, cells))


def _published_section(item: PaperItem) -> str:
    columns = [plain(column) for column in item.published["columns"]]
    rows = []
    for label, values in item.published["rows"].items():
        if len(values) != len(columns):
            raise TableError(f"{item.id}: {label}", values, f"has {len(columns)} numbers")
        rows.append((plain(label), *map(_printed, values)))
    table = _scrolling(("", *columns), rows)
    return f"::::{{dropdown}} {item.id} as published\n{table}::::\n"


def _printed(value: float | str) -> str:
    return f"{value:,d}" if isinstance(value, int) else str(value)


def _results_section(chapters: list[Chapter], recorded: dict[str, list[Result]]) -> str:
    rows = [
        (_chapter_link(chapter), *map(plain, result.cells()), plain(result.paper or "–"))
        for chapter in chapters
        for result in recorded[chapter.stem]
    ]
    header = ("chapter", "result", "ours", "status", "reference", "tolerance", "source", "paper")
    return _scrolling(header, rows) if rows else "No chapter has recorded a result yet.\n"


def _provenance_section(chapters: list[Chapter], records: dict[str, dict | None]) -> str:
    rows = []
    for chapter in chapters:
        record = records[chapter.stem]
        if record is None:
            rows.append((_chapter_link(chapter), *["–"] * 6, "not executed at this scale"))
            continue
        machine, commit = record["machine"], record["commit"]
        state = ", with uncommitted changes" if record["dirty"] else ""
        rows.append(
            (
                _chapter_link(chapter),
                record["scale"],
                f"{record['seconds']:.1f}",
                f"`{commit[:10]}`{state}" if commit else "–",
                plain(str(record["seed"] if record["seed"] is not None else "–")),
                machine["python"],
                f"{plain(machine['platform'])}, {machine['cpu_count']} CPUs",
                _lines(plain(text.replace("**", "")) for text in record["notes"]),
            )
        )
    header = ("chapter", "scale", "seconds", "commit", "seed", "Python", "machine", "notes")
    return _scrolling(header, rows)


def write_benchmarks(root: Path, page: Path) -> None:
    """Write the page of benchmarks from ``_build/benchmarks.json``, if it is there."""
    source = root / "_build" / "benchmarks.json"
    if not source.exists():
        write_text(page, _WIDE + _BENCHMARKS + _NO_BENCHMARKS)
        return
    try:
        measured = json.loads(source.read_text("utf-8"))
        text = _machine(measured["machine"]) + _benchmark_table(measured["rows"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArgumentError(source.name, str(error), "is what `make benchmarks` writes") from None
    write_text(page, _WIDE + _BENCHMARKS + text)


def _machine(machine: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    text = f"Python {machine['python']} on {machine['platform']}, {machine['cpu_count']} CPUs"
    return f"\n{plain(f'{text}; {versions}')}.\n\n" if versions else f"\n{plain(text)}.\n\n"


def _benchmark_table(rows: list[dict]) -> str:
    header = ("workload", "ours", "peer", "our time", "peer's time", "ratio", "bar", "stretch")
    cells = [
        (
            *(plain(row[key]) for key in ("workload", "ours", "peer")),
            _duration(row["ours_median_s"]),
            _duration(row["peer_median_s"]),
            f"**{row['ratio']:,.3g}×**" if row["ratio"] < 1000 else f"**{row['ratio']:,.0f}×**",
            f"≥ {row['bar']:,g}×, {'met' if row['ratio'] >= row['bar'] else '**missed**'}",
            _stretch(row["stretch"], row["ratio"]),
            plain(row["note"]) or "–",
        )
        for row in rows
    ]
    return _scrolling((*header, "note"), cells)


def _stretch(stretch: float | None, ratio: float) -> str:
    if stretch is None:
        return "–"
    return f"≥ {stretch:,g}×, {'met' if ratio >= stretch else 'not met'}"


def _duration(seconds: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def plain(text: str) -> str:
    """Escape text so that Markdown, in a table too, shows it as it is."""
    return re.sub(r"([\\`*_\[\]{}<>|$#])", r"\\\1", " ".join(str(text).split()))


def _lines(cells: Iterable[str]) -> str:
    return "<br>".join(cell for cell in cells if cell) or "–"


def _scrolling(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table that scrolls in a box of its own where the page is narrow."""
    lines = [header, ["---"] * len(header), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f":::{{div}} table-scroll\n{table}\n:::\n"
