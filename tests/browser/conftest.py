"""A loopback server for the built book, and a headless Chromium to look at it."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator

import pytest
from built_book import BOOK
from playwright.sync_api import Browser, sync_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def find_chromium() -> str:
    """Path of the system's Chromium, or end the run saying what to install."""
    named = os.environ.get("CHROMIUM")
    names = (named,) if named else CHROMIUM_NAMES
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.exit(
            f"No Chromium found (looked for {', '.join(names)}). Install one, for example with "
            "'apt-get install chromium' or 'brew install --cask chromium', or name it: "
            "CHROMIUM=/path/to/chromium make test-browser",
            returncode=2,
        )
    return found


def pytest_sessionstart(session: pytest.Session) -> None:
    if not (BOOK / "index.html").is_file():
        pytest.exit(f"No book at {BOOK}: run 'make book' first.", returncode=2)
    find_chromium()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing on every request."""


@pytest.fixture(scope="session")
def book_url() -> Iterator[str]:
    handler = functools.partial(_QuietHandler, directory=str(BOOK))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=find_chromium(), headless=True, args=CHROMIUM_FLAGS
        )
        yield chromium
        chromium.close()
