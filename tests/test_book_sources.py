"""The book's sources: nothing named that is missing, nothing loaded from elsewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
SPHINX = CONFIG["sphinx"]["config"]


def pages_of_contents() -> list[str]:
    return re.findall(r"(?:file|root): (\S+)", (BOOK / "_toc.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", pages_of_contents())
def test_every_page_of_the_contents_exists(page: str) -> None:
    assert (ROOT / f"{page}.md").is_file() or (ROOT / f"{page}.ipynb").is_file()


def test_every_page_is_in_the_contents() -> None:
    written = {path.relative_to(ROOT).with_suffix("") for path in BOOK.rglob("*.md")}
    written |= {path.relative_to(ROOT).with_suffix("") for path in ROOT.glob("notebooks/*.ipynb")}
    pages = {path.as_posix() for path in written if "_static" not in path.parts}
    assert pages == set(pages_of_contents())


def test_scripts_are_vendored_with_their_licences() -> None:
    scripts = [SPHINX["mathjax_path"], *SPHINX["nb_ipywidgets_js"], *SPHINX["html_css_files"]]
    assert all((BOOK / "_static" / script).is_file() for script in scripts)
    folders = [path for path in (BOOK / "_static" / "vendor").iterdir() if path.is_dir()]
    assert len(folders) == 2
    assert all((folder / "LICENSE").is_file() for folder in folders)


def test_chapters_are_never_executed_by_the_book_builder() -> None:
    assert CONFIG["execute"]["execute_notebooks"] == "off"


@pytest.fixture
def extension() -> ModuleType:
    spec = importlib.util.spec_from_file_location("offline", BOOK / "_ext" / "offline_book.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("url", ["", "https://github.com/example-org/example-book"])
def test_launch_links_appear_with_the_repository(extension: ModuleType, url: str) -> None:
    options = {"repository_url": url, "launch_buttons": dict(CONFIG["launch_buttons"])}
    extension.offer_launch_links(None, SimpleNamespace(html_theme_options=options))
    assert bool(options["launch_buttons"].get("binderhub_url")) == bool(url)
    assert bool(options["launch_buttons"].get("colab_url")) == bool(url)
    assert options.get("use_repository_button", False) == bool(url)


def test_the_repository_is_configured_in_one_place() -> None:
    assert set(CONFIG["repository"]) == {"url", "branch"}
    assert "repository_url" not in SPHINX["html_theme_options"]
