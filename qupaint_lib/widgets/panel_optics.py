"""The optics tuner: sliders, and what a flake looks like behind them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import ipywidgets as widgets

from qupaint_lib.colorimetry import CIE_1931
from qupaint_lib.materials import FLAKE_MATERIALS
from qupaint_lib.microscope import PRESETS, Microscope
from qupaint_lib.widgets.charts import TunerCharts
from qupaint_lib.widgets.controls import Picture
from qupaint_lib.widgets.parts import Status, button, columns, listen
from qupaint_lib.widgets.tuner import MOST_LAYERS, Tuning, best_filter, best_oxide, look

if TYPE_CHECKING:
    from qupaint_lib.widgets.bench import Bench

DIELECTRICS = ("SiO2", "Si3N4", "sapphire", "air")
SUBSTRATES = ("Si", "sapphire", "PDMS", "SiO2")
LAMPS = {"halogen, 2856 K": 2856.0, "daylight D65": "D65", "white LED": "LED-B3", "CIE A": "A"}
CAMERAS = {
    "machine vision": PRESETS["machine-vision"].camera,
    "average eye (CIE 1931)": CIE_1931,
    "Nikon 5100": "Nikon 5100 (NPL)",
    "Sigma SD Merrill": "Sigma SDMerill (NPL)",
}


def slider(text: str, value: float, low: float, high: float, step: float, form: str) -> object:
    """Return a slider that tells every move."""
    limits = {"min": low, "max": high, "step": step}
    return widgets.FloatSlider(value, description=text, readout_format=form, **limits)


class OpticsPanel:
    """Controls and pictures of a `Tuning`."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.charts, self.status = bench, TunerCharts(), Status()
        self._quiet = False
        pick = widgets.Dropdown
        self.material = pick(options=FLAKE_MATERIALS, value="graphene", description="material")
        self.layers = widgets.IntRangeSlider(
            value=(1, 6), min=1, max=MOST_LAYERS, description="layers", continuous_update=False
        )
        self.oxide = slider("oxide, nm", 90, 0, 400, 1, ".0f")
        self.dielectric = pick(options=DIELECTRICS, value="SiO2", description="dielectric")
        self.substrate = pick(options=SUBSTRATES, value="Si", description="substrate")
        self.aperture = slider("aperture NA", 0.3, 0, 0.95, 0.05, ".2f")
        self.lamp = pick(options=LAMPS, description="lamp")
        self.camera = pick(options=CAMERAS, description="camera")
        self.filtered = widgets.Checkbox(description="band-pass filter", indent=False)
        self.center = slider("centre, nm", 560, 420, 720, 5, ".0f")
        self.width = slider("width, nm", 40, 10, 150, 5, ".0f")
        self.low = widgets.BoundedIntText(1, min=1, max=MOST_LAYERS, description="tell layers")
        self.high = widgets.BoundedIntText(2, min=1, max=MOST_LAYERS, description="from")
        self.strip, self.curves = Picture(), Picture()
        inputs = (self.material, self.layers, self.oxide, self.dielectric, self.substrate)
        inputs += (self.aperture, self.lamp, self.camera, self.filtered, self.center, self.width)
        listen(self.draw, self.status, *inputs)
        buttons = (
            button("Best oxide", self.find_oxide, self.status),
            button("Best filter", self.find_filter, self.status),
            button("Use these optics in the other panels", self.hand_on, self.status),
        )
        pictures = widgets.Box([self.strip, self.curves])
        pictures.add_class("bench-pictures")
        controls = [*inputs, self.low, self.high, *buttons, self.status.widget]
        self.widget = columns(controls, [pictures])
        self.widget.add_class("bench-optics")
        self.draw()

    @property
    def microscope(self) -> Microscope:
        """The microscope that the controls describe."""
        return replace(
            self.bench.session.microscope,
            camera=self.camera.value,
            illuminant=self.lamp.value,
            numerical_aperture=self.aperture.value,
            oxide_thickness_nm=self.oxide.value,
            oxide=self.dielectric.value,
            substrate=self.substrate.value,
        )

    @property
    def tuning(self) -> Tuning:
        """What the controls say."""
        band = (self.center.value, self.width.value) if self.filtered.value else None
        return Tuning(self.material.value, tuple(self.layers.value), self.microscope, band)

    def draw(self) -> None:
        """Draw what is seen at the controls' values."""
        if self._quiet:
            return
        tuning = self.tuning
        seen = look(tuning)
        scope = tuning.microscope
        title = f"{tuning.material} on {scope.oxide_thickness_nm:.0f} nm {scope.oxide}"
        strip, curves = self.charts.draw(seen, scope.oxide_thickness_nm, title)
        steps = ", ".join(f"{step:.1f}" for step in seen.delta_e_steps)
        self.strip.show(strip, f"Colours of {title}, by layers. Steps in ΔE76: {steps}.")
        first = f"{100 * seen.contrasts[0]:.1f} % for {seen.counts[1]} layers"
        self.curves.show(curves, f"Contrast by wavelength and by oxide: {first}, {seen.channel}.")
        self.status.say("")

    def find_oxide(self) -> None:
        """Move the oxide to where two layer counts differ most in colour."""
        best = best_oxide(self.tuning, self.pair)
        self.oxide.value = round(best.value)
        self.status.say(
            f"Best oxide for telling {self.pair[0]} from {self.pair[1]} layers: "
            f"{best.value:.0f} nm, ΔE76 {best.gain:.1f} instead of {best.now:.1f}."
        )

    def find_filter(self) -> None:
        """Move the filter to where two layer counts differ most in contrast."""
        best = best_filter(self.tuning, self.pair, width_nm=self.width.value)
        self._quiet = True  # two controls, one picture
        self.filtered.value, self.center.value = True, 5 * round(best.value / 5)
        self._quiet = False
        self.draw()
        self.status.say(
            f"Best filter for telling {self.pair[0]} from {self.pair[1]} layers: centre "
            f"{best.value:.0f} nm, {self.width.value:.0f} nm wide; contrasts differ by "
            f"{100 * best.gain:.1f} % instead of {100 * best.now:.1f} %."
        )

    @property
    def pair(self) -> tuple[int, int]:
        """The two layer counts to be told apart."""
        return self.low.value, self.high.value

    def hand_on(self) -> None:
        """Give the microscope and the material to the other panels."""
        self.bench.session.microscope = self.microscope
        self.bench.session.set_material(self.material.value)
        self.bench.announce()
        self.status.say("Calibrate, Find and Ask now use this stack, lamp and camera.")
