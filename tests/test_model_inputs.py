"""What comes before the network: tokens, tiles, attention, and refusals of bad input."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from qupaint_lib.answers import format_box
from qupaint_lib.errors import ArgumentError, ImageError
from qupaint_lib.model import (
    CANVAS_TILES,
    QuPaintConfig,
    QuPaintImageProcessor,
    QuPaintProcessor,
    from_scratch,
    location_tokens,
    nano_tokenizer,
    train_tokenizer,
)
from qupaint_lib.model.tiling import IMAGENET_MEAN, IMAGENET_STD, SUBSTRATE_GAIN, relief, windows
from qupaint_lib.model.tokens import ANSWER_TOKENS, CONTROL_TOKENS, NANO_IMAGE_TOKEN
from qupaint_lib.pia import attention_map, pia_torch

torch.set_num_threads(1)

RNG = np.random.default_rng(0)
TOKENIZER = nano_tokenizer()
BOX = "<CONCLUSION>\n- few-layer (2 layers): <box>12.50, 3.25, 8.00, 4.10</box>\n</CONCLUSION>"


def picture(height: int, width: int) -> np.ndarray:
    """A smooth 8-bit image with a coloured square."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    image = np.stack([110 + 10 * x, 120 + 15 * y, 130 - 8 * x * y], axis=-1)
    image[height // 3 : height // 2, width // 4 : width // 2] += (-20, 25, 10)
    return (image + RNG.normal(0, 1.5, image.shape)).clip(0, 255).astype(np.uint8)


def processor(size: str = "tiny", tiles: tuple[int, int] = (1, 1), **kwargs) -> QuPaintProcessor:
    return QuPaintProcessor.from_config(
        QuPaintConfig.from_size(size, **kwargs), TOKENIZER, tiles=tiles
    )


def expected_rgb(tiles: list[np.ndarray]) -> np.ndarray:
    scaled = np.stack(tiles).astype(np.float64) / 255
    return ((scaled - IMAGENET_MEAN) / IMAGENET_STD).transpose(0, 3, 1, 2)


# Tokenizer.
@given(st.text(max_size=60))
def test_any_text_comes_back(text: str) -> None:
    ids = TOKENIZER(text)["input_ids"]
    assert TOKENIZER.decode(ids) == unicodedata.normalize("NFC", text)


@given(st.integers(0, 10**12))
def test_digits_stand_alone(number: int) -> None:
    assert len(TOKENIZER(str(number))["input_ids"]) == len(str(number))


def test_the_vocabulary_and_its_first_tokens() -> None:
    assert len(TOKENIZER) == 2048
    special = [*CONTROL_TOKENS, *ANSWER_TOKENS]
    assert TOKENIZER.convert_tokens_to_ids(special) == list(range(len(special)))
    assert TOKENIZER.convert_tokens_to_ids("<IMG_CONTEXT>") == NANO_IMAGE_TOKEN
    assert TOKENIZER.decode(TOKENIZER(BOX)["input_ids"], skip_special_tokens=True) == BOX
    assert len(TOKENIZER(BOX)["input_ids"]) < 50


def test_the_tokenizer_is_the_same_in_another_process() -> None:
    code = (
        "from qupaint_lib.model.tokenizer import nano_tokenizer\n"
        "print(nano_tokenizer().backend_tokenizer.to_str(), end='')"
    )
    options = {"capture_output": True, "text": True, "timeout": 100, "check": True}
    found = subprocess.run([sys.executable, "-c", code], **options).stdout
    assert found == TOKENIZER.backend_tokenizer.to_str()


def test_a_tokenizer_learns_other_text_and_keeps_extra_tokens() -> None:
    texts = ["an unusual exfoliation"] * 5
    tokenizer = train_tokenizer(texts, vocab_size=400, extra_tokens=["<loc_1>"])
    assert len(tokenizer) <= 400
    assert len(tokenizer(" unusual exfoliation<loc_1>")["input_ids"]) == 3
    with pytest.raises(ArgumentError, match="vocab_size"):
        train_tokenizer(texts, vocab_size=100)


# Tiles and attention.
def test_one_tile_is_internvls_own_and_the_papers_attention() -> None:
    image = picture(448, 448)
    made = QuPaintImageProcessor().preprocess(image, return_tensors="np")["pixel_values"]
    assert made.shape == (1, 4, 448, 448)
    np.testing.assert_allclose(made[:, :3], expected_rgb([image]), atol=2e-6)
    np.testing.assert_array_equal(made[0, 3], attention_map(image).astype(np.float32))
    tensor = torch.tensor(image / 255).permute(2, 0, 1)[None].float()
    np.testing.assert_allclose(made[0, 3], pia_torch.attention_map(tensor)[0], atol=1e-4)


@pytest.mark.parametrize("shape", [(300, 500), (600, 448), (1200, 1920)])
def test_other_sizes_are_resized_as_the_library_resizes_them(shape: tuple[int, int]) -> None:
    image = picture(*shape)
    theirs = GotOcr2ImageProcessorPil(
        size={"height": 448, "width": 448}, image_mean=IMAGENET_MEAN, image_std=IMAGENET_STD
    )
    expected = theirs(image, return_tensors="np")["pixel_values"]
    made = QuPaintImageProcessor(pia=False).preprocess(image, return_tensors="np")["pixel_values"]
    assert made.shape == (1, 3, 448, 448)
    np.testing.assert_allclose(made, expected, atol=2e-6)


def test_the_released_canvas_has_13_tiles_and_one_attention() -> None:
    image = picture(600, 900)
    canvas = Image.fromarray(image).resize((1792, 1344), Image.Resampling.BICUBIC)
    theirs = GotOcr2ImageProcessorPil(
        size={"height": 448, "width": 448},
        image_mean=IMAGENET_MEAN,
        image_std=IMAGENET_STD,
        crop_to_patches=True,
    )
    expected = theirs(canvas, return_tensors="np")
    made = QuPaintImageProcessor(tiles=CANVAS_TILES).preprocess(image, return_tensors="np")
    assert made["num_patches"].tolist() == expected["num_patches"].tolist() == [13]
    tiles = made["pixel_values"]
    np.testing.assert_allclose(tiles[:, :3], expected["pixel_values"], atol=2e-6)
    whole = attention_map(np.asarray(canvas), size=(1344, 1792))  # one background, one min–max
    rows = [np.concatenate(list(tiles[i : i + 4, 3]), axis=1) for i in (0, 4, 8)]
    np.testing.assert_array_equal(np.concatenate(rows), whole.astype(np.float32))
    blocks = whole[::14, ::14].reshape(32, 3, 32, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(tiles[12, 3, ::14, ::14], blocks, atol=1e-6)


def test_a_fixed_scale_keeps_how_strong_the_contrast_is() -> None:
    image = picture(448, 448)
    faint = (0.5 * (image.astype(float) - 120) + 120).round().astype(np.uint8)
    fixed = QuPaintImageProcessor(pia_delta_e_scale=20.0)
    strong, weak = (fixed.preprocess(i)["pixel_values"][0, 3] for i in (image, faint))
    delta_e = attention_map(image, normalise=False)
    np.testing.assert_allclose(strong, np.minimum(delta_e / 20, 1), atol=1e-6)
    assert weak.max() == pytest.approx(strong.max() / 2, rel=0.1)
    free = QuPaintImageProcessor()
    ours, theirs = (free.preprocess(i)["pixel_values"][0, 3].max() for i in (image, faint))
    assert ours == pytest.approx(theirs) == pytest.approx(1, abs=1e-5)


def test_floats_and_pictures_are_the_same_as_bytes() -> None:
    image, made = picture(200, 300), []
    floats, nearly = (image / 255).astype(np.float32), (image - 0.3) / 255
    for given_ in (image, floats, image / 255, nearly, Image.fromarray(image)):
        made.append(QuPaintImageProcessor(tile_px=112).preprocess(given_)["pixel_values"])
    assert all(np.array_equal(made[0], other) for other in made[1:])


@given(st.integers(32, 3000), st.integers(32, 3000), st.integers(32, 900), st.floats(0, 0.9))
def test_windows_cover_and_overlap(height: int, width: int, side: int, share: float) -> None:
    overlap = int(share * side)
    frames = windows((height, width), (side, side), overlap)
    assert {(w.width, w.height) for w in frames} == {(min(side, width), min(side, height))}
    for length, axis in ((width, 0), (height, 1)):
        starts = sorted({frame[axis] for frame in frames})
        assert starts[0] == 0
        assert starts[-1] + min(side, length) == length
        steps = np.diff(starts)
        assert (steps > 0).all()
        assert (min(side, length) - steps >= overlap).all()


# Prompts.
def test_placeholders_become_visual_tokens() -> None:
    made = processor(tiles=(2, 1), image_size=112)
    prompt = made.prompt("How many?")
    assert prompt == (
        "<|im_start|>user\n<IMG_CONTEXT>\nHow many?<|im_end|>\n<|im_start|>assistant\n"
    )
    batch = made(picture(100, 200), prompt)
    text = TOKENIZER.decode(batch["input_ids"][0])
    visual = "<img>" + "<IMG_CONTEXT>" * 48 + "</img>"  # two tiles and a thumbnail of 16 each
    assert text == prompt.replace("<IMG_CONTEXT>", visual)
    assert made.visual_tokens() == 48
    assert made.visual_tokens((1, 1)) == 16
    assert batch["pixel_values"].shape == (3, 4, 112, 112)


def test_two_images_in_one_prompt() -> None:
    made = processor(image_size=112)
    prompt = made.prompt("Which is thinner?", images=2)
    batch = made([picture(100, 200), picture(64, 64)], prompt)
    assert (batch["input_ids"] == NANO_IMAGE_TOKEN).sum() == 32
    assert batch["pixel_values"].shape[0] == 2


def test_answers_and_a_system_turn_stand_in_the_prompt() -> None:
    config = QuPaintConfig.from_size("tiny")
    made = QuPaintProcessor.from_config(config, TOKENIZER, system_message="Be brief.")
    prompt = made.prompt("Count.", "Two.")
    assert prompt.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n")
    assert prompt.endswith("<|im_start|>assistant\nTwo.<|im_end|>\n")


# Bad input.
BAD_IMAGES = {
    "one pixel": np.zeros((1, 1, 3), dtype=np.uint8),
    "greyscale": np.zeros((64, 64), dtype=np.uint8),
    "one channel": np.zeros((64, 64, 1), dtype=np.uint8),
    "alpha": np.zeros((64, 64, 4), dtype=np.uint8),
    "16 bit": np.zeros((64, 64, 3), dtype=np.uint16),
    "NaN": np.full((64, 64, 3), np.nan),
    "codes as floats": np.full((64, 64, 3), 200.0),
    "a greyscale picture": Image.new("L", (64, 64)),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
@pytest.mark.parametrize("pia", [True, False])
def test_bad_images_are_refused(name: str, pia: bool) -> None:
    with pytest.raises(ImageError, match="image"):
        QuPaintImageProcessor(pia=pia).preprocess(BAD_IMAGES[name])


def test_placeholders_and_images_must_agree() -> None:
    made, image = processor(image_size=112), picture(64, 64)
    with pytest.raises(ArgumentError, match="no placeholder"):
        made(image, "How many flakes?")
    with pytest.raises(ArgumentError, match="images = 2: as many as the 1 placeholders"):
        made([image, image], made.prompt("x"))
    with pytest.raises(ArgumentError, match="images = 0"):
        made(None, made.prompt("x"))
    with pytest.raises(ArgumentError, match="text"):
        made(image)


def test_a_question_longer_than_the_context_is_refused() -> None:
    assistant = from_scratch("tiny", np.random.default_rng(0), image_size=112)
    with pytest.raises(ArgumentError, match=r"tokens.*context"):
        assistant.chat(picture(64, 64), "flake " * 9000)
    short = from_scratch("tiny", np.random.default_rng(0), image_size=112)
    short.model.config.text_config.max_position_embeddings = 64
    with pytest.raises(ArgumentError, match="fewer than 64 tokens"):
        short.chat(picture(64, 64), "flake " * 60)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"image_size": 224}, "image_seq_length"),
        ({"image_size": 224, "patch_size": 28}, "tile_px"),
        ({"pia_variant": "none"}, "pia"),
        ({"pia_delta_e_scale": 30.0}, "pia_delta_e_scale"),
        ({"image_token_id": 7}, "image_token_id"),
        ({"vocab_size": 1000}, "tokenizer"),
    ],
)
def test_a_processor_of_another_model_is_refused(options: dict, name: str) -> None:
    other = QuPaintConfig.from_size("tiny", **{"image_size": 112, **options})
    with pytest.raises(ArgumentError, match=name):
        processor(image_size=112).check_fits(other)


