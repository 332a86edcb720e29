"""The lab bench: four panels over one session."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from qupaint_lib.widgets.panel_ask import AskPanel
from qupaint_lib.widgets.panel_calibrate import CalibratePanel
from qupaint_lib.widgets.panel_find import FindPanel
from qupaint_lib.widgets.panel_optics import OpticsPanel
from qupaint_lib.widgets.parts import STYLE, Status
from qupaint_lib.widgets.session import Session

PANELS = {
    "Optics": OpticsPanel,
    "Calibrate": CalibratePanel,
    "Find": FindPanel,
    "Ask": AskPanel,
}


class Bench:
    """Four panels, their session, and word of what changes in it.

    Attributes
    ----------
    session : Session
        What is open.
    panels : dict of str to panel
        Those that could be built; one that could not says so in its place.
    widget : ipywidgets.VBox
        All of it.
    """

    def __init__(self, session: Session | None = None) -> None:
        self.session = session or Session()
        self._listeners: list[Callable[[], None]] = []
        self.panels: dict[str, Any] = {}
        children = [self._built(name) for name in PANELS]
        self.tabs = widgets.Tab(children, titles=tuple(PANELS))
        self.widget = widgets.VBox([widgets.HTML(STYLE), self.tabs])
        self.widget.add_class("bench")
        if self.session.file is not None:
            self.announce()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back when the session has changed."""
        self._listeners.append(callback)

    def announce(self) -> None:
        """Tell all panels that the session has changed; one that fails does not stop the rest."""
        failed = []
        for listener in self._listeners:
            try:
                listener()
            except Exception as error:  # the panel that announces is the one to say it
                failed.append(error)
        if failed:
            raise failed[0]

    def _built(self, name: str) -> Any:
        try:
            self.panels[name] = PANELS[name](self)
        except Exception as error:  # a panel that cannot be built leaves the others alive
            status = Status()
            status.fail(error)
            return status.widget
        return self.panels[name].widget


def lab_bench(session: Session | None = None) -> Any:
    """Return the lab bench, four panels that need a running kernel.

    Parameters
    ----------
    session : Session, optional
        What is open at the start; by default nothing.

    Returns
    -------
    ipywidgets.VBox
        Optics, Calibrate, Find and Ask.
    """
    return Bench(session).widget


def makes_pages() -> bool:
    """Tell whether a chapter runs to become a page of the book, which has no kernel to ask.

    `reproduce` names a file for its results in the environment, ``QUPAINT_RESULTS``.
    """
    return "QUPAINT_RESULTS" in os.environ
