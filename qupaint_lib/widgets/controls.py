"""Two small widgets: a picture that can be clicked, and files to and from the browser.

Both are anywidgets: their few lines of JavaScript travel over the kernel's own connection, so
nothing is fetched from elsewhere. Uploads come in parts of 1 MB, because Jupyter's servers close a
connection that sends more than 10 MB at once.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

import anywidget
import traitlets

from qupaint_lib.errors import ArgumentError
from qupaint_lib.images import MAX_BYTES

_MOST_NAME = 120


def _source(name: str) -> str:
    return (files("qupaint_lib") / "data" / name).read_text("utf-8")


class Picture(anywidget.AnyWidget):
    """A PNG or JPEG with alternative text; `on_click` tells positions as fractions of its sides."""

    _esm = _source("bench_picture.js")
    data = traitlets.Bytes().tag(sync=True)
    mime = traitlets.Unicode("image/png").tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    clickable = traitlets.Bool(False).tag(sync=True)

    def show(self, data: bytes, alt: str) -> None:
        """Show a PNG or JPEG file."""
        mime = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
        with self.hold_sync():
            self.data, self.mime, self.alt = data, mime, alt

    def on_click(self, callback: Callable[[float, float], None]) -> None:
        """Call back with x and y, 0 to 1, when the picture is clicked."""
        self.clickable = True

        def heard(_: Any, content: dict, __: list) -> None:
            x, y = (float(content.get(axis, -1)) for axis in "xy")
            if 0 <= x <= 1 and 0 <= y <= 1:
                callback(x, y)

        self.on_msg(heard)


class Files(anywidget.AnyWidget):
    """A field to choose a file in, whose bytes are handed to `on_file`; and `offer`, a download.

    Without `accept` there is no field.
    """

    _esm = _source("bench_files.js")
    accept = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    max_bytes = traitlets.Int(MAX_BYTES).tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._begun: str | None = None
        self._parts = bytearray()

    def offer(self, name: str, data: bytes, mime: str) -> None:
        """Let the browser save a file."""
        self.send({"name": name, "mime": mime}, buffers=[data])

    def on_file(
        self, callback: Callable[[str, bytes], None], refuse: Callable[[str, Exception], None]
    ) -> None:
        """Call back with name and bytes of a chosen file; `refuse` hears of one that is too big."""

        def heard(_: Any, content: dict, buffers: list) -> None:
            kind = content.get("kind")
            if kind == "begin":
                self._begin(content, refuse)
            elif kind == "part" and self._begun is not None:
                self._parts += b"".join(bytes(buffer) for buffer in buffers)
                if len(self._parts) > self.max_bytes:
                    self._refuse(len(self._parts), refuse)
            elif kind == "end" and self._begun is not None:
                name, data = self._begun, bytes(self._parts)
                self._begun, self._parts = None, bytearray()
                callback(name, data)

        self.on_msg(heard)

    def _begin(self, content: dict, refuse: Callable[[str, Exception], None]) -> None:
        name = PurePosixPath(str(content.get("name", "")).replace("\\", "/")).name
        self._begun, self._parts = name[-_MOST_NAME:] or "unnamed", bytearray()
        size = content.get("size", 0)
        if size > self.max_bytes:
            self._refuse(size, refuse)

    def _refuse(self, size: int, refuse: Callable[[str, Exception], None]) -> None:
        name, self._begun, self._parts = self._begun, None, bytearray()
        allowed = f"a file of at most {self.max_bytes / 1e6:.0f} MB; this one has {size / 1e6:.0f}"
        refuse(name, ArgumentError("file", name, allowed))
