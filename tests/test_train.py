"""Training: views and their boxes, packing, dense labels, few-step runs on every path."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from qupaint_lib.annotations import Flake
from qupaint_lib.colorimetry import srgb_to_lab
from qupaint_lib.errors import ArgumentError, TrainingError, UnknownNameError
from qupaint_lib.instruct import Facts, build_dataset, make_dialogues, verify
from qupaint_lib.model import QuPaint
from qupaint_lib.model.dense import UNKNOWN, box_loss, generalised_iou
from qupaint_lib.model.regions import find_regions
from qupaint_lib.synthia import render, sample_scene
from qupaint_lib.train import (
    DENSE_CLASSES,
    Collator,
    Example,
    Examples,
    Images,
    Stream,
    Talk,
    TrainConfig,
    View,
    dense_targets,
    last_checkpoint,
    measure_regions,
    pack,
    rewrite,
    sample_view,
    shift_colours,
    start_nano,
    take_vision,
    train,
    view_flakes,
    whole,
)
from qupaint_lib.train.encode import IGNORED, prefix_text, talk_tokens
from qupaint_lib.train.examples import flakes_of, pixels_of, seen_scene
from qupaint_lib.train.regions import turned
from qupaint_lib.train.trainer import BAD_BATCH

TINY = {"size": "tiny", "image_size": 128, "patch_size": 16, "read_images": 4}
MEASURED = {"contrast", "delta_e", "ΔE range", "agreement", "misfit", "lightness", "visibility"}
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images of 160 px with short dialogues, for training, and four for validation."""
    folder = tmp_path_factory.mktemp("data") / "qmat"
    build_dataset(
        16,
        folder,
        form="short",
        dialogues=2,
        tasks=("count", "localise", "material"),
        crystals=(1, 3),
        shape=(160, 160),
        splits={"train": 0.75, "validation": 0.25},
        images_per_shard=8,
        progress=False,
    )
    return folder


