"""What every panel is made of: a status line, guarded callbacks, tables, work in the background."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import ipywidgets as widgets

from qupaint_lib.widgets.pictures import sentence

STYLE = """<style>
.bench { max-width: 100%; }
.bench .widget-tab > .widget-tab-contents { padding: 8px 2px; overflow: hidden; }
.bench .bench-columns { display: flex; flex-flow: row wrap; gap: 12px; align-items: flex-start; }
.bench .bench-controls { flex: 1 1 300px; min-width: min(100%, 280px); max-width: 420px; }
.bench .bench-shown { flex: 3 1 420px; min-width: min(100%, 300px); }
.bench .bench-pictures { display: flex; flex-flow: row wrap; gap: 8px; }
.bench .bench-picture { max-width: 100%; height: auto; display: block; border-radius: 4px; }
.bench .bench-picture[hidden] { display: none; }
.bench .widget-inline-hbox { width: 100%; max-width: 100%; margin: 2px 0; }
.bench .widget-label { min-width: 7.5em; }
.bench .bench-status { padding: 4px 8px; border-left: 4px solid #0072b2; line-height: 1.4; }
.bench .bench-status.bench-error { border-left-color: #d55e00; }
.bench .bench-status:empty { display: none; }
.bench .widget-html-content { line-height: 1.4; overflow-wrap: anywhere; }
.bench select { color-scheme: inherit; appearance: auto; background-image: none !important; }
body[data-jp-theme-light="false"] .bench { color-scheme: dark; }
.bench .bench-table { overflow: auto; max-height: 24em; }
.bench .bench-table table { border-collapse: collapse; font-size: 0.92em; }
.bench .bench-table th, .bench .bench-table td { padding: 2px 8px; text-align: left;
  border-bottom: 1px solid #8886; overflow-wrap: normal; white-space: nowrap; }
.bench .bench-table[aria-label="Claims"] td:nth-child(2) { white-space: normal; min-width: 16em; }
.bench .bench-upload { display: block; padding: 8px; border: 1px dashed #888; border-radius: 4px;
  color: var(--jp-ui-font-color1, inherit); }
.bench .bench-upload input { max-width: 100%; color: inherit; }
.bench pre { white-space: pre-wrap; word-break: normal; color: inherit; background: none; }
@media (max-width: 760px) { /* colours above their sliders, curves below */
  .bench-optics .bench-shown, .bench-optics .bench-pictures { display: contents; }
  .bench-optics .bench-pictures > :first-child { order: -1; }
}
</style>"""
_WIDE = {"width": "auto"}


class Status:
    """A line that says what was done, or what went wrong, in a sentence."""

    def __init__(self, text: str = "") -> None:
        self.widget = widgets.HTML()
        self.say(text)

    def say(self, text: str) -> None:
        """Show a plain sentence."""
        self.text, self.failed = text, False
        self._show("bench-status", text)

    def fail(self, error: Exception, name: str = "") -> None:
        """Show an error as a sentence."""
        self.text, self.failed = sentence(error, name), True
        self._show("bench-status bench-error", f"⚠ {self.text}")

    def _show(self, css: str, text: str) -> None:
        lines = "<br>".join(html.escape(text).splitlines())
        self.widget.value = f'<div class="{css}" role="status" aria-live="polite">{lines}</div>'


def guarded(status: Status) -> Callable[[Callable], Callable]:
    """Return a decorator of callbacks: what they raise is said in this status line, no further."""

    def decorate(callback: Callable) -> Callable:
        @wraps(callback)
        def safe(*args: Any) -> Any:
            try:
                return callback(*args)
            except Exception as error:  # whatever it is, the other panels go on
                status.fail(error)
                return None

        return safe

    return decorate


def in_background(work: Callable[[], Any], done: Callable[[Any], None], status: Status) -> None:
    """Do work in a thread and hand its result to `done` in the kernel's; at once without a loop."""
    safe_done = guarded(status)(done)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        guarded(status)(lambda: safe_done(work()))()
        return

    async def run() -> None:
        try:
            result = await loop.run_in_executor(None, work)
        except Exception as error:
            status.fail(error)
        else:
            safe_done(result)

    _keep(loop.create_task(run()))


def watch(look: Callable[[], bool], status: Status, *, seconds: float = 0.5) -> None:
    """Call `look` again and again until it returns False; once without a loop."""
    safe = guarded(status)(look)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        safe()
        return

    async def run() -> None:
        while safe():
            await asyncio.sleep(seconds)

    _keep(loop.create_task(run()))


_running: set[asyncio.Task] = set()


def _keep(task: asyncio.Task) -> None:
    """Hold a task until it is done: one that nobody holds may vanish."""
    _running.add(task)
    task.add_done_callback(_running.discard)


def button(text: str, callback: Callable[[], Any], status: Status, *, tip: str = "") -> Any:
    """Return a button whose callback is guarded."""
    made = widgets.Button(description=text, tooltip=tip or text, layout=_WIDE)
    made.on_click(guarded(status)(lambda _: callback()))
    return made


def listen(callback: Callable[[], Any], status: Status, *controls: Any) -> None:
    """Call a guarded callback whenever one of the controls has a new value."""
    safe = guarded(status)(lambda _: callback())
    for control in controls:
        control.observe(safe, "value")


def columns(controls: Sequence[Any], shown: Sequence[Any]) -> Any:
    """Return controls beside what they show; above it where the page is narrow."""
    left, right = widgets.VBox(list(controls)), widgets.VBox(list(shown))
    left.add_class("bench-controls")
    right.add_class("bench-shown")
    both = widgets.Box([left, right])
    both.add_class("bench-columns")
    return both


def table_html(titles: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """Return a table that scrolls inside its own box, everything escaped."""
    head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in titles)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    label = html.escape(caption)
    return (
        f'<div class="bench-table" tabindex="0" role="region" aria-label="{label}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
