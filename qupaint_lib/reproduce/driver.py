"""Execute chapters with Papermill, each in a process of its own, and keep what they made."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten

import nbformat
import yaml
from tqdm import tqdm

from qupaint_lib._files import write_text
from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.reproduce.chapters import (
    SCALES,
    Chapter,
    chapter_digest,
    discover,
    find_root,
    names_an_output,
    overrides_by_chapter,
    select,
    surroundings_digest,
)
from qupaint_lib.reproduce.provenance import (
    Places,
    read_record,
    record_of,
    stamp,
    temporary,
)
from qupaint_lib.results import Result, read_results

_LIBRARY = Path(__file__).parents[1]
_ERROR_LINE = re.compile(r"^[\w.]*(?:Error|Exception|Interrupt)\b.*", re.MULTILINE)
_THREADS = ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")


@dataclass(frozen=True)
class Outcome:
    """How one chapter ended.

    ``state`` is ``"executed"``, ``"unchanged"``, ``"failed"`` or ``"not run"``; ``message`` tells
    why for the last two; ``differing`` holds the results that disagree with an external reference,
    ``results`` is the file of all.
    """

    chapter: Chapter
    state: str
    seconds: float = 0.0
    message: str = ""
    differing: tuple[Result, ...] = ()
    results: Path | None = None


@dataclass
class _Job:
    """A chapter on its way: planned first, then with a process."""

    chapter: Chapter
    places: Places
    parameters: dict[str, object]
    digest: str
    custom: bool
    process: subprocess.Popen | None = None
    started: float = field(default=0.0)
    starts: int = 0

    @property
    def log(self) -> Path:
        return temporary(self.places.notebook.with_suffix(".log"))

    def files_on_the_way(self) -> tuple[Path, ...]:
        return temporary(self.places.notebook), temporary(self.places.results), self.log


def execute(
    names: Iterable[str] = (),
    *,
    scale: str = "quick",
    overrides: Mapping[str, object] | None = None,
    jobs: int = 2,
    force: bool = False,
    root: Path | None = None,
    library: Path = _LIBRARY,
) -> list[Outcome]:
    """Execute chapters in order; those whose inputs are unchanged are left as they are.

    Parameters
    ----------
    names : iterable of str, optional
        Chapters, as `select` understands them; all by default.
    scale : str
        ``"quick"``, ``"full"`` or ``"gpu"``, handed to every chapter.
    overrides : mapping, optional
        Values of further parameters. A chapter that takes one of them goes to ``<scale>-custom``.
    jobs : int
        Chapters at a time, each with a kernel of its own; kernels compute with one thread each when
        there are several.
    force : bool
        Execute unchanged chapters too.
    root : Path, optional
        The repository; found from the current folder by default. Kernels run there.
    library : Path, optional
        The folder whose files count as the library.

    Returns
    -------
    list of Outcome
        One per chapter, in order. A chapter that comes after a failed one is not run.

    Raises
    ------
    ArgumentError, UnknownNameError
        Before anything is executed: an unknown chapter, scale or parameter, or a wrong type.
    """
    if scale not in SCALES:
        raise UnknownNameError("scale", scale, SCALES)
    if jobs < 1:
        raise ArgumentError("jobs", jobs, "is 1 or more")
    root = find_root() if root is None else Path(root).resolve()
    chapters = discover(root)
    plan = _plan(chapters, select(chapters, names), scale, overrides or {}, root, library)
    return _run(plan, jobs, force, SCALES[scale])


def _plan(
    chapters: list[Chapter],
    selected: list[Chapter],
    scale: str,
    overrides: Mapping[str, object],
    root: Path,
    library: Path,
) -> list[_Job]:
    own = overrides_by_chapter(selected, overrides, root)
    surroundings = surroundings_digest(library, _micrographs())
    digests: dict[str, str] = {}
    plan = []
    for chapter in chapters:  # all, because a chapter's hash holds those of the ones it comes after
        custom = own.get(chapter.stem, {})
        parameters = {"scale": scale, **custom}
        others = [surroundings, *(digests[name] for name in chapter.after)]
        digests[chapter.stem] = digest = chapter_digest(chapter, parameters, root, others)
        if chapter.stem in own:
            places = Places(root, f"{scale}-custom" if custom else scale, chapter.stem)
            plan.append(_Job(chapter, places, parameters, digest, bool(custom)))
    return plan


def _micrographs() -> str | None:
    """Return ``$QUPAINT_MICROGRAPHS``, relative to the caller's folder, as an absolute path."""
    name = os.environ.get("QUPAINT_MICROGRAPHS")
    return os.path.abspath(name) if name else None


