"""Data sets of dialogues: nothing leaks between splits, and what files hold is what was drawn."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache, partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qupaint_lib.annotations import Flake, from_coco, layer_class, save_coco
from qupaint_lib.answers import parse_answer
from qupaint_lib.errors import ArgumentError, ImageError, UnknownNameError
from qupaint_lib.instruct import (
    SPLITS,
    TASK_NAMES,
    Facts,
    RealImages,
    build_dataset,
    count_rows,
    dialogue_of,
    export_qf_bench,
    export_sharegpt,
    make_dialogues,
    scene_of,
    verify,
)
from qupaint_lib.instruct.__main__ import main
from qupaint_lib.instruct.dataset import Recipe, make_sample
from qupaint_lib.instruct.plan import IMAGES_PER_MICROSCOPE, KINDS, Plan, draw_scene, members
from qupaint_lib.instruct.real import cut_flakes
from qupaint_lib.microscope import get_preset
from qupaint_lib.shards import read_shards
from qupaint_lib.shards import verify as verify_shards
from qupaint_lib.synthia import HABITS, render, sample_scene

SHAPE, SEED, N, DIALOGUES = (128, 160), 3, 24, 3
SPLIT_SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
MICROSCOPE = get_preset("maskterial-20x")
make = partial(
    build_dataset,
    seed=SEED,
    shape=SHAPE,
    dialogues=DIALOGUES,
    splits=SPLIT_SHARES,
    images_per_shard=4,
    progress=False,
)


def contents(folder: Path) -> dict[str, bytes]:
    """Content of every file of the splits and of the card."""
    paths = [p for p in folder.rglob("*") if p.is_file() and "finder" not in p.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def decoded(row: dict) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(row["image"])))


def checked(row: dict):
    """Verify a dialogue against the image and the scene that its row holds."""
    return verify(dialogue_of(row), scene_of(row), image=decoded(row))


@pytest.fixture(scope="module")
def real_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two micrographs, of different microscopes, annotated by somebody."""
    folder = tmp_path_factory.mktemp("real")
    known = {}
    for number in range(2):
        rng = np.random.default_rng([8, number])
        scene = sample_scene(
            rng, material="graphene", microscope=MICROSCOPE, shape=(200, 260), flake_count=9
        )
        image, known[f"{number}.png"] = render(scene)
        Image.fromarray(image).save(folder / f"{number}.png")
    save_coco(known, folder / "annotations.json")
    data = json.loads((folder / "annotations.json").read_text())
    for number, image in enumerate(data["images"]):
        image["microscope"] = f"microscope {number}"
    (folder / "annotations.json").write_text(json.dumps(data))
    return folder


