"""Data sets of synthetic micrographs: what the files hold is what was drawn."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qupaint_lib.annotations import from_coco, layer_class
from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.shards import read_shards, verify
from qupaint_lib.synthia import Scene, generate, render_jpeg
from qupaint_lib.synthia.__main__ import main
from qupaint_lib.synthia.coco_file import write_coco
from qupaint_lib.synthia.generate import _recipe, make_sample

ROOT = Path(__file__).resolve().parents[2]
N, SHAPE, SEED = 7, (96, 128), 4
make = partial(generate, N, seed=SEED, shape=SHAPE, samples_per_shard=3, progress=False)


def recipe(**changes):
    """What samples follow from, in this process."""
    known = dict.fromkeys(("material", "references")) | {
        "shape": SHAPE,
        "view": "general",
        "jpeg_quality": 95,
        "options": {},
    }
    return _recipe(**(known | changes))[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthia") / "data"
    make(out, workers=2)
    return out


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict]:
    return list(read_shards(folder, check=True))


def test_a_sample_is_the_rendered_scene(rows: list[dict]) -> None:
    assert len(rows) == N
    for row in rows:
        scene = Scene.from_dict(json.loads(row["scene"]))
        jpeg, flakes = render_jpeg(scene)
        assert row["image"] == jpeg
        assert (row["height"], row["width"]) == scene.shape == SHAPE
        assert Image.open(BytesIO(jpeg)).size == SHAPE[::-1]
        assert row["material"] == scene.material
        assert [tuple(box) for box in row["boxes"]] == [flake.bbox_xywh for flake in flakes]
        assert row["layer_counts"] == [flake.layer_count for flake in flakes]
        assert row["classes"] == [layer_class(count) for count in row["layer_counts"]]
        assert row["masks"] == [flake.rle.counts.decode() for flake in flakes]
        assert row["reference"] is None


def test_scenes_differ(rows: list[dict]) -> None:
    assert len({row["image"] for row in rows}) == N
    assert len({row["material"] for row in rows}) > 1


def test_boxes_are_tight_around_masks(rows: list[dict]) -> None:
    from pycocotools.mask import area, toBbox

    for row in rows:
        rles = [{"size": list(SHAPE), "counts": mask} for mask in row["masks"]]
        assert toBbox(rles).tolist() == row["boxes"]
        assert area(rles).tolist() == row["areas"]


def test_coco_holds_the_flakes_of_all_scenes(folder: Path, rows: list[dict]) -> None:
    read = from_coco(folder / "coco.json")
    assert list(read) == [f"{i:08d}.jpg" for i in range(N)]
    for flakes, row in zip(read.values(), rows, strict=True):
        assert flakes == list(Scene.from_dict(json.loads(row["scene"])).flakes)


def test_coco_loads_in_pycocotools(folder: Path, rows: list[dict], capsys) -> None:
    from pycocotools.coco import COCO

    coco = COCO(folder / "coco.json")
    assert sorted(coco.getImgIds()) == list(range(1, N + 1))
    assert sum(len(row["boxes"]) for row in rows) == len(coco.anns) > N
    assert sorted(coco.anns) == list(range(1, len(coco.anns) + 1))
    names = {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())}
    for row in rows:
        entries = coco.loadAnns(coco.getAnnIds(imgIds=row["id"] + 1))
        assert [names[e["category_id"]] for e in entries] == row["classes"]
        for entry in entries:
            assert coco.annToMask(entry).sum() == entry["area"]


def test_a_lost_coco_file_is_written_again(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "coco.json").unlink()
    assert make(copy).built == ()
    assert contents(copy) == contents(folder)


def test_no_space_for_coco(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = contents(folder)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ArgumentError, match="No space left"):
        write_coco(folder)
    assert contents(folder) == before


def test_dask_makes_the_same_files(folder: Path, tmp_path: Path) -> None:
    make(tmp_path / "dask", workers=2, cluster="local")
    assert contents(tmp_path / "dask") == contents(folder)
    assert verify(tmp_path / "dask") == {}


def test_a_sample_depends_on_seed_and_number_only(rows: list[dict]) -> None:
    again = make_sample(5, SEED, recipe())
    assert again["image"] == rows[5]["image"]
    assert again["scene"] == rows[5]["scene"]
    assert make_sample(5, SEED + 1, recipe())["image"] != again["image"]


def test_options_reach_the_scene() -> None:
    chosen = recipe(material="ws2", view="focused", jpeg_quality=60, options={"flake_count": 2})
    row = make_sample(0, 0, chosen)
    scene = Scene.from_dict(json.loads(row["scene"]))
    assert (row["material"], row["view"]) == ("WS2", "focused")
    assert scene.material == "WS2"
    assert scene.view == "focused"
    assert scene.conditions.jpeg_quality == 60
    assert len(scene.crystals) <= 2
    both = {make_sample(i, 0, recipe(view=None))["view"] for i in range(12)}
    assert both == {"general", "focused"}


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two micrographs of another size, one of them deeper."""
    out = tmp_path_factory.mktemp("references")
    (out / "deeper").mkdir()
    wide = recipe(shape=(160, 224), material="graphene", options={"flake_count": 2})
    for seed, name in enumerate(("a.png", "deeper/b.png")):
        row = make_sample(0, seed, wide)
        Image.open(BytesIO(row["image"])).save(out / name)
    return out