def _run(plan: list[_Job], jobs: int, force: bool, seconds_per_cell: int) -> list[Outcome]:
    waiting, running = list(plan), []
    outcomes: dict[str, Outcome] = {}
    try:
        with tqdm(total=len(plan), unit="chapter", disable=None) as bar:
            while waiting or running:
                while (job := _next(waiting, running, outcomes, jobs)) is not None:
                    waiting.remove(job)
                    if (outcome := _settled(job, outcomes, force)) is not None:
                        _finish(job, outcome, outcomes, bar)
                    else:
                        _start(job, jobs, seconds_per_cell)
                        running.append(job)
                for job in [job for job in running if job.process.poll() is not None]:
                    if job.starts == 1 and _died_at_start(job):
                        bar.write(f"{job.chapter.stem}  its kernel died at the start: once more")
                        _start(job, jobs, seconds_per_cell)
                        continue
                    outcome = _collect(job)
                    running.remove(job)
                    _finish(job, outcome, outcomes, bar)
                bar.set_postfix_str(", ".join(job.chapter.stem for job in running))
                time.sleep(0.2 if running else 0)
    finally:
        _stop(running)
    return [outcomes[job.chapter.stem] for job in plan]


def _next(
    waiting: list[_Job], running: list[_Job], outcomes: dict[str, Outcome], jobs: int
) -> _Job | None:
    """Return the first job that may start: a place is free, and what it comes after is done."""
    if len(running) == jobs:
        return None
    open_chapters = {job.chapter.stem for job in [*waiting, *running]}
    return next((job for job in waiting if not open_chapters & set(job.chapter.after)), None)


def _settled(job: _Job, outcomes: dict[str, Outcome], force: bool) -> Outcome | None:
    """Return the outcome of a job that needs no run: its ground has failed, or nothing changed."""
    for name in job.chapter.after:
        if name in outcomes and outcomes[name].state in ("failed", "not run"):
            return Outcome(job.chapter, "not run", message=f"it comes after {name}, which failed")
    record = read_record(job.places.provenance)
    outputs = [job.places.root / v for n, v in job.parameters.items() if v and names_an_output(n)]
    complete = all(path.exists() for path in (job.places.notebook, job.places.results, *outputs))
    if force or not complete or record is None or record.get("hash") != job.digest:
        return None
    return Outcome(
        job.chapter, "unchanged", record["seconds"], "", _differing(job), job.places.results
    )


def _finish(job: _Job, outcome: Outcome, outcomes: dict[str, Outcome], bar: tqdm) -> None:
    outcomes[job.chapter.stem] = outcome
    time_taken = f" in {outcome.seconds:.1f} s" if outcome.state in ("executed", "failed") else ""
    message = f": {outcome.message}" if outcome.message else ""
    bar.write(f"{job.chapter.stem}  {outcome.state}{time_taken}{message}")
    for result in outcome.differing:
        name, ours, _, reference, tolerance, source = result.cells()
        bar.write(f"    differs: {name} = {ours}, reference {reference} {tolerance} ({source})")
    bar.update()


