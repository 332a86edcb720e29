"""Files of a benchmark: what is wrong with them is said; what is right is counted and shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qupaint_lib.annotations import Flake, to_coco
from qupaint_lib.errors import ArgumentError, ImageError, UnknownNameError
from qupaint_lib.evaluate import (
    BenchImage,
    Benchmark,
    build_real,
    build_synthetic,
    layer_statistics,
    load_benchmark,
    load_ground_truth,
    load_maskterial,
    load_predictions,
    sample_pictures,
    save_benchmark,
    save_predictions,
    score_predictions,
    surest_box_accuracy,
    synthetic_scene,
    to_json,
    with_borders,
    write_error_page,
)
from qupaint_lib.evaluate.__main__ import load_answers, main
from qupaint_lib.evaluate.pictures import ImageErrors, draw_box
from qupaint_lib.evaluate.synthetic import (
    FAINT,
    FINGERPRINT,
    INSTRUMENTS,
    difficulty_of,
    fingerprint,
)
from qupaint_lib.evaluate.synthetic import synthetic_images as every_image
from qupaint_lib.instruct import build_dataset, dialogue_of, export_qf_bench
from qupaint_lib.shards import read_shards
from qupaint_lib.synthia import HABITS

# Table 2 of the paper, which release.md and the README of the authors' release repeat.
TABLE_2 = {
    "BN": (13, 111, 10100),
    "graphene": (1856, 2081, 4270),
    "MoS2": (246, 536, 108352),
    "MoSe2": (24, 32, 1327),
    "MoWSe2": (9, 35, 293),
    "WS2": (43, 5, 2144),
    "WSe2": (207, 35, 6195),
    "WTe2": (148, 582, 141882),
}
SYNTHETIC_NUMBERS = (0, 5, 30)


def truth() -> dict:
    """Two images with a flake of each class."""
    boxes = ([10, 10, 20, 20], [60, 60, 30, 30], [5, 5, 50, 40])
    return {
        "images": [
            {"id": 1, "file_name": "materials/mos2/a.png", "width": 100, "height": 100},
            {"id": 2, "file_name": "materials/wse2/b.png", "width": 80, "height": 60},
        ],
        "annotations": [
            {"id": k, "image_id": 1 if k < 3 else 2, "category_id": k, "bbox": box}
            for k, box in enumerate(boxes, start=1)
        ],
        "categories": [
            {"id": k, "name": name, "supercategory": "flake"}
            for k, name in enumerate(("Mono", "Few", "Thick"), start=1)
        ],
    }


def perfect() -> list[dict]:
    keys = ("image_id", "category_id", "bbox")
    return [{**{k: a[k] for k in keys}, "score": 0.9} for a in truth()["annotations"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The benchmark as the release lays it out."""
    rng = np.random.default_rng(0)
    for image in truth()["images"]:
        path = tmp_path / "bench" / image["file_name"]
        path.parent.mkdir(parents=True)
        pixels = rng.integers(100, 160, (image["height"], image["width"], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    (tmp_path / "bench" / "annotations.json").write_text(json.dumps(truth()))
    return tmp_path / "bench"


# Ground truth that is wrong


def without(data: dict, *path) -> dict:
    """The data set without an entry."""
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return data


def changed(data: dict, value, *path) -> dict:
    """The data set with another value."""
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (without(truth(), "images"), "images = 'NoneType'"),
        (changed(truth(), 3, "annotations", 1), r"annotations\[1\] = 3"),
        (changed(truth(), 1, "images", 1, "id"), r"images\[1\].id = 1.*images\[0\] has it"),
        (changed(truth(), "2", "images", 1, "id"), r"images\[1\].id = '2'"),
        (changed(truth(), 1, "annotations", 2, "id"), r"annotations\[2\].id = 1: unique"),
        (changed(truth(), 7, "annotations", 0, "image_id"), r"annotations\[0\].image_id = 7"),
        (changed(truth(), 9, "annotations", 0, "category_id"), r"annotations\[0\].category_id = 9"),
        (changed(truth(), "Few", "categories", 0, "name"), r"categories\[1\].name = 'Few'"),
        (changed(truth(), 0, "images", 0, "width"), r"images\[0\].width = 0"),
        (without(truth(), "images", 0, "file_name"), r"images\[0\].file_name = None"),
        (
            changed(truth(), "materials/mos2/a.png", "images", 1, "file_name"),
            r"images\[1\].file_name.*no other image has",
        ),
        (changed(truth(), [1, 2, 3], "annotations", 0, "bbox"), r"annotations\[0\].bbox"),
        (changed(truth(), [1, 2, 3, -4], "annotations", 0, "bbox"), r"width and height > 0"),
        (changed(truth(), [90, 2, 30, 4], "annotations", 1, "bbox"), r"its image of 100 × 100"),
        (changed(truth(), float("nan"), "annotations", 0, "area"), r"annotations\[0\].area = nan"),
        (changed(truth(), 2, "annotations", 0, "iscrowd"), r"annotations\[0\].iscrowd = 2"),
        (changed(truth(), 0, "annotations", 0, "layer_count"), r"annotations\[0\].layer_count"),
    ],
)
def test_wrong_ground_truth_is_named(data, named):
    with pytest.raises(ArgumentError, match=named):
        load_ground_truth(data)


