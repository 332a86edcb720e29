"""Where the built book lies, and its pages."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOOK = Path(os.environ.get("BOOK_HTML", ROOT / "_build" / "html"))


def book_pages() -> list[str]:
    """Every page of the built book, relative to its root; the front page only leads to one."""
    pages = sorted(path.relative_to(BOOK).as_posix() for path in BOOK.rglob("*.html"))
    return [page for page in pages if not page.startswith(("_static/", "_sources/", "index.html"))]
