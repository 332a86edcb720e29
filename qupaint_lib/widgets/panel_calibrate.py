"""Calibrate: open an image, tell what is known of it, fit the microscope."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets

from qupaint_lib.materials import FLAKE_MATERIALS
from qupaint_lib.microscope import PRESETS
from qupaint_lib.widgets.controls import Files, Picture
from qupaint_lib.widgets.parts import Status, button, columns, guarded, listen
from qupaint_lib.widgets.pictures import encode_jpeg, shrunk, with_box, with_text
from qupaint_lib.widgets.session import (
    OBJECTIVES,
    pixel_size_from_bar,
    pixel_size_from_objective,
)

if TYPE_CHECKING:
    from qupaint_lib.widgets.bench import Bench

IMAGES = ".jpg,.jpeg,.png,.tif,.tiff"
CLICKS = ("nothing", "substrate: two corners", "known flake", "scale bar: two ends")
NONE, SUBSTRATE, FLAKE, BAR = CLICKS
_BEGIN = "Open an image to begin."
_CORNERS = (0, 200, 255)


class CalibratePanel:
    """Controls of an image and its microscope."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.status = bench, Status(_BEGIN)
        self.substrate_box: tuple[float, ...] | None = None
        self.known: list[tuple[float, float, int]] = []
        self.points: list[tuple[float, float]] = []
        self.files = Files(accept=IMAGES, label="Image (JPEG, PNG, TIFF)")
        self.scopes = Files(accept=".json", label="Microscope (JSON)", max_bytes=100_000)
        self.files.on_file(guarded(self.status)(self.open), self.refuse)
        self.scopes.on_file(guarded(self.status)(self.open_microscope), self.refuse)
        number, whole = widgets.BoundedFloatText, widgets.BoundedIntText
        self.page = whole(0, min=0, max=0, description="page", layout={"display": "none"})
        self.material = widgets.Dropdown(
            options=FLAKE_MATERIALS, value="graphene", description="material"
        )
        self.preset = widgets.Dropdown(
            options=tuple(PRESETS), value="machine-vision", description="start from"
        )
        self.oxide = number(90, min=0, max=1000, step=1, description="oxide, nm")
        self.click = widgets.Dropdown(options=CLICKS, description="a click sets")
        self.layers = whole(1, min=1, max=10, description="its layers")
        self.exponent = widgets.Checkbox(description="fit the exponent too", indent=False)
        self.pixel = number(0, min=0, max=1000, step=0.001, description="pixel, µm")
        self.objective = widgets.Dropdown(
            options=[("–", 0), *((f"{m:g}×", m) for m in OBJECTIVES)], description="objective"
        )
        self.pitch = number(5.86, min=0.1, max=100, step=0.01, description="sensor px, µm")
        self.adapter = number(1, min=0.1, max=10, step=0.01, description="adapter, ×")
        self.bar = number(10, min=0, max=1e5, step=1, description="bar, µm")
        self.picture = Picture()
        self.picture.on_click(guarded(self.status)(self.clicked))
        listen(self.turn_page, self.status, self.page)
        listen(self.choose_preset, self.status, self.preset)
        listen(self.choose, self.status, self.material, self.oxide)
        listen(self.restart_click, self.status, self.click)
        listen(self.set_pixel, self.status, self.pixel)
        listen(self.use_objective, self.status, self.objective, self.pitch, self.adapter)
        self._showing = False
        buttons = [
            button("Calibrate", self.calibrate, self.status),
            button("Clear marks", self.clear, self.status),
            button("Save the microscope", self.save, self.status),
        ]
        scale = widgets.Accordion(
            [
                widgets.VBox([self.pixel, self.objective, self.pitch, self.adapter, self.bar]),
                widgets.VBox([self.scopes, self.preset]),
            ],
            titles=("Pixel size", "Another microscope"),
        )
        about = [self.files, self.page, self.material, self.oxide]
        marks = [self.click, self.layers, self.exponent]
        self.widget = columns([*about, *marks, scale, *buttons, self.status.widget], [self.picture])
        bench.on_change(self.refresh)

    def open(self, name: str, data: bytes) -> None:
        """Open an image, or say why not; what was open stays then."""
        try:
            self.bench.session.open_image(name, data)
        except Exception as error:  # decoders know many ways to fail
            self.status.fail(error, name)
            return
        self._opened()

    def turn_page(self) -> None:
        """Show another page of a TIFF."""
        session = self.bench.session
        if session.file is not None and self.page.value != session.file.page:
            session.open_page(self.page.value)
            self._opened()

    def _opened(self) -> None:
        session = self.bench.session
        file = session.file
        self.clear()
        self._showing = True
        self.page.max, self.page.value = file.pages - 1, file.page
        self._showing = False
        self.page.layout.display = "" if file.pages > 1 else "none"
        height, width = file.codes.shape[:2]
        said = f"{session.name}: {width} × {height} pixels, {session.bits} bit"
        if session.bits == 12:
            said += " (no code of its 16 is over 4,095)"
        if file.pages > 1:
            said += f", page {file.page} of 0 to {file.pages - 1}"
        pixel = "says nothing of its pixel size"
        if file.pixel_size_um:
            pixel = f"states {file.pixel_size_um:.4g} µm per pixel"
        self.bench.announce()
        self.status.say(f"{said}. The file {pixel}.")

    def refuse(self, name: str, error: Exception) -> None:
        """Say why a file is not read."""
        self.status.fail(error, name)

    def open_microscope(self, name: str, data: bytes) -> None:
        """Load a microscope."""
        self.bench.session.open_microscope(data)
        self.bench.announce()
        self.status.say(f"{name}: microscope {self.bench.session.microscope.name!r} is loaded.")

    def save(self) -> None:
        """Offer the microscope as JSON."""
        data = self.bench.session.microscope_json()
        self.files.offer("microscope.json", data, "application/json")
        self.status.say("The microscope is offered as microscope.json.")

    def choose_preset(self) -> None:
        """Start again from a preset."""
        self.bench.session.choose_preset(self.preset.value)
        self.bench.announce()

    def choose(self) -> None:
        """Take material and nominal oxide over."""
        if not self._showing:
            self.bench.session.set_material(self.material.value)
            self.bench.session.set_oxide(self.oxide.value)
            self.bench.announce()

    def set_pixel(self) -> None:
        """Take the pixel size over."""
        if not self._showing and self.pixel.value > 0:
            self.bench.session.set_pixel_size(self.pixel.value)
            self.bench.announce()

    def use_objective(self) -> None:
        """Take the pixel size from the objective and the sensor."""
        if self.objective.value:
            self.pixel.value = pixel_size_from_objective(
                self.objective.value, self.pitch.value, self.adapter.value
            )

    def restart_click(self) -> None:
        """Begin a pair of clicks anew."""
        self.points = []

    def clicked(self, x: float, y: float) -> None:
        """Do with a click what `click` says."""
        height, width = self.bench.session.codes.shape[:2]
        at = (x * width, y * height)
        if self.click.value == FLAKE:
            self.known.append((*at, self.layers.value))
            self.status.say(f"A flake of {self.layers.value} layers at {at[0]:.0f}, {at[1]:.0f}.")
        elif self.click.value in (SUBSTRATE, BAR):
            self.points.append(at)
            if len(self.points) == 1:
                self.status.say("Now the other end.")
            else:
                self._second_click()
        else:
            self.status.say("Choose what a click sets: substrate, a known flake or a scale bar.")
        self.draw()

    def _second_click(self) -> None:
        (x0, y0), (x1, y1) = self.points
        self.points = []
        if self.click.value == SUBSTRATE:
            self.substrate_box = (x0, y0, x1, y1)
            self.status.say("This rectangle is taken for bare substrate.")
        else:
            self.pixel.value = pixel_size_from_bar((x0, y0), (x1, y1), self.bar.value)
            self.status.say(f"{self.pixel.value:.4g} µm per pixel, from the scale bar.")

    def clear(self) -> None:
        """Forget all marks."""
        self.substrate_box, self.known, self.points = None, [], []
        self.draw()

    def calibrate(self) -> None:
        """Fit the microscope and say how sure the fit is."""
        calibration = self.bench.session.calibrate(
            self.substrate_box, self.known, fit_exponent=self.exponent.value
        )
        self.bench.announce()
        how = "your rectangle" if self.substrate_box else "found by itself"
        flakes = len(self.known) + self.bench.session.corrections
        self.status.say(f"{calibration.summary()}\nsubstrate: {how}; known flakes: {flakes}")

    def refresh(self) -> None:
        """Show the session as it is now."""
        session, self._showing = self.bench.session, True
        if self.status.text == _BEGIN and session.file is not None:
            self.status.say(f"{session.name} is open: click known flakes, if any, then calibrate.")
        try:
            self.material.value = session.material
            self.oxide.value = round(session.microscope.oxide_thickness_nm, 2)
            self.pixel.value = session.microscope.pixel_size_um or 0
        finally:
            self._showing = False
        self.draw()

    def draw(self) -> None:
        """Draw the image with all marks."""
        session = self.bench.session
        if session.file is None:
            return
        drawn = shrunk(session.codes_8bit)
        scale = drawn.shape[1] / session.codes.shape[1]
        if self.substrate_box:
            drawn = with_box(drawn, tuple(scale * v for v in self.substrate_box), _CORNERS)
        marks = [(scale * x, scale * y, f"{n}L") for x, y, n in self.known]
        marks += [(scale * x, scale * y, "+") for x, y in self.points]
        drawn = with_text(drawn, marks) if marks else drawn
        alt = f"The image {session.name}, with {len(self.known)} known flakes marked."
        self.picture.show(encode_jpeg(drawn), alt)