def test_a_truncated_file_is_refused(folder):
    path = folder / "annotations.json"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(ArgumentError, match=r"annotations.json.*a readable JSON file"):
        load_ground_truth(path)
    with pytest.raises(ArgumentError, match="a readable JSON file"):
        load_ground_truth(folder / "absent.json")


def test_what_is_missing_is_filled_in_and_the_input_stays():
    data = truth()
    found = load_ground_truth(data)
    assert [a["area"] for a in found["annotations"]] == [400, 900, 2000]
    assert "area" not in data["annotations"][0]


def test_the_border_of_few_layers_is_a_parameter():
    data = load_ground_truth(changed(truth(), 5, "annotations", 2, "layer_count"))
    classes = [
        [a["category_id"] for a in with_borders(data, few_max)["annotations"]] for few_max in (4, 5)
    ]
    assert classes == [[1, 2, 3], [1, 2, 2]]


# Predictions that are wrong


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"image_id": 7}, r"predictions\[0\].image_id = 7: the id of an image"),
        ({"image_id": None, "file_name": "c.png"}, r"predictions\[0\].image_id = None"),
        ({"bbox": [float("nan"), 1, 2, 3]}, r"predictions\[0\].bbox = \[nan"),
        ({"bbox": [1, 1, -2, 3]}, r"predictions\[0\].bbox = \[1, 1, -2, 3\]"),
        ({"bbox": [-9, 1, 20, 3]}, r"predictions\[0\].bbox.*within its image of 100 × 100"),
        ({"bbox": [1, 1, float("inf"), 3]}, r"predictions\[0\].bbox.*finite"),
        ({"bbox": "1 2 3 4"}, r"predictions\[0\].bbox"),
        ({"score": 1.2}, r"predictions\[0\].score = 1.2: a number in \[0, 1\]"),
        ({"score": float("nan")}, r"predictions\[0\].score = nan"),
        ({"score": True}, r"predictions\[0\].score = True"),
        ({"category_id": 4}, r"predictions\[0\].category_id = 4: one of the annotations'"),
        ({"category_id": None, "category": "Bulk"}, r"predictions\[0\].category = 'Bulk'"),
        ({"segmentation": {"size": [9, 9], "counts": "a"}}, r"predictions\[0\].segmentation"),
    ],
)
def test_wrong_predictions_are_named(entry, named):
    data = load_ground_truth(truth())
    with pytest.raises(ArgumentError, match=named):
        load_predictions([{**perfect()[0], **entry}], data)


