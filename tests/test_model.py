"""The network: PIA's variants, equality with plain InternVL, generation, saving, learning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    InternVLConfig,
    InternVLForConditionalGeneration,
)

from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.model import (
    PIA_VARIANTS,
    PiaGate,
    QuPaint,
    QuPaintConfig,
    QuPaintForConditionalGeneration,
    attention_scores,
    box_scores,
    from_scratch,
)

torch.set_num_threads(1)

TILE, TOKENS = 112, 16  # 8 × 8 patches, 4 × 4 visual tokens
QUESTION = "How many material flakes are there in the image?"


def pair(variant: str = "gate", **options: object) -> QuPaint:
    """A tiny model and its processor, the same every time."""
    options = {"image_size": TILE, **options}
    return from_scratch("tiny", np.random.default_rng(0), pia_variant=variant, **options)


def images(*shapes: tuple[int, int]) -> list[np.ndarray]:
    """Grey images with a green square."""
    rng, made = np.random.default_rng(1), []
    for height, width in shapes:
        image = rng.normal(0.5, 0.02, (height, width, 3)).astype(np.float32)
        image[height // 4 : height // 2, width // 5 : width // 4 * 3, 1] += 0.2
        made.append(image.clip(0, 1))
    return made


def batch_of(assistant: QuPaint, *, labels: bool = False, **kwargs: object) -> dict:
    prompt = assistant.processor.prompt(QUESTION, "Two <box>1.00, 2.00, 3.00, 4.00</box>.")
    batch = assistant.processor(images((120, 150)), prompt, **kwargs)
    return {**batch, "labels": batch["input_ids"].clone()} if labels else dict(batch)


def plain_internvl(model: QuPaintForConditionalGeneration) -> InternVLForConditionalGeneration:
    """The library's own model with the same weights."""
    stored = model.config.to_dict()
    text, vision = dict(stored["text_config"]), dict(stored["vision_config"])
    tied = stored["tie_word_embeddings"]
    config = InternVLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=stored["image_token_id"],
        tie_word_embeddings=tied,
    )
    base = InternVLForConditionalGeneration(config).eval()
    ours = {k: v for k, v in model.state_dict().items() if ".pia_" not in k}
    base.load_state_dict(ours, strict=True)
    return base


@pytest.fixture(scope="module")
def assistant() -> QuPaint:
    return pair()


# Eq. 4–6 and what they do.
def test_an_open_gate_is_the_base_model_to_the_last_bit(assistant: QuPaint) -> None:
    model = pair().model
    model.model.pia_gate.set_(0, 30)
    batch = batch_of(assistant)
    plain = {**batch, "pixel_values": batch["pixel_values"][:, :3]}
    with torch.no_grad():
        assert torch.equal(model(**batch).logits, plain_internvl(model)(**plain).logits)


def test_the_training_start_has_a_gradient_and_the_open_gate_has_none(assistant: QuPaint) -> None:
    model = pair().model
    batch = batch_of(assistant, labels=True)
    gate = model.model.pia_gate
    assert (gate.weight.item(), gate.bias.item()) == (1, 2)
    assert gate.weight.shape == gate.bias.shape == (1,)
    model(**batch).loss.backward()
    assert abs(gate.weight.grad.item()) > 1e-9 < abs(gate.bias.grad.item())
    model.zero_grad()
    gate.set_(0, 30)
    model(**batch).loss.backward()
    assert gate.weight.grad.item() == gate.bias.grad.item() == 0


def test_equations_5_and_6_by_hand(assistant: QuPaint) -> None:
    core = assistant.model.model
    pixels = batch_of(assistant)["pixel_values"]
    with torch.no_grad():
        patches = core.vision_tower(pixel_values=pixels[:, :3]).last_hidden_state[:, 1:]
        alpha = pixels[0, 3, ::14, ::14].reshape(-1)  # constant within a patch
        gated = patches[0] / (1 + torch.exp(-(1.0 * alpha + 2.0)))[:, None]  # (64, d_v)
        groups = gated.reshape(4, 2, 4, 2, -1)  # token row, row in it, token column, column in it
        # The channels of a token: first the columns of a group, then the rows (pixel shuffle v2).
        tokens = groups.permute(0, 2, 1, 3, 4).reshape(TOKENS, -1)
        expected = core.multi_modal_projector(tokens)
        found = core.get_image_features(pixels)
    assert_close(found.pooler_output[0], expected, atol=1e-6, rtol=1e-5)
    assert_close(found.last_hidden_state, patches)


