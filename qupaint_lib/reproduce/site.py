"""Stage the book's sources with the executed chapters, and build the HTML."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from qupaint_lib._files import write_text
from qupaint_lib.errors import QuPaintError
from qupaint_lib.reproduce.chapters import discover, surroundings_digest
from qupaint_lib.reproduce.provenance import Places
from qupaint_lib.reproduce.report import write_benchmarks, write_report

_LIBRARY = Path(__file__).parents[1]
# Files of the top level that pages of the book may include.
_INCLUDED = ("_config.yml", "CHANGELOG.md", "CITATION.cff", "LICENSE")
_COMMAND = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
_TRACE = "Traceback (most recent call last):"
_OPTIONS = ["--path-output", ".", "-W", "-n", "--keep-going"]


class BookError(QuPaintError):
    """The book cannot be built, or has warnings."""


def build_book(root: Path, scale: str = "quick") -> Path:
    """Write the report, stage the sources, build the HTML, and return the finished page.

    Nothing is built when the staged sources and the library are those of the last book that was
    built without a warning.

    Raises
    ------
    BookError
        A chapter is not executed at this scale, or Jupyter Book found something to warn of.
    """
    site, html = root / "_build" / "site", root / "_build" / "html"
    stage(root, scale, site)
    page, seal = html / "index.html", html / ".sources"
    digest = _site_digest(site)
    if not (page.exists() and seal.exists() and seal.read_text("utf-8") == digest):
        print("building the book …", flush=True)
        _build_html(root, site, html)
        write_text(seal, digest)
    return page


def stage(root: Path, scale: str, site: Path) -> None:
    """Put together, afresh, what Jupyter Book reads: sources, executed chapters, written pages."""
    chapters = discover(root)
    executed = [Places(root, scale, chapter.stem).notebook for chapter in chapters]
    if missing := [path.stem for path in executed if not path.exists()]:
        raise BookError(f"not executed at scale {scale}: {', '.join(missing)}")
    _remove(site)
    shutil.copytree(root / "book", site / "book", ignore=shutil.ignore_patterns("__pycache__"))
    (site / "notebooks").mkdir()
    for path in executed:
        shutil.copy(path, site / "notebooks")
    for name in _INCLUDED:
        if (root / name).exists():
            shutil.copy(root / name, site)
    write_report(root, scale, site / "book" / "reproduction_report.md")
    write_benchmarks(root, site / "book" / "benchmarks.md")


def _site_digest(site: Path) -> str:
    digest = hashlib.sha256(surroundings_digest(_LIBRARY).encode())  # the API pages read docstrings
    for path in sorted(p for p in site.rglob("*") if p.is_file()):
        digest.update(path.relative_to(site).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _build_html(root: Path, site: Path, html: Path) -> None:
    # Parsed pages from an earlier build would hide their warnings, so those go as well.
    for old in (html, html.with_name(".doctrees")):
        _remove(old)
    arguments = ["build", str(site), "--toc", str(site / "book" / "_toc.yml"), *_OPTIONS]
    command = [sys.executable, "-c", _COMMAND, *arguments]
    log = root / "_build" / "jupyter-book.log"
    with log.open("wb") as file:
        code = subprocess.run(command, cwd=root, stdout=file, stderr=subprocess.STDOUT).returncode
    if code != 0 or not (html / "index.html").exists():
        _remove(html)
        raise BookError(_complaints(log.read_text("utf-8", errors="replace"), root))


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _complaints(log: str, root: Path) -> str:
    """Return what Jupyter Book warned of, with paths relative to the repository."""
    lines = re.sub(r"\x1b\[[\d;]*m", "", log).replace(f"{root}/", "").splitlines()
    loud = [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line)]
    before_trace = lines[: lines.index(_TRACE)] if _TRACE in lines else lines
    told = "\n".join(f"    {line}" for line in loud or before_trace[-4:])
    return (
        f"Jupyter Book found something to warn of; all of it is in _build/jupyter-book.log\n{told}"
    )
