"""The tuner's two figures, laid out once; a slider redraws only what moves."""

from __future__ import annotations

from typing import Any

import numpy as np

from qupaint_lib.colorimetry import WAVELENGTH_NM
from qupaint_lib.widgets.pictures import encode_png
from qupaint_lib.widgets.tuner import OXIDES_NM, Look

_STYLES = ("-", "--", "-.", ":")
_DPI = 100
_JUST_NOTICEABLE = 2.3  # ΔE76
_KEPT = 7  # layouts for other ranges of layers
_ROOM = 1.25  # of a range, so that a small change needs no new axis


class TunerCharts:
    """A colour strip over its steps, and two contrast curves.

    Axes, ticks and labels are drawn once and kept as pixels; curves, bars and swatches are drawn
    on top of them at every change (blitting), unless they leave their axes.
    """

    def __init__(self) -> None:
        self._laid_out: dict[tuple, tuple[_Strip, _Curves]] = {}

    def draw(self, seen: Look, oxide_nm: float, title: str) -> tuple[bytes, bytes]:
        """Return the strip with its colour steps, and the curves, as PNG."""
        import matplotlib.style

        kind = tuple(seen.counts)
        with matplotlib.style.context("qupaint_lib.data.book"):
            if kind not in self._laid_out:
                self._laid_out = dict([*self._laid_out.items()][-_KEPT:])
                self._laid_out[kind] = _Strip(seen), _Curves(seen)
            strip, curves = self._laid_out[kind]
            return strip.png(seen, title), curves.png(seen, oxide_nm)


class _Chart:
    """A figure with a canvas of its own, unknown to pyplot, whose moving artists are blitted."""

    def __init__(
        self, size: tuple[float, float], ratios: tuple[float, float], **margins: float
    ) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=size, dpi=_DPI, layout="none")
        self.canvas = FigureCanvasAgg(self.figure)
        self.top, self.bottom = self.figure.subplots(2, 1, height_ratios=ratios)
        self.figure.subplots_adjust(left=0.125, right=0.955, **margins)
        self.moving: list[Any] = []
        self._still = None

    def move(self, *artists: Any) -> None:
        """Leave artists out of what is kept, and draw them at every change."""
        self.moving += artists
        for artist in artists:
            artist.set_animated(True)

    def fit(self, axes: Any, low: float, high: float) -> None:
        """Give an axis new limits where values leave the old ones or fill less than half."""
        low, high = min(low, 0.0), max(high, 0.0)
        bottom, top = axes.get_ylim()
        if self._still and bottom <= low and high <= top and high - low > 0.5 * (top - bottom):
            return
        span = max(high - low, 1e-3)
        axes.set_ylim(low - 0.08 * span if low else 0.0, high + (_ROOM - 1) * span)
        self._still = None

    def encode(self) -> bytes:
        """Return the figure as PNG."""
        if self._still is None:
            self.canvas.draw()
            self._still = self.canvas.copy_from_bbox(self.figure.bbox)
        self.canvas.restore_region(self._still)
        for artist in self.moving:
            artist.axes.draw_artist(artist)
        return encode_png(np.asarray(self.canvas.buffer_rgba())[..., :3])


