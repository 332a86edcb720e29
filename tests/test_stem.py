"""The convolutional stem of vision towers that learn from scratch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qupaint_lib.errors import ArgumentError
from qupaint_lib.model import QuPaint, QuPaintConfig, from_scratch
from qupaint_lib.model.stem import ConvStem


def stem_model(**options: object) -> QuPaint:
    options = {"image_size": 64, "patch_size": 16, "conv_stem": True, **options}
    return from_scratch("tiny", np.random.default_rng(0), **options)


@pytest.mark.parametrize("patch_px", [2, 4, 8, 16, 32])
def test_a_token_for_every_patch(patch_px: int) -> None:
    tokens = ConvStem(3, 32, patch_px)(torch.zeros(2, 3, 64, 64))
    assert tokens.shape == (2, 32, 64 // patch_px, 64 // patch_px)


def test_it_starts_with_the_size_of_signals_kept() -> None:
    """He's initialisation: what comes out is neither swamped by nor lost against what went in."""
    stem = stem_model().model.model.vision_tower.embeddings.patch_embeddings.projection
    assert isinstance(stem, ConvStem)
    pixels = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert 0.2 < float(stem(pixels).std()) < 5


def test_a_token_sees_its_own_place() -> None:
    stem = ConvStem(3, 16, 8)
    pixels = torch.zeros(1, 3, 64, 64, requires_grad=True)
    stem(pixels)[0, :, 3, 5].sum().backward()
    rows, columns = pixels.grad[0].abs().sum(0).nonzero(as_tuple=True)
    assert 24 - 8 <= rows.min() <= 24 and 31 <= rows.max() < 32 + 8
    assert 40 - 8 <= columns.min() <= 40 and 47 <= columns.max() < 48 + 8


def test_a_model_with_it_survives_saving(tmp_path) -> None:
    assistant = stem_model()
    assistant.save_pretrained(tmp_path)
    loaded = QuPaint.from_pretrained(tmp_path)
    pixels = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, theirs = (a.model.model.get_image_features(pixels) for a in (assistant, loaded))
    assert torch.equal(ours.pooler_output, theirs.pooler_output)


def test_patches_are_a_power_of_two() -> None:
    with pytest.raises(ArgumentError, match="patch_size = 14"):
        QuPaintConfig.from_size("tiny", image_size=56, conv_stem=True)