@pytest.fixture(scope="module")
def folder(real_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("instruct") / "data"
    make(N, out, workers=2, real=real_folder, real_share=0.25, pad=0.7)
    return out


@pytest.fixture(scope="module")
def rows(folder: Path) -> dict[str, list[dict]]:
    return {split: list(read_shards(folder / split, check=True)) for split in SPLITS}


@pytest.fixture(scope="module")
def every(rows: dict[str, list[dict]]) -> list[dict]:
    return [row for split in SPLITS for row in rows[split]]


# --- who goes where -------------------------------------------------------------------------------


@cache
def plan(**changes) -> Plan:
    shares = tuple(SPLIT_SHARES.values())
    return replace(Plan(tuple(HABITS), (0.7, 0.1, 0.1, 0.1), shares), **changes)


def test_every_sample_is_in_one_split() -> None:
    found = [members(plan(), 3000, SEED, split).tolist() for split in SPLITS]
    assert sorted(i for indices in found for i in indices) == list(range(3000))
    for split, indices in zip(SPLITS, found, strict=True):
        assert len(indices) / 3000 == pytest.approx(SPLIT_SHARES[split], abs=0.1)


def test_a_split_depends_on_seed_and_number_only() -> None:
    long, short = (members(plan(), n, SEED, "train") for n in (2000, 700))
    assert long[long < 700].tolist() == short.tolist()
    assert members(plan(), 700, SEED + 1, "train").tolist() != short.tolist()


def test_no_microscope_is_in_two_splits() -> None:
    real = (("a.png", "left"), ("b.png", "right"), ("c.png", "left"))
    mixed = plan(real=real, real_share=0.3)
    taken = defaultdict(set)
    for i in range(4000):
        taken[mixed.microscope(i, SEED)].add(mixed.split(i, SEED))
    assert all(len(splits) == 1 for splits in taken.values())
    assert {"left", "right"} <= set(taken)
    assert {split for splits in taken.values() for split in splits} == set(SPLITS)


def test_microscopes_take_several_images_and_differ() -> None:
    n = 2 * 64 * IMAGES_PER_MICROSCOPE
    taken = Counter(plan().microscope(i, SEED) for i in range(n))
    assert set(taken.values()) == {IMAGES_PER_MICROSCOPE} and len(taken) == 128
    draw = partial(draw_scene, plan(), seed=SEED, shape=SHAPE, view=None, statistics="balanced")
    same, other, another = draw(0), draw(64), draw(1)
    assert same.microscope == other.microscope != another.microscope
    assert same.seed != other.seed and same.crystals != other.crystals


def test_few_and_many_crystals_are_equally_often() -> None:
    drawn = [plan(crystals=(1, 24)).crystal_count(i, SEED) for i in range(4000)]
    assert (min(drawn), max(drawn)) == (1, 24)
    halves = np.mean(np.array(drawn) <= 4)  # 1 to 4 are half of 1 to 24 on a logarithmic scale
    assert halves == pytest.approx(np.log(5) / np.log(25), abs=0.03)
    assert plan().crystal_count(0, SEED) is None
    scene = draw_scene(plan(crystals=(3, 3)), 5, SEED, (448, 448), "focused", "balanced")
    assert len(scene.crystals) <= 3
    for wrong in ((0, 3), (3, 1), (1,), (1.5, 2)):
        with pytest.raises(ArgumentError, match="crystals"):
            build_dataset(1, "unused", crystals=wrong)


def test_images_of_the_only_real_microscope_are_for_training() -> None:
    real = plan(real=(("a.png", "ours"), ("b.png", "ours")), real_share=1.0)
    assert {real.split(i, seed) for i in range(50) for seed in range(20)} == {"train"}
    assert {real.real_image(i, 0) for i in range(50)} == {0, 1}


def test_the_shares_are_those_asked_for() -> None:
    mixed = plan(real=(("a.png", "a"), ("b.png", "b")), real_share=0.3)
    n = 20_000
    real = np.mean([mixed.real_image(i, SEED) is not None for i in range(n)])
    assert real == pytest.approx(0.3, abs=5 * np.sqrt(0.3 * 0.7 / n))
    kinds = Counter(mixed.kind(i, SEED) for i in range(n))
    for kind, share in zip(KINDS, mixed.kinds, strict=True):
        assert kinds[kind] / n == pytest.approx(share, abs=5 * np.sqrt(share / n))


@pytest.mark.parametrize(("kind", "least"), [("no monolayer", 2), ("thick", 5)])
def test_scenes_of_a_kind(kind: str, least: int) -> None:
    shares = tuple(float(kind == name) for name in KINDS)
    for i in range(6):
        scene = draw_scene(plan(kinds=shares), i, SEED, SHAPE, None, "balanced")
        assert scene.flakes and min(flake.layer_count for flake in scene.flakes) >= least
    empty = draw_scene(plan(kinds=(0.0, 0.0, 0.0, 1.0)), 0, SEED, SHAPE, None, "balanced")
    assert not empty.flakes


# --- what the files hold --------------------------------------------------------------------------


def test_nothing_leaks_between_the_splits(rows: dict[str, list[dict]]) -> None:
    """Neither scenes nor images nor microscopes, by their parameters and not by their names."""
    seen = defaultdict(lambda: defaultdict(set))
    for split, found in rows.items():
        for row in found:
            scene = json.loads(row["scene"])
            seen["id"][row["id"]].add(split)
            seen["image"][row["image"]].add(split)
            seen["name"][row["microscope"]].add(split)
            if row["quality"] == "synthetic":
                seen["microscope"][json.dumps(scene["microscope"])].add(split)
                seen["scene"][scene["seed"]].add(split)
            else:
                seen["file"][scene["name"].split(" at ")[0]].add(split)
    assert {"microscope", "scene", "file"} <= set(seen)
    for what, taken in seen.items():
        assert all(len(splits) == 1 for splits in taken.values()), what
    assert len(seen["id"]) == N and all(rows.values())


def test_every_answer_holds_against_its_own_row(every: list[dict]) -> None:
    assert len(every) == N * DIALOGUES
    for row in every:
        found = checked(row)
        assert found.ok, (row["id"], row["task"], found.wrong)


def test_a_wrong_answer_does_not_hold(every: list[dict]) -> None:
    row = next(r for r in every if r["task"] == "count" and r["layer_counts"])
    wrong = replace(dialogue_of(row), turns=((row["task"], "There are 99 flakes."),))
    assert not verify(wrong, scene_of(row)).ok


def test_answers_parse_to_what_their_row_says(every: list[dict]) -> None:
    committed = 0
    for row in every:
        parsed = [parse_answer(answer) for _, answer in dialogue_of(row).turns]
        assert [list(box) for p in parsed for box in p.boxes] == row["answer_boxes"]
        assert [label for p in parsed for label in p.labels] == row["answer_labels"]
        assert [count for p in parsed for count in p.layer_counts] == row["answer_layer_counts"]
        committed += len(row["answer_boxes"])
    assert committed > 20


def test_rows_hold_the_flakes_of_their_scene(every: list[dict]) -> None:
    for row in every:
        scene = scene_of(row)
        assert decoded(row).shape == (row["height"], row["width"], 3) == (*scene.shape, 3)
        assert [tuple(box) for box in row["boxes"]] == [f.bbox_xywh for f in scene.flakes]
        assert row["layer_counts"] == [f.layer_count for f in scene.flakes]
        assert row["classes"] == [layer_class(n) for n in row["layer_counts"]]
        assert row["material"] == scene.material
        assert row["areas"] == [f.area_px for f in scene.flakes]


def test_sources_are_marked(every: list[dict]) -> None:
    assert {row["quality"] for row in every} == {"synthetic", "verified"}
    for row in every:
        real = row["quality"] == "verified"
        assert (row["kind"] == "real") == real == row["microscope"].startswith("microscope")
        assert not real or row["material"] == "graphene"
    assert {row["pad"] for row in every} == {True, False}
    assert {row["form"] for row in every} == {"full", "short"}


def test_each_dialogue_of_an_image_is_on_another_task(every: list[dict]) -> None:
    tasks = defaultdict(list)
    for row in every:
        tasks[row["id"]].append((row["dialogue"], row["task"]))
    for found in tasks.values():
        assert [number for number, _ in found] == list(range(DIALOGUES))
        assert len({task for _, task in found}) == DIALOGUES


def test_datasets_reads_the_splits(folder: Path, rows: dict, tmp_path: Path) -> None:
    import datasets

    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))
    assert {split: len(found) for split, found in rows.items()} == loaded.num_rows
    first = loaded["test"][0]
    assert isinstance(first["image"], Image.Image) and first["image"].size == SHAPE[::-1]
    assert first["messages"] == rows["test"][0]["messages"]


