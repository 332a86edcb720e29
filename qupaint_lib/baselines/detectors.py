"""RT-DETRv2 and Mask2Former of transformers: how each is made, taught and read.

Each comes in two sizes: ``"small"`` learns from scratch on a processor within minutes, ``"full"``
is the published one, for a GPU. A folder with a pretrained backbone of the full size is taken where
a laboratory has one; nothing is downloaded.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qupaint_lib.annotations import LAYER_CLASSES
from qupaint_lib.baselines.samples import Sample
from qupaint_lib.errors import ArgumentError, UnknownNameError

SIZES = ("small", "full")
MASK_THRESHOLD = 0.5
# Half of the flakes are smaller than 18 px: the finest map has a cell for every 4 px.
_FINE_STRIDES = [4, 8, 16]


@dataclass(frozen=True)
class Detector:
    """A detector of transformers.

    Attributes
    ----------
    title : str
        What to call it.
    make : callable
        From a size and the folder of a backbone, or None, a model with random weights elsewhere.
    loss : callable
        From a model and samples, the loss.
    read : callable
        From a model and pixels (B, 3, S, S), for each image boxes (N, 4) as left, top, right and
        bottom in shares of the image, and probabilities (N, 3) of the classes.
    """

    title: str
    make: Callable[[str, Path | None], Any]
    loss: Callable[[Any, Sequence[Sample]], torch.Tensor]
    read: Callable[[Any, torch.Tensor], list[tuple[np.ndarray, np.ndarray]]]


def rt_detr_config(size: str = "full") -> Any:
    """Return the configuration of an RT-DETRv2 with ResNet-50, or of a small one."""
    from transformers import RTDetrResNetConfig, RTDetrV2Config

    _check_size(size)
    labels = dict(enumerate(LAYER_CLASSES))
    if size == "full":
        return RTDetrV2Config(id2label=labels)
    backbone = RTDetrResNetConfig(
        embedding_size=32,
        hidden_sizes=[32, 64, 96, 128],
        depths=[1, 2, 1, 1],
        layer_type="basic",
        out_features=["stage1", "stage2", "stage3"],
    )
    return RTDetrV2Config(
        backbone_config=backbone,
        encoder_in_channels=[32, 64, 96],
        feat_strides=_FINE_STRIDES,
        encoder_hidden_dim=64,
        encoder_ffn_dim=128,
        encoder_attention_heads=4,
        hidden_expansion=0.5,
        d_model=96,
        decoder_in_channels=[64, 64, 64],
        decoder_ffn_dim=192,
        decoder_layers=2,
        decoder_attention_heads=6,
        num_queries=50,
        num_denoising=30,
        id2label=labels,
    )


def mask2former_config(size: str = "full") -> Any:
    """Return the configuration of a Mask2Former with ResNet-50, or of a small one."""
    from transformers import Mask2FormerConfig, ResNetConfig

    _check_size(size)
    labels = dict(enumerate(LAYER_CLASSES))
    stages = ["stage1", "stage2", "stage3", "stage4"]
    if size == "full":
        backbone = ResNetConfig(out_features=stages)
        return Mask2FormerConfig(backbone_config=backbone, id2label=labels)
    backbone = ResNetConfig(
        embedding_size=32,
        hidden_sizes=[32, 64, 96, 128],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=stages,
    )
    return Mask2FormerConfig(
        backbone_config=backbone,
        id2label=labels,
        feature_size=64,
        mask_feature_size=64,
        hidden_dim=64,
        encoder_feedforward_dim=128,
        encoder_layers=2,
        decoder_layers=3,
        dim_feedforward=128,
        num_attention_heads=4,
        num_queries=30,
        train_num_points=1024,
    )


def _make_rt_detr(size: str, backbone: Path | None) -> Any:
    from transformers import RTDetrV2ForObjectDetection

    config = rt_detr_config(size)
    if backbone is None:
        config.freeze_backbone_batch_norms = False  # random weights need norms that learn
    model = RTDetrV2ForObjectDetection(config)
    return _with_backbone(model, model.model.backbone.model, backbone, size)


def _make_mask2former(size: str, backbone: Path | None) -> Any:
    from transformers import Mask2FormerForUniversalSegmentation

    with _quiet():
        model = Mask2FormerForUniversalSegmentation(mask2former_config(size))
    return _with_backbone(model, model.model.pixel_level_module.encoder, backbone, size)


def _with_backbone(model: Any, module: Any, folder: Path | None, size: str) -> Any:
    """Return a model whose backbone has the weights of a folder, of the same class and shapes."""
    if folder is None:
        return model
    if size != "full":
        raise ArgumentError("backbone", str(folder), "for the full size: the small one is our own")
    try:
        loaded = type(module).from_pretrained(folder, local_files_only=True)
        module.load_state_dict(loaded.state_dict())
    except (OSError, ValueError, RuntimeError) as error:
        allowed = f"a folder with a {type(module).__name__} of the same shapes: {error}"
        raise ArgumentError("backbone", str(folder), allowed) from error
    return model


def _rt_detr_loss(model: Any, batch: Sequence[Sample]) -> torch.Tensor:
    pixels, labels = stacked(batch, model.device), []
    for sample in batch:
        classes, boxes = torch.from_numpy(sample.classes), torch.from_numpy(sample.boxes)
        labels.append({"class_labels": classes.to(pixels), "boxes": boxes.to(pixels)})
        labels[-1]["class_labels"] = classes.to(pixels.device)
    return model(pixel_values=pixels, labels=labels).loss


def _mask2former_loss(model: Any, batch: Sequence[Sample]) -> torch.Tensor:
    pixels = stacked(batch, model.device)
    masks = [torch.from_numpy(sample.masks).to(pixels) for sample in batch]
    classes = [torch.from_numpy(sample.classes).to(pixels.device) for sample in batch]
    return model(pixel_values=pixels, mask_labels=masks, class_labels=classes).loss


def _read_rt_detr(model: Any, pixels: torch.Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    output = model(pixel_values=pixels)
    center, size = output.pred_boxes.float().split(2, dim=-1)
    boxes = torch.cat([center - size / 2, center + size / 2], dim=-1).clamp(0, 1)
    both = boxes.cpu().numpy(), output.logits.float().sigmoid().cpu().numpy()
    return list(zip(*both, strict=True))


def _read_mask2former(model: Any, pixels: torch.Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    output = model(pixel_values=pixels)
    masks = output.masks_queries_logits.float().sigmoid()  # (B, Q, h, w)
    classes = output.class_queries_logits.float().softmax(dim=-1)[..., :-1]  # none comes last
    inside = masks > MASK_THRESHOLD
    sure = (masks * inside).sum(dim=(2, 3)) / inside.sum(dim=(2, 3)).clamp(min=1)
    chances, found = classes * sure[..., None], []
    for shown, p in zip(inside.cpu().numpy(), chances.cpu().numpy(), strict=True):
        there = shown.any(axis=(1, 2))
        found.append((np.array([_box_of(m) for m in shown[there]]).reshape(-1, 4), p[there]))
    return found


def _box_of(mask: np.ndarray) -> tuple[float, ...]:
    """Return left, top, right and bottom of a mask, as shares of its sides."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return (
        columns[0] / width,
        rows[0] / height,
        (columns[-1] + 1) / width,
        (rows[-1] + 1) / height,
    )


def stacked(batch: Sequence[Sample], device: Any) -> torch.Tensor:
    """Return the pixels (B, 3, S, S) of samples on a device."""
    return torch.from_numpy(np.stack([sample.pixels for sample in batch])).to(device)


def _check_size(size: str) -> None:
    if size not in SIZES:
        raise UnknownNameError("size", size, SIZES)


def _quiet() -> warnings.catch_warnings:
    """Leave out the remark that heads of 16 are slower in a CUDA kernel that is not used here."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)


DETECTORS = {
    "rt-detrv2": Detector("RT-DETRv2", _make_rt_detr, _rt_detr_loss, _read_rt_detr),
    "mask2former": Detector("Mask2Former", _make_mask2former, _mask2former_loss, _read_mask2former),
}