def test_flakes_are_composed_into_real_micrographs(references: Path) -> None:
    chosen = recipe(references=references, material="MoS2", options={"flake_count": 3})
    used = []
    for i in (0, 1, 50, 51, 100, 150):
        row = make_sample(i, 0, chosen)
        where = row["reference"]
        used.append(where["file"])
        whole = np.asarray(Image.open(references / where["file"])).astype(int)
        part = whole[where["top"] :, where["left"] :][: SHAPE[0], : SHAPE[1]]
        image = np.asarray(Image.open(BytesIO(row["image"]))).astype(int)
        scene = Scene.from_dict(json.loads(row["scene"]))
        touched = np.zeros(SHAPE, bool)
        for flake in scene.flakes:
            left, top, width, height = flake.bbox_xywh
            touched[max(top - 8, 0) : top + height + 8, max(left - 8, 0) : left + width + 8] = True
        assert [tuple(b) for b in row["boxes"]] == [flake.bbox_xywh for flake in scene.flakes]
        assert abs(image - part)[~touched].mean() < 1.5  # JPEG
    assert used[0] == used[1] != used[2] == used[3]
    assert set(used[-2:]) == {"a.png", "deeper/b.png"}  # each once in every turn


def test_references_at_their_own_size(references: Path) -> None:
    row = make_sample(0, 0, recipe(references=references, shape=None))
    assert (row["height"], row["width"]) == (160, 224)
    assert (row["reference"]["left"], row["reference"]["top"]) == (0, 0)


def test_the_content_of_references_is_part_of_the_data_set(references: Path) -> None:
    known = dict(material=None, shape=SHAPE, view="general", jpeg_quality=95, options={})
    before = _recipe(**known, references=references)[1]
    data = (references / "a.png").read_bytes()
    try:
        Image.new("RGB", (200, 200)).save(references / "a.png")
        assert _recipe(**known, references=references)[1] != before
    finally:
        (references / "a.png").write_bytes(data)
    assert _recipe(**known, references=references)[1] == before


def test_a_reference_that_is_of_no_use_is_named(references: Path, tmp_path: Path) -> None:
    Image.new("RGB", (200, 200), (255, 255, 254)).save(tmp_path / "saturated.png")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    for name in ("saturated.png", "broken.jpg"):
        chosen = recipe(references=references)
        object.__setattr__(chosen, "folder", str(tmp_path))
        object.__setattr__(chosen, "references", (name,))
        with pytest.raises(ArgumentError, match=rf"references = '{name}'"):
            make_sample(0, 0, chosen)
    with pytest.raises(ArgumentError, match=r"shape = \(300, 300\).*\(160, 224\)"):
        make_sample(0, 0, recipe(references=references, shape=(300, 300)))


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("n", 0, ArgumentError),
        ("jpeg_quality", 0, ArgumentError),
        ("jpeg_quality", 95.5, ArgumentError),
        ("shape", None, ArgumentError),
        ("shape", (8, 8), ArgumentError),
        ("view", "sideways", UnknownNameError),
        ("material", "unobtainium", UnknownNameError),
        ("references", "missing", ArgumentError),
        ("statistics", "wild", UnknownNameError),
        ("flake_count", -1, ArgumentError),
    ],
)
def test_arguments_are_checked_before_anything_is_made(
    tmp_path: Path, argument: str, value: object, error: type
) -> None:
    arguments = {"n": 2, "progress": False, argument: value}
    with pytest.raises(error, match=argument):
        generate(out=tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    words = f"--out {out} -n {N} --seed {SEED} --shape 96 128 --samples-per-shard 3 --workers 1"
    assert main(words.split()) == 0
    assert "7 images in 3 shards (0 whole before)" in capsys.readouterr().out
    data = contents(out)
    assert data.pop("manifest.json")  # which notes the options of the command
    assert data.items() <= contents(folder).items()
    assert main(words.split()) == 0
    assert "(3 whole before)" in capsys.readouterr().out
    assert main([*words.split(), "--seed", "9"]) == 2
    assert "another data set: seed: 4 there, 9 here" in capsys.readouterr().err


def test_the_command_is_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qupaint_lib.synthia", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 0
    for word in ("--references", "--cluster", "streaming=True", "goes on after an interruption"):
        assert word in done.stdout
