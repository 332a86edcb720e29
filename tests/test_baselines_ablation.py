"""The ablation: its cells, its marks, what is compared, and that it goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from qupaint_lib.baselines import (
    FIGURES,
    Cell,
    Mixed,
    Plan,
    Stages,
    ablation,
    by_kind,
    collect_runs,
    dialogues_kept,
    gain,
    load_results,
    losses_of,
    make_ablation_exam,
    marks_of,
    mean_mark,
    run_ablation,
    started,
    train_dense,
)
from qupaint_lib.baselines.ablation import has_faint_monolayer, main
from qupaint_lib.baselines.marks import LOSS
from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.evaluate import Answered, score_answers
from qupaint_lib.instruct import Facts, build_dataset, scene_of
from qupaint_lib.model import QuPaint
from qupaint_lib.model.config import OPEN_GATE, TRAINING_START
from qupaint_lib.shards import read_shards
from qupaint_lib.train import Images
from qupaint_lib.train.encode import pack
from qupaint_lib.train.examples import flakes_of, fresh_talks, pixels_of, seen_scene

SMALL = Stages(1.0, 1.0, size="tiny", patch_size=16, image_size=128)
PLAN = Plan(SMALL, seeds=2, variants=("gate", "add"), exam_images=6)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    options = {"shape": (160, 160), "crystals": (1, 3), "dialogues": 1, "tasks": ("count",)}
    shares = {"train": 0.4, "test": 0.6}
    build_dataset(40, folder, seed=3, splits=shares, form="short", progress=False, **options)
    return folder


@pytest.fixture(scope="module")
def exam(data):
    return make_ablation_exam(data / "test", PLAN)


def answers(exam, text=None):
    """Return an exam with the true answers, or the same text everywhere."""
    said = [q.dialogue.answer if text is None else text for q in exam]
    return [
        Answered(q.dialogue, t, q.facts, None, q.image_id) for q, t in zip(exam, said, strict=True)
    ]


# Cells


def test_the_cells_are_those_of_table_5_and_the_variants():
    cells = Plan(SMALL, seeds=3, real_shares=(0.25,)).cells()
    assert len(set(cells)) == len(cells) == len({cell.name for cell in cells}) == 3 * (4 + 3 + 1)
    table5 = {(c.pia_variant, c.pad) for c in cells[:4]}
    assert table5 == {("none", False), ("none", True), ("gate", False), ("gate", True)}
    assert {c.seed for c in cells} == {0, 1, 2}
    assert sum(c.real_share > 0 for c in cells) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("seeds", 0), ("exam_images", 0), ("variants", ("none",)), ("real_shares", (0.0,))],
)
def test_plans_that_cannot_be_are_refused(name, value):
    with pytest.raises(ArgumentError, match=name):
        Plan(SMALL, **{name: value})


def test_cells_differ_in_what_they_are_about_alone():
    both = replace(SMALL, pad=True).configs(), replace(SMALL, pad=False).configs()
    assert both[0][0] == both[1][0]  # the dense stage has no dialogues
    with_pad, without = (joint.to_dict() for _, joint in both)
    differing = {key for key in with_pad if with_pad[key] != without[key]}
    assert differing == {"full_share"}
    assert without["full_share"] == 0.0 < with_pad["full_share"]
    assert with_pad["freeze_vision"]
    started = replace(SMALL, start="nano").configs()[1]
    assert not started.freeze_vision  # PIA acts on what the tower tells
    assert started.learning_rate < with_pad["learning_rate"]


@pytest.mark.parametrize(
    "wrong", [{"dense_minutes": 0.0}, {"pia_variant": "both"}, {"size": "big"}, {"full_share": 2.0}]
)
def test_stages_that_cannot_be_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ArgumentError, match=name):
        Stages(**wrong)
    Stages(dense_minutes=0.0, start="nano")  # there is no dense stage then


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 1.0])
def test_real_images_have_their_share_and_are_spread(share):
    mixed = Mixed([f"synthetic {i}" for i in range(200)], ["a", "b", "c"], share)
    kinds = [mixed[i] for i in range(len(mixed))]
    places = [i for i, kind in enumerate(kinds) if kind in "abc"]
    assert len(places) == round(200 * share)
    assert np.diff(places).max() <= np.ceil(1 / share)
    assert {kinds[i] for i in places} == {"a", "b", "c"}
    assert all(kinds[i] == f"synthetic {i}" for i in range(200) if i not in places)
    with pytest.raises(ArgumentError, match="real"):
        Mixed([1, 2], [], share)


# The exam and its marks


def test_half_of_the_images_have_a_faint_monolayer(data, exam):
    rows = {row["id"]: row for row in read_shards(data / "test")}
    asked = {q.image_id for q in exam}
    assert len(asked) == PLAN.exam_images
    faint = 0
    for number in asked:
        facts = Facts(scene_of(rows[number]))
        mono = [f.layer_count == 1 for f in facts.flakes]
        is_faint = bool((facts.expected.delta_e[mono] < 5.0).any()) if any(mono) else False
        assert is_faint == has_faint_monolayer(rows[number])
        faint += is_faint
    there = sum(map(has_faint_monolayer, rows.values()))
    assert faint >= min(there, PLAN.exam_images // 2) > 0


def test_true_answers_have_every_mark_and_empty_ones_none(exam):
    right, wrong = marks_of(answers(exam)), marks_of(answers(exam, ""))
    assert set(right) == set(FIGURES)
    for name in FIGURES:
        assert right[name]["mark"], name
        assert set(right[name]["mark"]) == {1}, name
        assert set(wrong[name]["mark"]) == {0}, name
        assert right[name]["image"] == wrong[name]["image"]
        assert right[name]["faint"] == wrong[name]["faint"]
    json.dumps(right)


def coin(rng, questions, p, images=None):
    marks = {"image": images or list(range(questions)), "faint": [k % 2 for k in range(questions)]}
    marks["mark"] = (rng.random(questions) < p).astype(int).tolist()
    return dict.fromkeys(FIGURES, marks)


def test_an_interval_is_as_wide_as_the_binomial_says():
    rng = np.random.default_rng(0)
    cell = coin(rng, 400, 0.3)
    p = np.mean(cell["mono_50"]["mark"])
    found = mean_mark([cell], "mono_50", rng, resamples=4000)
    half = 1.96 * np.sqrt(p * (1 - p) / 400)
    assert found.value == pytest.approx(p)
    assert [found.low, found.high] == pytest.approx([p - half, p + half], abs=0.01)
    assert found.count == 400


def test_questions_about_one_image_are_drawn_together():
    rng = np.random.default_rng(1)
    alone = coin(rng, 100, 0.5)["mono_50"]
    repeated = {key: [v for v in values for _ in range(4)] for key, values in alone.items()}
    one = mean_mark([{"mono_50": alone}], "mono_50", np.random.default_rng(2), resamples=4000)
    four = mean_mark([{"mono_50": repeated}], "mono_50", np.random.default_rng(2), resamples=4000)
    assert [four.low, four.high] == pytest.approx([one.low, one.high], abs=0.02)


def test_a_gain_is_paired():
    rng = np.random.default_rng(3)
    cells = [coin(rng, 120, 0.5) for _ in range(3)]
    same = gain(cells, cells, "count_exact", rng)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    none, every = ([coin(rng, 120, p)] * 3 for p in (0.0, 1.0))
    assert gain(every, none, "count_exact", rng, faint=True).low == 1.0
    assert gain(every, none, "count_exact", rng, faint=True).count == 60
    with pytest.raises(ArgumentError, match="without"):
        gain(cells, cells[:2], "count_exact", rng)
    with pytest.raises(ArgumentError, match="same exam"):
        mean_mark([cells[0], coin(rng, 60, 0.5)], "mono_50", rng)
    with pytest.raises(UnknownNameError, match="figure"):
        mean_mark(cells, "ap", rng)


# A run


@pytest.fixture
def untrained(monkeypatch, exam):
    """Replace training and exam; what is tested is which cells are run, and what is written."""
    trained = []

    def train_joint(images, out, stages, vision, *, progress=False):
        out.mkdir(parents=True, exist_ok=True)
        (out / "training.json").write_text('{"steps": 1}')
        trained.append((stages.pia_variant, stages.pad, stages.seed, len(images)))
        return QuPaint(stages, None)

    monkeypatch.setattr(ablation, "train_dense", lambda images, out, stages, progress: None)
    monkeypatch.setattr(ablation, "train_joint", train_joint)
    monkeypatch.setattr(ablation, "make_ablation_exam", lambda split, plan: exam)
    monkeypatch.setattr(ablation, "dialogues_kept", lambda *given: {"short": (1, 1)})
    monkeypatch.setattr(ablation, "losses_of", lambda *given: {"image": [], "mark": []})
    monkeypatch.setattr(
        ablation, "score_answers", lambda answered, **options: score_answers(answered)
    )
    monkeypatch.setattr(ablation, "take_exam", lambda assistant, exam, **options: answers(exam))
    return trained


def test_done_cells_are_not_run_again(data, tmp_path, untrained, monkeypatch):
    out = tmp_path / "ablation"
    take = ablation.take_exam

    def interrupted(assistant, exam, **options):
        if len(untrained) == 4:
            raise KeyboardInterrupt
        return take(assistant, exam, **options)

    monkeypatch.setattr(ablation, "take_exam", interrupted)
    given = ["--data", str(data), "--out", str(out), "--seeds", "2", "--variants", "gate", "add"]
    given += ["--images", "6", "--minutes", "2", "--size", "tiny"]
    assert main(given) == 130
    assert len(list((out / "cells").iterdir())) == 3
    monkeypatch.setattr(ablation, "take_exam", take)
    assert main(given) == 0
    assert len(untrained) == 2 * 5 + 1  # the interrupted one twice
    assert not (out / "runs").exists()
    kinds = by_kind([json.loads(path.read_text()) for path in (out / "cells").iterdir()])
    assert {key: len(marks) for key, marks in kinds.items()} == {
        ("none", False, 0.0): 2,
        ("none", True, 0.0): 2,
        ("gate", False, 0.0): 2,
        ("gate", True, 0.0): 2,
        ("add", True, 0.0): 2,
    }
    assert main([*given[:-1], "micro"]) == 2  # another plan


def test_shares_of_real_images_need_some(data, tmp_path, untrained):
    plan = replace(PLAN, real_shares=(0.5,), seeds=1)
    with pytest.raises(ArgumentError, match="real"):
        run_ablation(data, tmp_path / "out", plan)
    results = run_ablation(data, tmp_path / "out", plan, real=data)
    assert results[-1]["cell"]["real_share"] == 0.5
    assert results[-1]["scores"]["grounding_50"]["all"]["value"] == 1.0


def test_a_stage_ends_with_its_budget_and_is_not_run_twice(data, tmp_path, monkeypatch):
    images = Images(data / "train")
    stages = replace(SMALL, dense_minutes=0.01, dense={"batch_size": 2})
    train_dense(images, tmp_path / "dense", stages)
    record = json.loads((tmp_path / "dense" / "training.json").read_text())
    assert 1 <= record["steps"] < 200
    assert not list((tmp_path / "dense").glob("checkpoint-*"))
    monkeypatch.setattr("qupaint_lib.baselines.stages.train", None)
    again = train_dense(images, tmp_path / "dense", stages)
    assert again.model.config.pia_variant == "gate"


# Given weights


@pytest.fixture(scope="module")
def given(data, tmp_path_factory):
    """Return the folder of a small model whose gate is far from that of a new one."""
    folder = tmp_path_factory.mktemp("given")
    recipe = replace(SMALL.configs()[1], dense_loss_weight=0.2)  # so that it has its heads
    assistant = SMALL.new_model(Images(data / "train"), recipe, read_images=30)
    assistant.model.model.pia_gate.set_(3.0, 0.0)
    assistant.model.save_pretrained(folder)
    assistant.processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def shown(data, given):
    images = Images(data / "test")
    pixels = [pixels_of(images[i][0]) for i in range(3)]
    seen = QuPaint.from_pretrained(given).processor.image_processor(pixels, return_tensors="pt")
    return seen["pixel_values"], seen["regions"]


def tokens_of(assistant, shown):
    with torch.no_grad():
        return assistant.model.model.get_image_features(*shown).pooler_output


def test_without_pia_the_tokens_are_those_of_an_open_gate(given, shown):
    opened, closed = QuPaint.from_pretrained(given), QuPaint.from_pretrained(given)
    opened.model.model.pia_gate.set_(*OPEN_GATE)
    expected = tokens_of(opened, shown)
    assert not torch.equal(tokens_of(closed, shown), expected)
    for variant in ("none", "add", "channel"):  # what is new in them starts at 0
        found = tokens_of(started(given, variant), shown)
        torch.testing.assert_close(found, expected, msg=variant)


@pytest.mark.parametrize("variant", ["none", "gate_post", "add", "channel"])
def test_all_weights_but_those_of_pia_are_the_given_ones(given, variant):
    own = started(given, variant).model
    there = QuPaint.from_pretrained(given).model.state_dict()
    assert own.config.pia_variant == variant
    assert own.lm_head.weight is own.get_input_embeddings().weight  # tied, as before
    new = {name for name, weights in own.state_dict().items() if name not in there}
    assert all("pia_" in name for name in new)
    for name, weights in own.state_dict().items():
        if "pia_" not in name and weights.shape == there[name].shape:
            assert torch.equal(weights, there[name]), name
    if variant == "gate_post":
        gate = own.model.pia_gate
        assert (gate.weight.item(), gate.bias.item()) == TRAINING_START


def test_the_same_variant_keeps_its_gate(given):
    gate = started(given, "gate").model.model.pia_gate
    assert (gate.weight.item(), gate.bias.item()) == (3.0, 0.0)


def test_dialogues_are_kept_as_packing_keeps_them(data, given):
    images, processor = Images(data / "train"), QuPaint.from_pretrained(given).processor
    config = replace(SMALL.configs()[1], max_tokens=320)
    found = dialogues_kept(images, processor, config, count=1)
    rng = np.random.default_rng([config.seed, 5])
    row = images[0][0]
    image = pixels_of(row)
    talks = fresh_talks(seen_scene(row, image, flakes_of(row)), image, config, rng)
    packed = pack(processor, [talks[k] for k in rng.permutation(len(talks))], config.max_tokens)
    assert found["short"][1] + found["full"][1] == packed.talks < len(talks)
    assert found["full"][0] == sum(not talk.brief for talk in talks)
    assert dialogues_kept(images, processor, replace(config, full_share=0.0))["full"] == (0, 0)


def test_the_loss_of_a_model_that_knows_nothing_is_the_logarithm_of_its_vocabulary(data, given):
    assistant = QuPaint.from_pretrained(given)
    with torch.no_grad():
        assistant.model.lm_head.weight.zero_()
    found = losses_of(assistant, Images(data / "test"), 4)
    expected = np.log(assistant.model.config.text_config.vocab_size)
    assert found["mark"] == pytest.approx([expected] * 4, abs=1e-5)
    assert gain([{LOSS: found}], [{LOSS: found}], LOSS, np.random.default_rng(0)).value == 0.0


def test_a_cell_goes_on_from_given_weights_to_its_end(data, given, tmp_path):
    stages = replace(SMALL, start=str(given), joint_minutes=0.01)
    plan = Plan(stages, seeds=1, variants=("gate",), exam_images=2, loss_images=2)
    results = run_ablation(data, tmp_path / "out", plan)
    assert len(results) == 4
    for result in results:
        assert 1 <= result["steps"] < 200
        assert (result["dialogues"]["full"][0] > 0) == result["cell"]["pad"]
        assert np.isfinite(result["marks"][LOSS]["mark"]).all()
    before = {
        path.stem: json.loads(path.read_text()) for path in (tmp_path / "out/before").iterdir()
    }
    assert set(before) == {"none", "gate"}
    learned = [result["marks"][LOSS]["mark"] for result in results]
    assert before["gate"]["marks"][LOSS]["mark"] not in learned
    kept = collect_runs(ablation=tmp_path / "out", folder=tmp_path / "kept")
    assert kept["before"] == load_results(tmp_path / "kept")["before"] == before


def test_names_tell_cells_apart():
    cell = Cell("gate", True, 0.25, 1)
    assert cell.name == "gate-pad-real25-seed1"
    assert replace(cell, pad=False, real_share=0.0).name == "gate-short-seed1"
