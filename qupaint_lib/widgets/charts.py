"""The tuner's two figures, laid out once; a slider redraws only what moves."""

from __future__ import annotations

from itertools import pairwise, zip_longest
from typing import Any

import numpy as np

from qupaint_lib.colorimetry import WAVELENGTH_NM
from qupaint_lib.widgets.pictures import encode_png
from qupaint_lib.widgets.tuner import MOST_LAYERS, OXIDES_NM, Look

_STYLES = ("-", "--", "-.", ":")
_DPI = 100
_JUST_NOTICEABLE = 2.3  # ΔE76
_ROOM = 1.25  # of a range, so that a small change needs no new axis


class TunerCharts:
    """A colour strip over its steps, and two contrast curves.

    Three layers of pixels, each drawn on the one before it (blitting): titles and frames, which
    are drawn once; axes and legend, where their range or the layers change; curves, bars and
    swatches, at every move.
    """

    def __init__(self) -> None:
        self._laid_out: tuple[_Strip, _Curves] | None = None

    def draw(self, seen: Look, oxide_nm: float, title: str) -> tuple[bytes, bytes]:
        """Return the strip with its colour steps, and the curves, as PNG."""
        import matplotlib.style

        with matplotlib.style.context("qupaint_lib.data.book"):
            self._laid_out = self._laid_out or (_Strip(), _Curves())
            strip, curves = self._laid_out
            return strip.png(seen, title), curves.png(seen, oxide_nm)


class _Chart:
    """A figure with a canvas of its own, unknown to pyplot, whose changing artists are blitted."""

    def __init__(
        self, size: tuple[float, float], ratios: tuple[float, float], **margins: float
    ) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=size, dpi=_DPI, layout="none")
        self.canvas = FigureCanvasAgg(self.figure)
        self.top, self.bottom = self.figure.subplots(2, 1, height_ratios=ratios)
        self.figure.subplots_adjust(left=0.125, right=0.955, **margins)
        self.changing: list[Any] = []  # with the range of an axis, or the layers
        self.moving: list[Any] = []  # always
        self._counts: tuple[int, ...] = ()
        self._frame = self._still = None

    def leave_out(self, *, changing: list[Any], moving: list[Any]) -> None:
        """Leave artists out of the frame that is drawn once."""
        self.changing, self.moving = changing, moving
        for artist in (*changing, *moving):
            artist.set_animated(True)

    def arrange(self, counts: np.ndarray) -> None:
        """Take new layer counts over, where they are new."""
        if tuple(counts) != self._counts:
            self._counts, self._still = tuple(counts), None
            self.take(counts)

    def take(self, counts: np.ndarray) -> None:
        """Show as many artists as there are layer counts, and name them."""
        raise NotImplementedError

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
        if self._frame is None:
            self.canvas.draw()
            self._frame = self._pixels()
        if self._still is None:
            self._still = self._drawn_on(self._frame, self.changing)
        self._drawn_on(self._still, self.moving)
        return encode_png(np.asarray(self.canvas.buffer_rgba())[..., :3])

    def _drawn_on(self, pixels: Any, artists: list[Any]) -> Any:
        self.canvas.restore_region(pixels)
        renderer = self.canvas.get_renderer()
        for artist in artists:
            artist.draw(renderer)
        return self._pixels()

    def _pixels(self) -> Any:
        return self.canvas.copy_from_bbox(self.figure.bbox)