def test_chat_templates_take_the_messages(every: list[dict]) -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
        "{% if c['type'] == 'image' %}<IMG_CONTEXT>\n{% elif c['type'] == 'text' %}{{ c['text'] }}"
        "{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    )  # InternVL's, without its videos
    row = next(row for row in every if row["task"] == "dialogue")
    [text], _ = render_jinja_template([row["messages"]], chat_template=template)
    assert text.count("<IMG_CONTEXT>") == 1 and "None" not in text
    for turn in dialogue_of(row).turns:
        assert all(said in text for said in turn)


def test_the_card_counts_what_is_there(folder: Path, rows: dict[str, list[dict]]) -> None:
    card = (folder / "README.md").read_text()
    for split, found in rows.items():
        images = [row for row in found if row["dialogue"] == 0]
        counts = count_rows(folder / split)
        assert (counts.images, counts.dialogues) == (len(images), len(found))
        assert counts.without_mono == sum("Mono" not in row["classes"] for row in images)
        assert counts.flakes == Counter(name for row in images for name in row["classes"])
        assert f"| {split} | {len(images)} | {len(found)} |" in card
        assert f"path: {split}/{split}-*.parquet" in card
    tasks = Counter(row["task"] for found in rows.values() for row in found)
    for task, number in tasks.items():
        assert f"| {task} |" in card and f"| {number / (N * DIALOGUES):.1%} |" in card
    real = sum(row["quality"] != "synthetic" for split in rows.values() for row in split)
    assert f"Real images: {real // DIALOGUES} of {N}" in card and "asked for: 25.0%" in card


