"""Pictures drawn beforehand, with a slider that also moves on a page without a kernel."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

from qupaint_lib.errors import ArgumentError


def figure_png(figure: Any, *, dpi: int = 120) -> bytes:
    """Return a matplotlib figure as PNG and close it, so that it is not shown twice."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    plt.close(figure)
    return buffer.getvalue()


def frame_slider(
    frames: Sequence[bytes], labels: Sequence[str], *, description: str, alt: str, start: int = 0
) -> Any:
    """Return a slider over pictures drawn beforehand; it moves in the published page too.

    Parameters
    ----------
    frames : sequence of bytes
        PNG or JPEG files of equal size, one per position.
    labels : sequence of str
        What the slider shows at each position, with the unit.
    description : str
        What the slider changes.
    alt : str
        What the pictures show, for those who do not see them.
    start : int, optional
        First position.

    Returns
    -------
    ipywidgets.VBox
    """
    import ipywidgets as widgets

    if len(frames) != len(labels) or not frames:
        raise ArgumentError("labels", len(labels), f"one per frame, and there are {len(frames)}")
    if not 0 <= start < len(frames):
        raise ArgumentError("start", start, f"a position from 0 to {len(frames) - 1}")
    pictures = [
        widgets.HTML(_image_tag(frame, f"{alt} {description}: {label}."))
        for frame, label in zip(frames, labels, strict=True)
    ]
    stack = widgets.Stack(pictures, selected_index=start)
    slider = widgets.SelectionSlider(
        options=[(label, i) for i, label in enumerate(labels)],
        index=start,
        description=description,
        continuous_update=True,
        style={"description_width": "initial"},
        layout={"width": "min(100%, 32em)"},
    )
    widgets.jslink((slider, "index"), (stack, "selected_index"))
    return widgets.VBox([slider, stack])


def _image_tag(picture: bytes, alt: str) -> str:
    """Return an HTML image that carries its own pixels; an ipywidgets Image has no alt text."""
    data = base64.b64encode(picture).decode("ascii")
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "png"
    return (
        f'<img alt="{html.escape(alt)}" style="max-width: 100%; height: auto" '
        f'src="data:image/{kind};base64,{data}">'
    )
