"""The finder against rendered scenes whose layers are known, and against bad input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qupaint_lib._workers import one_thread
from qupaint_lib.annotations import from_coco, to_coco
from qupaint_lib.errors import ArgumentError, CalibrationError, ImageError
from qupaint_lib.finder import (
    OUTLINE_COLORS,
    contrast_map,
    examine,
    find_flakes,
    find_in_folder,
    fit_layers,
    overlay,
    plateaus,
)
from qupaint_lib.finder.__main__ import main
from qupaint_lib.finder.regions import RegionGraph
from qupaint_lib.images import load_image, micrograph
from qupaint_lib.microscope import get_preset, layer_contrast, render_layers

PURPLE = get_preset("maskterial-20x")
ROOT = Path(__file__).resolve().parents[1]
MEASURED = json.loads((ROOT / "qupaint_lib/data/contrast_graphene_90nm.json").read_text("utf-8"))


def scene(
    material="graphene", microscope=PURPLE, seed=0, counts=(1, 2, 3, 4, 6)
) -> tuple[np.ndarray, np.ndarray]:
    """A rendered image of squares, one a terrace on another, and its map of layers."""
    layers = np.zeros((320, 384), int)
    for k, count in enumerate(counts):
        top, left = 30 + 150 * (k // 3), 30 + 120 * (k % 3)
        layers[top : top + 60, left : left + 50] = count
    layers[45:75, 80:110] = counts[0] + 1  # hangs on the first
    image = render_layers(layers, material, microscope, np.random.default_rng(seed))
    return image, layers


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return (first & second).sum() / (first | second).sum()


def thin(flakes):
    return [flake for flake in flakes if flake.layer_count is not None]


@pytest.fixture(scope="module")
def graphene():
    image, layers = scene()
    return image, layers, examine(image, "graphene", PURPLE)


def test_layers_and_outlines_of_a_rendered_scene(graphene) -> None:
    from scipy.ndimage import label

    _, layers, finding = graphene
    flakes = thin(finding.flakes)
    truths = [
        (n, labelled == k)
        for n in np.unique(layers[layers > 0])
        for labelled, count in [label(layers == n)]
        for k in range(1, count + 1)
    ]
    assert len(flakes) == len(truths)
    for count, mask in truths:
        best = max(flakes, key=lambda flake: iou(flake.mask, mask))
        assert iou(best.mask, mask) > 0.85
        assert best.layer_count == count
        assert best.probabilities[count] > 0.9
        assert best.score > 0.9
        assert best.area_um2 == pytest.approx(best.area_px * 0.384**2)


def test_terraces_share_a_parent(graphene) -> None:
    flakes = thin(graphene[2].flakes)
    parents = sorted(flake.parent_id for flake in flakes)
    assert len(set(parents)) == len(flakes) - 1


def test_probabilities_and_scores_are_probabilities(graphene) -> None:
    flakes = graphene[2].flakes
    assert all(sum(f.probabilities.values()) <= 1 + 1e-9 for f in flakes)
    assert [f.score for f in flakes] == sorted((f.score for f in flakes), reverse=True)


@pytest.mark.parametrize(
    ("material", "oxide"), [("WSe2", 73.0), ("MoS2", 90.0), ("WS2", 80.0), ("MoSe2", 300.0)]
)
def test_other_materials(material: str, oxide: float) -> None:
    microscope = replace(
        PURPLE, oxide_thickness_nm=oxide, white_balance_gain=(2.0, 2.0, 2.0), clip_level=1.0
    )
    image, layers = scene(material, microscope, counts=(1, 2, 3))
    flakes = thin(find_flakes(image, material, microscope))
    for flake in flakes[:4]:
        assert flake.layer_count == np.median(layers[flake.mask])
    assert len(flakes) >= 4


@pytest.mark.parametrize("oxide_error_nm", [-4.0, 4.0])
def test_a_misstated_oxide_is_found(oxide_error_nm: float) -> None:
    image, layers = scene()
    stated = replace(PURPLE, oxide_thickness_nm=90 + oxide_error_nm)
    finding = examine(image, "graphene", stated)
    fit = finding.fit
    assert abs(fit.oxide_thickness_nm - 90) < max(3 * fit.oxide_sigma_nm, 1.5)
    for flake in thin(finding.flakes):
        assert flake.layer_count == np.median(layers[flake.mask])


@settings(max_examples=10, deadline=None)
@given(
    gain=st.tuples(*[st.floats(1.5, 4.0)] * 3),
    exponent=st.sampled_from([1.0, 2.2, "srgb"]),
)
def test_gains_and_exponent_cancel_out(gain, exponent) -> None:
    microscope = replace(
        PURPLE, white_balance_gain=gain, transfer_exponent=exponent, vignetting=0.2
    )
    image, layers = scene("graphene", microscope, counts=(1, 2, 3))
    flakes = thin(find_flakes(image, "graphene", microscope))
    assert {f.layer_count for f in flakes} == {1, 2, 3}
    assert all(f.layer_count == np.median(layers[f.mask]) for f in flakes)


def test_measured_graphene_contrasts_with_the_oxide_self_calibrated() -> None:
    """The published means, with the spread of one laboratory: 98 of 100 draws are told right."""
    rng = np.random.default_rng(0)
    counts = np.tile(MEASURED["layer_counts"], 100)
    draws = np.tile(MEASURED["contrast"], (100, 1)) + 0.018 * rng.standard_normal((400, 3))
    fit = fit_layers(draws, "graphene", PURPLE)
    told = fit.classify(draws)[:, :10].argmax(axis=1) + 1
    assert (told == counts).mean() >= 0.98
    assert abs(fit.oxide_thickness_nm - 90) < 2
    assert fit.explained > 0.95


def test_without_plateaus_the_prior_stays() -> None:
    fit = fit_layers(np.zeros((0, 3)), "graphene", PURPLE)
    assert fit.oxide_thickness_nm == pytest.approx(90)
    assert fit.oxide_sigma_nm == pytest.approx(2.6, abs=0.4)
    assert fit.explained is None


def test_glare_is_fitted() -> None:
    contrasts = 0.85 * layer_contrast("graphene", np.arange(1, 9), PURPLE)
    fit = fit_layers(contrasts, "graphene", PURPLE)
    assert fit.glare == pytest.approx(0.15, abs=0.03)
    assert (fit.classify(contrasts)[:, :10].argmax(axis=1) == np.arange(8)).all()


def test_a_wrong_material_is_not_believed(graphene) -> None:
    image, _, right = graphene
    wrong = examine(image, "MoS2", PURPLE)
    assert right.fit.explained > 0.99
    assert wrong.fit.explained < 0.5
    assert sum(f.score for f in wrong.flakes) < 0.5 * sum(f.score for f in right.flakes)


def test_blank_images_hold_no_flake() -> None:
    assert find_flakes(np.full((128, 160, 3), 0.5), "graphene") == []
    noise = np.random.default_rng(0).normal(0.5, 0.006, (256, 256, 3))
    assert thin(find_flakes(noise, "graphene")) == []


def test_an_image_all_flake() -> None:
    """One even flake cannot be told from a substrate; flakes without substrate are an error."""
    even = render_layers(np.full((128, 128), 2), "graphene", PURPLE, np.random.default_rng(0))
    assert thin(find_flakes(even, "graphene", PURPLE)) == []
    rough = np.kron(np.random.default_rng(0).random((10, 10, 3)), np.ones((32, 32, 1)))
    with pytest.raises(CalibrationError):
        find_flakes(rough, "graphene", PURPLE)


def test_thick_and_clipped_flakes_have_no_layer_count() -> None:
    image, _ = scene(counts=(1, 60, 400))
    flakes = find_flakes(image, "graphene", PURPLE)
    thick = [f for f in flakes if "thick" in f.flags]
    assert len(thick) >= 2
    assert all(f.layer_count is None and f.category == "Thick" for f in thick)
    assert any("clipped" in f.flags for f in thick)


def test_debris_is_named() -> None:
    image, _ = scene(counts=(1, 2, 3))
    y, x = np.mgrid[:320, :384]
    hair = np.exp(-((x - 0.3 * y - 230) ** 2) / 60) * (y > 200)
    image = image * (1 - 0.95 * hair[..., None])
    flakes = find_flakes(image, "graphene", PURPLE)
    on_hair = [f for f in flakes if hair[f.mask].mean() > 0.3]
    assert on_hair
    assert all(f.layer_count is None for f in on_hair)


@pytest.mark.parametrize("grey", [-0.05, -0.03, -0.02])
def test_faint_even_plateaus_are_detections_of_an_unsure_layer_count(grey: float) -> None:
    image, _ = scene(counts=(1, 2, 3))
    y, x = np.mgrid[:320, :384]
    spot = (x - 200) ** 2 + (y - 250) ** 2 < 241
    image = image * (1 + grey * spot[..., None])
    flakes = find_flakes(image, "graphene", PURPLE)
    best = max(flakes, key=lambda flake: iou(flake.mask, spot))
    assert iou(best.mask, spot) > 0.5
    assert "faint" in best.flags
    assert best.layer_count == 1
    assert max(best.probabilities.values()) < 0.25
    assert best.score < min(f.score for f in flakes if f.layer_count and "faint" not in f.flags)


def test_among_residue_a_faint_plateau_is_not_believed() -> None:
    image, _ = scene(counts=(1, 2, 3))
    y, x = np.mgrid[:320, :384]
    rng = np.random.default_rng(3)
    for row, column in [(30, 330), (90, 340), (150, 350), (280, 340), (290, 60), (210, 345)]:
        image = image * (1 - 0.07 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 200)[..., None])
    spot = (x - 200) ** 2 + (y - 250) ** 2 < 241
    image = image * (1 - 0.02 * spot[..., None]) + rng.normal(0, 1e-6, image.shape)
    flakes = find_flakes(image, "graphene", PURPLE)
    best = max(flakes, key=lambda flake: iou(flake.mask, spot))
    assert iou(best.mask, spot) > 0.5
    assert best.layer_count is None


def test_an_oxide_out_of_reach_is_said() -> None:
    image, _ = scene()
    near = examine(image, "graphene", PURPLE).fit
    far = examine(image, "graphene", replace(PURPLE, oxide_thickness_nm=101)).fit
    assert not near.at_bound
    assert not any("bound" in doubt for doubt in near.doubts)
    assert far.at_bound
    assert far.oxide_sigma_nm >= 3
    assert any("bound" in doubt for doubt in far.doubts)
    assert not examine(
        image, "graphene", replace(PURPLE, oxide_thickness_nm=90), oxide_tolerance_nm=0
    ).fit.at_bound


def test_an_unexplained_image_is_not_trusted(graphene) -> None:
    image, _, right = graphene
    wrong = examine(image, "MoS2", PURPLE).fit
    assert right.fit.trust > 0.95
    assert wrong.trust == pytest.approx(
        (wrong.plateaus * wrong.explained + 1) / (wrong.plateaus + 1)
    )
    assert any("another" in doubt for doubt in wrong.doubts)


def test_flags_of_position() -> None:
    layers = np.zeros((200, 200), int)
    layers[:40, 50:90] = 2
    image = render_layers(layers, "graphene", PURPLE, np.random.default_rng(0))
    (flake,) = thin(find_flakes(image, "graphene", PURPLE))
    assert "touches border" in flake.flags


def test_eight_bit_codes_and_floats_are_one() -> None:
    image, _ = scene()
    codes = np.round(image * 255).astype(np.uint8)
    assert [f.rle for f in find_flakes(codes, "graphene", PURPLE)] == [
        f.rle for f in find_flakes((codes / np.float32(255)), "graphene", PURPLE)
    ]


def test_tiles_find_what_the_whole_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    from qupaint_lib.finder import find

    even = replace(PURPLE, vignetting=0.0)  # else the seams of the mosaic are steps
    small, _ = scene(counts=(1, 2, 3), microscope=even)
    image = np.tile(small, (2, 3, 1))
    whole = thin(find_flakes(image, "graphene", PURPLE))
    monkeypatch.setattr(find, "TILE_PX", 300)
    monkeypatch.setattr(find, "_OVERLAP_PX", 100)
    tiled = thin(find_flakes(image, "graphene", PURPLE))
    assert len(tiled) == len(whole)
    for flake in whole:
        assert max(iou(flake.mask, other.mask) for other in tiled) > 0.9


@pytest.mark.parametrize(
    ("image", "what"),
    [
        (np.zeros((100, 100)), "H, W, 3"),
        (np.zeros((20, 100, 3)), "64 × 64"),
        (np.full((100, 100, 3), np.nan), "NaN"),
        (np.full((100, 100, 3), 2.0), r"\[0, 1\]"),
    ],
)
def test_what_is_no_image_is_refused(image, what: str) -> None:
    with pytest.raises(ImageError, match=what):
        find_flakes(image, "graphene")


def test_one_nan_pixel_is_refused() -> None:
    image, _ = scene()
    image[3, 4, 1] = np.nan
    with pytest.raises(ImageError, match="NaN"):
        find_flakes(image, "graphene", PURPLE)


def test_options_are_checked() -> None:
    image, _ = scene()
    with pytest.raises(ArgumentError, match="min_area_px"):
        find_flakes(image, "graphene", min_area_px=0)
    with pytest.raises(ArgumentError, match="oxide_tolerance_nm"):
        find_flakes(image, "graphene", oxide_tolerance_nm=-1)
    with pytest.raises(ArgumentError, match="contrasts"):
        fit_layers(np.zeros((3, 2)), "graphene", PURPLE)


def test_plateaus_number_every_region_once(graphene) -> None:
    labels, graph = plateaus(contrast_map(graphene[0], PURPLE))
    assert (np.unique(labels) == np.arange(graph.count)).all()
    assert (np.bincount(labels.ravel())[1:] == graph.area[1:]).all()


def test_regions_keep_their_sums_when_they_merge() -> None:
    labels = np.zeros((6, 9), int)
    labels[1:5, 1:4], labels[1:5, 4:8] = 1, 2
    values = np.stack([labels * 0.1] * 3)
    graph = RegionGraph(labels, values, np.ones((6, 9)), 1.0)
    assert graph.mean[1:] == pytest.approx(np.array([[0.1] * 3, [0.2] * 3]))
    assert (
        dict(zip(zip(graph.first, graph.second, strict=True), graph.border_length, strict=True))[
            1, 2
        ]
        == 4
    )
    graph.open_borders((graph.first == 1) & (graph.second == 2))
    assert graph.count == 2
    assert graph.area[1] == 28
    assert graph.mean[1] == pytest.approx([0.1 * 12 / 28 + 0.2 * 16 / 28] * 3)


def test_overlay_has_the_colours_of_the_paper(graphene) -> None:
    image, _, finding = graphene
    drawn = overlay(image, thin(finding.flakes))
    mono = next(f for f in finding.flakes if f.layer_count == 1)
    few = next(f for f in finding.flakes if f.layer_count == 3)
    assert (drawn[mono.mask] == OUTLINE_COLORS["Mono"]).all(axis=-1).any()
    assert (drawn[few.mask] == OUTLINE_COLORS["Few"]).all(axis=-1).any()
    outside = ~np.any([f.mask for f in finding.flakes], axis=0)
    assert (drawn[outside] == np.round(image[outside] * 255)).all()
    with pytest.raises(ArgumentError, match="flakes"):
        overlay(image[:100], [mono])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from PIL import Image

    folder = tmp_path / "images"
    (folder / "deeper").mkdir(parents=True)
    for k, name in enumerate(("a.png", "deeper/b.png")):
        Image.fromarray(np.round(scene(seed=k)[0] * 255).astype(np.uint8)).save(folder / name)
    (folder / "corrupt.jpg").write_bytes((folder / "a.png").read_bytes()[:400])
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_with_a_corrupt_file(folder: Path, tmp_path: Path, jobs: int) -> None:
    out = tmp_path / "flakes.json"
    report = find_in_folder(folder, "graphene", out, microscope=PURPLE, jobs=jobs)
    assert list(report.failed) == ["corrupt.jpg"]
    assert report.found == {"a.png": 6, "deeper/b.png": 6}
    read = from_coco(out)
    with one_thread():
        assert read["a.png"] == find_flakes(load_image(folder / "a.png"), "graphene", PURPLE)
    shapes = {name: (320, 384) for name in read}
    assert json.loads(out.read_text("utf-8"))["annotations"] == json.loads(
        json.dumps(to_coco(read, shapes=shapes)["annotations"])
    )
    told = json.loads(out.read_text("utf-8"))["calibrations"]
    assert [c["file_name"] for c in told] == ["a.png", "deeper/b.png"]


def test_a_folder_is_taken_up_where_it_was_left(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "flakes.json"
    find_in_folder(folder, "graphene", out, microscope=PURPLE)
    first = out.read_bytes()
    for jobs in (1, 2):
        again = find_in_folder(folder, "graphene", out, microscope=PURPLE, jobs=jobs)
        assert again.resumed == 2
    assert out.read_bytes() == first
    changed = find_in_folder(folder, "graphene", out, microscope=PURPLE, min_area_px=5000)
    assert changed.resumed == 0
    assert sum(changed.found.values()) == 0


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ArgumentError, match="folder"):
            find_in_folder(path, "graphene", tmp_path / "out.json")


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "flakes.json"
    arguments = [str(folder), "--material", "graphene", "--out", str(out), "--jobs", "1"]
    arguments += ["--microscope", "maskterial-20x", "--overlays", str(tmp_path / "drawn")]
    assert main(arguments) == 1
    said = capsys.readouterr().out
    assert re.search(r"12 thin flakes in 2 images", said)
    assert "could not be examined: corrupt.jpg" in said
    assert (tmp_path / "drawn/deeper/b.png.png").is_file()
    (folder / "corrupt.jpg").unlink()
    assert main(arguments) == 0
    assert main([*arguments[:2], "unobtainium", *arguments[3:]]) == 2


def test_the_command_is_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qupaint_lib.finder", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 0
    assert "--material" in done.stdout


needs_micrographs = pytest.mark.skipif(
    "QUPAINT_MICROGRAPHS" not in os.environ, reason="the development micrographs are not at hand"
)


@needs_micrographs
def test_a_real_monolayer_and_a_real_bilayer() -> None:
    mono = thin(find_flakes(load_image(micrograph("GrapheneH/17294f8a")), "graphene"))[0]
    assert mono.layer_count == 1
    assert mono.bbox_xywh == pytest.approx((1115, 554, 37, 79), abs=4)
    few = thin(find_flakes(load_image(micrograph("GrapheneH/20ea4e7f")), "graphene"))
    assert {flake.layer_count for flake in few[:4]} == {2}


NOMINAL_OXIDE_NM = {"17": 90, "20": 90, "45": 107, "94": 107, "e8": 107}  # WSe2: 73


@needs_micrographs
def test_annotated_flakes_are_found_and_the_others_have_been_looked_at() -> None:
    """Recall and precision at IoU 0.5 on the nine annotated images; about ten seconds."""
    folder = Path(os.environ["QUPAINT_MICROGRAPHS"])
    annotated = from_coco(folder / "annotations.json")
    looked_at = json.loads((ROOT / "tests/finder_unannotated.json").read_text("utf-8"))["flakes"]
    known = {(entry["image"], *entry["bbox_xywh"][:2]) for entry in looked_at}
    truths = hits = detections = matched = 0
    new = []
    for name, masks in annotated.items():
        if not masks:
            continue
        material = "graphene" if name.startswith("Graphene") else "WSe2"
        oxide = NOMINAL_OXIDE_NM.get(Path(name).name[:2], 73) if material == "graphene" else 73
        microscope = replace(get_preset("machine-vision"), oxide_thickness_nm=oxide)
        found = thin(find_flakes(load_image(folder / name), material, microscope))
        good = np.array([[iou(f.mask, m.mask) >= 0.5 for m in masks] for f in found])
        truths, hits = truths + len(masks), hits + good.any(axis=0).sum()
        for flake, right in zip(found, good.any(axis=1), strict=True):
            if flake.area_px >= 200:
                detections, matched = detections + 1, matched + right
                if not right and (name, *flake.bbox_xywh[:2]) not in known:
                    new.append((name, flake.bbox_xywh))
    assert truths == 34
    assert hits / truths >= 0.82
    assert matched / detections >= 0.55
    assert len(new) <= 3, f"detections that nobody has looked at: {new}"