@pytest.mark.parametrize("variant", ["gate_post", "add"])
def test_the_variants_past_the_projector_by_hand(assistant: QuPaint, variant: str) -> None:
    core = pair(variant).model.model
    pixels = batch_of(assistant)["pixel_values"]
    alpha = pixels[0, 3, ::14, ::14].reshape(4, 2, 4, 2).mean(dim=(1, 3)).reshape(TOKENS, 1)
    with torch.no_grad():
        for parameter in (p for name, p in core.named_parameters() if "pia_" in name):
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
        patches = core.vision_tower(pixel_values=pixels[:, :3]).last_hidden_state[:, 1:]
        plain = core.multi_modal_projector(core._shuffle(patches))[0]
        if variant == "add":
            expected = plain + alpha * core.pia_embedding.weight + core.pia_embedding.bias
        else:
            expected = plain * torch.sigmoid(core.pia_gate.weight * alpha + core.pia_gate.bias)
        found = core.get_image_features(pixels).pooler_output[0]
    assert not torch.allclose(alpha.reshape(4, 4), alpha.reshape(4, 4).T)
    assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_a_token_and_its_attention_look_at_the_same_place() -> None:
    core = pair("gate_post").model.model
    row, column = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    places = torch.stack([row, column], dim=-1).reshape(1, 64, 2)
    groups = core._shuffle(places)[0].reshape(TOKENS, 4, 2)
    pixels = torch.zeros(1, 4, TILE, TILE)
    pixels[0, 3] = (
        torch.arange(64.0).reshape(8, 8).repeat_interleave(14, 0).repeat_interleave(14, 1)
    )
    cells = attention_scores(pixels, 28)[0]
    assert_close((groups[..., 0] * 8 + groups[..., 1]).mean(dim=1), cells)
    assert_close(attention_scores(pixels, 14)[0], torch.arange(64.0))


def test_the_projectors_layer_norm_cancels_a_gate_that_is_even_over_a_token() -> None:
    """What the paper does not mention: only differences of α within 2 × 2 patches pass."""
    rng = torch.Generator().manual_seed(0)
    even = torch.rand(1, 1, 4, 4, generator=rng).repeat_interleave(28, 2).repeat_interleave(28, 3)
    uneven = torch.rand(1, 1, 8, 8, generator=rng).repeat_interleave(14, 2)
    uneven = uneven.repeat_interleave(14, 3)
    image = torch.randn(1, 3, TILE, TILE, generator=rng)

    def change(variant: str, alpha: torch.Tensor) -> float:
        core = pair(variant).model.model
        core.pia_gate.set_(4, -2)
        with torch.no_grad():
            tokens = core.get_image_features(torch.cat([image, alpha], 1)).pooler_output
            none = core.get_image_features(torch.cat([image, alpha * 0], 1)).pooler_output
        return float((tokens - none).norm() / none.norm())

    assert change("gate", even) < 3e-3  # the LayerNorm's epsilon is all that is left
    assert change("gate", uneven) > 0.02
    assert change("gate_post", even) > 0.2


