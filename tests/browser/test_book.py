"""The built book as a reader meets it: every page, desktop and phone, light and dark, offline."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
from built_book import BOOK, book_pages
from playwright.sync_api import Browser, Page
from visits import DESKTOP, VIEWS, save_screenshot, visit

PAGES = book_pages()
WITH_SLIDER = [
    page
    for page in PAGES
    if "application/vnd.jupyter.widget-view+json" in (BOOK / page).read_text(encoding="utf-8")
]


BROKEN_IMAGES = """() => [...document.images]
    .filter(image => image.currentSrc && !(image.complete && image.naturalWidth > 0))
    .map(image => image.currentSrc)"""
IMAGES_WITHOUT_ALT = """() => [...document.querySelectorAll('article img, article svg[role=img]')]
    .filter(image => !(image.getAttribute('alt') || image.getAttribute('aria-label') || '').trim())
    .map(image => image.src || image.outerHTML.slice(0, 80))"""
TOO_WIDE = """() => [...document.querySelectorAll('body *')]
    .filter(element => element.getBoundingClientRect().right > window.innerWidth + 1)
    .slice(0, 5).map(element => element.tagName + '.' + element.className)"""
UNTYPESET_MATH = r"""() => [...document.querySelectorAll('.math')]
    .filter(element => !element.querySelector('mjx-container')
                       || element.querySelector('mjx-merror'))
    .map(element => element.textContent.slice(0, 80))"""


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", PAGES)
def test_page(browser: Browser, book_url: str, name: str, view: str) -> None:
    viewport, theme = VIEWS[view]
    with visit(browser, f"{book_url}/{name}", viewport, theme) as seen:
        page = seen.page
        page.wait_for_timeout(100)
        save_screenshot(page, f"{name.removesuffix('.html').replace('/', '-')}-{view}")
        assert not seen.foreign, "requests off the machine"
        assert not seen.errors
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        widest, inner = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert widest <= inner, f"page overflows: {page.evaluate(TOO_WIDE)}"
        for script, fault in (
            (BROKEN_IMAGES, "broken images"),
            (IMAGES_WITHOUT_ALT, "images without alternative text"),
            (UNTYPESET_MATH, "math that is not typeset"),
        ):
            assert not page.evaluate(script), fault
        assert not leftovers(page), "markup or references that were not resolved"


def test_front_page_leads_to_the_introduction(browser: Browser, book_url: str) -> None:
    with browser.new_page() as page:
        page.goto(f"{book_url}/index.html")
        page.wait_for_url("**/book/intro.html", timeout=5000)
        assert page.locator("article h1").count() == 1


def leftovers(page: Page) -> list[str]:
    """Raw TeX, unresolved references and directives in the running text of a page."""
    text = page.evaluate(
        """() => {
            const article = (document.querySelector('article') ?? document.body).cloneNode(true);
            const code = 'pre, code, script, style, mjx-container';
            article.querySelectorAll(code).forEach(element => element.remove());
            return article.textContent;
        }"""
    )
    patterns = (r"\\\(", r"\\\[", r"\?\?", r"\{(?:eq|cite|ref|numref|doc)[:}].*", r":::\{?\w*")
    return [found for pattern in patterns for found in re.findall(pattern, text)]


# The pictures a reader sees inside widgets; hidden members of a Stack do not count.
VISIBLE_PICTURES = """() => [...document.querySelectorAll('.widget-subarea img')]
    .filter(image => image.offsetParent !== null)
    .map(image => image.src)"""


@pytest.mark.parametrize("name", WITH_SLIDER)
def test_slider_changes_the_picture(browser: Browser, book_url: str, name: str) -> None:
    with visit(browser, f"{book_url}/{name}", DESKTOP, "light") as seen:
        page = seen.page
        handles = page.locator(".widget-slider [role=slider]")
        handles.first.wait_for(state="visible")
        for i in range(handles.count()):
            shown = page.evaluate(VISIBLE_PICTURES)
            handles.nth(i).focus()
            page.keyboard.press("ArrowRight")
            page.wait_for_function(
                f"shown => JSON.stringify(({VISIBLE_PICTURES})()) !== JSON.stringify(shown)",
                arg=shown,
                timeout=3000,
            )
        save_screenshot(page, f"{name.removesuffix('.html').replace('/', '-')}-slider-moved")
        assert not seen.errors
        assert not seen.foreign


def test_book_has_a_slider() -> None:
    assert WITH_SLIDER, "no page of the book has a slider widget"


class _Links(HTMLParser):
    """Collects what a page links to, and the places it can be linked at."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.anchors.add(given["id"])
        wanted = {"a": "href", "link": "href", "script": "src", "img": "src"}.get(tag)
        if wanted and given.get(wanted):
            self.targets.append(given[wanted])


def test_internal_links_resolve() -> None:
    links = {page: _Links(BOOK / page) for page in PAGES}
    broken = []
    for page, found in links.items():
        for target in found.targets:
            if urlsplit(target).scheme or target.startswith("//"):
                continue
            path, anchor = urldefrag(urljoin(page, target))
            path = unquote(path).partition("?")[0] or page
            if not (BOOK / path).is_file():
                broken.append(f"{page}: {target}")
            elif anchor and path in links and unquote(anchor) not in links[path].anchors:
                broken.append(f"{page}: {target} (no such place on that page)")
    assert not broken
