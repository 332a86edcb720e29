"""A move of the tuner's slider against matplotlib's own redraw, in the same run, one thread each.

Ours asks the optics, draws two figures and encodes them. The peer draws and encodes the same two
figures whole, by `Figure.savefig` as a notebook's inline figure does, and asks no optics. Another
range of layers costs less than that too, although axes, names and legend change with it.
"""

from dataclasses import replace
from functools import cache
from io import BytesIO
from itertools import count

import pytest
from ratios import Case, ratio

from qupaint_lib.microscope import get_preset
from qupaint_lib.widgets import Tuning, look
from qupaint_lib.widgets.charts import TunerCharts

SCOPE = get_preset("machine-vision")
CHARTS = TunerCharts()
_moves = count()


def our_move():
    oxide = 80.0 + next(_moves) % 30
    seen = look(Tuning(microscope=replace(SCOPE, oxide_thickness_nm=oxide)))
    return CHARTS.draw(seen, oxide, "graphene")


def our_change():
    """Draw another range of layers: axes, names and legend change too."""
    layers = 1, 2 + next(_moves) % 11
    return CHARTS.draw(look(Tuning(layers=layers, microscope=SCOPE)), 90.0, "graphene")


@cache
def whole_figures():
    """Return the same figures with no artist kept out of them."""
    charts = TunerCharts()
    charts.draw(look(Tuning(microscope=SCOPE)), 90.0, "graphene")
    for chart in charts._laid_out:
        for artist in (*chart.changing, *chart.moving):
            artist.set_animated(False)
    return [chart.figure for chart in charts._laid_out]


def matplotlib_redraw():
    files = []
    for figure in whole_figures():
        figure.savefig(file := BytesIO(), format="png")
        files.append(file.getvalue())
    return files


CASES = [
    Case("lab bench, a move of the oxide slider", our_move, "matplotlib, redraw alone",
         matplotlib_redraw, 2, 4, rounds=15),
    Case("lab bench, another range of layers", our_change, "matplotlib, redraw alone",
         matplotlib_redraw, 1, 2, rounds=15),
]  # fmt: skip


def test_both_draw_pictures_of_one_size():
    for ours, peers in zip(our_move(), matplotlib_redraw(), strict=True):
        assert ours[:24] == peers[:24]  # PNG, its width and height


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ratio(case, rows):
    assert ratio(case, rows) >= case.bar
