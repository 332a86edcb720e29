"""Scenes: exact masks, crystals that keep apart, habits of the materials, plain data."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from qupaint_lib.annotations import layer_class
from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.materials import get_material, refractive_index
from qupaint_lib.microscope import get_preset, layer_contrast
from qupaint_lib.synthia import (
    HABITS,
    Conditions,
    Crystal,
    Debris,
    Scene,
    Terrace,
    get_habit,
    place,
    rasterise,
    sample_microscope,
    sample_scene,
)
from qupaint_lib.synthia.habits import SMALLEST_PX
from qupaint_lib.synthia.randomise import LEAST_CONTRAST
from qupaint_lib.synthia.shapes import area, cut, outline, to_points
from qupaint_lib.synthia.wafer import Wafer

LAB = get_preset("maskterial-20x")
EIGHT_CONNECTED = np.ones((3, 3))


def rectangle(x, y, width, height):
    return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))


def scene_of(*crystals, shape=(60, 80)):
    return Scene(shape, "graphene", LAB, [Crystal(terraces) for terraces in crystals])


def crystal_map(scene):
    """Number of the crystal, from 1, at every pixel that one covers for the most part."""
    found = np.zeros(scene.shape, dtype=int)
    for number, raster in enumerate(scene.rasters, start=1):
        if raster is not None:
            (left, top), (height, width) = raster.corner_xy, raster.labels.shape
            part = found[top : top + height, left : left + width]
            assert not (part[raster.labels > 0]).any()
            part[raster.labels > 0] = number
    return found


def check_annotations(scene):
    """The masks partition what crystals cover, boxes are tight, regions are connected."""
    covered = np.zeros(scene.shape, dtype=int)
    by_crystal = crystal_map(scene)
    for flake in scene.flakes:
        mask = flake.mask
        covered += mask
        assert (by_crystal[mask] == flake.parent_id + 1).all()
        assert ndimage.label(mask, EIGHT_CONNECTED)[1] == 1
        rows, columns = np.nonzero(mask)
        left, top, width, height = flake.bbox_xywh
        assert (left, top) == (columns.min(), rows.min())
        assert (width, height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)
        at_border = mask[[0, -1]].any() or mask[:, [0, -1]].any()
        assert ("touches border" in flake.flags) == at_border
        assert flake.layer_count in {
            terrace.layer_count for terrace in scene.crystals[flake.parent_id].terraces
        }
    assert covered.max(initial=0) <= 1
    assert np.array_equal(covered > 0, by_crystal > 0)


def check_apart(scene):
    """No pixel beside or across a corner belongs to another crystal."""
    numbers = crystal_map(scene)
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        first = numbers[: scene.shape[0] - down, max(-right, 0) : scene.shape[1] - max(right, 0)]
        second = numbers[down:, max(right, 0) : scene.shape[1] + min(right, 0)]
        touching = (first > 0) & (second > 0)
        assert np.array_equal(first[touching], second[touching])


# ---------------------------------------------------------------------------------- rasterising


def test_a_rectangle_on_whole_pixels_has_exactly_its_pixels():
    raster = rasterise([rectangle(10, 20, 30, 12)], (60, 80))
    mask = np.zeros((60, 80), dtype=bool)
    left, top = raster.corner_xy
    mask[top : top + raster.labels.shape[0], left : left + raster.labels.shape[1]] = raster.labels
    expected = np.zeros((60, 80), dtype=bool)
    expected[20:32, 10:40] = True
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize("angle_deg", [0, 7, 30, 45, 77])
def test_shares_add_up_to_the_area_of_the_polygon(angle_deg):
    turn = np.exp(1j * np.deg2rad(angle_deg))
    half = 30.2 + 14.7j
    corners = [z * turn + 60 + 60j for z in (-half, half.conjugate(), half, -half.conjugate())]
    raster = rasterise([[(z.real, z.imag) for z in corners]], (120, 120))
    covered = (raster.labels > 0).astype(float)
    covered.flat[raster.edge] = raster.shares[:, 1]
    perimeter = 2 * (60.4 + 29.4)
    assert abs(covered.sum() - 60.4 * 29.4) < 0.2 * perimeter  # sides to a fifth of a pixel
    assert np.allclose(raster.shares.sum(axis=1), 1)


def test_a_pixel_belongs_to_what_covers_most_of_it():
    # 0.75 of the pixels of column 9 are covered, 0.25 of column 20.
    raster = rasterise([rectangle(9.25, 5, 11, 10)], (30, 40))
    columns = np.flatnonzero((raster.labels > 0).any(axis=0)) + raster.corner_xy[0]
    assert (columns[0], columns[-1]) == (9, 19)
    shares = {float(s) for s in np.unique(raster.shares[:, 1])}
    assert {0.25, 0.75} <= shares


def test_later_terraces_cover_earlier_ones_and_split_them():
    bar = Terrace(rectangle(10, 10, 40, 12), 1)
    across = Terrace(rectangle(25, 10, 8, 12), 3)
    flakes = scene_of([bar, across]).flakes
    assert sorted((f.layer_count, f.bbox_xywh) for f in flakes) == [
        (1, (10, 10, 15, 12)),
        (1, (33, 10, 17, 12)),
        (3, (25, 10, 8, 12)),
    ]
    assert {f.parent_id for f in flakes} == {0}


def test_specks_go_to_what_surrounds_them_in_masks_and_in_shares():
    bar, speck = Terrace(rectangle(10, 10, 40, 12), 1), Terrace(rectangle(20.3, 15.3, 2, 2), 7)
    scene = scene_of([bar, speck], [Terrace(rectangle(60, 40, 2, 1.9), 2)])
    assert [f.layer_count for f in scene.flakes] == [1]
    assert scene.flakes[0].area_px == 40 * 12
    assert (scene.rasters[0].shares[:, 2] == 0).all()
    assert scene.rasters[1] is None


def test_the_annotated_contrast_is_that_of_the_optical_model():
    scene = scene_of(
        [Terrace(rectangle(10, 10, 20, 20), 1)], [Terrace(rectangle(40, 10, 20, 20), 3)]
    )
    contrasts = [flake.contrast for flake in scene.flakes]
    assert np.allclose(contrasts, layer_contrast("graphene", [1, 3], LAB), atol=1e-12)


def test_crystals_outside_the_image_have_no_flakes():
    scene = scene_of(
        [Terrace(rectangle(-40, 5, 20, 20), 1)], [Terrace(rectangle(70, 50, 40, 40), 2)]
    )
    assert scene.rasters[0] is None
    assert [f.bbox_xywh for f in scene.flakes] == [(70, 50, 10, 10)]
    assert scene.flakes[0].parent_id == 1
    assert scene.flakes[0].flags == ("touches border",)


# ---------------------------------------------------------------------------------- sampling


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    material=st.sampled_from(sorted(HABITS)),
    view=st.sampled_from(["general", "focused"]),
    shape=st.sampled_from([(64, 64), (33, 190), (200, 260), (448, 448)]),
    count=st.one_of(st.none(), st.integers(0, 60)),
    statistics=st.sampled_from(["balanced", "measured"]),
)
def test_any_scene_is_exact_apart_and_plain(seed, material, view, shape, count, statistics):
    options = {"material": material, "view": view, "shape": shape}
    options |= {"flake_count": count, "statistics": statistics}
    scene = sample_scene(np.random.default_rng(seed), **options)
    check_annotations(scene)
    check_apart(scene)
    assert count is None or len(scene.crystals) <= count
    assert Scene.from_dict(json.loads(json.dumps(scene.to_dict()))) == scene
    assert sample_scene(np.random.default_rng(seed), **options) == scene


@pytest.mark.parametrize(
    ("shape", "count"), [((64, 64), 300), ((448, 448), 300), ((3072, 4096), 300), ((64, 64), 0)]
)
def test_extreme_scenes(shape, count):
    scene = sample_scene(np.random.default_rng(5), shape=shape, flake_count=count)
    check_apart(scene)
    if max(shape) < 1000:
        check_annotations(scene)
    assert len(scene.crystals) <= count
    assert (len(scene.crystals) == count) == (count == 0 or shape == (3072, 4096))


def test_a_general_view_has_20_to_30_regions_of_every_class():
    scenes = [sample_scene(np.random.default_rng([3, i])) for i in range(40)]
    assert 20 <= np.median([len(scene.flakes) for scene in scenes]) <= 30
    classes = [layer_class(f.layer_count) for scene in scenes for f in scene.flakes]
    for name in ("Mono", "Few", "Thick"):
        assert 0.15 < classes.count(name) / len(classes) < 0.6
    assert {scene.material for scene in scenes} == set(HABITS)


def test_a_focused_view_is_filled_by_a_single_layer():
    for i in range(20):
        scene = sample_scene(np.random.default_rng([4, i]), view="focused")
        mono = [f for f in scene.flakes if f.parent_id == 0 and f.layer_count == 1]
        largest = max(mono, key=lambda f: f.area_px)
        assert largest.area_px > 0.015 * 448**2
        assert len(scene.crystals) < 15


def test_materials_and_counts_follow_what_was_asked_for():
    scene = sample_scene(
        np.random.default_rng(1), material="WTe2", microscope=LAB, flake_count=7, debris=False
    )
    assert (scene.material, scene.microscope, scene.debris) == ("WTe2", LAB, ())
    assert scene.magnification == pytest.approx(20)
    assert len(scene.crystals) == 7


def test_microscopes_span_the_domain_and_show_two_layers():
    rng = np.random.default_rng(2)
    drawn = [sample_microscope(rng, "graphene") for _ in range(200)]
    wafers = [m.oxide if m.substrate == "Si" else m.substrate for m in drawn]
    assert set(wafers) == {"SiO2", "Si3N4", "sapphire", "PDMS"}
    on_silicon = np.array([m.oxide_thickness_nm for m in drawn if m.substrate == "Si"])
    assert on_silicon.min() >= 70
    assert on_silicon.max() <= 300
    for favoured in (90, 180, 285):
        assert (abs(on_silicon / favoured - 1) < 0.06).mean() > 0.1
    assert {m.transfer_exponent == "srgb" for m in drawn} == {True, False}
    best = [
        abs(layer_contrast("graphene", [2], replace(m, numerical_aperture=0.0))).max()
        for m in drawn
    ]
    assert np.mean(np.array(best) >= LEAST_CONTRAST) > 0.98


def test_a_substrate_is_neither_dark_nor_white():
    from qupaint_lib.microscope import encode, palette

    rng = np.random.default_rng(3)
    for _ in range(60):
        microscope = sample_microscope(rng, "WSe2")
        code = encode(palette("WSe2", [0], microscope), microscope).mean()
        assert 0.15 < code < 0.85


# ---------------------------------------------------------------------------------- shapes


def test_the_habits_are_those_of_the_registered_materials():
    for name in HABITS:
        assert get_material(name).layer_thickness_nm > 0
        assert np.isfinite(refractive_index(name, np.array([550.0]))).all()
    assert len(HABITS) == 8
    with pytest.raises(UnknownNameError, match="did you mean 'graphene'"):
        get_habit("grapheme")


def test_areas_follow_the_power_law():
    wafer = Wafer(replace(get_habit("WS2"), exponent=2.0, mothers=0.0), 0.6, (1200, 1920), 1.0, 0.1)
    areas = np.array(wafer.areas(np.random.default_rng(0), 20_000))
    assert areas.min() >= SMALLEST_PX
    assert areas.max() <= wafer.largest_px * (1 + 1e-9)
    # P(area > a) = (1/a − 1/high) / (1/low − 1/high) for an exponent of 2.
    for a in (100, 500, 5000):
        expected = (1 / a - 1 / wafer.largest_px) / (1 / SMALLEST_PX - 1 / wafer.largest_px)
        error = math.sqrt(expected * (1 - expected) / len(areas))
        assert abs((areas > a).mean() - expected) < 4 * error
    assert (np.diff(areas) <= 0).all()


@pytest.mark.parametrize("material", sorted(HABITS))
def test_outlines_have_their_area_and_shape(material):
    habit = get_habit(material)
    rng = np.random.default_rng(6)
    shapes = [outline(rng, habit, 3000.0, rng.uniform(0, 6)) for _ in range(200)]
    areas = np.array([area(shape) for shape in shapes])
    assert np.median(areas) == pytest.approx(3000, rel=0.1)
    whole = outline(rng, replace(habit, torn=0.0, notched=0.0), 3000.0, 0.0)
    assert area(whole) == pytest.approx(3000)


def test_ribbons_are_longer_than_flakes():
    def aspect(material):
        habit = replace(get_habit(material), torn=0.0, notched=0.0)
        rng = np.random.default_rng(7)
        spread = []
        for _ in range(150):
            points = np.array(outline(rng, habit, 1000.0, 0.0))
            values = np.linalg.eigvalsh(np.cov(points.real, points.imag))
            spread.append(math.sqrt(values[1] / values[0]))
        return np.median(spread)

    assert aspect("WTe2") > 1.4 * aspect("WS2")


def test_a_fully_faceted_habit_has_sides_along_its_axes():
    habit = replace(get_habit("WTe2"), faceting=1.0, torn=0.0, notched=0.0, axis_deg=90.0)
    rng = np.random.default_rng(8)
    for _ in range(20):
        points = np.array(outline(rng, habit, 1000.0, 0.4))
        sides = np.roll(points, -1) - points
        angles = np.rad2deg(np.angle(sides[abs(sides) > 1e-6])) - np.rad2deg(0.4)
        assert np.allclose((angles + 45) % 90 - 45, 0, atol=1e-6)


def test_a_cut_keeps_what_lies_on_the_near_side():
    square = [0j, 10 + 0j, 10 + 10j, 10j]
    assert area(square) == 100
    assert area(cut(square, 1 + 0j, 4.0)) == pytest.approx(40)
    assert area(cut(square, -1 + 0j, -4.0)) == pytest.approx(60)
    assert cut(square, 1 + 0j, -1.0) == []
    assert to_points(square, 0.25 + 0.5j)[0] == (0.25, 0.5)


# ---------------------------------------------------------------------------------- placement


def reference_with(mask):
    return SimpleNamespace(shape=mask.shape, substrate_mask=mask, microscope=LAB)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), free=st.floats(0.2, 1.0))
def test_placed_crystals_lie_on_clean_substrate_and_stay(seed, free):
    rng = np.random.default_rng(seed)
    mask = np.kron(rng.random((6, 8)) < free, np.ones((40, 40), dtype=bool))
    scene = sample_scene(rng, shape=mask.shape, flake_count=15, debris=False)
    placed = place(scene, reference_with(mask))
    check_apart(placed)
    for flake in placed.flakes:
        assert mask[flake.mask].all()
    assert len(placed.crystals) <= len(scene.crystals)
    assert place(placed, reference_with(mask)) == placed
    assert place(scene, reference_with(mask)) == placed


def test_crystals_that_lie_well_are_not_moved():
    mask = np.ones((448, 448), dtype=bool)
    scene = sample_scene(np.random.default_rng(9))
    assert place(scene, reference_with(mask)) is scene
    left, right = scene_of(
        [Terrace(rectangle(10, 10, 20, 20), 1)], [Terrace(rectangle(50, 10, 20, 20), 1)]
    ).crystals
    mask = np.ones((60, 80), dtype=bool)
    mask[:, 60:] = False
    moved = place(scene_of(left.terraces, right.terraces), reference_with(mask))
    assert moved.crystals[0] == left
    assert moved.crystals[1] != right
    assert len(moved.flakes) == 2


def test_overlapping_crystals_are_moved_apart():
    same = [Terrace(rectangle(10, 10, 20, 20), 1)]
    placed = place(scene_of(same, same), reference_with(np.ones((60, 80), dtype=bool)))
    check_apart(placed)
    assert placed.crystals[0] == Crystal(same)
    assert len(placed.flakes) == 2


def test_no_room_no_crystal():
    scene = sample_scene(np.random.default_rng(9), flake_count=5)
    nothing = reference_with(np.zeros((448, 448), dtype=bool))
    assert place(scene, nothing).crystals == ()
    assert sample_scene(np.random.default_rng(9), reference=nothing, material="WS2").crystals == ()


def test_a_scene_for_a_reference_takes_its_shape_microscope_and_substrate():
    mask = np.zeros((300, 500), dtype=bool)
    mask[:, 100:] = True
    reference = reference_with(mask)
    scene = sample_scene(np.random.default_rng(1), reference=reference)
    assert (scene.shape, scene.microscope, scene.debris) == (mask.shape, LAB, ())
    assert scene.conditions == Conditions.ideal()
    assert scene.flakes
    assert all(mask[flake.mask].all() for flake in scene.flakes)
    assert place(scene, reference) is scene


# ---------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"shape": (16, 64)}, "shape"),
        ({"shape": (64,)}, "shape"),
        ({"view": "wide"}, "view"),
        ({"statistics": "any"}, "statistics"),
        ({"flake_count": -1}, "flake_count"),
        ({"magnification": 0.0}, "magnification"),
        ({"material": "gold"}, "material"),
    ],
)
def test_what_no_scene_can_have_is_refused_by_name(options, named):
    with pytest.raises(ArgumentError, match=named):
        sample_scene(np.random.default_rng(0), **options)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Terrace(((0, 0), (1, 1)), 1), "polygon"),
        (lambda: Terrace(((0, 0), (1, 1), (np.nan, 2)), 1), "polygon"),
        (lambda: Terrace(rectangle(0, 0, 1, 1), 0), "layer_count"),
        (lambda: Crystal(()), "terraces"),
        (lambda: Debris("dust", ((0, 0), (1, 1)), 1.0, (1, 1, 1)), "kind"),
        (lambda: Debris("hair", ((0, 0),), 1.0, (1, 1, 1)), "path"),
        (lambda: Debris("hair", ((0, 0), (1, 1)), -1.0, (1, 1, 1)), "width_px"),
        (lambda: Debris("hair", ((0, 0), (1, 1)), 1.0, (1, 1)), "transmission"),
        (lambda: Scene((0, 5), "graphene", LAB), "shape"),
        (lambda: Scene((50, 50), "graphene", LAB, view="side"), "view"),
        (lambda: Conditions(jpeg_quality=0), "jpeg_quality"),
        (lambda: Conditions(read_noise=-1.0), "read_noise"),
        (lambda: Conditions(color_shift_px=(0, 0, 9, 0)), "color_shift_px"),
        (lambda: Conditions(gradient=2.0), "gradient"),
        (lambda: Conditions(camera_gain=(0.0, 1, 1)), "camera_gain"),
        (lambda: Scene.from_dict({"shape": [3, 3]}), "data"),
    ],
)
def test_impossible_parts_are_refused_by_name(make, named):
    with pytest.raises(ArgumentError, match=named):
        make()


def test_a_reference_of_another_shape_is_refused():
    scene = sample_scene(np.random.default_rng(0), shape=(64, 64))
    with pytest.raises(ArgumentError, match="substrate"):
        place(scene, reference_with(np.ones((65, 64), dtype=bool)))


def test_materials_go_by_any_name_that_the_registry_knows():
    by_name = [sample_scene(np.random.default_rng(4), material=m) for m in ("hBN", "BN")]
    assert by_name[0] == by_name[1]
    assert by_name[0].material == "BN"