@pytest.mark.parametrize("variant", PIA_VARIANTS)
def test_every_variant_learns(variant: str) -> None:
    """Gradients reach PIA's own weights, and the attention changes the loss."""
    assistant = pair(variant)
    model, batch = assistant.model, batch_of(assistant, labels=True)
    model(**batch).loss.backward()
    own = [p for name, p in model.named_parameters() if ".pia_" in name]
    assert len(own) == {"none": 0, "channel": 0}.get(variant, 2)
    assert all(p.grad.abs().max() > 0 for p in own)
    embedding = model.model.vision_tower.embeddings.patch_embeddings.projection
    assert embedding.weight.shape[1] == (4 if variant == "channel" else 3)
    assert embedding.weight.grad[:, -1].abs().max() > 0
    if variant == "none":
        assert batch["pixel_values"].shape[1] == 3
        return
    with torch.no_grad():
        for parameter in own:
            parameter.add_(0.3)
        moved = {**batch, "pixel_values": batch["pixel_values"].clone()}
        moved["pixel_values"][:, 3] = 1 - moved["pixel_values"][:, 3]
        assert model(**moved).loss != model(**batch).loss


def test_the_variant_add_starts_as_the_base_model(assistant: QuPaint) -> None:
    model, batch = pair("add").model, batch_of(assistant)
    plain = {**batch, "pixel_values": batch["pixel_values"][:, :3]}
    with torch.no_grad():
        assert_close(model(**batch).logits, plain_internvl(model)(**plain).logits)


def test_a_gate_without_attention_is_refused(assistant: QuPaint) -> None:
    batch = batch_of(assistant)
    with pytest.raises(ArgumentError, match="pixel_values"):
        assistant.model(**{**batch, "pixel_values": batch["pixel_values"][:, :3]})


# Configuration and start.
def test_unknown_names_and_wrong_numbers_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'gate'"):
        QuPaintConfig.from_size("tiny", pia_variant="gates")
    with pytest.raises(UnknownNameError, match="size"):
        QuPaintConfig.from_size("3B")
    for wrong in (
        {"pia_delta_e_scale": 0.0},
        {"contrast_gain": 0.0},
        {"dense_classes": -1},
        {"image_size": 50},
    ):
        with pytest.raises(ArgumentError, match=next(iter(wrong))):
            QuPaintConfig.from_size("tiny", **wrong)
    with pytest.raises(ArgumentError, match="vision_feature_layer"):
        QuPaintConfig.from_size("tiny", vision_feature_layer=-2)


def test_a_model_from_scratch_starts_as_the_study_says() -> None:
    model = pair().model
    tower = model.model.vision_tower
    for parameter in (tower.embeddings.position_embeddings, model.lm_head.weight):
        assert parameter.std().item() == pytest.approx(0.02, rel=0.1)
    assert tower.embeddings.cls_token.abs().max() > 0
    assert (tower.encoder.layer[0].lambda_1 == 1).all()
    assert model.lm_head.weight is model.get_input_embeddings().weight
    assert torch.equal(model.lm_head.weight, pair().model.lm_head.weight)  # the same rng


def test_the_gate_stays_in_float32_and_the_model_runs_in_bfloat16(
    assistant: QuPaint, tmp_path
) -> None:
    assistant.save_pretrained(tmp_path)
    model = QuPaint.from_pretrained(tmp_path, dtype=torch.bfloat16).model
    assert model.model.pia_gate.weight.dtype == torch.float32
    assert model.lm_head.weight.dtype == torch.bfloat16
    batch = batch_of(assistant)
    ours, exact = model(**batch).logits.float(), assistant.model(**batch).logits
    assert (ours - exact).abs().max() < 0.05 * exact.abs().max()


def test_steps_that_bfloat16_would_lose_move_the_gate() -> None:
    gate = PiaGate(1, 2).to(torch.float32)
    with torch.no_grad():
        gate.weight += 1e-3
    assert gate.weight.item() == pytest.approx(1.001)
    assert torch.tensor(1.0, dtype=torch.bfloat16) + 1e-3 == 1


# Generation.
def test_cached_generation_equals_uncached(assistant: QuPaint) -> None:
    inputs = assistant.processor(images((120, 150)), assistant.processor.prompt(QUESTION))
    options = {"max_new_tokens": 12, "do_sample": False, "eos_token_id": None}
    cached = assistant.model.generate(**inputs, use_cache=True, **options)
    assert torch.equal(cached, assistant.model.generate(**inputs, use_cache=False, **options))
    assert cached.shape[1] == inputs["input_ids"].shape[1] + 12


