"""What comes after the network: boxes in pixels, scores, merged windows; and what it all costs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qupaint_lib.answers import format_answer, parse_answer, to_percent
from qupaint_lib.errors import ArgumentError
from qupaint_lib.model import (
    CANVAS_TILES,
    QuPaint,
    QuPaintConfig,
    QuPaintProcessor,
    View,
    Window,
    box_scores,
    cost,
    forward_flops,
    from_scratch,
    merge_views,
    nano_tokenizer,
    parameter_count,
    token_budget,
    windows,
)
from qupaint_lib.model.regions import FEATURES, LAYERS
from qupaint_lib.model.scoring import digit_spans, label_span
from qupaint_lib.pia import attention_map

torch.set_num_threads(1)

RNG = np.random.default_rng(0)
ANSWER = format_answer("Two flakes.", [(12.5, 3.25, 8, 4.1), (50, 60.5, 20, 10)], [1, 2])


@pytest.fixture(scope="module")
def assistant() -> QuPaint:
    return from_scratch("tiny", np.random.default_rng(0), image_size=56)


def saying(monkeypatch: pytest.MonkeyPatch, texts: Iterator[str]) -> list:
    """Make every model say the given texts; return the inputs that it was given."""
    given_ = []

    def write(self: QuPaint, inputs: dict, *_: object) -> list[str]:
        given_.append(inputs)
        return [next(texts) for _ in inputs["input_ids"]]

    monkeypatch.setattr(QuPaint, "generate_texts", write)
    return given_


# Chat.
def test_boxes_come_in_pixels_of_the_image(assistant: QuPaint, monkeypatch) -> None:
    saying(monkeypatch, iter([ANSWER]))
    image = np.full((200, 400, 3), 128, dtype=np.uint8)
    answer = assistant.chat(image, "Which flakes?")
    assert answer.text == ANSWER
    assert answer.boxes == (pytest.approx((50, 6.5, 32, 8.2)), pytest.approx((200, 121, 80, 20)))
    assert answer.labels == ("Mono", "Few")
    assert answer.layer_counts == (1, 2)
    assert all(0 < score < 1 for score in answer.scores)


def test_greedy_is_repeatable_and_sampling_follows_its_generator(assistant: QuPaint) -> None:
    image = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    state = torch.get_rng_state()
    options = {"max_new_tokens": 30, "temperature": 1.0}

    def sample(seed: int) -> str:
        return assistant.chat(image, "x", rng=np.random.default_rng(seed), **options).text

    assert sample(1) == sample(1) != sample(2)
    greedy = [assistant.chat(image, "x", max_new_tokens=9).text for _ in range(2)]
    assert greedy[0] == greedy[1]
    assert torch.equal(torch.get_rng_state(), state)  # nothing global moved
    with pytest.raises(ArgumentError, match="rng"):
        assistant.chat(image, "x", **options)
    with pytest.raises(ArgumentError, match="temperature"):
        assistant.chat(image, "x", temperature=-1.0)
    with pytest.raises(ArgumentError, match="max_new_tokens"):
        assistant.chat(image, "x", max_new_tokens=0)


# Scores.
def test_a_score_is_the_probability_that_step_by_step_forward_passes_give(
    assistant: QuPaint,
) -> None:
    model, processor = assistant
    inputs = processor(np.full((64, 64, 3), 99, dtype=np.uint8), processor.prompt("Where?"))
    text = "monolayer: <box>12.50, 3.25, 8.00, 4.10</box>"
    tokens = processor.tokenizer(text)["input_ids"]
    words = processor.tokenizer.convert_ids_to_tokens(tokens)
    log_p = []
    for i, token in enumerate(tokens):  # one pass per token, nothing cached
        before = torch.cat([inputs["input_ids"], torch.tensor([tokens[:i]]).long()], dim=1)
        with torch.no_grad():
            logits = model(input_ids=before, pixel_values=inputs["pixel_values"]).logits[0, -1]
        log_p.append(float(logits.double().log_softmax(0)[token]))
    start = words.index("<box>")
    points = [i for i, word in enumerate(words) if word == "."]
    digits = [
        i for i in range(start, len(words)) if words[i].isdigit()
        and not any(p < i <= p + 2 for p in points)
    ]  # fmt: skip
    assert len(digits) == 5
    expected = math.exp(np.mean([log_p[i] for i in digits])) * math.exp(
        sum(log_p[: words.index(":")])
    )
    assert box_scores(model, processor, inputs, text) == (pytest.approx(expected, rel=1e-3),)


def test_the_digits_before_the_points_and_the_words_that_name_layers() -> None:
    spans = [parse_answer(ANSWER).spans[i] for i in (0, 1)]
    digits = [[ANSWER[a:b] for a, b in digit_spans(ANSWER, span)] for span in spans]
    assert digits == [["12", "3", "8", "4"], ["50", "60", "20", "10"]]
    labels = [label_span(ANSWER, s, label) for s, label in zip(spans, ("Mono", "Few"), strict=True)]
    assert [ANSWER[a:b] for a, b in labels] == ["monolayer", "few-layer (2 layers"]
    after = "<box>1.00, 2.00, 3.00, 4.00</box> is thick"
    begin, end = label_span(after, (0, 32), "Thick")
    assert after[begin:end] == "thick"
    assert label_span("<box>1, 2, 3, 4</box>", (0, 21), None) is None


def test_text_without_boxes_has_no_scores(assistant: QuPaint) -> None:
    inputs = assistant.processor(
        np.full((64, 64, 3), 99, dtype=np.uint8), assistant.processor.prompt("x")
    )
    assert box_scores(*assistant, inputs, "No flakes.") == ()


# Windows.
SHAPE, SIDE, OVERLAP = (500, 700), 196, 62
WINDOW = (SIDE, SIDE)


def views_of(boxes: list[tuple], frames: list[Window]) -> list[View]:
    """What a faultless model sees: every box, cut to every window."""
    seen = []
    for i, (x, y, w, h) in enumerate(boxes):
        for frame in frames:
            left, top = max(x, frame.x), max(y, frame.y)
            right = min(x + w, frame.x + frame.width)
            bottom = min(y + h, frame.y + frame.height)
            if right > left and bottom > top:
                box = (left, top, right - left, bottom - top)
                seen.append(View(box, frame, "Mono", i + 1, 0.5))
    return seen


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 77))
def test_flakes_seen_by_several_windows_are_counted_once(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    cells = rng.permutation(77)[:count]  # of a grid of 11 × 7 fields, so that boxes are apart
    sizes = rng.integers(4, 61, (count, 2))
    corners = np.stack([cells % 11 * 63, cells // 11 * 70], axis=1) + rng.integers(0, 3, (count, 2))
    boxes = [tuple(map(float, (*c, *s))) for c, s in zip(corners, sizes, strict=True)]
    merged = merge_views(views_of(boxes, windows(SHAPE, WINDOW, OVERLAP)), SHAPE)
    assert sorted(view.box for view in merged) == sorted(boxes)
    assert {boxes.index(view.box) + 1 for view in merged} == {v.layer_count for v in merged}


def test_a_flake_larger_than_every_window_is_put_together() -> None:
    big = (50.0, 40.0, 600.0, 420.0)
    merged = merge_views(views_of([big], windows(SHAPE, WINDOW, OVERLAP)), SHAPE)
    assert [view.box for view in merged] == [big]


def test_a_terrace_inside_a_crystal_stays_apart() -> None:
    boxes = [(150.0, 100.0, 60.0, 60.0), (160.0, 110.0, 25.0, 25.0), (400.0, 300.0, 10.0, 10.0)]
    merged = merge_views(views_of(boxes, windows(SHAPE, WINDOW, OVERLAP)), SHAPE)
    assert sorted(view.box for view in merged) == boxes


def test_the_surest_whole_view_names_the_flake() -> None:
    left, right = windows((200, 340), (200, 200), 60)
    cut_view = View((150, 50, 50, 40), left, "Thick", 5, 0.9)  # ends at the window's edge
    whole = View((150, 50, 55, 40), right, "Mono", 1, 0.6)
    assert merge_views([cut_view, whole], (200, 340)) == [whole]
    other = View((150, 51, 40, 40), right, "Few", 2, 0.7)
    assert merge_views([View((150, 50, 40, 40), left, "Mono", 1, 0.6), other], (200, 340)) == [
        other
    ]
    assert merge_views([], SHAPE) == []


def test_a_whole_micrograph_is_asked_window_by_window(monkeypatch) -> None:
    """The faultless answers of all windows give back every flake of the image."""
    assistant = from_scratch("tiny", np.random.default_rng(0), image_size=SIDE)
    image = np.full((*SHAPE, 3), 120, dtype=np.uint8)
    boxes = [(90.0 + 150 * i, 30.0 + 110 * j, 40.0, 30.0) for i in range(4) for j in range(4)]
    for x, y, w, h in boxes:
        image[int(y) : int(y + h), int(x) : int(x + w)] = (90, 140, 120)
    frames = windows(SHAPE, WINDOW, OVERLAP)
    texts = []
    for frame in frames:
        inside = [view for view in views_of(boxes, [frame])]
        local = [(v.box[0] - frame.x, v.box[1] - frame.y, *v.box[2:]) for v in inside]
        percent = [to_percent(box, (frame.height, frame.width)) for box in local]
        texts.append(format_answer("Flakes.", percent, [1] * len(percent)))
    given_ = saying(monkeypatch, iter(texts))
    answer = assistant.chat_full_resolution(image, "Which flakes?", overlap_px=OVERLAP)
    assert len(answer.boxes) == 16
    np.testing.assert_allclose(sorted(answer.boxes), sorted(boxes), atol=0.02 * SIDE / 100)
    assert set(answer.labels) == {"Mono"}
    assert len(answer.scores) == 16
    read = parse_answer(answer.text)
    assert (len(read.boxes), read.complete) == (16, True)
    # Attention: substrate of the whole image is 0 in every window, flakes are 1 in every window.
    alpha = torch.cat([inputs["pixel_values"] for inputs in given_])[:, 3]
    assert alpha.shape[0] == len(frames)
    assert alpha.min() == 0
    assert ((alpha < 0.02) | (alpha > 0.3)).float().mean() > 0.8


def test_windows_of_one_flake_share_the_background_of_the_image(assistant: QuPaint) -> None:
    """A window that a flake fills would call it substrate; the whole image knows better."""
    image = np.full((224, 224, 3), 120, dtype=np.uint8)
    image[:56, :56] = (90, 140, 120)
    frames = windows(image.shape[:2], (56, 56), 0)
    parts = [image[w.y : w.y + 56, w.x : w.x + 56] for w in frames]
    alpha = assistant._joint_attention(image, parts, (1, 1))
    assert alpha.shape == (16, 4, 4)
    np.testing.assert_allclose(alpha[0], 1, atol=1e-4)
    assert (alpha[1:] == 0).all()
    assert (attention_map(parts[0], size=(56, 56)) == 0).all()


# Costs.
TABLE_4 = {"1B": (1.1, 1.5), "2B": (2.3, 3.4), "4B": (4.7, 7.9), "8B": (8.5, 14.5)}  # G, TFLOP


@pytest.mark.parametrize("size", TABLE_4)
def test_parameters_and_flops_of_table_4(size: str) -> None:
    found = cost(QuPaintConfig.from_size(size))
    assert found.parameters / 1e9 == pytest.approx(TABLE_4[size][0], abs=0.05)
    assert found.flops / 1e12 == pytest.approx(TABLE_4[size][1], abs=0.05)


def test_parameters_of_the_parts() -> None:
    config = QuPaintConfig.from_size("nano")
    counts = parameter_count(config)
    assert sum(counts.values()) == pytest.approx(17.6e6, rel=0.005)
    assert (counts["pia"], counts["lm_head"], counts["dense_head"]) == (2, 0, 0)
    large = parameter_count(QuPaintConfig.from_size("1B"))
    assert large["lm_head"] == 151_936 * 1024
    assert large["vision_tower"] == pytest.approx(304e6, rel=0.01)  # "InternViT-300M"


@pytest.mark.parametrize(
    "options",
    [
        {"image_size": 56},
        {"image_size": 64, "patch_size": 16, "conv_stem": True},
        {
            "image_size": 56,
            "dense_classes": 6,
            "dense_boxes": True,
            "region_tokens": 3,
            "location_token_id": 9,
        },
    ],
)
def test_flops_are_those_that_torch_counts(options: dict) -> None:
    """Our count, attention and head included, against the dispatcher's own of a forward pass."""
    from torch.utils.flop_counter import FlopCounterMode

    assistant = from_scratch("tiny", np.random.default_rng(0), **options)
    model, length = assistant.model, 40
    model.set_attn_implementation("eager")
    ids = torch.full((1, length), 50)
    ids[0, : model.config.image_seq_length] = model.config.image_token_id
    side = model.config.tile_px
    count = model.config.region_tokens
    regions = {"regions": torch.ones(1, count, FEATURES)} if count else {}
    model.train()  # in evaluation torch fuses the layers of the regions' head, and does not count
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(input_ids=ids, pixel_values=torch.zeros(1, 4, side, side), **regions)
    ours = forward_flops(model.config, decoder_tokens=length, attention=True, lm_head=True)
    text = model.config.text_config
    width = text.num_attention_heads * text.head_dim
    unmasked = 2.0 * length**2 * width * text.num_hidden_layers  # eager computes both triangles
    fused = 4.0 * count**2 * text.hidden_size * LAYERS  # a kernel that torch does not count
    assert sum(ours.values()) + unmasked - fused == counter.get_total_flops()