@pytest.fixture(scope="module")
def images(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Images:
    return Images(data / "train", cache=tmp_path_factory.mktemp("cache"))


def recipe(preset: str = "nano", **changes: object) -> TrainConfig:
    small = {"batch_size": 2, "max_steps": 4, "save_steps": 2, "log_steps": 1, "max_tokens": 320}
    small |= {"dialogues_per_image": 3, "bf16": False, "epochs": 4}
    small |= {"dense_loss_weight": 1.0, "freeze_vision": False}
    return TrainConfig.preset(preset, **{**small, **changes})


@cache
def _saved_start(folder: str, cache_dir: str) -> str:
    assistant = start_nano(Images(Path(folder) / "train", cache=cache_dir), recipe(), **TINY)
    assistant.save_pretrained(Path(cache_dir) / "start")
    return str(Path(cache_dir) / "start")


@pytest.fixture(scope="module")
def start(data: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tiny model of random weights."""
    return _saved_start(str(data), str(tmp_path_factory.mktemp("start")))


def fresh(start: str) -> QuPaint:
    return QuPaint.from_pretrained(start)


# Recipes


def test_the_default_recipe_is_the_paper_s() -> None:
    paper = TrainConfig.preset("paper")
    assert paper == TrainConfig()
    assert (paper.learning_rate, paper.weight_decay) == (2e-5, 1e-4)  # §6.1
    assert (paper.batch_size, paper.epochs, paper.dense_loss_weight) == (4, 2, 0.0)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"method": "sgd"}, "method"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"warmup": 1.5}, "warmup"),
        ({"batch_size": 0}, "batch_size"),
        ({"max_steps": -1}, "max_steps"),
        ({"tasks": {"sing": 1.0}}, "tasks"),
        ({"tasks": {"count": 0.0}}, "tasks"),
        ({"dialogues": "none", "dense_loss_weight": 0.0}, "dense_loss_weight"),
    ],
)
def test_a_recipe_refuses_by_name(changes: dict, name: str) -> None:
    with pytest.raises(ArgumentError) as told:
        TrainConfig.preset("nano", **changes)
    assert told.value.argument == name


def test_unknown_presets_and_attributes_are_named() -> None:
    with pytest.raises(UnknownNameError, match="papr"):
        TrainConfig.preset("papr")
    with pytest.raises(UnknownNameError, match="learning_rate"):
        TrainConfig.preset("paper", learnig_rate=1.0)


# Views


@st.composite
def views(draw: st.DrawFn) -> tuple[tuple[int, int], View]:
    height, width = draw(st.integers(8, 40)), draw(st.integers(8, 40))
    w, h = draw(st.integers(4, width)), draw(st.integers(4, height))
    x, y = draw(st.integers(0, width - w)), draw(st.integers(0, height - h))
    return (height, width), View((x, y, w, h), draw(st.integers(0, 3)), draw(st.booleans()))


@given(views(), st.integers(0, 2**32 - 1))
def test_augmented_boxes_are_the_boxes_of_augmented_masks(given_view: tuple, seed: int) -> None:
    shape, view = given_view
    x, y, w, h = view.window_xywh
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, dtype=bool)
    rows, columns = rng.integers(y, y + h, 4), rng.integers(x, x + w, 4)
    mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
    box = view.box(Flake.from_mask(mask).bbox_xywh)
    assert box == Flake.from_mask(view.array(mask)).bbox_xywh
    assert view.array(mask).shape == view.shape


@pytest.mark.parametrize("seed", range(6))
def test_text_about_a_mirror_image_is_true_of_it(seed: int) -> None:
    """Every claim of a full answer, sides and places and boxes, holds of the mirrored scene."""
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng, view="focused", shape=(224, 224), debris=False)
    image = render(scene).image
    view = replace(whole(scene.shape), mirror=True)
    mirrored = SimpleNamespace(
        shape=scene.shape,
        material=scene.material,
        microscope=scene.microscope,
        magnification=scene.magnification,
        flakes=view_flakes(scene.flakes, view),
    )
    facts = Facts(mirrored, view.array(image))
    read = 0
    for made in make_dialogues(scene, image, rng):
        turns = tuple(tuple(rewrite(text, view, scene.shape) for text in t) for t in made.turns)
        checked = verify(replace(made, turns=turns), facts)
        read += len(checked.claims)
        wrong = [c for c in checked.claims if c.status != "confirmed"]
        # The substrate is fitted anew, so that the last digit of a measurement may differ.
        assert {c.kind for c in wrong} <= MEASURED, wrong
        assert len(wrong) <= 0.3 * len(checked.claims)
    assert read > 50


def test_a_crop_moves_boxes_and_refuses_what_it_would_make_false() -> None:
    view = View((100, 50, 200, 200))
    assert rewrite("monolayer: <box>50.00, 25.00, 10.00, 10.00</box>", view, (400, 400)) == (
        "monolayer: <box>50.00, 25.00, 20.00, 20.00</box>"
    )
    assert rewrite("cut: <box>20.00, 25.00, 10.00, 10.00</box>", view, (400, 400)) is None
    assert rewrite(
        "in the upper left: <box>50.00, 25.00, 10.00, 10.00</box>", view, (400, 400)
    ) is (None)
    with pytest.raises(ArgumentError, match="turned"):
        rewrite("", View((0, 0, 4, 4), turns=1), (4, 4))


def test_views_are_crops_turns_and_mirror_images() -> None:
    drawn = [sample_view(np.random.default_rng(k), (100, 80)) for k in range(300)]
    assert {v.turns for v in drawn} == {0, 1, 2, 3} and {v.mirror for v in drawn} == {True, False}
    sides = np.array([v.window_xywh[2:] for v in drawn]) / (80, 100)
    assert sides.min() >= 0.59 and 0.3 < (sides[:, 0] == 1).mean() < 0.7
    assert all(x + w <= 80 and y + h <= 100 for x, y, w, h in (v.window_xywh for v in drawn))


@given(st.tuples(*[st.floats(-4, 4)] * 3), st.integers(0, 99))
def test_colour_jitter_keeps_the_contrast_of_layers(shift: tuple, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(70, 180, (8, 8, 3), dtype=np.uint8)
    before, after = (
        srgb_to_lab(c / 255).reshape(-1, 3) for c in (codes, shift_colours(codes, shift))
    )
    delta = [np.linalg.norm(lab[1:] - lab[:-1], axis=-1) for lab in (before, after)]
    assert abs(delta[0] - delta[1]).max() < 1.5  # rounding to 8 bits, and little else
    assert abs((after - before).mean(axis=0) - shift).max() < 0.6


# Packing


def test_packed_dialogues_have_the_logits_of_single_ones(start: str, images: Images) -> None:
    model, processor = fresh(start)
    talks = [
        Talk((("How many flakes are there?", "Three."),), brief=True),
        Talk((("Where?", "<box>10.00, 20.00, 30.00, 5.50</box>"), ("Why?", "It is dark."))),
    ]
    seen = processor.image_processor(pixels_of(images[0][0]), return_tensors="np")
    together = pack(processor, talks, 512)
    collate = Collator.of(processor)

    def logits(packed: object) -> torch.Tensor:
        batch = collate([Example(packed, seen["pixel_values"], regions=seen["regions"])])
        batch.pop("labels")
        with torch.inference_mode():
            return model(**batch).logits[0]

    joint = logits(together)
    for number, talk in enumerate(talks, start=1):
        alone = pack(processor, [talk], 512)
        single = logits(alone)[: len(alone.input_ids)]
        shared = (alone.talk == 0).sum()
        ours = joint[: len(together.talk)][together.talk == number]
        torch.testing.assert_close(ours, single[shared:], atol=2e-5, rtol=1e-4)


def test_a_packed_prompt_is_the_processor_s(start: str, images: Images) -> None:
    _, processor = fresh(start)
    question = "Is the flake at <box>10.11, 20.00, 30.00, 5.49</box> a monolayer?"
    packed = pack(processor, [Talk(((question, "Yes."),), brief=True)], 512)
    asked = processor.prompt(question, brief=True)
    expected = processor(pixels_of(images[0][0]), asked)["input_ids"][0]
    assert packed.input_ids[: len(expected)].tolist() == expected.tolist()
    learned = packed.input_ids[packed.labels != IGNORED]
    assert processor.tokenizer.decode(learned) == "Yes.<|im_end|>"
    assert packed.labels[len(expected)] != IGNORED and (packed.labels[: len(expected)] < 0).all()


def test_a_dialogue_of_several_turns_is_that_of_the_chat_template(start: str) -> None:
    _, processor = fresh(start)
    turns = (("How many?", "Two."), ("Which?", "Both."))
    ids, labels = talk_tokens(processor, Talk(turns))
    messages = []
    for k, (question, answer) in enumerate(turns):
        content = [{"type": "image"}] * (k == 0) + [{"type": "text", "text": question}]
        messages += [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]
    written = processor.apply_chat_template(messages, tokenize=False)
    text = prefix_text(processor) + processor.tokenizer.decode(ids)
    [visual] = {text[text.index("<img>") : text.index("</img>") + 6]}
    assert text.replace(visual, "<IMG_CONTEXT>") + "\n" == written
    assert (
        processor.tokenizer.decode([t for t in labels if t >= 0]) == "Two.<|im_end|>Both.<|im_end|>"
    )


def test_what_does_not_fit_is_left_out(start: str) -> None:
    _, processor = fresh(start)
    long, short = Talk((("Why?", "word " * 400),)), Talk((("Why?", "So."),))
    assert pack(processor, [long, short], 128).talks == 1
    assert pack(processor, [long], 128) is None
    with pytest.raises(ArgumentError, match="max_tokens"):
        pack(processor, [short], 8)


# Dense labels


def test_dense_targets_of_two_flakes() -> None:
    images = SimpleNamespace(tiles=(1, 1), tile_px=56, patch_px=14)
    thin, thick = np.zeros((2, 80, 80), dtype=bool)
    thin[:20, :40] = True  # fills cells (0, 0) and (0, 1)
    thick[60:63, 60:63] = True  # 9 of the 400 pixels of cell (3, 3)
    flakes = [Flake.from_mask(thin, layer_count=1), Flake.from_mask(thick, layer_count=30)]
    labels, boxes = dense_targets(flakes, (80, 80), images)
    expected = np.zeros((4, 4), dtype=int)
    expected[0, :2], expected[3, 3] = 1, UNKNOWN
    assert labels.tolist() == expected.tolist()
    assert boxes[:, 0, 1].tolist() == [0.0, 0.0, 0.5, 0.25]
    assert np.isnan(boxes[:, 1:]).all()


def test_generalised_iou_of_known_boxes() -> None:
    a = torch.tensor([[0.0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 1, 1]])
    b = torch.tensor([[1.0, 0, 3, 2], [0, 0, 1, 1], [3, 0, 4, 1]])
    # Overlap 2 of 6, hull 6; the same; apart: nothing of 2, hull 4.
    torch.testing.assert_close(generalised_iou(a, b), torch.tensor([1 / 3, 1.0, -0.5]))


def test_box_loss_leaves_out_patches_without_a_target() -> None:
    boxes = torch.rand(2, 4, 3, 3, requires_grad=True)
    targets = torch.full((2, 4, 3, 3), torch.nan)
    assert box_loss(boxes, targets).item() == 0.0
    targets[0, :, 1, 2] = boxes.detach()[0, :, 1, 2].sort().values
    box_loss(boxes, targets).backward()
    assert boxes.grad[1].abs().sum() == 0 and torch.isfinite(boxes.grad).all()


# Examples


def test_an_example_follows_from_seed_and_number(images: Images, start: str) -> None:
    _, processor = fresh(start)
    first, again = (Examples(images, processor, recipe(), passes=2, dense=True) for _ in "12")
    for j in (3, len(images) + 3):
        a, b = first[j], again[j]
        assert np.array_equal(a.packed.input_ids, b.packed.input_ids)
        assert np.array_equal(a.pixel_values, b.pixel_values)
        assert np.array_equal(a.dense_boxes, b.dense_boxes, equal_nan=True)
    assert not np.array_equal(first[3].pixel_values, first[len(images) + 3].pixel_values)


def test_fresh_answers_are_true_of_the_view(images: Images) -> None:
    checked = 0
    for i in range(6):
        row, rng = images[i][0], np.random.default_rng(i)
        image, flakes = pixels_of(row), flakes_of(row)
        view = sample_view(rng, image.shape[:2], crop=1.0)
        scene = seen_scene(row, view.array(image), view_flakes(flakes, view))
        facts = Facts(scene, view.array(image))
        for made in make_dialogues(facts, None, rng):
            assert verify(made, facts).ok
            checked += 1
    assert checked > 30


def test_stored_dialogues_are_rewritten_or_shown_whole(images: Images, start: str) -> None:
    _, processor = fresh(start)
    config = recipe(dialogues="stored")
    made = Examples(images, processor, config)
    for j in range(len(images)):
        assert made[j].packed.talks == 2


def test_a_stream_gives_what_the_rows_give(images: Images, start: str) -> None:
    _, processor = fresh(start)
    rows = (row for k in range(3) for row in images[k])
    streamed = list(Stream(rows, processor, recipe(), dense=True))
    assert len(streamed) == 3 and all(e.dense_labels.shape == (8, 8) for e in streamed)


def test_a_folder_without_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="parquet"):
        Images(tmp_path)


# Runs


def curve(out: Path) -> list[float]:
    entries = json.loads((out / "training.json").read_text())["curve"]
    return [entry["loss"] for entry in entries if "loss" in entry]


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model.safetensors")


@pytest.mark.parametrize("method", ["scratch", "full", "lora"])
def test_a_run_learns_and_loads_again(
    method: str, start: str, images: Images, tmp_path: Path
) -> None:
    one = [images[0]] * 4
    config = recipe(
        method=method, learning_rate=5e-3, max_steps=12, warmup=0.0, augment=False, log_steps=1,
        save_steps=100, schedule="constant_with_warmup",
    )  # fmt: skip
    before = fresh(start)
    gate = before.model.model.pia_gate.weight.item()
    tuned = train(before, one, tmp_path / "run", config, progress=False)
    losses = curve(tmp_path / "run")
    assert len(losses) == 12 and np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.3
    loaded = QuPaint.from_pretrained(tmp_path / "run")
    assert loaded.model.model.pia_gate.weight.item() != gate
    for name, value in loaded.model.state_dict().items():
        torch.testing.assert_close(value, tuned.model.state_dict()[name], atol=1e-6, rtol=1e-5)
    record = json.loads((tmp_path / "run" / "training.json").read_text())
    assert record["config"]["method"] == method and record["steps"] == 12


@pytest.mark.parametrize("method", ["full", "lora"])
def test_weights_stored_in_bfloat16_are_learned_in_float32(
    method: str, start: str, images: Images, tmp_path: Path
) -> None:
    """Beside a weight of 0.02 a step of 2e-5 is less than half a step of bfloat16."""
    stored = QuPaint.from_pretrained(start, dtype=torch.bfloat16)
    before = {name: value.clone() for name, value in stored.model.state_dict().items()}
    config = recipe(
        method=method, learning_rate=2e-5, max_steps=1, save_steps=100, bf16=True, warmup=0.0
    )
    tuned = train(stored, images, tmp_path / "run", config, progress=False)
    after = tuned.model.state_dict()
    projector = "model.multi_modal_projector.linear_1.weight"
    assert after[projector].dtype == torch.float32
    assert (after[projector] != before[projector].float()).float().mean() > 0.9
    tower = "model.vision_tower.encoder.layer.0.mlp.fc1.weight"
    assert after[tower].dtype == {"full": torch.float32, "lora": torch.bfloat16}[method]


def test_low_rank_updates_leave_the_vision_tower_alone(
    start: str, images: Images, tmp_path: Path
) -> None:
    config = recipe(method="lora", learning_rate=1e-2, max_steps=2, save_steps=100)
    train(fresh(start), images, tmp_path / "run", config, progress=False)
    before, after = fresh(start).model.state_dict(), weights(tmp_path / "run")
    changed = {n for n, v in after.items() if not torch.equal(v, before[n])}
    assert changed and not any("vision_tower" in name for name in changed)
    assert any("language_model" in name for name in changed)
    assert any("pia_gate" in name for name in changed)


def test_the_dense_stage_gives_its_vision_tower(
    start: str, data: Path, images: Images, tmp_path: Path
) -> None:
    config = recipe("dense", max_steps=2, save_steps=1)
    checks = Images(data / "validation", cache=tmp_path / "cache")
    options = {"validation": checks, "progress": False}
    vision = train(fresh(start), images, tmp_path / "run", config, **options)
    assistant = start_nano(images, recipe(), vision=vision, **TINY)
    taken = [n for n in vision.model.state_dict() if "vision_tower" in n or "dense_head" in n]
    assert any("projection.0.weight" in n for n in taken)
    for name in taken:
        assert torch.equal(assistant.model.state_dict()[name], vision.model.state_dict()[name])
    pixels = [pixels_of(images[i][0]) for i in range(len(images))]
    seen = assistant.processor.image_processor(pixels, return_tensors="pt")
    tiles = seen["pixel_values"], seen["regions"]
    with torch.no_grad():
        tokens = assistant.model.model.get_image_features(*tiles).pooler_output[:, :16]
    assert tokens.mean(dim=(0, 1)).abs().max() < 1e-3
    assert tokens.pow(2).mean().sqrt().item() == pytest.approx(0.2, rel=1e-3)


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(
    start: str, images: Images, tmp_path: Path
) -> None:
    config = recipe(max_steps=4, save_steps=2)
    train(fresh(start), images, tmp_path / "whole", config, progress=False)
    steps = iter([False, True])
    train(fresh(start), images, tmp_path / "cut", config, progress=False, stop=lambda: next(steps))
    assert last_checkpoint(tmp_path / "cut").name == "checkpoint-2"
    train(fresh(start), images, tmp_path / "cut", config, progress=False)
    ours, theirs = weights(tmp_path / "cut"), weights(tmp_path / "whole")
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], atol=1e-6, rtol=1e-5)
    assert curve(tmp_path / "cut") == pytest.approx(curve(tmp_path / "whole"), rel=1e-5)


def test_a_process_killed_while_it_saves_leaves_the_last_good_checkpoint(
    start: str, data: Path, images: Images, tmp_path: Path
) -> None:
    """SIGKILL in the middle of the second save; the run then goes on from the first."""
    out = tmp_path / "run"
    script = (
        "import os, signal, sys\n"
        "from qupaint_lib.model import QuPaint\n"
        "from qupaint_lib.train import Images, TrainConfig, train\n"
        "from qupaint_lib.train.trainer import QuPaintTrainer\n"
        "whole = QuPaintTrainer._save_optimizer_and_scheduler\n"
        "def killed(self, folder):\n"
        "    if folder.endswith('-4'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    whole(self, folder)\n"
        "QuPaintTrainer._save_optimizer_and_scheduler = killed\n"
        "start, data, out, changes = sys.argv[1:]\n"
        "config = TrainConfig.preset('nano', **eval(changes))\n"
        "train(QuPaint.from_pretrained(start), Images(data), out, config, progress=False)\n"
    )
    config = recipe(max_steps=6, save_steps=2)
    base = TrainConfig.preset("nano").to_dict()
    changes = {k: v for k, v in config.to_dict().items() if v != base[k]}
    command = [sys.executable, "-c", script, start, str(data / "train"), str(out), repr(changes)]
    ended = subprocess.run(command, capture_output=True, text=True, env=_environment(tmp_path))
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert (out / "checkpoint-4").is_dir() and last_checkpoint(out).name == "checkpoint-2"
    train(fresh(start), images, out, config, progress=False)
    train(fresh(start), images, tmp_path / "whole", config, progress=False)
    ours, theirs = weights(out), weights(tmp_path / "whole")
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], atol=1e-6, rtol=1e-5)


def _environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HF_DATASETS_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }


def test_a_checkpoint_that_is_cut_off_is_passed_over(
    start: str, images: Images, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    train(fresh(start), images, out, recipe(max_steps=4), progress=False)
    file = out / "checkpoint-4" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    assert last_checkpoint(out).name == "checkpoint-2"
    assert last_checkpoint(tmp_path / "nothing") is None


def test_a_folder_of_another_run_is_refused(start: str, images: Images, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(fresh(start), images, out, recipe(max_steps=1), progress=False)
    with pytest.raises(ArgumentError, match="config"):
        train(fresh(start), images, out, recipe(max_steps=1, seed=1), progress=False)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(ArgumentError, match="empty folder"):
        train(fresh(start), images, tmp_path / "other", recipe(), progress=False)


def test_training_stops_on_nan_and_keeps_the_batch(
    start: str, images: Images, tmp_path: Path
) -> None:
    assistant = fresh(start)
    with torch.no_grad():
        assistant.model.lm_head.weight[0, 0] = torch.nan
    with pytest.raises(TrainingError, match="step 0"):
        train(assistant, images, tmp_path / "run", recipe(), progress=False)
    batch = load_file(tmp_path / "run" / BAD_BATCH)
    assert batch["input_ids"].shape[0] == 2 and batch["pixel_values"].shape[1] == 4


def test_dense_loss_needs_a_dense_head(start: str, images: Images, tmp_path: Path) -> None:
    assistant = start_nano(images, recipe(dense_loss_weight=0.0), **TINY)
    assert assistant.model.model.dense_head is None
    with pytest.raises(ArgumentError, match=f"dense_classes={DENSE_CLASSES}"):
        train(assistant, images, tmp_path / "run", recipe(), progress=False)


def test_the_best_checkpoint_by_validation_is_kept(
    start: str, data: Path, images: Images, tmp_path: Path
) -> None:
    """A rate that wrecks the model in the end: the best step is not the last."""
    config = recipe(
        learning_rate=3e-3, schedule="constant_with_warmup", warmup=0.0, max_steps=4, save_steps=1
    )

    class Wreck:
        done = 0

        def __call__(self) -> bool:
            self.done += 1
            if self.done == 3:
                with torch.no_grad():
                    assistant.model.lm_head.weight.mul_(-30)
            return False

    assistant = fresh(start)
    checks = Images(data / "validation", cache=tmp_path / "cache")
    train(
        assistant, images, tmp_path / "run", config, validation=checks, progress=False,
        stop=Wreck(),
    )  # fmt: skip
    record = json.loads((tmp_path / "run" / "training.json").read_text())
    losses = {e["step"]: e["eval_loss"] for e in record["curve"] if "eval_loss" in e}
    assert record["best_step"] == min(losses, key=losses.get) < 4
    assert record["best_validation_loss"] == pytest.approx(min(losses.values()))


# Several processes


def launch(arguments: list[str], tmp_path: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=_environment(tmp_path), cwd=tmp_path
    )


def _command(start: str, data: Path, out: Path, *changes: str) -> list[str]:
    config = [
        "dialogues=fresh", "max_steps=2", "save_steps=2", "log_steps=1", "max_tokens=320",
        "dialogues_per_image=3", "bf16=false", "dense_loss_weight=0.0", "learning_rate=1e-3",
    ]  # fmt: skip
    return [
        "qupaint_lib.train", "--data", str(data), "--out", str(out), "--preset", "paper",
        "--model", start, "--set", *config, *changes,
    ]  # fmt: skip


def test_two_ranks_have_the_loss_of_one(start: str, data: Path, tmp_path: Path) -> None:
    one = launch(_command(start, data, tmp_path / "one", "batch_size=4"), tmp_path)
    assert one.returncode == 0, one.stderr
    ranks = ["torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29617", "-m"]
    two = launch([*ranks, *_command(start, data, tmp_path / "two", "batch_size=2")], tmp_path)
    assert two.returncode == 0, two.stderr
    assert curve(tmp_path / "two") == pytest.approx(curve(tmp_path / "one"), rel=1e-5)
    ours, theirs = weights(tmp_path / "two"), weights(tmp_path / "one")
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], atol=1e-5, rtol=1e-4)


SHARDED = """
import sys
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
import yaml
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from safetensors.torch import load_file, save_file
from qupaint_lib.model import QuPaint

setup, start, batch, out = sys.argv[1:]
wrapped = yaml.safe_load(open(setup))["fsdp_config"]["fsdp_transformer_layer_cls_to_wrap"]
dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (dist.get_world_size(),))

def sharded():
    model = QuPaint.from_pretrained(start).model.train()
    names = set(wrapped.split(","))
    found = [m for m in model.modules() if type(m).__name__ in names]
    assert {type(m).__name__ for m in found} == names
    for module in found:
        fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model

model = sharded()
optimizer = torch.optim.AdamW(model.parameters(), 1e-3, eps=1e-6)
whole = load_file(batch)
rows = slice(dist.get_rank(), None, dist.get_world_size())
half = {name: value[rows] for name, value in whole.items()}
learned = (whole["labels"][:, 1:] >= 0).sum()
for _ in range(2):
    loss = model(**half, num_items_in_batch=learned).loss * dist.get_world_size()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
dcp.save(model.state_dict(), checkpoint_id=out + "/sharded")
again = sharded()
state = again.state_dict()
dcp.load(state, checkpoint_id=out + "/sharded")
again.load_state_dict(state)
full = get_model_state_dict(again, options=StateDictOptions(full_state_dict=True))
if dist.get_rank() == 0:
    save_file({n: v.contiguous().clone() for n, v in full.items()}, out + "/full.safetensors")
dist.destroy_process_group()
"""


def test_shards_on_two_ranks_learn_save_and_load_as_one_model(
    start: str, images: Images, tmp_path: Path
) -> None:
    """FSDP2 with the shipped layers to wrap. accelerate shards on accelerators alone, so that here
    its own engine, `fully_shard`, is asked directly."""
    model, processor = fresh(start)
    examples = Examples(images, processor, recipe(dense_loss_weight=0.0))
    batch = Collator.of(processor)([examples[j] for j in range(4)])
    batch["attention_mask"] = batch["attention_mask"].float().log().clamp(min=-1e9)
    save_file({k: v.contiguous() for k, v in batch.items()}, tmp_path / "batch.safetensors")
    optimizer = torch.optim.AdamW(model.train().parameters(), 1e-3, eps=1e-6)
    for _ in range(2):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    (tmp_path / "sharded.py").write_text(SHARDED)
    ranks = ["torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29619"]
    setup = ROOT / "qupaint_lib/data/launch/fsdp2.yaml"
    paths = [setup, start, tmp_path / "batch.safetensors", tmp_path]
    ended = launch([*ranks, "sharded.py", *map(str, paths)], tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert len(list((tmp_path / "sharded").glob("*.distcp"))) == 2
    ours, theirs = load_file(tmp_path / "full.safetensors"), model.state_dict()
    assert ours.keys() <= theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], atol=1e-5, rtol=1e-4)


# Regions alone


def test_turned_regions_are_those_of_the_turned_image() -> None:
    side = 160
    canvas = np.full((side, side, 3), 150, dtype=np.uint8)
    canvas[20:60, 30:100] = (120, 140, 160)
    canvas[100:140, 20:50] = (100, 120, 150)
    plain = find_regions(canvas, 4)
    shown = {
        op: find_regions(np.ascontiguousarray(op(canvas)), 4)[:, 1:5]
        for op in (np.fliplr, np.flipud, lambda a: a.swapaxes(0, 1), lambda a: a)
    }
    seen = [turned(plain, np.random.default_rng(k)) for k in range(40)]
    assert all(np.array_equal(one[:, 5:], plain[:, 5:]) for one in seen)  # places alone change
    for boxes in shown.values():
        assert any(np.allclose(one[:, 1:5], boxes, atol=2e-3) for one in seen)


def test_the_regions_head_learns_alone_and_everything_else_rests(
    data: Path, start: str, tmp_path: Path
) -> None:
    config = recipe("regions", batch_size=4, max_images=8, max_steps=30, save_steps=15, epochs=20)
    config = replace(config, freeze_vision=True, learning_rate=3e-3)
    train(
        fresh(start), data / "train", tmp_path, config, validation=data / "validation",
        progress=False,
    )  # fmt: skip
    before, after = (load_file(Path(f) / "model.safetensors") for f in (start, tmp_path))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    head = ("enter", "layers", "norm", "classify")
    assert changed and all(name.split("region_tokens.")[-1].startswith(head) for name in changed)
    curve = json.loads((tmp_path / "training.json").read_text())["curve"]
    losses = [entry["loss"] for entry in curve if "loss" in entry]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    with np.load(tmp_path / "regions.npz", allow_pickle=False) as kept:
        assert kept["labels"].shape == (8, 16)


def test_regions_are_measured_once(images: Images, start: str, tmp_path: Path) -> None:
    processor = fresh(start).processor
    first = measure_regions(images, processor, tmp_path / "regions.npz")
    again = measure_regions(images, processor, tmp_path / "regions.npz")
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    with pytest.raises(ArgumentError, match="regions of 2 images"):
        measure_regions([images[0], images[1]], processor, tmp_path / "regions.npz")
    for k in range(3):  # those of the examples that are made with their images
        config = recipe(augment=False)
        example = Examples([images[k]], processor, config, dense=True, augment=False)[0]
        assert np.array_equal(example.regions[0], first[0][k])
        assert np.array_equal(example.region_labels[0], first[1][k])


def test_the_regions_head_rests_while_the_decoder_learns(
    images: Images, start: str, tmp_path: Path
) -> None:
    config = recipe(dense_loss_weight=0.0, freeze_vision=True, max_steps=2)
    train(fresh(start), images, tmp_path, config, progress=False)
    before, after = (load_file(Path(f) / "model.safetensors") for f in (start, tmp_path))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("language_model" in name for name in changed)
    assert not any("vision_tower" in name or "region_tokens.enter" in name for name in changed)
    assert any("region_tokens.embed" in name for name in changed)  # how they are told, not what


def test_what_a_model_sees_with_is_taken_over(start: str) -> None:
    ours, theirs = fresh(start).model.model, fresh(start).model.model
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(1.0)
    take_vision(ours, theirs)
    for name, same in (
        ("vision_tower", True), ("dense_head", True), ("region_tokens.classify", True),
        ("region_tokens.embed", False), ("language_model", False),
    ):  # fmt: skip
        pairs = zip(
            ours.get_submodule(name).parameters(),
            theirs.get_submodule(name).parameters(),
            strict=True,
        )
        assert all(torch.equal(a, b) for a, b in pairs) == same