# --- the same again -------------------------------------------------------------------------------


def test_files_are_the_same_for_any_number_of_workers_and_with_dask(tmp_path: Path) -> None:
    small = partial(make, 6, splits={"train": 1.0}, images_per_shard=2)
    small(tmp_path / "one", workers=1)
    small(tmp_path / "dask", workers=2, cluster="local")
    assert contents(tmp_path / "one") == contents(tmp_path / "dask")


def test_a_half_written_shard_is_made_again(
    folder: Path, real_folder: Path, tmp_path: Path
) -> None:
    import shutil

    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    shard = sorted((copy / "train").glob("*.parquet"))[1]
    shard.write_bytes(shard.read_bytes()[:-100])
    (copy / "test" / ".x.tmp").write_bytes(b"half")
    (copy / "README.md").unlink()
    assert list(verify_shards(copy / "train")) == [shard.name]
    with pytest.raises(ArgumentError, match="bytes instead of"):
        list(read_shards(copy / "train", check=True))
    reports = make(N, copy, workers=1, real=real_folder, real_share=0.25, pad=0.7)
    assert {s: r.built for s, r in reports.items()} == {
        "train": (shard.name,),
        "validation": (),
        "test": (),
    }
    assert contents(copy) == contents(folder)


def test_a_changed_source_is_another_data_set(folder: Path, real_folder: Path, tmp_path) -> None:
    import shutil

    other = Path(shutil.copytree(real_folder, tmp_path / "other"))
    shutil.copy(other / "0.png", other / "1.png")
    with pytest.raises(ArgumentError, match="another data set"):
        make(N, folder, real=other, real_share=0.25, pad=0.7)


def test_physics_is_a_switch_on_the_same_images() -> None:
    tasks = tuple((task, 1.0) for task in TASK_NAMES)
    shares = ("balanced", DIALOGUES, tasks)
    for i in range(3):
        without, having = (
            make_sample(i, SEED, Recipe(plan(), None, 9, SHAPE, None, *shares, pad, "full", 95))
            for pad in (0.0, 1.0)
        )
        for a, b in zip(without, having, strict=True):
            assert a["image"] == b["image"] and a["scene"] == b["scene"] and a["task"] == b["task"]
            assert (a["pad"], b["pad"]) == (False, True) and a["messages"] != b["messages"]


# --- real images ----------------------------------------------------------------------------------


def test_a_cut_flake_is_what_is_seen_of_it() -> None:
    mask = np.zeros((40, 50), bool)
    mask[5:15, 5:45] = True
    mask[5:35, 38:45] = True
    mask[28:35, 5:45] = True  # a C that opens to the left
    flake = Flake.from_mask(mask, layer_count=2, parent_id=4)
    whole = cut_flakes([flake], (0, 0), (40, 50))
    assert whole[0].bbox_xywh == flake.bbox_xywh and whole[0].flags == ()
    left = cut_flakes([flake], (0, 0), (40, 30))
    assert [f.bbox_xywh for f in left] == [(5, 5, 25, 10), (5, 28, 25, 7)]
    assert all(f.flags == ("touches border",) and f.parent_id == 4 for f in left)
    joined = np.sum([f.mask for f in left], axis=0)
    assert (joined == mask[:, :30]).all()
    assert cut_flakes([flake], (46, 0), (40, 4)) == []


def test_a_flake_at_the_border_stays_inside_its_image(every: list[dict]) -> None:
    cut = 0
    for row in every:
        cut += sum("touches border" in flake.flags for flake in scene_of(row).flakes)
        for x, y, w, h in row["answer_boxes"]:
            assert min(x, y) >= 0 and max(x + w, y + h) <= 100.011
    assert cut > 0