class _Strip(_Chart):
    """Colours of the layer counts, and the steps between them."""

    def __init__(self) -> None:
        super().__init__((6.4, 4.2), (1, 1.3), top=0.92, bottom=0.14, hspace=0.3)
        places = np.arange(MOST_LAYERS + 1)
        steps = places[1:] - 0.5
        self._swatches = list(self.top.bar(places, 1, width=1))
        self._bars = list(self.bottom.bar(steps, 0, width=0.6, color="C0", zorder=2))
        self._numbers = [
            self.bottom.text(x, 0, "", ha="center", va="bottom", fontsize=11) for x in steps
        ]
        line = self.bottom.axhline(_JUST_NOTICEABLE, color="k", ls=":", lw=1)
        self._names = [self._below(self.top, x) for x in places]
        self._names_of_steps = [self._below(self.bottom, x) for x in steps]
        self.top.set(xticks=[], yticks=[], ylim=(0, 1))
        self._title = self.top.set_title("")
        self.bottom.set(xticks=[], ylabel="ΔE76")
        words = "from one layer count to the next (dotted: just noticeable)"
        self.bottom.set_xlabel(words, labelpad=22)
        self.leave_out(
            changing=[self.bottom.yaxis, line, *self._names, *self._names_of_steps],
            moving=[*self._swatches, *self._bars, *self._numbers, self._title],
        )

    @staticmethod
    def _below(axes: Any, x: float) -> Any:
        """Return an empty text under an axis, which costs a third of a tick with its label."""
        place = axes.get_xaxis_transform()
        return axes.text(x, -0.04, "", transform=place, ha="center", va="top")

    def take(self, counts: np.ndarray) -> None:
        """Show as many swatches and steps as there are layer counts."""
        names = [str(count) for count in counts]
        between = [f"{a}–{b}" for a, b in pairwise(counts)]
        for texts, words in ((self._names, names), (self._names_of_steps, between)):
            for text, word in zip_longest(texts, words, fillvalue=""):
                text.set(text=word, fontsize=12 if len(counts) < 10 else 9)
        for axes in (self.top, self.bottom):
            axes.set_xlim(-0.5, len(counts) - 0.5)
        _show(len(counts), self._swatches)
        _show(len(between), self._bars, self._numbers)

    def png(self, seen: Look, title: str) -> bytes:
        """Return the chart of what is seen."""
        self.arrange(seen.counts)
        self._title.set_text(title)
        for swatch, color in zip(self._swatches, seen.srgb, strict=False):
            swatch.set_color(color)
        for bar, number, step in zip(self._bars, self._numbers, seen.delta_e_steps, strict=False):
            bar.set_height(step)
            number.set_text(f"{step:.1f}")
            number.set_y(step)
        self.fit(self.bottom, 0, max(float(seen.delta_e_steps.max()), _JUST_NOTICEABLE))
        return self.encode()


class _Curves(_Chart):
    """Contrast by wavelength and by oxide, of at most four layer counts."""

    def __init__(self) -> None:
        super().__init__((6.4, 5.6), (1, 1), top=0.94, bottom=0.2, hspace=0.5)
        self._spectra, self._oxides, self._dots = [], [], []
        for k, style in enumerate(_STYLES):
            self._spectra += self.top.plot(WAVELENGTH_NM, 0 * WAVELENGTH_NM, ls=style)
            self._oxides += self.bottom.plot(OXIDES_NM, 0 * OXIDES_NM, ls=style)
            self._dots += self.bottom.plot([0], [0], "o", color=f"C{k}")
        mark = self._mark = self.bottom.axvline(0, color="k", lw=1, ls=":")
        lines = [axes.axhline(0, color="k", lw=0.8) for axes in (self.top, self.bottom)]
        self.top.set(xlabel="wavelength (nm)", ylabel="contrast (%)", xlim=(400, 750))
        self.top.set_title("contrast by wavelength")
        self.bottom.set(xlabel="oxide (nm)", ylabel="contrast (%)", xlim=(0, OXIDES_NM[-1]))
        self._title = self.bottom.set_title("")
        self._legend = self.figure.legend(self._oxides, _STYLES, ncols=4, loc="lower center")
        self.leave_out(
            changing=[self.top.yaxis, self.bottom.yaxis, *lines, self._legend],
            moving=[*self._spectra, *self._oxides, mark, *self._dots, self._title],
        )

    def take(self, counts: np.ndarray) -> None:
        """Show at most four curves, and name them."""
        self._shown = _some(len(counts) - 1)
        _show(len(self._shown), self._spectra, self._oxides, self._dots)
        self._legend.remove()
        names = [f"{counts[k + 1]} layer{'s' * int(counts[k + 1] > 1)}" for k in self._shown]
        handles = self._oxides[: len(names)]
        legend = self.figure.legend(handles, names, ncols=4, loc="lower center")
        legend.set_animated(True)
        self.changing[-1] = self._legend = legend

    def png(self, seen: Look, oxide_nm: float) -> bytes:
        """Return the chart of what is seen, with the oxide marked."""
        self.arrange(seen.counts)
        for line, k in zip(self._spectra, self._shown, strict=False):
            line.set_ydata(100 * seen.contrast_spectra[k])
        for line, dot, k in zip(self._oxides, self._dots, self._shown, strict=False):
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


def _show(number: int, *rows: list[Any]) -> None:
    """Show so many artists of each row, and hide the rest."""
    for row in rows:
        for k, artist in enumerate(row):
            artist.set_visible(k < number)


def _some(number: int) -> list[int]:
    """Return at most four positions of so many, the first and the last among them."""
    return sorted({round(k) for k in np.linspace(0, number - 1, min(number, len(_STYLES)))})