def _start(job: _Job, jobs: int, seconds_per_cell: int) -> None:
    notebook, results, log = job.files_on_the_way()
    for path in (notebook, results):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    environment = os.environ | {"QUPAINT_RESULTS": str(results)}
    if (micrographs := _micrographs()) is not None:
        environment["QUPAINT_MICROGRAPHS"] = micrographs
    if jobs > 1:
        environment |= {f"{name}_NUM_THREADS": "1" for name in _THREADS}
    root = job.places.root
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "--kernel", "python3"]
    command += ["--start-timeout", "120", "--execution-timeout", str(seconds_per_cell)]
    command += ["--parameters_yaml", yaml.safe_dump(job.parameters)]
    command += [path.relative_to(root).as_posix() for path in (job.chapter.path, notebook)]
    job.started, job.starts = time.monotonic(), job.starts + 1
    with log.open("wb") as file:
        # A session of its own: an interrupt from the keyboard reaches the driver, which stops it.
        job.process = subprocess.Popen(
            command,
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _died_at_start(job: _Job) -> bool:
    """Return whether a kernel never answered: another process may have taken its ports."""
    _, _, log = job.files_on_the_way()
    return job.process.returncode != 0 and b"Kernel died before replying" in log.read_bytes()


def _collect(job: _Job) -> Outcome:
    """Turn an ended process into files in their final places, or into the story of a failure."""
    seconds = time.monotonic() - job.started
    notebook = _draft(job)
    skipped = [c for c in _code_cells(notebook) if c.execution_count is None]
    if job.process.returncode != 0 or notebook is None or skipped:
        return Outcome(job.chapter, "failed", seconds, _failure(job, notebook))
    _publish(job, notebook, seconds)
    _clean(job)
    return Outcome(job.chapter, "executed", seconds, "", _differing(job), job.places.results)


def _draft(job: _Job) -> nbformat.NotebookNode | None:
    try:
        return nbformat.read(temporary(job.places.notebook), as_version=4)
    except (FileNotFoundError, nbformat.reader.NotJSONError):
        return None  # the process ended before the file was there, or while it was written


def _publish(job: _Job, notebook: nbformat.NotebookNode, seconds: float) -> None:
    draft, results, _ = job.files_on_the_way()
    places, root = job.places, job.places.root
    if not results.exists():
        write_text(results, "[]\n")
    notes = read_results(results)[1]
    scale = job.parameters["scale"]
    record = record_of(
        job.chapter,
        scale,
        job.parameters,
        seconds=seconds,
        digest=job.digest,
        notes=notes,
        root=root,
    )
    source, output = (p.relative_to(root).as_posix() for p in (job.chapter.path, places.notebook))
    stamp(notebook, record, source, output)
    nbformat.write(notebook, draft)
    places.provenance.unlink(missing_ok=True)  # it comes last: with it the set is complete
    results.replace(places.results)
    draft.replace(places.notebook)
    places.failed.unlink(missing_ok=True)
    write_text(places.provenance, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _failure(job: _Job, notebook: nbformat.NotebookNode | None) -> str:
    """Name the cell and the error, and keep the copy that failed."""
    draft, root = temporary(job.places.notebook), job.places.root
    started = [c for c in _code_cells(notebook) if c.metadata.papermill.get("start_time")]
    where, error = "before the first cell", ""
    if started:
        cell = started[-1]
        where = f"in cell [{len(started)}]: {cell.source.strip().splitlines()[0]}"
        errors = (f"{o.ename}: {o.evalue}" for o in cell.outputs if o.output_type == "error")
        error = next(errors, "")
    if not error or error.startswith("KeyboardInterrupt"):  # what a cell says that took too long
        said = _ERROR_LINE.findall(job.log.read_text("utf-8", errors="replace"))
        code = job.process.returncode
        error = said[-1] if said and code > 0 else f"the process ended with code {code}"
    error = shorten(error.strip(" :"), 300)
    message = f"{where}\n    {error}"
    if draft.exists():
        draft.replace(job.places.failed)
        message += f"\n    kept: {job.places.failed.relative_to(root).as_posix()}"
    _clean(job)
    return message


def _code_cells(notebook: nbformat.NotebookNode | None) -> list[nbformat.NotebookNode]:
    cells = notebook.cells if notebook else ()
    return [cell for cell in cells if cell.cell_type == "code" and cell.source.strip()]


def _differing(job: _Job) -> tuple[Result, ...]:
    """Return what disagrees with an external reference, at the chapter's own parameters only."""
    if job.custom:
        return ()
    return tuple(r for r in read_results(job.places.results)[0] if r.status == "differs")


def _clean(job: _Job) -> None:
    for path in job.files_on_the_way():
        path.unlink(missing_ok=True)


def _stop(running: list[_Job]) -> None:
    """End processes that still run, with their kernels, and remove what they had half done."""
    for job in running:
        job.process.terminate()
    for job in running:
        try:
            job.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            job.process.kill()
            job.process.wait()
        _clean(job)