def test_predictions_twice_for_unknown_files_or_of_other_categories_are_refused():
    data = load_ground_truth(truth())
    twice = [{**p, "id": 5} for p in perfect()]
    with pytest.raises(ArgumentError, match=r"predictions\[1\].id = 5: unique"):
        load_predictions(twice, data)
    unknown = {"file_name": "c.png", "bbox": [1, 1, 2, 2], "score": 0.5}
    with pytest.raises(ArgumentError, match=r"predictions\[0\].file_name = 'c.png'"):
        load_predictions([unknown], data)
    other = {"categories": [{"id": 1, "name": "Thick"}], "predictions": perfect()}
    with pytest.raises(ArgumentError, match=r"categories\[0\].*\(1, 'Thick'\).*1: 'Mono'"):
        load_predictions(other, data)
    with pytest.raises(ArgumentError, match="predictions = 'NoneType'"):
        load_predictions({"results": []}, data)


def test_predictions_are_read_by_id_and_by_name(tmp_path):
    data = load_ground_truth(truth())
    by_name = {"file_name": "materials/wse2/b.png", "category": "Thick"}
    by_name |= {"bbox": [5, 5, 50, 40], "score": 1}
    path = save_predictions([*perfect()[:2], by_name], tmp_path / "p.json", model="test")
    found = load_predictions(path, data)
    assert [(p["image_id"], p["category_id"]) for p in found] == [(1, 1), (1, 2), (2, 3)]
    scores = score_predictions(found, data, tasks=("general", "mono", "thick"))
    assert [scores[t]["all"]["ap"].value for t in scores] == pytest.approx([1, 1, 1])


def test_boxes_are_clipped_on_demand():
    data = load_ground_truth(truth())
    beyond = {**perfect()[0], "bbox": [-10, 90, 40, 40]}
    assert load_predictions([beyond], data, clip=True)[0]["bbox"] == [0, 90, 30, 10]
    with pytest.raises(ArgumentError, match="width and height > 0"):
        load_predictions([{**beyond, "bbox": [-10, 90, 5, 5]}], data, clip=True)


def test_no_predictions_have_an_average_precision_of_zero():
    data = load_ground_truth(truth())
    scores = score_predictions(load_predictions([], data), data)
    assert scores["general"]["all"]["ap"].value == 0.0
    assert scores["mono"]["all"]["acc50"].value == 0.0


# Scores by slices


def test_scores_are_sliced_by_images_and_go_to_json():
    data = truth()
    for image, split in zip(data["images"], ("seen", "unseen"), strict=True):
        image["split"] = split
    data["annotations"][0]["delta_e"] = 2.0
    data = load_ground_truth(data)
    found = score_predictions(perfect()[:2], data, rng=np.random.default_rng(0), resamples=20)
    general = found["general"]
    assert general["split: seen"]["ap"].value == pytest.approx(1.0)
    assert general["split: unseen"]["ap"].value == 0.0
    assert general["contrast: faint"]["ap"].value == pytest.approx(1.0)
    assert general["all"]["ap"].low <= general["all"]["ap"].value <= general["all"]["ap"].high
    written = json.loads(json.dumps(to_json(found), allow_nan=False))
    assert written["mono"]["split: unseen"]["ap"]["value"] is None  # there is no monolayer


def test_the_surest_box_of_an_image_counts():
    data = load_ground_truth(truth())
    wrong = {**perfect()[0], "bbox": [0, 80, 10, 10], "score": 0.95}
    accuracy = [
        surest_box_accuracy(p, data, task=task)[0.5]
        for p, task in (
            (perfect(), "mono"),
            ([*perfect(), wrong], "mono"),
            ([*perfect(), wrong], "few"),
            (perfect()[:2], "general"),
        )
    ]
    assert accuracy == [1.0, 0.0, 1.0, 0.5]


# The layout, Table 2, and other layouts


