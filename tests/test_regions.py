"""Region tokens: what optics measures in a tile, and what the decoder is told of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from qupaint_lib.annotations import Flake
from qupaint_lib.errors import ArgumentError
from qupaint_lib.model import QuPaint, QuPaintConfig, RegionTokens, find_regions, from_scratch
from qupaint_lib.model.dense import UNKNOWN
from qupaint_lib.model.regions import FEATURES, NO_FLAKE, WAVES, waves
from qupaint_lib.train import region_targets

SUBSTRATE = np.array([150.0, 120.0, 140.0])
CONTRASTS = {  # of rectangles x, y, width, height on a tile of 128 px
    (16, 20, 48, 30): (-0.20, -0.10, 0.15),
    (84, 70, 28, 40): (-0.08, -0.04, 0.06),
    (30, 90, 20, 18): (0.30, 0.25, 0.10),
}
STEPS, FIRST = 100, 7  # of the location tokens
OPTIONS = {"image_size": 64, "patch_size": 16, "dense_classes": 6, "region_tokens": 5}
OPTIONS["location_token_id"] = FIRST


def tile() -> np.ndarray:
    light = np.tile(SUBSTRATE, (128, 128, 1))
    for (x, y, w, h), contrast in CONTRASTS.items():
        light[y : y + h, x : x + w] *= 1 + np.array(contrast)
    noise = np.random.default_rng(0).normal(0, 1.2, light.shape)
    return np.clip(np.round(light + noise), 0, 255).astype(np.uint8)


def random_regions(seed: int, tiles: int = 2, count: int = 6) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    regions = rng.uniform(0, 1, (tiles, count, FEATURES)).astype(np.float32)
    regions[..., 0] = np.arange(count) < rng.integers(0, count + 1, (tiles, 1))
    regions[regions[..., 0] == 0] = 0
    return torch.from_numpy(regions)


def tokens(count: int = 6, size: int = 16) -> tuple[RegionTokens, torch.nn.Embedding]:
    torch.manual_seed(0)
    return RegionTokens(count, 4, size, FIRST, STEPS).eval(), torch.nn.Embedding(256, size)


def test_rectangles_of_known_contrast_are_measured() -> None:
    found = find_regions(tile(), 6)
    assert found[:, 0].tolist() == [1, 1, 1, 0, 0, 0] and not found[3:].any()
    for row, ((x, y, w, h), contrast) in zip(found, CONTRASTS.items(), strict=False):
        np.testing.assert_allclose(row[1:5] * 128, [x, y, w, h], atol=2.5)
        assert row[5] == pytest.approx(np.sqrt(w * h) / 128, rel=0.06)
        np.testing.assert_allclose(row[6:9], contrast, atol=0.015)
        np.testing.assert_allclose(row[12:15] * 255, SUBSTRATE, atol=1)
    assert (np.diff(found[:3, 5]) < 0).all()  # the largest first
    assert find_regions(tile(), 2)[:, 0].tolist() == [1, 1]


def test_bare_substrate_has_no_regions() -> None:
    noise = np.random.default_rng(1).normal(0, 1.2, (128, 128, 3))
    assert not find_regions(np.round(SUBSTRATE + noise).astype(np.uint8), 4)[:, 0].any()


def test_a_region_has_the_class_of_the_flake_that_it_meets_best() -> None:
    flakes = []
    for (x, y, w, h), layers in zip(CONTRASTS, (1, 3, None), strict=True):
        mask = np.zeros((128, 128), dtype=bool)
        mask[y : y + h, x : x + w] = True
        flakes.append(Flake.from_mask(mask, layer_count=layers))
    found = find_regions(tile(), 6)
    assert region_targets(flakes, (128, 128), found).tolist() == [1, 3] + 4 * [UNKNOWN]
    none = region_targets([], (128, 128), found)
    assert none.tolist() == 3 * [0] + 3 * [UNKNOWN]
    half = found.copy()
    half[1] = half[0]
    half[1, 3] *= 0.6  # a part of the first flake's box: another region meets it better
    assert region_targets(flakes, (128, 128), half)[:2].tolist() == [1, 0]


def test_waves_tell_places_apart_by_their_distance_alone() -> None:
    v = torch.linspace(0, 1, 101)
    likeness = waves(v) @ waves(v).T
    for apart in (0, 1, 7, 40):  # a sum of cosines of the distance
        k = np.arange(1, WAVES + 1)
        expected = torch.tensor(np.cos(np.pi * k * apart / 100).sum(), dtype=torch.float32)
        found = likeness.diagonal(apart)
        assert_close(found, expected.expand_as(found), atol=1e-3, rtol=0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**20))
def test_what_is_no_region_changes_nothing(seed: int) -> None:
    """Each tile alone, and more room for regions: the same logits, the same tokens."""
    head, words = tokens()
    wide, _ = tokens(9)
    regions = random_regions(seed)
    more = torch.cat([regions, torch.zeros(2, 3, FEATURES)], dim=1)
    shared = {n: v for n, v in head.state_dict().items() if n != "slot"}
    wide.load_state_dict(shared, strict=False)
    with torch.no_grad():
        made, logits = head(regions, words)
        wider, same = wide(more, words)
        alone = [head(regions[k : k + 1], words)[0] for k in range(2)]
    there = regions[..., 0] > 0
    assert_close(same[:, :6][there], logits[there], atol=1e-5, rtol=1e-4)
    assert_close(wider[:, :30], made, atol=1e-5, rtol=1e-4)
    assert_close(torch.cat(alone), made, atol=1e-5, rtol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**20))
def test_flakes_come_first_in_their_order_and_write_their_boxes(seed: int) -> None:
    (head, words), regions = tokens(), random_regions(seed)
    with torch.no_grad():
        head.empty.fill_(7.0)
        made, logits = head(regions, words)
    flakes = (regions[..., 0] > 0) & (logits.softmax(-1)[..., 0] < NO_FLAKE)
    for told, flake, tile_regions in zip(made.unflatten(1, (6, 5)), flakes, regions, strict=True):
        count = int(flake.sum())
        for region, written in zip(tile_regions[flake], told, strict=False):
            x, y, w, h = (round(float(v) * STEPS) for v in region[1:5])
            ids = torch.tensor([FIRST + x, FIRST + y, FIRST + w, FIRST + STEPS + 1 + h])
            before = head.before(words(ids))
            assert_close(written[0], words(ids)[0])
            assert_close(written[1:4], words(ids)[1:] + before[:3])
        assert (told[count:] == 7.0).all() and not (told[:count] == 7.0).all(dim=-1).any()


def test_what_is_added_to_a_word_starts_as_a_rotation() -> None:
    told = from_scratch("tiny", np.random.default_rng(0), **OPTIONS)
    turn = told.model.model.region_tokens.before.weight
    assert_close(turn @ turn.T, torch.eye(len(turn)), atol=1e-5, rtol=0)
    assert abs(float(turn.detach().trace())) < 0.5 * len(turn)  # not the identity


def test_a_slot_and_a_role_tell_tokens_apart() -> None:
    head, words = tokens()
    with torch.no_grad():
        head.slot.copy_(torch.arange(6.0)[:, None, None].expand_as(head.slot) * 10)
        head.role.copy_(torch.arange(5.0)[:, None].expand_as(head.role))
        made, _ = head(torch.zeros(1, 6, FEATURES), words)
    assert made[0, :, 0].tolist() == [10 * k + j for k in range(6) for j in range(5)]


def test_words_do_not_teach_the_head() -> None:
    (head, words), regions = tokens(), random_regions(3)
    regions[:, :3, 0] = 1
    head(regions, words)[0].sum().backward()
    assert head.embed.weight.grad.abs().sum() > 0 and words.weight.grad.abs().sum() > 0
    assert all(p.grad is None for part in head.head() for p in part.parameters())


def test_a_model_has_its_region_tokens_behind_the_visual_ones() -> None:
    told = from_scratch("tiny", np.random.default_rng(0), **OPTIONS)
    plain = from_scratch("tiny", np.random.default_rng(0), **{**OPTIONS, "region_tokens": 0})
    count = plain.processor.visual_tokens()
    assert told.processor.visual_tokens() == count + 25
    seen = told.processor.image_processor([tile()], return_tensors="pt")
    pixels, regions = seen["pixel_values"], seen["regions"]
    with torch.inference_mode():
        found = told.model.model.get_image_features(pixels, regions).pooler_output
        plain.model.load_state_dict(told.model.state_dict(), strict=False)
        core = plain.model.model.get_image_features(pixels).pooler_output
        assert_close(found[:, :count], core)
        words = told.model.get_input_embeddings()
        assert_close(found[:, count:], told.model.model.region_tokens(regions, words)[0])
    assert isinstance(told.chat(tile(), "How many flakes?", max_new_tokens=3).text, str)
    wide = np.concatenate([tile(), tile()], axis=1)
    assert told.chat_full_resolution(wide, "How many?", max_new_tokens=3).text is not None


def test_it_survives_saving(tmp_path) -> None:
    assistant = from_scratch("tiny", np.random.default_rng(0), **OPTIONS)
    assistant.save_pretrained(tmp_path)
    loaded = QuPaint.from_pretrained(tmp_path)
    assert loaded.processor.image_processor.region_tokens == 5
    ours, theirs = (a.chat(tile(), "How many?", max_new_tokens=4) for a in (assistant, loaded))
    assert ours.text == theirs.text


def test_regions_are_missed_where_they_are_not_given() -> None:
    told = from_scratch("tiny", np.random.default_rng(0), **OPTIONS)
    pixels = torch.zeros(1, 4, 64, 64)
    with pytest.raises(ArgumentError, match="regions = None"):
        told.model(pixel_values=pixels)
    with pytest.raises(ArgumentError, match="regions"):
        told.model(pixel_values=pixels, regions=torch.zeros(1, 4, FEATURES))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"region_tokens": -1}, "region_tokens"),
        ({"region_tokens": 4}, "region_tokens"),
        ({"region_tokens": 4, "dense_classes": 6}, "location_token_id"),
    ],
)
def test_region_tokens_need_classes_and_places(options: dict, name: str) -> None:
    with pytest.raises(ArgumentError, match=name):
        QuPaintConfig.from_size("tiny", image_size=112, **options)