def test_wrong_options_are_refused() -> None:
    made, image = QuPaintImageProcessor(tile_px=112), picture(64, 64)
    with pytest.raises(ArgumentError, match="tiles"):
        made.preprocess(image, tiles=(0, 1))
    with pytest.raises(ArgumentError, match="attention"):
        made.preprocess(image, attention=[np.zeros((3, 3))])
    with pytest.raises(ArgumentError, match="do_resize"):
        made.preprocess(image, do_resize=False)
    with pytest.raises(ArgumentError, match="tile_px"):
        QuPaintImageProcessor(tile_px=100)
    with pytest.raises(ArgumentError, match="overlap_px"):
        windows((100, 100), (60, 50), 50)


def test_location_tokens_make_five_of_a_box() -> None:
    tokens = location_tokens(0.5)
    assert len(tokens) == 2 * 201
    tokenizer = train_tokenizer(["monolayer at"] * 20, extra_tokens=tokens)
    text = f"monolayer at {format_box((12.5, 0.0, 87.5, 100.0))}"
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    box = tokenizer(format_box((12.5, 0.0, 87.5, 100.0)))["input_ids"]
    assert tokenizer.convert_ids_to_tokens(box) == [
        "<box>", "12.50, ", "0.00, ", "87.50, ", "100.00</box>",
    ]  # fmt: skip
    for wrong in (0.0, 0.3, 0.005, -1.0):
        with pytest.raises(ArgumentError, match="step"):
            location_tokens(wrong)


def test_relief_brings_out_what_deviates_from_the_substrate() -> None:
    tiles = np.full((1, 3, 8, 8), 0.6, dtype=np.float32)
    tiles[0, 0, :2, :2] += 0.05  # a flake that is little brighter in red
    out = relief(tiles, 4.0)
    np.testing.assert_allclose(out[0, 1], SUBSTRATE_GAIN * 0.6, atol=1e-6)
    np.testing.assert_allclose(out[0, 0, 0, 0], SUBSTRATE_GAIN * 0.6 + 4 * 0.05, atol=1e-6)


def test_questions_are_asked_with_boxes_on_the_grid() -> None:
    _, processor = from_scratch("tiny", np.random.default_rng(0), image_size=112)
    processor.box_step = 0.5
    asked = processor.asked("Is <box>10.11, 20.00, 30.30, 5.49</box> thick?", brief=True)
    assert asked == (
        "Is <box>10.00, 20.00, 30.50, 5.50</box> thick? Answer with the conclusion only."
    )