def test_flops_grow_with_tiles_and_tokens() -> None:
    config = QuPaintConfig.from_size("1B")
    one, many = forward_flops(config), forward_flops(config, tiles=13, decoder_tokens=4000)
    assert many["vision_tower"] == 13 * one["vision_tower"]
    assert many["language_model"] == 4 * one["language_model"]


def test_a_full_list_of_flakes_outgrows_the_context() -> None:
    """The paper's second limitation, in tokens."""
    config = QuPaintConfig.from_size("nano")
    processor = QuPaintProcessor.from_config(config, nano_tokenizer(), tiles=CANVAS_TILES)

    def budget(count: int, tiles: tuple[int, int] | None = None):
        boxes = [(float(i % 90), float(i % 80), 5.0, 5.0) for i in range(count)]
        answer = format_answer("Flakes.", boxes, [1] * count)
        return token_budget(config, processor, "Which flakes?", answer, tiles=tiles)

    few, many = budget(8), budget(250)
    assert few.visual == many.visual == 13 * 256
    assert few.fits
    assert not many.fits
    assert 25 <= (many.answer - few.answer) / 242 <= 45  # tokens per flake
    assert budget(8, (1, 1)).visual == 256
    prompt, answer = (
        processor.prompt("Which flakes?"),
        format_answer("Flakes.", [(1, 2, 3, 4)], [1]),
    )
    image = np.full((64, 64, 3), 99, dtype=np.uint8)
    counted = token_budget(config, processor, "Which flakes?", answer)
    batch = processor(image, prompt + answer + "<|im_end|>")
    assert counted.total == batch["input_ids"].shape[1]
