"""Region tokens: which flakes the decoder is told of, in which order, and what it is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from qupaint_lib.colorimetry import linear_to_srgb, srgb_to_linear
from qupaint_lib.errors import ArgumentError
from qupaint_lib.instruct.facts import box_iou
from qupaint_lib.model import QuPaintConfig, QuPaintImageProcessor, from_scratch
from qupaint_lib.model.dense import Dense, box_loss, centre_loss, dense_loss
from qupaint_lib.model.regions import (
    SAME,
    SURE,
    WAVES,
    RegionTokens,
    cell_contrast,
    find_regions,
    waves,
)

SIDE = 8


def dense_of(boxes: np.ndarray, centres: np.ndarray, areas: np.ndarray) -> Dense:
    """Return what a head could tell of one tile: everywhere, (64, 4), (64,) and (64,)."""
    grid = torch.tensor(boxes, dtype=torch.float32).T.reshape(1, 4, SIDE, SIDE)
    sure, large = (torch.tensor(a, dtype=torch.float32).reshape(1, SIDE, SIDE) for a in (centres, areas))
    return Dense(torch.zeros(1, 3, SIDE, SIDE), grid, sure, large)


def random_dense(seed: int) -> Dense:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 0.8, (SIDE**2, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.02, 0.5, (SIDE**2, 2))], 1)
    return dense_of(boxes, rng.normal(-1, 3, SIDE**2), rng.uniform(0, 0.5, SIDE**2))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**20), st.integers(1, 12))
def test_regions_are_greedy_suppression_sorted_by_area(seed: int, count: int) -> None:
    dense = random_dense(seed)
    scores = dense.centres.flatten().numpy()
    boxes = dense.boxes.reshape(4, -1).T.numpy()
    sized = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
    left, chosen = set(range(SIDE**2)), []
    while left and len(chosen) < count:  # the textbook's loop over a set
        best = max(left, key=lambda k: scores[k])
        if scores[best] <= np.log(SURE / (1 - SURE)):
            break
        chosen.append(best)
        overlap = box_iou(sized, sized[best])
        left = {k for k in left if k != best and overlap[k] < SAME}
    cells, there = find_regions(dense, count)
    areas = dense.areas.flatten()
    assert sorted(cells[there].tolist()) == sorted(chosen)
    assert cells[there].tolist() == sorted(chosen, key=lambda k: -areas[k])
    assert int(there.sum()) == len(chosen) and there[0, : len(chosen)].all()


def test_waves_tell_places_apart_by_their_distance_alone() -> None:
    v = torch.linspace(0, 1, 101)
    likeness = waves(v) @ waves(v).T
    for apart in (0, 1, 7, 40):  # a sum of cosines of the distance
        k = np.arange(1, WAVES + 1)
        expected = torch.tensor(np.cos(np.pi * k * apart / 100).sum(), dtype=torch.float32)
        found = likeness.diagonal(apart)
        assert_close(found, expected.expand_as(found), atol=1e-3, rtol=0)


@pytest.mark.parametrize("gain", [None, 4.0])
def test_the_contrast_of_a_cell_is_that_of_linear_light(gain: float | None) -> None:
    """A square of a known contrast on a substrate of one colour, through the processor."""
    substrate, flake = np.array([0.4, 0.3, 0.5]), np.array([-0.10, 0.05, 0.30])
    linear = np.tile(substrate, (64, 64, 1))
    linear[16:24, 40:48] *= 1 + flake  # a quarter of cell (1, 2) of 16 px
    image = np.round(255 * linear_to_srgb(linear)).astype(np.uint8)
    processor = QuPaintImageProcessor(64, 16, contrast_gain=gain)
    tiles = processor([image], return_tensors="pt")["pixel_values"]
    found = cell_contrast(tiles, 4, gain)[0]
    codes = srgb_to_linear(image / 255)
    expected = codes[20, 44] / codes[0, 0] - 1  # after rounding to 8 bits
    np.testing.assert_allclose(found[:, 1, 2], expected, atol=2e-4)
    found[:, 1, 2] = 0
    assert found.abs().max() < 1e-4


def test_an_empty_tile_has_empty_tokens_and_no_gradient_reaches_the_head() -> None:
    torch.manual_seed(0)
    tokens = RegionTokens(3, 3, 16)
    dense = random_dense(0)._replace(centres=torch.full((1, SIDE, SIDE), -9.0))
    told = tokens(dense, torch.zeros(1, 3, 64, 64))
    assert_close(told, tokens.empty.expand(1, 3, 16))
    dense = random_dense(1)
    boxes = dense.boxes.clone().requires_grad_()
    tokens(dense._replace(boxes=boxes), torch.zeros(1, 3, 64, 64)).sum().backward()
    assert boxes.grad is None and tokens.embed.weight.grad.abs().sum() > 0


def test_a_model_has_its_region_tokens_behind_the_visual_ones() -> None:
    options = {"image_size": 112, "dense_classes": 6, "dense_boxes": True}
    plain = from_scratch("tiny", np.random.default_rng(0), **options)
    told = from_scratch("tiny", np.random.default_rng(0), **options, region_tokens=5)
    assert told.processor.visual_tokens() == plain.processor.visual_tokens() + 5
    image = np.random.default_rng(1).integers(0, 255, (112, 112, 3), dtype=np.uint8)
    tiles = told.processor.image_processor([image], return_tensors="pt")["pixel_values"]
    count = plain.processor.visual_tokens()
    with torch.inference_mode():
        seen = told.model.model.get_image_features(tiles).pooler_output
        plain.model.load_state_dict(told.model.state_dict(), strict=False)
        core = plain.model.model.get_image_features(tiles).pooler_output
    assert seen.shape[1] == count + 5
    assert_close(seen[:, :count], core)
    assert isinstance(told.chat(image, "How many flakes?", max_new_tokens=3).text, str)


@pytest.mark.parametrize("options", [{"region_tokens": -1}, {"region_tokens": 4}])
def test_region_tokens_need_a_head_with_boxes(options: dict) -> None:
    with pytest.raises(ArgumentError, match="region_tokens"):
        QuPaintConfig.from_size("tiny", image_size=112, **options)


def test_centre_loss_is_that_of_its_definition() -> None:
    dense = random_dense(3)
    targets = torch.zeros(1, 2, SIDE, SIDE)
    targets[0, 0, 2, 2:5] = torch.tensor([0.3, 1.0, 0.3])
    targets[0, 0, 5, 5] = 1.0
    targets[0, 1, 2, 2:5], targets[0, 1, 5, 5] = 0.25, 0.5
    p, near = dense.centres.double().sigmoid()[0], targets[0, 0].double()
    told = -(near * p.log() + (1 - near) * (1 - p).log()).sum() / 2  # of two flakes
    off = (dense.areas[0, 2, 3] - 0.25).abs() + (dense.areas[0, 5, 5] - 0.5).abs()
    expected = (0.1 * told + 0.5 * off / 2).float()
    assert_close(centre_loss(dense.centres, dense.areas, targets), expected)
    empty = centre_loss(dense.centres, dense.areas, targets * 0)  # no flake: bare patches alone
    assert_close(empty, (0.1 * -(1 - p).log().sum()).float())


def test_the_whole_loss_counts_central_patches_once_more() -> None:
    dense = random_dense(4)
    labels = torch.zeros(1, SIDE, SIDE, dtype=torch.long)
    labels[0, 2, 3] = 2
    boxes = torch.full((1, 4, SIDE, SIDE), torch.nan)
    boxes[0, :, 2, 3] = torch.tensor([0.1, 0.1, 0.5, 0.4])
    centres = torch.zeros(1, 2, SIDE, SIDE)
    centres[0, :, 2, 3] = torch.tensor([1.0, 0.3])
    without = dense_loss(dense, labels, boxes)
    blind = dense._replace(centres=None, areas=None)
    assert_close(dense_loss(blind, labels, boxes, centres), without)
    more = without + centre_loss(dense.centres, dense.areas, centres)
    more += box_loss(dense.boxes, boxes) + np.log(3)  # equal logits of three classes
    assert_close(dense_loss(dense, labels, boxes, centres), more)