def test_the_finder_annotates_where_nobody_has(tmp_path: Path) -> None:
    scene = sample_scene(
        np.random.default_rng(4), material="WSe2", microscope=MICROSCOPE, shape=(400, 400)
    )
    Image.fromarray(render(scene).image).save(tmp_path / "a.png")
    real = RealImages(str(tmp_path), material="WSe2", microscope=MICROSCOPE, magnification=20)
    make(3, tmp_path / "out", splits={"train": 1.0}, real=real, real_share=1.0)
    found = list(read_shards(tmp_path / "out" / "train"))
    assert {row["quality"] for row in found} == {"weak"}
    assert any(row["boxes"] for row in found)
    for row in found:
        assert checked(row).ok


BROKEN = [
    ({"segmentation": [[1, 2, 3]]}, r"image 1.png, annotation \d+, annotations\[\d+\].segm"),
    ({"segmentation": None}, r"image 1.png, annotation \d+.*a value"),
    ({"layer_count": -2}, r"image 1.png, annotation \d+.*at least 1"),
    ({"layer_count": None, "category_id": 9}, r"image 1.png, annotation \d+.*Mono, Few or Thick"),
    ({"image_id": 7}, r"image that is not in the file, annotation \d+.*one of the images"),
]


@pytest.mark.parametrize(("change", "named"), BROKEN)
def test_malformed_coco_names_image_annotation_and_reason(
    change: dict, named: str, real_folder: Path, tmp_path: Path
) -> None:
    data = json.loads((real_folder / "annotations.json").read_text())
    data["annotations"][-1] |= change
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ArgumentError, match=f"broken.json: {named}"):
        make(4, tmp_path / "out", real=RealImages(str(real_folder), str(path)))
    assert not (tmp_path / "out").exists()


def test_files_that_do_not_fit_their_annotations(real_folder: Path, tmp_path: Path) -> None:
    data = json.loads((real_folder / "annotations.json").read_text())
    path = tmp_path / "a.json"
    build = partial(make, 4, tmp_path / "out", real=RealImages(str(real_folder), str(path)))
    path.write_text(json.dumps({**data, "images": data["images"][:1], "annotations": []}))
    with pytest.raises(ArgumentError, match=r"0\.png names none"):
        build()
    data["images"][1]["file_name"] = "gone.png"
    path.write_text(json.dumps(data))
    with pytest.raises(ImageError, match=r"gone\.png"):
        build()
    with pytest.raises(ArgumentError, match="at least one image of WS2"):
        make(4, tmp_path / "out", real=real_folder, materials=["WS2"])
    with pytest.raises(ArgumentError, match="the finder needs it"):
        make(4, tmp_path / "out", real=RealImages(str(real_folder)))


# --- exports --------------------------------------------------------------------------------------


def test_sharegpt(folder: Path, rows: dict[str, list[dict]], tmp_path: Path) -> None:
    path = export_sharegpt(folder, tmp_path, split="validation")
    entries = json.loads(path.read_text())
    assert len(entries) == len(rows["validation"])
    for entry, row in zip(entries, rows["validation"], strict=True):
        assert (tmp_path / entry["image"]).read_bytes() == row["image"]
        turns = entry["conversations"]
        assert [turn["from"] for turn in turns] == ["human", "gpt"] * (len(turns) // 2)
        assert sum(turn["value"].count("<image>\n") for turn in turns) == 1
        said = [turn["value"].removeprefix("<image>\n") for turn in turns]
        assert list(zip(said[::2], said[1::2], strict=True)) == list(dialogue_of(row).turns)


def test_qf_bench(folder: Path, rows: dict[str, list[dict]], tmp_path: Path, capsys) -> None:
    from pycocotools.coco import COCO

    path = export_qf_bench(folder, tmp_path, split="test")
    images = [row for row in rows["test"] if row["dialogue"] == 0]
    coco = COCO(path)
    names = {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())}
    assert names == {1: "Mono", 2: "Few", 3: "Thick"}
    read = from_coco(path)
    assert len(read) == len(images)
    for row in images:
        name = f"materials/{row['material'].lower()}/{row['id']:08d}.jpg"
        assert (tmp_path / name).read_bytes() == row["image"]
        assert [f.bbox_xywh for f in read[name]] == [tuple(box) for box in row["boxes"]]
        assert [f.layer_count for f in read[name]] == row["layer_counts"]
        entries = coco.loadAnns(coco.getAnnIds(imgIds=row["id"] + 1))
        assert [names[e["category_id"]] for e in entries] == row["classes"]
        assert [coco.annToMask(e).sum() for e in entries] == row["areas"]
    with pytest.raises(UnknownNameError, match="split"):
        export_qf_bench(folder, tmp_path, split="exam")
    assert not list(tmp_path.glob(".*"))