class _Strip(_Chart):
    """Colours of the layer counts, and the steps between them."""

    def __init__(self, seen: Look) -> None:
        super().__init__((6.4, 4.2), (1, 1.3), top=0.92, bottom=0.14, hspace=0.3)
        places = np.arange(len(seen.counts))
        between = [f"{a}–{b}" for a, b in zip(seen.counts[:-1], seen.counts[1:], strict=True)]
        steps = places[1:] - 0.5
        self._swatches = self.top.bar(places, 1, width=1)
        self._bars = self.bottom.bar(steps, seen.delta_e_steps, width=0.6, color="C0", zorder=2)
        self._numbers = [
            self.bottom.text(x, 0, "0.0", ha="center", va="bottom", fontsize=11) for x in steps
        ]
        self.bottom.axhline(_JUST_NOTICEABLE, color="k", ls=":", lw=1)
        self.top.set(xticks=places, yticks=[], xlim=(-0.5, len(places) - 0.5), ylim=(0, 1))
        self.top.set(xticklabels=seen.counts)
        self._title = self.top.set_title("")
        self.bottom.set(xticks=steps, xticklabels=between, ylabel="ΔE76", ylim=(0, 5))
        self.bottom.set(xlim=(-0.5, len(places) - 0.5))
        self.bottom.set_xlabel("from one layer count to the next (dotted: just noticeable)")
        for axes in (self.top, self.bottom):
            axes.grid(axis="x", visible=False)
        self.move(*self._swatches, *self._bars, *self._numbers, self._title)

    def png(self, seen: Look, title: str) -> bytes:
        """Return the chart of what is seen."""
        self._title.set_text(title)
        for swatch, color in zip(self._swatches, seen.srgb, strict=True):
            swatch.set_color(color)
        for bar, number, step in zip(self._bars, self._numbers, seen.delta_e_steps, strict=True):
            bar.set_height(step)
            number.set_text(f"{step:.1f}")
            number.set_y(step)
        self.fit(self.bottom, 0, max(float(seen.delta_e_steps.max()), _JUST_NOTICEABLE))
        return self.encode()


class _Curves(_Chart):
    """Contrast by wavelength and by oxide, of at most four layer counts."""

    def __init__(self, seen: Look) -> None:
        super().__init__((6.4, 5.6), (1, 1), top=0.94, bottom=0.2, hspace=0.5)
        self._shown = _some(len(seen.contrasts))
        self._spectra, self._oxides, self._dots = [], [], []
        for k, style in zip(self._shown, _STYLES, strict=False):
            count = int(seen.counts[k + 1])
            name = f"{count} layer" if count == 1 else f"{count} layers"
            zeros = np.zeros(len(WAVELENGTH_NM)), np.zeros(len(OXIDES_NM))
            self._spectra += self.top.plot(WAVELENGTH_NM, zeros[0], ls=style)
            self._oxides += self.bottom.plot(OXIDES_NM, zeros[1], ls=style, label=name)
            self._dots += self.bottom.plot([0], [0], "o", color=f"C{len(self._dots)}")
        self._mark = self.bottom.axvline(0, color="k", lw=1, ls=":")
        self.top.axhline(0, color="k", lw=0.8)
        self.bottom.axhline(0, color="k", lw=0.8)
        self.top.set(xlabel="wavelength (nm)", ylabel="contrast (%)", xlim=(400, 750))
        self.top.set_title("contrast by wavelength")
        self.bottom.set(xlabel="oxide (nm)", ylabel="contrast (%)", xlim=(0, OXIDES_NM[-1]))
        self._title = self.bottom.set_title("")
        handles = self.bottom.get_legend_handles_labels()
        self.figure.legend(*handles, ncols=4, loc="lower center")
        self.move(*self._spectra, *self._oxides, self._mark, *self._dots, self._title)

    def png(self, seen: Look, oxide_nm: float) -> bytes:
        """Return the chart of what is seen, with the oxide marked."""
        for line, k in zip(self._spectra, self._shown, strict=True):
            line.set_ydata(100 * seen.contrast_spectra[k])
        for line, dot, k in zip(self._oxides, self._dots, self._shown, strict=True):
            line.set_ydata(100 * seen.contrasts_by_oxide[:, k])
            dot.set_data([oxide_nm], [100 * seen.contrasts[k]])
        self._title.set_text(f"contrast by oxide, {seen.channel}")
        self._mark.set_xdata([oxide_nm, oxide_nm])
        within = (WAVELENGTH_NM >= 400) & (WAVELENGTH_NM <= 750)
        spectra = 100 * seen.contrast_spectra[self._shown][:, within]
        swept = 100 * seen.contrasts_by_oxide[:, self._shown]
        self.fit(self.top, spectra.min(), spectra.max())
        self.fit(self.bottom, swept.min(), swept.max())
        return self.encode()


def _some(number: int) -> list[int]:
    """Return at most four positions of so many, the first and the last among them."""
    return sorted({round(k) for k in np.linspace(0, number - 1, min(number, len(_STYLES)))})
