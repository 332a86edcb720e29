import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pytest
from ipywidgets.embed import dependency_state

from qupaint_lib.errors import ArgumentError
from qupaint_lib.widgets import figure_png, frame_slider


def test_figure_becomes_png_and_is_closed():
    with plt.style.context("qupaint_lib.data.book"):
        figure, axes = plt.subplots()
        axes.plot([1, 2])
    png = figure_png(figure)
    assert png.startswith(b"\x89PNG") and not plt.fignum_exists(figure.number)


def test_slider_is_linked_to_the_pictures_without_a_kernel():
    """The link is the browser's own (jslink), from the slider's index to the stack's."""
    box = frame_slider(
        [b"a", b"b"], ["1 nm", "2 nm"], description="oxide", alt="Colours < 2.", start=1
    )
    slider, stack = box.children
    assert slider.index == stack.selected_index == 1
    models = dependency_state(box).values()
    (link,) = (m["state"] for m in models if m["model_name"] == "LinkModel")
    assert link["source"] == [f"IPY_MODEL_{slider.model_id}", "index"]
    assert link["target"] == [f"IPY_MODEL_{stack.model_id}", "selected_index"]
    assert 'alt="Colours &lt; 2. oxide: 1 nm."' in stack.children[0].value
    assert "base64,YQ==" in stack.children[0].value  # the letter a


@pytest.mark.parametrize(
    ("frames", "labels", "start"), [([], [], 0), ([b"a"], ["1", "2"], 0), ([b"a"], ["1"], 1)]
)
def test_bad_input(frames, labels, start):
    with pytest.raises(ArgumentError, match=r"labels|start"):
        frame_slider(frames, labels, description="x", alt="y", start=start)
