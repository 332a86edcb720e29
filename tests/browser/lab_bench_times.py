"""Report how long the lab bench takes: ``python tests/browser/lab_bench_times.py [MICROGRAPHS]``.

Absolute times, so a report and no test: loads of the app in a new browser with a new kernel, moves
of every control of the optics panel in processor time, moves of a slider end to end, and finds in
the micrographs of a folder. Run it with ``OMP_NUM_THREADS=1`` and nothing else.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import numpy as np
from conftest import CHROMIUM_FLAGS, find_chromium
from playwright.sync_api import Page, sync_playwright
from test_lab_bench import serving

from qupaint_lib.microscope import get_preset
from qupaint_lib.widgets import Bench, Session

LOADS, MOVES, MICROGRAPHS = 3, 20, 6
FIRST_PICTURE = ".bench .bench-picture:visible"
# From the key to the next picture that has changed, as the page sees it.
WATCH = """() => {
  window.times = []; window.begin = 0;
  document.addEventListener('keydown', () => { window.begin = performance.now() }, true);
  const seen = new MutationObserver(() => requestAnimationFrame(() => {
    if (window.begin) { window.times.push(performance.now() - window.begin); window.begin = 0 }
  }));
  for (const picture of document.querySelectorAll('.bench-picture'))
    seen.observe(picture, {attributes: true, attributeFilter: ['src']});
}"""


def tell(name: str, times: list[float], unit: str, scale: float = 1.0) -> None:
    """Print median and worst of some times."""
    middle, worst = scale * median(times), scale * max(times)
    print(f"{name}: median {middle:.2f} {unit}, worst {worst:.2f}, n {len(times)}", flush=True)


def seconds(action: Callable[[], object]) -> float:
    """Return the processor time of an action."""
    start = time.process_time()
    action()
    return time.process_time() - start


def tell_moves() -> None:
    """Tell what every control of the optics panel takes, computing and encoding."""
    panel, every = Bench().panels["Optics"], []

    def move(name: str, control: object, values: Iterable) -> None:
        times = [seconds(lambda v=v: setattr(control, "value", v)) for v in values]
        assert not panel.status.failed, panel.status.text
        tell(f"move of {name}", times, "ms", 1e3)
        every.extend(times)

    def others(control: object) -> list:
        options = control.options
        values = list(options.values() if isinstance(options, dict) else options)
        return [*(v for v in values if v != control.value), control.value]

    move("oxide", panel.oxide, [*range(91, 131), 10, 400, 90, 285, 0, 150, 200, 35])
    move("aperture", panel.aperture, np.arange(0.1, 0.95, 0.05))
    wide = [(1, k) for k in (7, 8, 9, 10, 11, 12, 5, 4, 3, 2)]
    move("layers", panel.layers, [*wide, (2, 9), (3, 12), (4, 11), (5, 6), (7, 12), (1, 12)])
    for name in ("material", "dielectric", "substrate", "lamp", "camera"):
        control = getattr(panel, name)
        move(name, control, others(control))
    panel.filtered.value = True
    move("filter's centre", panel.center, range(430, 700, 10))
    move("filter's width", panel.width, range(10, 150, 10))
    tell("all moves", every, "ms", 1e3)


def tell_finds(folder: Path) -> None:
    """Tell what finding flakes takes in the first micrographs of a folder."""
    times = []
    for path in sorted(folder.rglob("*.jpg"))[:MICROGRAPHS]:
        session = Session(get_preset("maskterial-20x"))
        session.open_image(path.name, path.read_bytes())
        times.append(seconds(session.find))
    tell("find", times, "s")


def tell_browser(url: str) -> None:
    """Tell loads, then moves end to end in the last page."""
    loads: list[float] = []
    with sync_playwright() as playwright:
        for number in range(LOADS):
            options = {"executable_path": find_chromium(), "args": CHROMIUM_FLAGS}
            browser = playwright.chromium.launch(headless=True, **options)
            page = browser.new_page()
            start = time.perf_counter()
            page.goto(url, wait_until="commit")
            page.locator(FIRST_PICTURE).first.wait_for(timeout=60_000)
            loads.append(time.perf_counter() - start)
            if number == LOADS - 1:
                tell("load", loads, "s")
                tell("oxide slider, end to end", end_to_end(page), "ms")
            browser.close()


def end_to_end(page: Page) -> list[float]:
    """Return the milliseconds of moves of the oxide slider."""
    page.wait_for_timeout(3000)
    page.locator(".widget-slider", has_text="oxide, nm").get_by_role("slider").first.focus()
    page.evaluate(WATCH)
    for _ in range(MOVES):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(600)
    times = page.evaluate("window.times")
    assert len(times) == MOVES, f"{len(times)} of {MOVES} moves changed a picture"
    return times


if __name__ == "__main__":
    command = ["-m", "qupaint_lib.widgets", "--no-browser"]
    with serving(command, "/voila/static/", Path(tempfile.mkdtemp())) as address:
        tell_browser(address)
    tell_moves()
    for given in sys.argv[1:]:
        tell_finds(Path(given))