def test_the_released_layout_is_read_and_counted(folder):
    found = load_benchmark(folder, check_files=True)
    assert layer_statistics(found)["MoS2"] == {
        **{"mono": 1, "few": 1, "thick": 0, "total": 2, "images": 1}
    }
    assert layer_statistics(found)["total"]["total"] == 3
    assert found.image(found.ground_truth["images"][1]).shape == (60, 80, 3)
    assert len(found.subset(id=2).ground_truth["annotations"]) == 1


def test_file_names_may_leave_their_folders_out(folder):
    data = truth()
    data["images"][0]["file_name"], data["images"][1]["file_name"] = "mos2/a.png", "b.png"
    (folder / "annotations.json").write_text(json.dumps(data))
    found = load_benchmark(folder, check_files=True)
    assert [found.path(i).parent.name for i in found.ground_truth["images"]] == ["mos2", "wse2"]
    with pytest.raises(ArgumentError, match=r"images\[1\].material"):
        layer_statistics(found)


def test_a_benchmark_that_is_none_is_refused(folder):
    path = folder / "annotations.json"
    for data, named in (
        (changed(truth(), "Bulk", "categories", 2, "name"), r"categories\[2\].*Thick"),
        (changed(truth(), "crystal", "categories", 0, "supercategory"), r"categories\[0\]"),
    ):
        path.write_text(json.dumps(data))
        with pytest.raises(ArgumentError, match=named):
            load_benchmark(folder)
    path.write_text(json.dumps(changed(truth(), "../a.png", "images", 0, "file_name")))
    (folder.parent / "a.png").write_bytes(b"")
    (folder / "materials" / "mos2" / "a.png").unlink()
    with pytest.raises(ImageError, match=r"\.\./a.png"):
        load_benchmark(folder, check_files=True)
    (folder / "annotations.json").write_text(
        json.dumps(changed(truth(), "materials/mud/a.png", "images", 0, "file_name"))
    )
    with pytest.raises(ArgumentError, match=r"images\[0\].material = 'mud'"):
        layer_statistics(load_benchmark(folder))


def test_an_image_of_another_size_is_refused(folder):
    data = changed(truth(), 101, "images", 0, "width")
    (folder / "annotations.json").write_text(json.dumps(data))
    found = load_benchmark(folder)
    with pytest.raises(ImageError, match="101 × 100 pixels"):
        found.image(found.ground_truth["images"][0])


def table_2_data() -> dict:
    """A data set with just as many flakes of each class as Table 2 has."""
    data = {"images": [], "annotations": [], "categories": truth()["categories"]}
    for number, (material, counts) in enumerate(TABLE_2.items(), start=1):
        name = f"materials/{material.lower()}/a.jpg"
        data["images"].append({"id": number, "file_name": name, "width": 100, "height": 100})
        for category, count in enumerate(counts, start=1):
            for _ in range(count):
                entry = {"id": len(data["annotations"]) + 1, "image_id": number}
                entry |= {"category_id": category, "bbox": [1, 2, 3, 4]}
                data["annotations"].append(entry)
    return data


def test_table_2_is_counted():
    table = layer_statistics(load_ground_truth(table_2_data()))
    for material, counts in TABLE_2.items():
        row = table[material]
        assert (row["mono"], row["few"], row["thick"], row["total"]) == (*counts, sum(counts))
    total = [table["total"][key] for key in ("mono", "few", "thick", "total")]
    assert total == [2546, 3417, 274563, 280526]  # as the paper adds them up


