"""Weights in: the release's layout and InternVL's, on small random checkpoints, offline."""

from __future__ import annotations

import json
import socket
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from torch.testing import assert_close
from transformers import InternVLConfig, InternVLForConditionalGeneration

from qupaint_lib.errors import ArgumentError
from qupaint_lib.model import (
    LicenceWarning,
    QuPaint,
    QuPaintForConditionalGeneration,
    from_internvl,
    load_released,
    nano_tokenizer,
)
from qupaint_lib.model.tokens import NANO_IMAGE_TOKEN

torch.set_num_threads(1)

TILE, HEADS, LAYERS = 56, 2, 2
State = dict[str, torch.Tensor]


def plain(tied: bool) -> InternVLForConditionalGeneration:
    """A small InternVL with random weights everywhere, also where the library starts at 0 or 1."""
    text = {
        "model_type": "qwen3", "vocab_size": 2048, "hidden_size": 64, "intermediate_size": 96,
        "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 16, "max_position_embeddings": 512, "tie_word_embeddings": tied,
    }  # fmt: skip
    vision = {
        "hidden_size": 32, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "intermediate_size": 64, "attention_bias": True, "image_size": TILE,
    }  # fmt: skip
    config = InternVLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=NANO_IMAGE_TOKEN,
        image_seq_length=4,
        tie_word_embeddings=tied,
    )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = InternVLForConditionalGeneration(config).eval()
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def released_state(model: InternVLForConditionalGeneration, tied: bool) -> State:
    """The same weights as the authors write them, key by key."""
    ours, out = model.state_dict(), {}

    def move(old: str, new: str) -> None:
        for kind in ("weight", "bias"):
            if f"{old}.{kind}" in ours:
                out[f"{new}.{kind}"] = ours.pop(f"{old}.{kind}")

    tower, eyes = "model.vision_tower", "vision_model"
    out[f"{eyes}.embeddings.class_embedding"] = ours.pop(f"{tower}.embeddings.cls_token")
    positions = ours.pop(f"{tower}.embeddings.position_embeddings")
    out[f"{eyes}.embeddings.position_embedding"] = positions
    move(f"{tower}.embeddings.patch_embeddings.projection", f"{eyes}.embeddings.patch_embedding")
    for i in range(LAYERS):
        a, b = f"{tower}.encoder.layer.{i}", f"{eyes}.encoder.layers.{i}"
        for kind in ("weight", "bias"):
            joint = [ours.pop(f"{a}.attention.{n}_proj.{kind}") for n in "qkv"]
            out[f"{b}.attn.qkv.{kind}"] = torch.cat(joint)
        move(f"{a}.attention.projection_layer", f"{b}.attn.proj")
        move(f"{a}.layernorm_before", f"{b}.norm1")
        move(f"{a}.layernorm_after", f"{b}.norm2")
        move(f"{a}.mlp.fc1", f"{b}.mlp.fc1")
        move(f"{a}.mlp.fc2", f"{b}.mlp.fc2")
        out[f"{b}.ls1"], out[f"{b}.ls2"] = ours.pop(f"{a}.lambda_1"), ours.pop(f"{a}.lambda_2")
    for place, name in enumerate(("layer_norm", "linear_1", None, "linear_2")):
        if name:
            move(f"model.multi_modal_projector.{name}", f"mlp1.{place}")
    head = ours.pop("lm_head.weight")
    if not tied:
        out["language_model.lm_head.weight"] = head
    for name in list(ours):
        tail = name.removeprefix("model.language_model.")
        assert tail != name
        out[f"language_model.model.{tail}"] = ours.pop(name)
    out["bbox_head.weight"], out["bbox_head.bias"] = torch.ones(4, 64), torch.zeros(4)
    return {name: tensor.clone().contiguous() for name, tensor in out.items()}


def released_config(model: InternVLForConditionalGeneration, tied: bool) -> dict:
    text, vision = model.config.text_config, model.config.vision_config
    return {
        "model_type": "cviu_chat",
        "architectures": ["CVIUVLChatModel"],
        "auto_map": {"AutoModel": "modeling_qupaint.QuPAINTModel"},
        "ps_version": "v2",
        "select_layer": -1,
        "downsample_ratio": 0.5,
        "force_image_size": TILE,
        "template": "internvl2_5",
        "vision_config": {
            "architectures": ["InternVisionModel"],
            "hidden_size": 32,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "intermediate_size": 64,
            "image_size": 448,
            "patch_size": 14,
            "qkv_bias": True,
            "qk_normalization": False,
            "norm_type": "layer_norm",
            "layer_norm_eps": vision.layer_norm_eps,
        },
        "llm_config": {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            **{
                name: getattr(text, name)
                for name in (
                    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                    "num_attention_heads", "num_key_value_heads", "head_dim",
                    "max_position_embeddings", "rms_norm_eps",
                )
            },
            "rope_theta": text.rope_parameters["rope_theta"],
            "tie_word_embeddings": tied,
            "torch_dtype": "bfloat16",
        },
    }  # fmt: skip