def test_a_padded_batch_of_different_sizes_equals_one_by_one(assistant: QuPaint) -> None:
    model, processor = assistant
    pictures = images((120, 150), (64, 200), (112, 112))
    questions = ("Count.", QUESTION, f"{QUESTION} {QUESTION}")
    prompts = [processor.prompt(question) for question in questions]
    together = processor(pictures, prompts)
    assert (together["attention_mask"][0] == 0).any()
    assert together["input_ids"][0, 0] == processor.tokenizer.pad_token_id  # on the left
    with torch.no_grad():
        logits = model(**together).logits[:, -1]
        for i, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True)):
            alone = model(**processor(picture, prompt)).logits[0, -1]
            assert_close(logits[i], alone, atol=1e-5, rtol=1e-4)


def test_a_prompt_costs_the_logits_of_one_token(assistant: QuPaint) -> None:
    """All logits of a canvas's 3,400 tokens would take 2 GB with Qwen's vocabulary."""
    shapes = []
    head = assistant.model.lm_head
    hook = head.register_forward_hook(lambda module, given, out: shapes.append(out.shape[1]))
    batch = assistant.processor(images((120, 150)), assistant.processor.prompt(QUESTION))
    assistant.model.generate(**batch, max_new_tokens=3, do_sample=False, eos_token_id=None)
    hook.remove()
    assert shapes == [1, 1, 1]


@pytest.mark.parametrize("dense_classes", [0, 3])
def test_beams_see_the_image_as_greedy_search_does(dense_classes: int) -> None:
    model, processor = pair(dense_classes=dense_classes)
    two = processor(images((120, 150), (64, 90)), [processor.prompt(QUESTION)] * 2)
    options = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None}
    scores = []
    for beams in (1, 4):
        written = model.generate(**two, num_beams=beams, **options)[:, two["input_ids"].shape[1] :]
        ids = torch.cat([two["input_ids"], written], dim=1)
        with torch.no_grad():
            logits = model(input_ids=ids, pixel_values=two["pixel_values"]).logits[:, -7:-1]
        log_p = logits.log_softmax(-1).gather(2, written[..., None]).sum(dim=(1, 2))
        scores.append(log_p)
    assert (scores[1] >= scores[0] - 1e-4).all()  # a wider search is no less probable


# Saving and loading.
def test_saving_and_the_auto_classes_give_the_same_bits(assistant: QuPaint, tmp_path) -> None:
    assistant.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    assert not [p for p in tmp_path.rglob("*") if p.suffix in (".bin", ".pt", ".py", ".pkl")]
    model = AutoModelForImageTextToText.from_pretrained(tmp_path)
    processor = AutoProcessor.from_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert type(model) is QuPaintForConditionalGeneration
    assert type(config) is QuPaintConfig
    for part in (lambda c: c, lambda c: c.text_config, lambda c: c.vision_config):
        found, written = part(config).to_dict(), part(assistant.model.config).to_dict()
        differ = {name for name in written if found.get(name) != written[name]}
        assert differ <= {"architectures", "dtype", "text_config", "vision_config", "_name_or_path"}
    before, after = assistant.model.state_dict(), model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    again = processor(images((120, 150)), assistant.processor.prompt(QUESTION))
    inputs = assistant.processor(images((120, 150)), assistant.processor.prompt(QUESTION))
    assert all(torch.equal(inputs[name], again[name]) for name in inputs)
    assert torch.equal(model(**again).logits, assistant.model(**inputs).logits)


@pytest.mark.parametrize("variant", PIA_VARIANTS)
def test_every_variant_survives_saving(variant: str, tmp_path) -> None:
    assistant = pair(variant, dense_classes=4)
    assistant.save_pretrained(tmp_path)
    loaded = QuPaint.from_pretrained(tmp_path)
    batch = batch_of(assistant)
    ours, theirs = assistant.model(**batch), loaded.model(**batch)
    assert torch.equal(ours.logits, theirs.logits)
    assert torch.equal(ours.dense_logits, theirs.dense_logits)