def test_a_benchmark_is_written_and_read_again(tmp_path):
    mask = np.zeros((40, 50), dtype=bool)
    mask[5:15, 10:30] = True
    flakes = (Flake.from_mask(mask, layer_count=3), Flake.from_mask(~mask))
    image = BenchImage("a.png", b"data", (40, 50), "hBN", flakes, {"split": "seen"}, [4.2, np.nan])
    found = save_benchmark([image], tmp_path / "out", info={"name": "mine"})
    data = found.ground_truth
    assert data["images"][0]["file_name"] == "materials/bn/a.png"
    assert data["images"][0]["split"] == "seen" and data["info"]["name"] == "mine"
    assert [a.get("delta_e") for a in data["annotations"]] == [4.2, None]
    assert layer_statistics(found)["BN"]["unknown"] == 1
    with pytest.raises(ArgumentError, match="a new or empty folder"):
        save_benchmark([image], tmp_path / "out")
    with pytest.raises(ArgumentError, match=r"name = 'a\.png'"):
        save_benchmark([image, image], tmp_path / "twice")
    assert not (tmp_path / "twice" / "annotations.json").exists()


def test_real_micrographs_become_a_benchmark(tmp_path):
    mask = np.zeros((40, 50), dtype=bool)
    mask[5:15, 10:30] = True
    data = to_coco({"WSe2/x.png": [Flake.from_mask(mask)], "WSe2/y.png": []},
                   shapes={"WSe2/y.png": (40, 50)})  # fmt: skip
    for image in data["images"]:
        image["material"] = "WSe2"
    data["annotations"][0]["category_id"] = 1
    data["categories"] = [{"id": 1, "name": "flake"}]
    (tmp_path / "in" / "WSe2").mkdir(parents=True)
    (tmp_path / "in" / "annotations.json").write_text(json.dumps(data))
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in" / "WSe2" / "x.png")
    found = build_real(tmp_path / "in", tmp_path / "out")
    (image,) = found.ground_truth["images"]  # what nobody annotated is left out
    np.testing.assert_array_equal(found.image(image), pixels)
    assert layer_statistics(found)["WSe2"]["unknown"] == 1
    said = [{"image_id": image["id"], "bbox": [10, 5, 20, 10], "score": 1.0}]
    scores = score_predictions(load_predictions(said, found.ground_truth), found.ground_truth)
    assert scores["general"]["all"]["ap"].value == pytest.approx(1.0)
    assert np.isnan(scores["mono"]["all"]["ap"].value)


@pytest.mark.parametrize("inner", ["annotations", "RLE_annotations"])
def test_folders_of_maskterial_and_2dmatgmm(tmp_path, inner):
    mask = np.zeros((40, 50), dtype=bool)
    mask[5:15, 10:30] = True
    data = to_coco({"x.png": [Flake.from_mask(mask)] * 3})
    names = ("1", "2 layers", "Mono-layer graphene")
    data["categories"] = [{"id": k, "name": n} for k, n in enumerate(names, start=1)]
    for k, annotation in enumerate(data["annotations"], start=1):
        annotation["category_id"] = k
    root = tmp_path / "GrapheneH"
    (root / inner).mkdir(parents=True)
    word = "with_class_" if inner.startswith("RLE") else ""
    (root / inner / f"test_annotations_{word}300.json").write_text(json.dumps(data))
    found = load_maskterial(root)
    told = [(a["category_id"], a.get("layer_count")) for a in found.ground_truth["annotations"]]
    assert told == [(1, 1), (2, 2), (4, None)]
    image = found.ground_truth["images"][0]
    assert (image["file_name"], image["material"]) == ("test_images/x.png", "graphene")
    given = load_maskterial(root, layer_counts={3: 5}).ground_truth["annotations"][2]
    assert (given["category_id"], given["layer_count"]) == (3, 5)
    with pytest.raises(ArgumentError, match=r"train_annotations_with_class_300\.json"):
        load_maskterial(root, split="train")
    with pytest.raises(UnknownNameError, match="split = 'validation'"):
        load_maskterial(root, split="validation")


def test_materials_of_folders():
    from qupaint_lib.evaluate.public import _material

    names = ("GrapheneL", "WSe2L", "hBN_Thin", "MoSe2", "WS2")
    assert [_material(name) for name in names] == ["graphene", "WSe2", "BN", "MoSe2", "WS2"]


