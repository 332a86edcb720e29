"""The lab bench as an app: Voila in headless Chromium, on loopback, with nothing from elsewhere."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
import numpy as np
import pytest
from built_book import ROOT
from playwright.sync_api import Browser, Page, expect
from visits import DESKTOP, PHONE, Visit, save_screenshot, visit

from qupaint_lib.answers import parse_answer
from qupaint_lib.microscope import get_preset, render_layers
from qupaint_lib.widgets.pictures import encode_png

CHAPTER = ROOT / "notebooks" / "11_lab_bench.ipynb"
START_SECONDS, LOAD_SECONDS = 60, 120  # patience, not a bar: other work may share the machine
LAYERS = (1, 2, 3, 1, 4, 2)
expect.set_options(timeout=30_000)  # patience again


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextmanager
def serving(command: list[str], path: str, folder: Path) -> Iterator[str]:
    """Run a server on loopback until its `path` answers, and end it afterwards."""
    port, log = free_port(), folder / "log.txt"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("QUPAINT_RESULTS", None)
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, *command, f"--port={port}"],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(url + path, server, log)
            yield url
        finally:
            server.terminate()
            server.wait(timeout=30)


@pytest.fixture(scope="module")
def app_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    command = ["-m", "qupaint_lib.widgets", str(CHAPTER), "--no-browser"]
    with serving(command, "/voila/static/", tmp_path_factory.mktemp("voila")) as url:
        yield url


def wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        try:
            urlopen(url, timeout=5)
        except URLError as error:
            if getattr(error, "code", None):  # it answers
                return
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"{url} did not answer: {log.read_text()}")


@contextmanager
def bench(browser: Browser, url: str, viewport: dict = DESKTOP, theme: str = "light"):
    """Open the app in a window of its own, and wait until the first panel is drawn."""
    with visit(browser, f"{url}/?theme={theme}", viewport, theme, seconds=LOAD_SECONDS) as seen:
        seen.page.set_default_timeout(30_000)
        seen.page.locator(".bench .bench-picture").first.wait_for(timeout=1000 * LOAD_SECONDS)
        yield seen


def calm(seen: Visit) -> None:
    assert not seen.errors
    assert not seen.foreign, "requests off the machine"


def wafer() -> np.ndarray:
    """Codes of six discs of 1, 2, 3, 1, 4, 2 layers on 86 nm of oxide, stated as 90."""
    rows, columns = np.mgrid[:320, :480]
    layers = np.zeros((320, 480), dtype=int)
    for i, count in enumerate(LAYERS):
        row, column = 80 + 160 * (i // 3), 80 + 160 * (i % 3)
        layers[(rows - row) ** 2 + (columns - column) ** 2 < 45**2] = count
    lab = get_preset("maskterial-20x")
    taken = replace(lab, oxide_thickness_nm=86.0, vignetting=0.0, clip_level=1.0)
    codes = render_layers(layers, "graphene", taken, np.random.default_rng(1))
    return np.round(codes * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "wafer.png"
    path.write_bytes(encode_png(wafer()))
    return path


def panel(page: Page, name: str):
    page.get_by_role("tab", name=name, exact=True).click()
    return page.get_by_role("tabpanel").filter(visible=True)


def status(page: Page):
    """The status lines that are shown, those of hidden panels left out."""
    return page.locator(".bench-status:visible")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).filter(visible=True).click()


def open_image(page: Page, path: Path | dict) -> None:
    page.locator("input[type=file]:visible").first.set_input_files(path)


def test_a_slider_changes_the_figures(browser: Browser, app_url: str) -> None:
    with bench(browser, app_url) as seen:
        page = seen.page
        pictures = page.locator(".bench-picture:visible")
        expect(pictures).to_have_count(2)
        before = [pictures.nth(k).get_attribute("src") for k in range(2)]
        handle = page.locator(".widget-slider", has_text="oxide, nm").get_by_role("slider")
        handle.focus()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        expect(pictures.first).to_have_attribute("alt", re.compile("on 95 nm SiO2"))
        after = [pictures.nth(k).get_attribute("src") for k in range(2)]
        assert all(a != b for a, b in zip(before, after, strict=True))
        press(page, "Best filter")
        expect(status(page)).to_contain_text("Best filter for telling 1 from 2 layers")
        calm(seen)


def test_an_image_is_calibrated_searched_corrected_and_exported(
    browser: Browser, app_url: str, image: Path
) -> None:
    with bench(browser, app_url) as seen:
        page = seen.page
        panel(page, "Calibrate")
        open_image(page, image)
        expect(status(page)).to_contain_text("wafer.png: 480 × 320 pixels, 8 bit")
        picture = page.locator(".bench-picture:visible")
        page.get_by_label("a click sets").select_option("known flake")
        size = picture.bounding_box()
        for column, layers in ((0, 1), (1, 2), (2, 3)):
            field = page.get_by_label("its layers")
            field.fill(str(layers))
            field.press("Enter")
            at = {"x": size["width"] * (80 + 160 * column) / 480, "y": size["height"] / 4}
            picture.click(position=at)
            expect(status(page)).to_contain_text(f"A flake of {layers} layers at")
        press(page, "Calibrate")
        expect(status(page)).to_contain_text("nm (fitted)")
        text = status(page).inner_text()
        assert abs(float(text.split("oxide ")[1].split(" ")[0]) - 86) < 1.5
        assert "known flakes: 3" in text

        panel(page, "Find")
        press(page, "Find flakes")
        expect(status(page)).to_contain_text(f"{len(LAYERS)} thin flakes")
        assert page.locator(".bench-table:visible tbody tr").count() == len(LAYERS)
        page.get_by_label("flake", exact=True).select_option("1")
        page.get_by_label("has layers").select_option("2")
        press(page, "Correct it")
        expect(status(page)).to_contain_text("Flake 1: 2 layers")
        expect(page.locator(".bench-table:visible")).to_contain_text("corrected")
        page.locator(".bench").get_by_text("Export", exact=True).click()
        with page.expect_download() as saved:
            press(page, "Export COCO")
        data = json.loads(Path(saved.value.path()).read_text("utf-8"))
        assert saved.value.suggested_filename == "flakes.json"
        assert len(data["annotations"]) == len(LAYERS)
        with page.expect_download() as saved:
            press(page, "Export CSV")
        rows = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_text("utf-8"))))
        assert rows[0]["layer_count"] == "2"
        assert all(row["stage_x_um"] for row in rows)
        with page.expect_download() as saved:
            press(page, "Export picture")
        assert Path(saved.value.path()).read_bytes().startswith(b"\x89PNG")

        panel(page, "Ask")
        text = "There are six flakes of graphene and one of MoS2."
        page.get_by_placeholder("paste any text").fill(text)
        press(page, "Check this text")
        expect(status(page)).to_contain_text("claims:")
        expect(page.locator(".bench-table:visible")).to_contain_text("✗ contradicted")
        calm(seen)


def test_bad_files_are_refused_and_the_panels_go_on(
    browser: Browser, app_url: str, image: Path
) -> None:
    with bench(browser, app_url) as seen:
        page = seen.page
        panel(page, "Calibrate")
        for name, data, words in (
            ("holiday.gif", b"GIF89a" + bytes(99), "this is a GIF"),
            ("cut.png", image.read_bytes()[:4000], "a complete JPEG, PNG or TIFF"),
            ("notes.tif", b"II*\0 not really", "a complete JPEG, PNG or TIFF"),
            ("huge.png", bytes(64_000_001), "at most 64 MB"),
        ):
            file = {"name": name, "mimeType": "image/png", "buffer": data}
            if len(data) > 50_000_000:  # too big for the test's own channel to the browser
                large = image.with_name(name)
                large.write_bytes(data)
                file = large
            open_image(page, file)
            expect(status(page)).to_contain_text(f"{name} was not opened.")
            expect(status(page)).to_contain_text(words)
        open_image(page, image)
        expect(status(page)).to_contain_text("wafer.png: 480 × 320 pixels")
        calm(seen)


def test_the_app_listens_on_loopback_alone(app_url: str) -> None:
    """127.0.0.2 is this machine too: only who listens on all addresses answers there."""
    port = int(app_url.rsplit(":", 1)[1])
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", port), timeout=5)


def test_the_shipped_model_answers_and_its_claims_are_marked(
    browser: Browser, app_url: str, image: Path
) -> None:
    """Whatever the weights are worth: an answer comes, boxes are drawn, claims get verdicts."""
    with bench(browser, app_url) as seen:
        page = seen.page
        panel(page, "Calibrate")
        open_image(page, image)
        expect(status(page)).to_contain_text("wafer.png")
        panel(page, "Ask")
        press(page, "Ask")
        expect(status(page)).to_contain_text("The model is reading the image")
        panel(page, "Optics")  # the other panels go on meanwhile
        pictures = page.locator(".bench-picture:visible")
        page.get_by_label("material", exact=True).filter(visible=True).select_option("MoS2")
        expect(pictures.first).to_have_attribute("alt", re.compile("MoS2"))
        panel(page, "Ask")
        expect(status(page)).to_contain_text("claims:", timeout=1000 * LOAD_SECONDS)
        text = page.locator(".bench pre:visible").inner_text()
        boxes = len(parse_answer(text).boxes)
        alt = page.locator(".bench-picture:visible").get_attribute("alt")
        assert text.strip() and f"the answer's {boxes} box" in alt
        verdicts = page.locator(".bench-table:visible tbody tr td:first-child").all_inner_texts()
        numbers = re.findall(r"\d+", status(page).inner_text())
        total, *by_status = (int(number) for number in numbers)
        assert total == sum(by_status) == len(verdicts) > 0
        assert {v.split(" ", 1)[1] for v in verdicts} <= {"confirmed", "contradicted", "untestable"}
        save_screenshot(page, "lab-bench-ask-answer")
        calm(seen)


def test_two_windows_do_not_see_each_others_images(
    browser: Browser, app_url: str, image: Path
) -> None:
    with bench(browser, app_url) as one, bench(browser, app_url) as other:
        panel(one.page, "Calibrate")
        open_image(one.page, image)
        expect(status(one.page)).to_contain_text("wafer.png")
        panel(other.page, "Calibrate")
        alt = other.page.locator(".bench-picture:visible").get_attribute("alt")
        assert "rendered wafer" in alt and "wafer.png:" not in status(other.page).inner_text()
        calm(one)
        calm(other)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_panel_fits_desktop_and_phone(browser: Browser, app_url: str, theme: str) -> None:
    with bench(browser, app_url, DESKTOP, theme) as seen:
        page = seen.page
        light = page.locator("body").get_attribute("data-jp-theme-light")
        assert light == ("true" if theme == "light" else "false")
        for name in ("Optics", "Calibrate", "Find", "Ask"):
            panel(page, name)
            if name == "Find":
                press(page, "Find flakes")
                expect(status(page).first).to_contain_text("thin flakes")
            for device, viewport in (("desktop", DESKTOP), ("phone", PHONE)):
                page.set_viewport_size(viewport)
                page.wait_for_timeout(150)
                save_screenshot(page, f"lab-bench-{name.lower()}-{device}-{theme}")
                fits(page, f"{name}, {device}")
        calm(seen)


def fits(page: Page, where: str) -> None:
    widest, inner = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert widest <= inner, where
    for picture in page.locator(".bench-picture:visible").all():
        assert picture.get_attribute("alt"), where
        assert picture.bounding_box()["width"] <= inner, where


def as_far_as_the_panels(folder: Path) -> Path:
    """The chapter in a folder of its own, without what follows its panels."""
    chapter = nbformat.read(CHAPTER, as_version=4)
    (last,) = [
        i for i, cell in enumerate(chapter.cells) if "bench" in cell.metadata.get("tags", [])
    ]
    chapter.cells = chapter.cells[: last + 1]
    nbformat.write(chapter, folder / "chapter.ipynb")
    return folder / "chapter.ipynb"


@pytest.fixture(scope="module")
def jupyterlab_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("lab")
    as_far_as_the_panels(folder)
    options = [
        "--no-browser",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--allow-root",
    ]
    with serving(["-m", "jupyterlab", *options], "/api", folder) as url:
        yield f"{url}/doc/tree/chapter.ipynb?reset"


def test_the_same_panels_work_in_jupyterlab(
    browser: Browser, jupyterlab_url: str, image: Path
) -> None:
    with visit(browser, jupyterlab_url, DESKTOP, "light", seconds=LOAD_SECONDS) as seen:
        page = seen.page
        page.get_by_text("| Idle").wait_for(timeout=1000 * LOAD_SECONDS)  # the kernel is there
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        picture = page.locator(".bench .bench-picture:visible").first
        picture.wait_for(timeout=1000 * LOAD_SECONDS)
        handle = page.locator(".widget-slider", has_text="oxide, nm").get_by_role("slider")
        handle.focus()
        page.keyboard.press("ArrowRight")
        expect(picture).to_have_attribute("alt", re.compile("on 91 nm SiO2"))
        panel(page, "Calibrate")
        open_image(page, image)
        expect(status(page)).to_contain_text("wafer.png: 480 × 320 pixels")
        press(page, "Calibrate")
        expect(status(page)).to_contain_text("white-balance gain")
        panel(page, "Find")
        press(page, "Find flakes")
        expect(status(page)).to_contain_text(f"{len(LAYERS)} thin flakes")
        save_screenshot(page, "lab-bench-jupyterlab")
        calm(seen)


def test_plain_voila_shows_the_panels_too(browser: Browser, tmp_path: Path) -> None:
    """As a reader may type it; its own template asks for an icon font, and for nothing else."""
    command = ["-m", "voila", str(as_far_as_the_panels(tmp_path)), "--no-browser"]
    with serving(command, "/voila/static/", tmp_path) as url, bench(browser, url) as seen:
        page = seen.page
        pictures = page.locator(".bench-picture:visible")
        expect(pictures).to_have_count(2)
        page.get_by_label("material", exact=True).filter(visible=True).select_option("WSe2")
        expect(pictures.first).to_have_attribute("alt", re.compile("WSe2"))
        assert all(re.search(r"/fontawesome-free@[^/]*/css/", foreign) for foreign in seen.foreign)