def test_several_shards_are_read(assistant: QuPaint, tmp_path) -> None:
    assistant.model.save_pretrained(tmp_path, max_shard_size="200KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    model = QuPaintForConditionalGeneration.from_pretrained(tmp_path)
    assert torch.equal(model.lm_head.weight, assistant.model.lm_head.weight)


# What training needs.
def test_the_dense_head_adds_its_loss() -> None:
    assistant = pair(dense_classes=5, dense_loss_weight=0.5)
    batch = batch_of(assistant, labels=True)
    plain = assistant.model(**batch)
    classes = torch.randint(0, 5, (1, 8, 8), generator=torch.Generator().manual_seed(0))
    classes[0, 0] = -100
    output = assistant.model(**batch, dense_labels=classes)
    logits = output.dense_logits.log_softmax(1)  # (1, 5, 8, 8)
    known = classes[0, 1:].reshape(-1)
    expected = -logits[0, :, 1:].reshape(5, -1)[known, torch.arange(len(known))].mean()
    assert_close(output.dense_loss, expected)
    assert_close(output.loss, plain.loss + 0.5 * expected)
    gate = assistant.model.model.pia_gate
    output.dense_loss.backward()
    assert gate.weight.grad is None  # no supervision of w and b but the language loss


def test_dense_labels_without_a_head_are_refused(assistant: QuPaint) -> None:
    with pytest.raises(ArgumentError, match="dense_labels"):
        assistant.model(**batch_of(assistant), dense_labels=torch.zeros(1, 8, 8).long())


def test_lora_with_b_of_zero_is_the_base_model_and_leaves_the_vision_tower_alone() -> None:
    import peft

    assistant = pair()
    batch = batch_of(assistant, labels=True)
    base = assistant.model(**batch).logits.detach()
    config = peft.LoraConfig(
        r=4,
        target_modules=r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj)",
        modules_to_save=["pia_gate", "multi_modal_projector"],
    )
    model = peft.get_peft_model(assistant.model, config)
    assert torch.equal(model(**batch).logits, base)
    model(**batch).loss.backward()
    moved = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert any("pia_gate" in name for name in moved)
    assert any("lora_B" in name for name in moved)
    assert not any("vision_tower" in name for name in moved)


def test_a_tiny_model_learns_to_point() -> None:
    """Two images, two answers: after training each has its own, and the other scores low."""
    assistant = from_scratch("tiny", np.random.default_rng(0), image_size=56)
    model, processor = assistant
    left = np.full((64, 64, 3), 0.5, dtype=np.float32)
    left[16:48, 4:28, 0] = 0.9
    right = left[:, ::-1].copy()
    told = {"left": "monolayer: <box>6.00, 25.00, 38.00, 50.00</box>"}
    told["right"] = "thick: <box>56.00, 25.00, 38.00, 50.00</box>"
    prompts = [processor.prompt("Where?", answer) for answer in told.values()]
    batch = processor([left, right], prompts)
    start = processor([left], processor.prompt("Where?"))["input_ids"].shape[1]
    labels = batch["input_ids"].clone()
    for row, mask in zip(labels, batch["attention_mask"], strict=True):
        row[: int((mask == 0).sum()) + start] = -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(250):
        loss = model(**batch, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    seen = [assistant.chat(image, "Where?", max_new_tokens=60) for image in (left, right)]
    assert [answer.text for answer in seen] == list(told.values())
    assert seen[0].boxes == (pytest.approx((3.84, 16, 24.32, 32)),)
    assert (seen[0].labels, seen[1].labels) == (("Mono",), ("Thick",))
    for image, answer, other in zip((left, right), seen, reversed(seen), strict=True):
        inputs = processor(image, processor.prompt("Where?"))
        (wrong,) = box_scores(model, processor, inputs, other.text)
        assert 10 * wrong < answer.scores[0] <= 1