# The generated benchmark


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory) -> Benchmark:
    out = tmp_path_factory.mktemp("synthetic") / "bench"
    return build_synthetic(out, numbers=SYNTHETIC_NUMBERS)


def test_instruments_are_split_so_that_transfer_is_measured():
    images = every_image()
    assert len(images) == 192 and {image["material"] for image in images} == {*HABITS}
    of = {
        split: {image["microscope"] for image in images if image["split"] == split}
        for split in ("train", "seen", "unseen")
    }
    assert of["train"] == of["seen"] and not of["train"] & of["unseen"]
    assert len({wafer[:2] for wafer, _, _ in INSTRUMENTS}) == 4
    assert len({magnification for _, magnification, _ in INSTRUMENTS}) == 3


def test_the_generated_benchmark_is_made_again_alike(synthetic, tmp_path):
    again = build_synthetic(tmp_path / "again", numbers=SYNTHETIC_NUMBERS[1:2])
    image = again.ground_truth["images"][0]
    first = next(i for i in synthetic.ground_truth["images"] if i["number"] == image["number"])
    assert again.path(image).read_bytes() == synthetic.path(first).read_bytes()
    scene = synthetic_scene(image["number"])
    boxes = [a["bbox"] for a in again.ground_truth["annotations"]]
    assert boxes == [list(flake.bbox_xywh) for flake in scene.flakes]
    with pytest.raises(ArgumentError, match="number = 192"):
        synthetic_scene(192)
    with pytest.raises(ArgumentError, match="numbers = -1"):
        build_synthetic(tmp_path / "none", numbers=[-1])


def test_the_version_stands_for_its_content():
    """Whoever changes Synthia so that this fails raises the benchmark's version."""
    assert fingerprint() == FINGERPRINT
    assert fingerprint([0, 1]) != fingerprint([1, 0])


def test_generated_images_say_what_they_are(synthetic):
    for image in synthetic.ground_truth["images"]:
        scene = synthetic_scene(image["number"])
        assert image["oxide_thickness_nm"] == scene.microscope.oxide_thickness_nm
        assert image["magnification"] == scene.magnification
        assert synthetic.image(image).shape == (448, 448, 3)
        shown = [
            a["delta_e"]
            for a in synthetic.ground_truth["annotations"]
            if a["image_id"] == image["id"]
        ]
        assert image["difficulty"] == difficulty_of(np.array(shown))


def test_difficulty_is_of_contrast_and_density():
    assert difficulty_of(np.array([30.0, 20.0])) == "easy"
    assert difficulty_of(np.array([30.0, 8.0])) == "medium"
    assert difficulty_of(np.array([30.0, FAINT / 2])) == "hard"
    assert difficulty_of(np.full(40, 30.0)) == "hard"
    assert difficulty_of(np.zeros(0)) == "easy"


# Pictures, pages, the command


def test_boxes_are_drawn_where_they_are():
    picture = np.zeros((20, 30, 3), dtype=np.uint8)
    draw_box(picture, [5, 4, 10, 8], (9, 9, 9), width_px=1)
    inked = picture.any(axis=2)
    assert inked[4, 5:15].all() and inked[11, 5:15].all() and inked[4:12, 14].all()
    assert inked.sum() == 2 * 10 + 2 * 6
    draw_box(picture, [25, 15, 50, 50], (9, 9, 9))  # cut to the picture


def test_errors_of_an_image_worked_by_hand():
    true = [[0, 0, 10, 10], [40, 40, 10, 10]]
    said = [[0, 0, 10, 10], [0, 0, 10, 9], [70, 70, 5, 5]]
    errors = ImageErrors(true, said)
    assert errors.found == said[:1] and errors.false == said[1:]
    assert errors.missed == true[1:] and errors.count == 3