def write(folder: Path, state: State, config: dict) -> Path:
    """Two shards with their index, a configuration, and tokenizer files."""
    nano_tokenizer().save_pretrained(folder)
    names = sorted(state)
    halves = {
        "model-00001-of-00002.safetensors": names[::2],
        "model-00002-of-00002.safetensors": names[1::2],
    }
    for shard, members in halves.items():
        save_file({n: state[n].contiguous() for n in members}, folder / shard)
    where = {name: shard for shard, members in halves.items() for name in members}
    index = {"metadata": {}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def write_released(folder: Path, *, tied: bool = True, change=None) -> Path:
    model = plain(tied)
    state, config = released_state(model, tied), released_config(model, tied)
    if change:
        change(state, config)
    return write(folder, state, config)


def released(folder: Path, **options: object) -> QuPaint:
    with pytest.warns(LicenceWarning):
        return load_released(folder, dtype=torch.float32, **options)


def inputs(assistant: QuPaint) -> dict:
    image = np.random.default_rng(0).integers(0, 256, (80, 90, 3), dtype=np.uint8)
    return dict(assistant.processor(image, assistant.processor.prompt("How many?")))


def without_attention(batch: dict) -> dict:
    return {**batch, "pixel_values": batch["pixel_values"][:, :3]}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


# The authors' release.
@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("tied", [True, False])
def test_the_release_has_the_logits_of_a_plain_internvl(tmp_path: Path, tied: bool) -> None:
    assistant = released(write_released(tmp_path, tied=tied))
    assert assistant.processor.image_processor.tiles == (4, 3)
    batch = inputs(assistant)
    assert batch["pixel_values"].shape == (13, 4, TILE, TILE)
    with torch.no_grad():
        expected = plain(tied)(**without_attention(batch)).logits
        assert_close(assistant.model(**batch).logits, expected, atol=1e-5, rtol=0)
    gate = assistant.model.model.pia_gate
    assert (gate.weight.item(), gate.bias.item()) == (0, 30)
    assert assistant.model.set_aside["bbox_head.weight"].shape == (4, 64)
    assert (assistant.model.lm_head.weight is assistant.model.get_input_embeddings().weight) == tied


def reference_tokens(state: State, pixels: torch.Tensor) -> torch.Tensor:
    """Visual tokens (T, N / 4, d), written from the release's layout alone, in plain functions."""

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))

    def norm(x: torch.Tensor, name: str, eps: float) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps)

    eyes = "vision_model.embeddings"
    kernel, bias = (state[f"{eyes}.patch_embedding.{kind}"] for kind in ("weight", "bias"))
    x = F.conv2d(pixels, kernel, bias, stride=14).flatten(2).transpose(1, 2)
    x = torch.cat([state[f"{eyes}.class_embedding"].expand(len(x), -1, -1), x], dim=1)
    x = x + state[f"{eyes}.position_embedding"]
    for i in range(LAYERS):
        at = f"vision_model.encoder.layers.{i}"
        count, length, width = x.shape
        qkv = linear(norm(x, f"{at}.norm1", 1e-6), f"{at}.attn.qkv")
        q, k, v = qkv.reshape(count, length, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        weights = ((q @ k.transpose(-2, -1)) * (width // HEADS) ** -0.5).softmax(dim=-1)
        seen = (weights @ v).transpose(1, 2).reshape(count, length, width)
        x = x + linear(seen, f"{at}.attn.proj") * state[f"{at}.ls1"]
        hidden = F.gelu(linear(norm(x, f"{at}.norm2", 1e-6), f"{at}.mlp.fc1"))
        x = x + linear(hidden, f"{at}.mlp.fc2") * state[f"{at}.ls2"]
    x = x[:, 1:].unflatten(1, (4, 4))
    n, w, h, c = x.shape
    x = x.reshape(n, w, h // 2, c * 2).permute(0, 2, 1, 3).reshape(n, h // 2, w // 2, c * 4)
    x = x.permute(0, 2, 1, 3).flatten(1, 2)  # pixel shuffle v2 turns back
    x = linear(norm(x, "mlp1.0", 1e-5), "mlp1.1")
    return linear(F.gelu(x), "mlp1.3")


def test_visual_tokens_are_those_of_the_release_written_out(tmp_path: Path) -> None:
    assistant = released(write_released(tmp_path, tied=False))
    pixels = inputs(assistant)["pixel_values"]
    with torch.no_grad():
        expected = reference_tokens(released_state(plain(False), False), pixels[:, :3])
        found = assistant.model.model.get_image_features(pixels).pooler_output
    assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("variant", ["none", "gate_post", "add", "channel"])
def test_every_variant_starts_at_the_release(tmp_path: Path, variant: str) -> None:
    assistant = released(write_released(tmp_path), pia_variant=variant, tiles=(1, 1))
    batch = inputs(assistant)
    with torch.no_grad():
        expected = plain(True)(**without_attention(batch)).logits
        assert_close(assistant.model(**batch).logits, expected, atol=1e-5, rtol=0)


@pytest.mark.usefixtures("no_network")
def test_the_licence_is_said_and_kept(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    folder = write_released(tmp_path / "in")
    with pytest.warns(LicenceWarning, match="non-commercial research"):
        assistant = load_released(folder)
    assert "You are a helpful" in assistant.processor.prompt("Count.")
    assistant.save_pretrained(tmp_path / "out")
    loaded = QuPaint.from_pretrained(tmp_path / "out")
    assert "non-commercial" in loaded.model.config.weights_licence
    assert "non-commercial" in load_released.__doc__
    assert loaded.processor.system_message == assistant.processor.system_message
    batch = inputs(loaded)
    assert torch.equal(loaded.model(**batch).logits, assistant.model(**batch).logits)


def test_weights_keep_the_type_that_they_are_stored_in(tmp_path: Path) -> None:
    def halve(state: State, config: dict) -> None:
        state.update({name: tensor.bfloat16() for name, tensor in state.items()})

    write_released(tmp_path, change=halve)
    with pytest.warns(LicenceWarning):
        model = load_released(tmp_path).model
    assert model.lm_head.weight.dtype == torch.bfloat16
    assert model.model.pia_gate.weight.dtype == torch.float32


QKV = "vision_model.encoder.layers.1.attn.qkv.weight"


def drop(key: str):
    return lambda state, config: state.pop(key)


def put(key: str, *shape: int):
    return lambda state, config: state.update({key: torch.zeros(shape)})


def config_is(name: str, value: object):
    def change(state: State, config: dict) -> None:
        *parents, last = name.split(".")
        for parent in parents:
            config = config[parent]
        config[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (drop(QKV), f"source = '{QKV}': missing"),
        (drop("mlp1.3.bias"), r"source = 'mlp1\.3\.bias': missing"),
        (drop("language_model.model.norm.weight"), r"language_model\.model\.norm\.weight"),
        (put("surplus.weight", 3), r"source = 'surplus\.weight': unknown key"),
        (put(QKV, 95, 32), r"qkv\.weight \(95, 32\)': shape \(96, 32\)"),
        (put("mlp1.0.weight", 64), r"mlp1\.0\.weight \(64,\)': shape \(128,\)"),
        (config_is("ps_version", "v1"), r"ps_version = 'v1': 'v2'"),
        (lambda state, config: config.pop("ps_version"), r"ps_version = 'v1'"),
        (config_is("model_type", "internvl_chat"), "model_type = 'internvl_chat'"),
        (config_is("llm_config.architectures", ["LlamaForCausalLM"]), "Llama"),
        (config_is("vision_config.architectures", ["CLIPVisionModel"]), "CLIP"),
        (config_is("vision_config.qk_normalization", True), "qk_normalization"),
        (config_is("select_layer", -2), "select_layer = -2"),
    ],
)
def test_what_is_wrong_with_a_checkpoint_names_itself(tmp_path: Path, change, named: str) -> None:
    write_released(tmp_path, change=change)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LicenceWarning)
        with pytest.raises(ArgumentError, match=named):
            load_released(tmp_path)


# InternVL's own weights.
def internvl_files(folder: Path, *, old_names: bool) -> InternVLForConditionalGeneration:
    model = plain(True)
    state = {k: v for k, v in model.state_dict().items() if k != "lm_head.weight"}
    if old_names:  # before transformers 4.52
        state = {
            name.replace("model.language_model.", "language_model.model.", 1)
            if name.startswith("model.language_model.")
            else name.removeprefix("model."): tensor
            for name, tensor in state.items()
        }
    write(folder, state, {**model.config.to_dict(), "architectures": ["InternVL"]})
    return model


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("old_names", [False, True])
def test_a_pia_model_starts_from_internvl(tmp_path: Path, old_names: bool) -> None:
    base = internvl_files(tmp_path, old_names=old_names)
    assistant = from_internvl(tmp_path, dtype=torch.float32)
    model, batch = assistant.model, inputs(assistant)
    gate = model.model.pia_gate
    assert (gate.weight.item(), gate.bias.item()) == (1, 2)
    model(**batch, labels=batch["input_ids"]).loss.backward()
    assert gate.weight.grad.abs().item() > 0
    gate.set_(0, 30)
    with torch.no_grad():
        expected = base(**without_attention(batch)).logits
        assert_close(model(**batch).logits, expected, atol=1e-5, rtol=0)


def test_from_internvl_is_what_the_library_loads(tmp_path: Path) -> None:
    internvl_files(tmp_path, old_names=True)
    base = InternVLForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32)
    ours = from_internvl(tmp_path, dtype=torch.float32).model.state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in base.state_dict().items())


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    internvl_files(tmp_path, old_names=False)
    path = tmp_path / "config.json"
    stored = json.loads(path.read_text())
    for change in ({"model_type": "llava"}, {"text_config": {"model_type": "qwen2"}}):
        path.write_text(json.dumps({**stored, **change}))
        with pytest.raises(ArgumentError, match="model_type 'internvl' with a 'qwen3' decoder"):
            from_internvl(tmp_path)
    path.write_text(json.dumps(stored))
    with pytest.raises(ArgumentError, match="cviu_chat"):
        load_released(tmp_path)


# Files that are not what they should be, for every way in.
WAYS = (load_released, from_internvl, QuPaintForConditionalGeneration.from_pretrained)


@pytest.mark.parametrize("load", WAYS)
def test_pickled_weights_are_refused(tmp_path: Path, load) -> None:
    write_released(tmp_path)
    for path in tmp_path.glob("*.safetensors*"):
        path.unlink()
    torch.save({"x": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ArgumentError, match=r"pytorch_model\.bin.*safetensors"):
        load(tmp_path)


def test_pickled_weights_cannot_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="use_safetensors"):
        QuPaintForConditionalGeneration.from_pretrained(tmp_path, use_safetensors=False)


@pytest.mark.parametrize("load", WAYS)
@pytest.mark.parametrize("keep", [0, 5, 0.5, 0.999])
def test_a_shard_that_is_cut_off_is_named(tmp_path: Path, load, keep: float) -> None:
    write_released(tmp_path)
    shard = tmp_path / "model-00002-of-00002.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else keep])
    with pytest.raises(ArgumentError, match=r"model-00002-of-00002.*whole safetensors"):
        load(tmp_path)


@pytest.mark.parametrize("load", WAYS)
def test_a_missing_shard_and_a_missing_folder_are_named(tmp_path: Path, load) -> None:
    write_released(tmp_path)
    (tmp_path / "model-00001-of-00002.safetensors").unlink()
    with pytest.raises(ArgumentError, match="model-00001-of-00002"):
        load(tmp_path)
    with pytest.raises(ArgumentError, match="existing folder, or a Hub id"):
        load(tmp_path / "nothing")
    with pytest.raises(ArgumentError, match="existing folder, or a Hub id"):
        load("not an id")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArgumentError, match="a folder with"):
        load(tmp_path / "empty")


def test_an_index_cannot_point_out_of_its_folder(tmp_path: Path) -> None:
    write_released(tmp_path)
    index = {"weight_map": {"x": "../elsewhere.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    save_file({"x": torch.zeros(1)}, tmp_path.parent / "elsewhere.safetensors")
    with pytest.raises(ArgumentError, match="elsewhere"):
        load_released(tmp_path)


def test_a_hub_id_downloads_data_and_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {}

    def snapshot(source: str, allow_patterns: list[str]) -> str:
        asked[source] = allow_patterns
        return str(write_released(tmp_path))

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    released("uark-cviu/QuPAINT-4B")
    (patterns,) = asked.values()
    assert set(patterns) == {"*.json", "*.safetensors", "*.txt", "*.jinja"}


def test_a_download_that_fails_names_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> str:
        raise OSError("no route")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(ArgumentError, match=r"QuPAINT-4B.*no route"):
        load_released("uark-cviu/QuPAINT-4B")
