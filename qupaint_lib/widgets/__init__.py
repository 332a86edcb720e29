"""Panels for people at a microscope, and pictures with a slider for pages without a kernel.

``frames`` holds the slider of pictures drawn beforehand. The lab bench keeps its state apart from
its drawing: ``tuner`` (optics), ``session`` (image, microscope, flakes), ``selection`` (filters,
corrections), ``claims`` (questions and their check) and ``folder`` (many images) know nothing of a
browser. ``charts`` and ``pictures`` draw, ``controls`` are two widgets of our own, ``parts`` what
every panel is made of, ``panel_*`` the four panels, ``bench`` all of it.

Importing this room imports no widget; `lab_bench` does.
"""

from __future__ import annotations

import lazy_loader

from qupaint_lib.widgets.frames import figure_png, frame_slider

_HOMES = {
    "bench": ("Bench", "lab_bench", "makes_pages"),
    "claims": ("Checked", "ask", "check", "draw_boxes", "load_model"),
    "folder": ("FolderJob",),
    "selection": ("Filter", "annotate", "corrected", "flake_at", "select", "with_stage"),
    "session": ("Session", "pixel_size_from_bar", "pixel_size_from_objective"),
    "tuner": ("Best", "Look", "Tuning", "best_filter", "best_oxide", "look"),
}

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_HOMES)
__all__ += ["figure_png", "frame_slider"]