def test_sample_pictures_show_the_classes(folder):
    pictures = sample_pictures(load_benchmark(folder), 5, np.random.default_rng(0))
    assert len(pictures) == 2
    _, picture = next(pair for pair in pictures if pair[0]["id"] == 2)
    assert picture[5, 30].tolist() == [255, 140, 0]  # Thick is orange, as in Fig. 16
    with pytest.raises(ArgumentError, match="count = 0"):
        sample_pictures(load_benchmark(folder), 0, np.random.default_rng(0))


def test_the_page_of_errors_stands_on_its_own(folder, tmp_path):
    found = load_benchmark(folder)
    page = write_error_page(found, perfect()[:2], tmp_path / "page", title="a <model>")
    text = page.read_text(encoding="utf-8")
    assert "a &lt;model&gt;" in text and "2 flakes found, 1 missed, 0 boxes" in text
    linked = re.findall(r'src="([^"]+)"', text)
    assert linked and all((page.parent / name).is_file() for name in linked)
    assert not re.search(r"https?://", text)
    assert len(re.findall(r'<img [^>]*alt="[^"]+"', text)) == 2
    assert text.index("b.png") < text.index("a.png")  # most errors first
    with pytest.raises(ArgumentError, match="min_iou = 0"):
        write_error_page(found, [], tmp_path / "page", min_iou=0)


def test_the_command_scores_an_outside_model(folder, tmp_path, capsys):
    predictions = save_predictions(perfect(), tmp_path / "p.json")
    call = ["--annotations", str(folder / "annotations.json"), "--predictions", str(predictions)]
    more = ["--out", str(tmp_path / "s.json"), "--page", str(tmp_path / "page")]
    assert main([*call, *more, "--resamples", "10"]) == 0
    written = json.loads((tmp_path / "s.json").read_text())
    assert written["mono"]["all"]["ap"]["value"] == pytest.approx(1.0)
    assert "ap75" in capsys.readouterr().out
    assert main(["--table2", str(folder)]) == 0
    assert "MoS2" in capsys.readouterr().out
    bare = changed(truth(), [{"id": k, "name": f"flake {k}"} for k in (1, 2, 3)], "categories")
    (folder / "annotations.json").write_text(json.dumps(bare))
    assert main([*call, "--resamples", "0"]) == 0
    assert "mono" not in capsys.readouterr().out
    save_predictions([{**perfect()[0], "score": 2}], predictions)
    assert main(call) == 2
    assert "predictions[0].score = 2" in capsys.readouterr().err
    assert main([]) == 2


def test_the_command_scores_answers(tmp_path, capsys):
    build_dataset(4, tmp_path / "d", shape=(96, 96), dialogues=2, progress=False,
                  splits={"train": 0.0, "validation": 0.0, "test": 1.0})  # fmt: skip
    split = tmp_path / "d" / "test"
    rows = list(read_shards(split))
    answers = [
        {"id": r["id"], "dialogue": r["dialogue"], "answer": dialogue_of(r).answer} for r in rows
    ]
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(answers))
    assert len(load_answers(path, split)) == len(rows) == 8
    call = ["--dataset", str(split), "--answers", str(path), "--resamples", "0"]
    assert main([*call, "--out", str(tmp_path / "s.json")]) == 0
    figures = json.loads((tmp_path / "s.json").read_text())["answers"]["all"]
    assert figures["well_formed"] == {"value": 1.0, "interval": [None, None], "count": 8}
    for wrong, named in (
        ([*answers, answers[0]], "answered once"),
        ([{"id": 99, "answer": ""}], "a row of the split"),
        ([{"id": 0}], r"answers\[0\]"),
        ({}, "answers = 'dict'"),
    ):
        path.write_text(json.dumps(wrong))
        with pytest.raises(ArgumentError, match=named):
            load_answers(path, split)
    export_qf_bench(tmp_path / "d", tmp_path / "bench")
    assert layer_statistics(load_benchmark(tmp_path / "bench"))["total"]["images"] == 4
    capsys.readouterr()
