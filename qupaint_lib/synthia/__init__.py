"""Synthetic micrographs from physics: scenes of flakes, exact annotations, rendered images.

``scene`` holds a scene as plain data and ``conditions`` how its image is taken; ``habits`` tells
how each material cleaves, ``shapes`` makes crystals of it, ``raster`` turns their polygons into
pixels, ``place`` keeps them apart, ``sample`` draws whole scenes. ``reference`` prepares a real
micrograph as a background, ``render`` makes the image out of ``debris``, ``rims`` and ``sensor``;
``maskterial`` renders as the paper's comparator does; ``statistics`` and ``edges`` measure images,
real or synthetic. ``generate`` writes whole data sets, with ``backgrounds`` and ``coco_file``:
``python -m qupaint_lib.synthia --out FOLDER -n 10000``.

Conventions: positions (x, y) are in pixels from the upper left corner of the image, pixel (row,
column) = (0, 0) covers the square from (0, 0) to (1, 1). Everything random comes from the generator
or the seed that is handed in.
"""

from qupaint_lib.synthia.conditions import Conditions
from qupaint_lib.synthia.generate import generate
from qupaint_lib.synthia.habits import HABITS, Habit, get_habit
from qupaint_lib.synthia.maskterial import render_like_maskterial
from qupaint_lib.synthia.place import place
from qupaint_lib.synthia.randomise import sample_conditions, sample_microscope
from qupaint_lib.synthia.raster import CrystalRaster, rasterise
from qupaint_lib.synthia.reference import Reference, prepare_reference
from qupaint_lib.synthia.render import Rendered, RenderedFile, render, render_jpeg
from qupaint_lib.synthia.sample import sample_scene
from qupaint_lib.synthia.scene import DEBRIS_KINDS, VIEWS, Crystal, Debris, Scene, Terrace

__all__ = [
    "DEBRIS_KINDS",
    "HABITS",
    "VIEWS",
    "Conditions",
    "Crystal",
    "CrystalRaster",
    "Debris",
    "Habit",
    "Reference",
    "Rendered",
    "RenderedFile",
    "Scene",
    "Terrace",
    "generate",
    "get_habit",
    "place",
    "prepare_reference",
    "rasterise",
    "render",
    "render_jpeg",
    "render_like_maskterial",
    "sample_conditions",
    "sample_microscope",
    "sample_scene",
]
