"""A page that is loaded and listened to: its errors, and what it asks of other machines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from built_book import ROOT
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
VIEWS = {
    "desktop-light": (DESKTOP, "light"),
    "desktop-dark": (DESKTOP, "dark"),
    "phone-light": (PHONE, "light"),
    "phone-dark": (PHONE, "dark"),
}
WIDGET_VIEWS = "script[type='application/vnd.jupyter.widget-view+json']"


@dataclass
class Visit:
    """A loaded page, and what went wrong while it loaded."""

    page: Page
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


@contextmanager
def visit(
    browser: Browser, url: str, viewport: dict, theme: str, *, seconds: float = 30
) -> Iterator[Visit]:
    context = browser.new_context(viewport=viewport, color_scheme=theme, reduced_motion="reduce")
    page = context.new_page()
    seen = Visit(page)

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            seen.errors.append(message.text)

    def on_response(response: Response) -> None:
        if response.status >= 400:
            seen.errors.append(f"{response.status} {response.url}")

    def on_request(request: Request) -> None:
        if urlsplit(request.url).scheme not in ("data", "blob", "about") and (
            urlsplit(request.url).hostname != "127.0.0.1"
        ):
            seen.foreign.append(request.url)

    page.on("console", on_console)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("response", on_response)
    page.on("request", on_request)
    page.goto(url, wait_until="load", timeout=1000 * seconds)
    page.evaluate("() => window.MathJax?.startup?.promise")
    if page.locator(WIDGET_VIEWS).count():
        page.locator(".widget-subarea .jupyter-widgets").first.wait_for(state="attached")
    try:
        yield seen
    finally:
        context.close()


def save_screenshot(page: Page, name: str) -> None:
    """Keep a picture of the whole page in ``_build/screenshots`` when SCREENSHOTS=1."""
    if os.environ.get("SCREENSHOTS") == "1":
        folder = ROOT / "_build" / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png", full_page=True)