# --- options and calls ----------------------------------------------------------------------------


def test_options_reach_the_rows(tmp_path: Path) -> None:
    make(
        4,
        tmp_path,
        splits={"test": 1.0},
        materials=["ws2"],
        tasks={"count": 1, "terraces": 0, "verify": 2},
        kinds={"empty": 1.0},
        form="short",
        view="focused",
        dialogues=2,
    )
    found = list(read_shards(tmp_path / "test"))
    assert len(found) == 8
    for row in found:
        assert (row["material"], row["form"], row["kind"]) == ("WS2", "short", "empty")
        assert row["task"] in ("count", "verify") and not row["boxes"]
        assert scene_of(row).view == "focused" and checked(row).ok


def test_a_crowded_scene_is_summarised() -> None:
    scene = sample_scene(np.random.default_rng(1), shape=(1024, 1024), flake_count=300)
    assert len(scene.flakes) >= 300
    facts = Facts(scene)
    [record] = make_dialogues(facts, None, np.random.default_rng(0), tasks=["localise"])
    assert "largest of" in record.answer and len(record.boxes) == 24
    assert verify(record, facts).ok


def test_facts_stand_for_a_scene_and_its_image() -> None:
    scene = sample_scene(np.random.default_rng(1), shape=SHAPE)
    image = render(scene).image
    facts = Facts(scene, image)
    one = make_dialogues(facts, None, np.random.default_rng(0))
    assert one == make_dialogues(scene, image, np.random.default_rng(0))
    with pytest.raises(ArgumentError, match="image"):
        make_dialogues(facts, image.copy(), np.random.default_rng(0))
    with pytest.raises(ArgumentError, match="few_max"):
        verify("One flake.", facts, few_max=5)


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"n": 0}, ArgumentError, "n = 0"),
        ({"dialogues": 0}, ArgumentError, "dialogues"),
        ({"jpeg_quality": 101}, ArgumentError, "jpeg_quality"),
        ({"pad": 1.5}, ArgumentError, "pad"),
        ({"real_share": -0.1}, ArgumentError, "real_share"),
        ({"form": "long"}, UnknownNameError, "form"),
        ({"view": "wide"}, UnknownNameError, "view"),
        ({"statistics": "true"}, UnknownNameError, "statistics"),
        ({"materials": []}, ArgumentError, "materials"),
        ({"materials": ["SiO2"]}, UnknownNameError, "materials"),
        ({"tasks": ["sing"]}, UnknownNameError, "tasks"),
        ({"tasks": ["terraces"]}, ArgumentError, "any image gives occasion"),
        ({"tasks": {"count": -1}}, ArgumentError, "weights"),
        ({"kinds": {"any": 0.5}}, ArgumentError, "kinds.*add up to 1"),
        ({"kinds": {"full": 1.0}}, UnknownNameError, "kinds"),
        ({"splits": {"train": 1.5, "test": -0.5}}, ArgumentError, "splits"),
        ({"shape": (8, 8)}, ArgumentError, "shape"),
    ],
)
def test_what_is_not_allowed_is_named(
    change: dict, error: type, named: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=named):
        make(**{"n": 3, "out": tmp_path / "out", **change})
    assert not (tmp_path / "out").exists()


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    call = [
        *("--out", str(tmp_path / "d"), "-n", "3", "--workers", "1", "--seed", "2"),
        *("--shape", "96", "96", "--dialogues", "1", "--materials", "graphene", "WSe2"),
        *("--splits", "train=1", "--kinds", "any=0.5", "thick=0.5"),
        *("--tasks", *TASK_NAMES[:4], "--sharegpt", str(tmp_path / "s")),
        *("--coco", str(tmp_path / "c")),
    ]
    assert main(call) == 0 == main(call)
    assert "3 in train" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "s" / "train" / "conversations.json").read_text())) == 3
    assert len(from_coco(tmp_path / "c" / "train" / "annotations.json")) == 3
    assert main([*call, "--seed", "3"]) == 2
    assert "another data set" in capsys.readouterr().err
    assert main([*call[:4], "--splits", "train"]) == 2
    assert "names with shares" in capsys.readouterr().err
