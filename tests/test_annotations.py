import copy
import csv
import io
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as peer

from qupaint_lib.annotations import (
    Flake,
    Rle,
    from_coco,
    layer_class,
    outlines,
    polygons_to_mask,
    rle,
    save_coco,
    save_csv,
    save_geojson,
    to_coco,
    to_csv,
    to_geojson,
)
from qupaint_lib.errors import ArgumentError, UnknownNameError

MICROGRAPHS = os.environ.get("QUPAINT_MICROGRAPHS")
MASKS = st.tuples(st.integers(1, 24), st.integers(1, 24)).flatmap(lambda s: arrays(bool, s))
SHAPE = (30, 40)


def blob(seed=0, shape=SHAPE):
    """Return a mask with ragged edges, and a hole."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 2.5)
    return noise > np.quantile(noise, 0.7)


FULL = Flake.from_mask(
    blob(),
    layer_count=2,
    probabilities={1: 0.125, 2: 0.75, 3: 0.1},
    contrast=np.array([-0.1, -0.2, 1 / 3]),
    flags=["touches border"],
    score=0.9,
    parent_id=7,
    material="graphene",
    pixel_size_um=0.384,
    stage_origin_um=(1000.0, -2000.0),
    stitch_origin_px=(100, 200),
    stage_axes=((0, 1), (-1, 0)),
)


# Run lengths, with pycocotools as the oracle
@given(MASKS)
def test_run_lengths_are_those_of_pycocotools(mask):
    ours, theirs = rle.encode(mask), peer.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert ours.counts == theirs["counts"] and list(ours.size) == theirs["size"]
    np.testing.assert_array_equal(rle.decode(ours), mask)
    assert rle.area(ours) == peer.area(theirs)
    assert list(rle.bounding_box(ours)) == peer.toBbox(theirs).tolist()


@given(MASKS, st.integers(0, 9), st.integers(0, 9), st.integers(0, 3), st.integers(0, 3))
def test_a_part_encodes_like_the_whole(mask, left, top, right, bottom):
    whole = np.pad(mask, ((top, bottom), (left, right)))
    assert rle.encode(mask, corner_xy=(left, top), size=whole.shape) == rle.encode(whole)


@given(MASKS.filter(np.any))
def test_a_cutout_is_the_mask_in_its_box(mask):
    flake = Flake.from_mask(mask)
    x, y, width, height = flake.bbox_xywh
    np.testing.assert_array_equal(flake.cutout, mask[y : y + height, x : x + width])
    assert flake.cutout.sum() == flake.area_px == mask.sum()
    for edge in (flake.cutout[0], flake.cutout[-1], flake.cutout[:, 0], flake.cutout[:, -1]):
        assert edge.any()


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=20))
def test_long_runs(lengths):
    size = (sum(lengths), 1)
    encoded = rle.from_runs(np.array(lengths), size)
    shown = lengths[:-1] if len(lengths) > 1 and lengths[-1] == 0 else lengths
    assert rle.runs(encoded).tolist() == shown
    if sum(lengths):
        theirs = peer.frPyObjects({"size": list(size), "counts": shown}, *size)
        assert encoded.counts == theirs["counts"]


@pytest.mark.parametrize(
    ("counts", "match"),
    [
        (b"", "complete"),
        (b"P", "complete"),
        (b"\x80", "complete"),
        (b"5", "add up"),
        (b"o" * 12 + b"0", "50 bits"),
        (b"<N", "add up"),
    ],
)
def test_broken_run_lengths_are_refused(counts, match):
    with pytest.raises(ArgumentError, match=match):
        rle.decode(Rle((4, 4), counts))


@pytest.mark.skipif(not MICROGRAPHS, reason="needs the annotated development images")
def test_annotated_micrographs():
    path = Path(MICROGRAPHS) / "annotations.json"
    published, flakes = json.loads(path.read_text()), from_coco(path)
    assert len(flakes) == 21
    found = [flake for found in flakes.values() for flake in found]
    assert len(found) == len(published["annotations"]) == 34
    for flake, annotation in zip(found, published["annotations"], strict=True):
        np.testing.assert_array_equal(flake.mask, peer.decode(annotation["segmentation"]))
        assert flake.area_px == annotation["area"]
        assert list(flake.bbox_xywh) == annotation["bbox"]
        assert flake.layer_class() is None


# Flakes
def test_layer_classes():
    assert [layer_class(n) for n in (1, 2, 4, 5, 99)] == ["Mono", "Few", "Few", "Thick", "Thick"]
    assert layer_class(5, few_max=5) == "Few" and layer_class(None) is None
    for wrong in (0, 1.5, True):
        with pytest.raises(ArgumentError, match="layer_count"):
            layer_class(wrong)
    with pytest.raises(ArgumentError, match="few_max"):
        layer_class(1, few_max=0)


def test_a_category_stands_in_for_an_unknown_count():
    thick = Flake.from_mask(blob(), category="Thick")
    assert thick.layer_count is None and thick.layer_class() == "Thick"
    assert Flake.from_mask(blob(), category="Mono").layer_count == 1
    assert Flake.from_mask(blob(), layer_count=2, category="Thick").layer_class() == "Few"
    assert Flake.from_mask(blob()).layer_class() is None


def test_a_flake_is_plain_data():
    assert FULL == copy.deepcopy(FULL) == pickle.loads(pickle.dumps(FULL))
    assert FULL.contrast == (-0.1, -0.2, 1 / 3) and FULL.flags == ("touches border",)
    with pytest.raises(AttributeError):
        FULL.score = 0.5


def test_a_flake_can_be_driven_to():
    mask = np.zeros(SHAPE, bool)
    mask[10:20, 6:10] = True
    flake = Flake.from_mask(mask, pixel_size_um=0.5, stage_origin_um=(100, 200))
    assert flake.area_um2 == 40 * 0.25
    assert flake.center_xy == (8.0, 15.0) and flake.stage_xy_um == (104.0, 207.5)
    turned = Flake.from_mask(
        mask, pixel_size_um=0.5, stage_origin_um=(100, 200), stitch_origin_px=(20, 0),
        stage_axes=((0, -1), (1, 0)),
    )  # fmt: skip
    assert turned.stage_xy_um == (100 - 7.5, 200 + 14.0)
    unknown = Flake.from_mask(mask, pixel_size_um=0.5)
    assert unknown.stage_xy_um is None and Flake.from_mask(mask).area_um2 is None
    with pytest.raises(ArgumentError, match="stage_origin_um"):
        unknown.to_stage_um((0, 0))


@pytest.mark.parametrize(
    ("attributes", "match"),
    [
        ({"layer_count": 0}, "layer_count = 0"),
        ({"layer_count": 1.5}, "layer_count = 1.5"),
        ({"probabilities": {1: 0.7, 2: 0.7}}, "at most 1"),
        ({"probabilities": {1: -0.1}}, "in \\[0, 1\\]"),
        ({"probabilities": {0: 0.1}}, "at least 1"),
        ({"contrast": (1, 2)}, "contrast"),
        ({"contrast": (1, 2, np.nan)}, "contrast"),
        ({"score": 1.2}, "score"),
        ({"score": np.nan}, "score"),
        ({"pixel_size_um": 0}, "pixel_size_um"),
        ({"stage_origin_um": (1, 2, 3)}, "stage_origin_um"),
        ({"category": "Thin"}, "category"),
    ],
)
def test_bad_attributes_are_refused(attributes, match):
    with pytest.raises(ArgumentError, match=match):
        Flake.from_mask(blob(), **attributes)


@pytest.mark.parametrize(
    ("mask", "options", "match"),
    [
        (np.zeros(SHAPE, bool), {}, "no pixel"),
        (np.ones(SHAPE, int), {}, "bool"),
        (np.ones((2, 2, 2), bool), {}, "bool array"),
        (np.ones((4, 4), bool), {"corner_xy": (38, 0), "shape": SHAPE}, "corner_xy"),
        (np.ones((4, 4), bool), {"corner_xy": (-1, 0), "shape": SHAPE}, "corner_xy"),
    ],
)
def test_bad_masks_are_refused(mask, options, match):
    with pytest.raises(ArgumentError, match=match):
        Flake.from_mask(mask, **options)


# COCO
FLAKES = {
    "a.jpg": [FULL, Flake.from_mask(blob(1), layer_count=1), Flake.from_mask(blob(2))],
    "b.jpg": [Flake.from_mask(blob(3, (9, 8)), category="Few", flags=("clipped",))],
    "empty.jpg": [],
}
SHAPES = {"empty.jpg": (5, 6)}


def test_coco_round_trip_is_exact(tmp_path):
    path = save_coco(FLAKES, tmp_path / "flakes.json", shapes=SHAPES)
    assert from_coco(path) == FLAKES
    assert [file.name for file in tmp_path.iterdir()] == ["flakes.json"]
    again = to_coco(from_coco(path), shapes=SHAPES)
    assert again == json.loads(json.dumps(again)) | {"annotations": again["annotations"]}
    assert again["annotations"] == to_coco(FLAKES, shapes=SHAPES)["annotations"]


def test_coco_is_read_by_pycocotools(tmp_path):
    from pycocotools.coco import COCO

    data = COCO(save_coco(FLAKES, tmp_path / "flakes.json", shapes=SHAPES))
    assert [c["name"] for c in data.loadCats([1, 2, 3])] == ["Mono", "Few", "Thick"]
    assert {c["supercategory"] for c in data.loadCats(data.getCatIds())} == {"flake"}
    found = [flake for flakes in FLAKES.values() for flake in flakes]
    for flake, annotation in zip(found, data.loadAnns(data.getAnnIds()), strict=True):
        np.testing.assert_array_equal(data.annToMask(annotation), flake.mask)


def test_categories_follow_the_border():
    flakes = {"a.jpg": [Flake.from_mask(blob(), layer_count=n) for n in (1, 2, 5)]}
    ids = [[a["category_id"] for a in to_coco(flakes, few_max=n)["annotations"]] for n in (4, 5)]
    assert ids == [[1, 2, 3], [1, 2, 2]]
    assert len(to_coco(flakes)["categories"]) == 3
    assert to_coco(FLAKES, shapes=SHAPES)["categories"][-1]["name"] == "Unknown"


def foreign(segmentation, **annotation):
    """Return a data set as other programs write it."""
    entry = {"id": 5, "image_id": 3, "category_id": 9, "segmentation": segmentation}
    return {
        "images": [{"id": 3, "file_name": "x.png", "height": 30, "width": 40}],
        "annotations": [entry | annotation],
        "categories": [{"id": 9, "name": "Thick"}],
    }


def test_uncompressed_runs_and_polygons_are_read():
    mask = blob()
    counts = rle.runs(rle.encode(mask)).tolist()
    (flake,) = from_coco(foreign({"size": [30, 40], "counts": counts}))["x.png"]
    np.testing.assert_array_equal(flake.mask, mask)
    assert flake.layer_class() == "Thick"
    triangle = [[5.0, 2.0, 30.0, 10.0, 8.0, 28.0], [33.0, 20.0, 38.0, 20.0, 38.0, 26.0, 33.0, 26.0]]
    (flake,) = from_coco(foreign(triangle))["x.png"]
    theirs = peer.decode(peer.merge(peer.frPyObjects(triangle, 30, 40))).astype(bool)
    assert (flake.mask & theirs).sum() / (flake.mask | theirs).sum() > 0.93  # they add the rim
    assert flake.mask[20:26, 33:38].all() and not flake.mask[26:, 33:].any()


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ([], "images"),
        ({"images": [], "annotations": 3}, "annotations"),
        (foreign([[1, 2, 3]]), r"annotations\[0\].segmentation"),
        (foreign(None), r"annotations\[0\].segmentation"),
        (foreign("??"), r"annotations\[0\].segmentation"),
        (foreign({"size": [3, 4], "counts": [12]}), "the image's"),
        (foreign({"size": [30, 40], "counts": [12]}), "add up"),
        (foreign({"size": [30, 40], "counts": "~~"}), "segmentation"),
        (foreign({"size": [30, 40]}), "counts"),
        (foreign([[1, 2, 9, 2, 9, 9]], image_id=8), r"annotations\[0\].image_id = 8"),
        (foreign([[1, 2, 9, 2, 9, 9]], score=3), r"annotations\[0\].*score"),
        (foreign([[1, 2, 9, 2, 9, 9]], probabilities=[1]), r"annotations\[0\]"),
    ],
)
def test_broken_data_sets_are_refused(data, match):
    with pytest.raises(ArgumentError, match=match):
        from_coco(data)


def test_files_that_are_no_json(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    for name in ("broken.json", "missing.json"):
        with pytest.raises(ArgumentError, match="readable JSON"):
            from_coco(tmp_path / name)


def test_an_image_has_one_shape():
    with pytest.raises(ArgumentError, match="empty"):
        to_coco(FLAKES)
    with pytest.raises(ArgumentError, match="one height and width"):
        to_coco({"a.jpg": [FULL, Flake.from_mask(blob(3, (9, 8)))]})


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = save_coco(FLAKES, tmp_path / "flakes.json", shapes=SHAPES)
    before = path.read_bytes()
    with pytest.raises(ArgumentError):
        save_coco(FLAKES, path)
    with pytest.raises(UnicodeEncodeError):
        save_csv({"\udcff": [FULL]}, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["flakes.json"]


# CSV and GeoJSON
def test_csv_has_a_row_per_flake(tmp_path):
    path = save_csv(FLAKES, tmp_path / "flakes.csv")
    assert path.read_text() == to_csv(FLAKES)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["file_name"] for row in rows] == ["a.jpg"] * 3 + ["b.jpg"]
    assert [row["class"] for row in rows] == ["Few", "Mono", "", "Few"]
    first, last = rows[0], rows[-1]
    assert (float(first["stage_x_um"]), float(first["stage_y_um"])) == FULL.stage_xy_um
    assert float(first["contrast_b"]) == 1 / 3 and first["flags"] == "touches border"
    assert float(first["probability"]) == 0.75 and int(first["bbox_width"]) == FULL.bbox_xywh[2]
    assert last["stage_x_um"] == last["layer_count"] == last["area_um2"] == ""


@given(MASKS.filter(np.any))
def test_outlines_give_the_mask_back(mask):
    back = np.zeros_like(mask)
    for outline, *holes in outlines(Flake.from_mask(mask)):
        back |= polygons_to_mask([outline.ravel()], mask.shape)
        for hole in holes:
            back &= ~polygons_to_mask([hole.ravel()], mask.shape)
    np.testing.assert_array_equal(back, mask)


@pytest.mark.parametrize("unit", ["px", "um", "stage"])
def test_geojson(tmp_path, unit):
    path = save_geojson([FULL], tmp_path / "flakes.geojson", unit=unit)
    data = json.loads(path.read_text())
    assert data == json.loads(json.dumps(to_geojson([FULL], unit=unit)))
    (feature,) = data["features"]
    assert feature["properties"]["class"] == "Few"
    assert feature["properties"]["layer_count"] == 2 and feature["properties"]["unit"] == unit
    scale, total = (1.0 if unit == "px" else 0.384), 0.0
    for polygon in feature["geometry"]["coordinates"]:
        for i, ring in enumerate(polygon):
            assert ring[0] == ring[-1] and len(ring) >= 4
            (x, y), (x1, y1) = np.array(ring)[:-1].T, np.array(ring)[1:].T
            area = (x * y1 - x1 * y).sum() / 2
            assert (area > 0) == (i == 0)  # outlines turn one way, holes the other
            total += area
    rim = 0.15 * FULL.area_px  # outlines cut corners
    assert abs(total / scale**2 - FULL.area_px) < rim


def test_geojson_knows_where_a_flake_lies():
    mask = np.zeros(SHAPE, bool)
    mask[10:20, 6:10] = True
    flake = Flake.from_mask(
        mask, pixel_size_um=0.5, stage_origin_um=(1000, 0), stitch_origin_px=(100, 0)
    )
    for unit, left in (("px", 6), ("um", 53), ("stage", 1053)):
        (feature,) = to_geojson([flake], unit=unit)["features"]
        corners = np.array(feature["geometry"]["coordinates"][0][0])
        assert corners.min(axis=0).tolist() == [left, 10 if unit == "px" else 5]


def test_geojson_needs_what_its_unit_needs():
    with pytest.raises(ArgumentError, match="pixel_size_um"):
        to_geojson([Flake.from_mask(blob())], unit="um")
    with pytest.raises(ArgumentError, match="stage_origin_um"):
        to_geojson([Flake.from_mask(blob(), pixel_size_um=1.0)], unit="stage")
    with pytest.raises(UnknownNameError, match="unit"):
        to_geojson([FULL], unit="nm")
