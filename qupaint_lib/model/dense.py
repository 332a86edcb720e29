"""The auxiliary task of models that learn from scratch: every patch tells what lies on it.

The language loss alone (Eq. 9) teaches a vision tower little until the decoder can read it; a class
and a box for every patch, free from synthetic masks, teach it from the first step. The boxes are
those of FCOS (Tian et al., 2019, arXiv 1904.01355), from a patch's centre to the sides of its
flake's box, with the L1 and generalised-IoU losses of DETR (Carion et al., 2020, arXiv 2005.12872).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

UNKNOWN = -100  # class of a patch that is left out of the loss
L1_WEIGHT, GIOU_WEIGHT = 0.5, 0.2  # DETR's ratio; less than the class loss, which comes first
CENTRE_WEIGHT, AREA_WEIGHT = 0.1, 0.5
CENTRAL = 0.5  # how near a centre is where a patch counts as central
RARE = -4.0  # where the logit of a centre starts: about two patches in a hundred are one


class Dense(NamedTuple):
    """What lies on every patch of T tiles.

    Attributes
    ----------
    logits : (T, C, side, side) tensor
        Of the classes.
    boxes : (T, 4, side, side) tensor or None
        Left, top, right and bottom of the patch's flake as shares of the tile.
    centres : (T, side, side) tensor or None
        Logit that a flake has its centre there.
    areas : (T, side, side) tensor or None
        Square root of that flake's share of the tile.
    """

    logits: torch.Tensor
    boxes: torch.Tensor | None
    centres: torch.Tensor | None
    areas: torch.Tensor | None


class DenseHead(nn.Module):
    """A class, and a box, for every patch, from the vision tower's tokens.

    It sees the tokens before the gate, so that w and b learn from the language loss alone, as the
    paper has it.

    Parameters
    ----------
    size : int
        Channels d of a token.
    classes : int
        Number of classes C, for example bare substrate and layer counts.
    boxes : bool, optional
        Tell the box of the flake as well.
    centres : bool, optional
        Tell whether it is the patch at the flake's centre, and the flake's area.
    """

    def __init__(self, size: int, classes: int, boxes: bool = False, centres: bool = False):
        super().__init__()
        self.classes = classes
        self.norm = nn.LayerNorm(size)
        self.classify = nn.Linear(size, classes)
        self.locate = nn.Linear(size, 4) if boxes else None
        self.centre = nn.Linear(size, 2) if centres else None

    def forward(self, tokens: torch.Tensor) -> Dense:
        """Return what is on every patch, of tokens (T, side², d)."""
        side = round(tokens.shape[1] ** 0.5)
        tokens = self.norm(tokens)

        def grid(layer: nn.Linear) -> torch.Tensor:
            return layer(tokens).transpose(1, 2).unflatten(2, (side, side))

        boxes = centres = areas = None
        if self.locate is not None:
            middle = (torch.arange(side, device=tokens.device) + 0.5) / side
            x, y = middle.expand(side, side), middle[:, None].expand(side, side)
            boxes = grid(self.locate).float() + torch.stack([x, y, x, y])
        if self.centre is not None:
            centres, areas = grid(self.centre).float().unbind(dim=1)
            centres = centres + RARE
        return Dense(grid(self.classify), boxes, centres, areas)


def class_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of patches: its sum over those that are known, by their number.

    Parameters
    ----------
    logits : (T, C, side, side) tensor
    labels : (T, side, side) int64 tensor
        Class of every patch, `UNKNOWN` where it is left out.
    """
    return cross_entropy(logits.float(), labels, ignore_index=UNKNOWN)


def box_loss(boxes: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return 0.5 L1 + 0.2 (1 − GIoU), the mean over the patches that have a target.

    Parameters
    ----------
    boxes, targets : (T, 4, side, side) tensors
        Left, top, right and bottom as shares of the tile; NaN where a patch has no target.
    """
    known = ~targets.isnan().any(dim=1)
    if not known.any():
        return boxes.sum() * 0.0
    ours = boxes.movedim(1, -1)[known]  # (n, 4)
    theirs = targets.movedim(1, -1)[known]
    l1 = (ours - theirs).abs().sum(dim=-1)
    return (L1_WEIGHT * l1 + GIOU_WEIGHT * (1 - generalised_iou(ours, theirs))).mean()


def dense_loss(
    dense: Dense,
    labels: torch.Tensor,
    boxes: torch.Tensor | None = None,
    centres: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the whole loss of what is told of patches: classes, then boxes, then centres.

    Parameters
    ----------
    dense : Dense
        What is told.
    labels, boxes
        See `class_loss`, `box_loss`.
    centres : (T, 2, side, side) tensor, optional
        See `centre_loss`. The patches at centres then count once more, so that small flakes weigh
        as much as large ones.
    """
    loss = class_loss(dense.logits, labels)
    boxes = None if dense.boxes is None else boxes
    if boxes is not None:
        loss = loss + box_loss(dense.boxes, boxes)
    if centres is None or dense.centres is None:
        return loss
    loss = loss + centre_loss(dense.centres, dense.areas, centres)
    there = centres[:, 0] > CENTRAL
    if boxes is not None:
        loss = loss + box_loss(dense.boxes, boxes.masked_fill(~there[:, None], torch.nan))
    if (there & (labels != UNKNOWN)).any():
        loss = loss + class_loss(dense.logits, labels.masked_fill(~there, UNKNOWN))
    return loss


def centre_loss(
    centres: torch.Tensor, areas: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Return the loss of centres and areas, for each flake of the batch.

    Centres are peaks as in CenterNet (Zhou et al., 2019, arXiv 1904.07850): where exactly the
    middle of a large flake lies is uncertain, and so is what the head is to say of it.

    Parameters
    ----------
    centres, areas : (T, side, side) tensors
        See `Dense`.
    targets : (T, 2, side, side) tensor
        How near a flake's centre is, 1 there and falling to 0 around it; and, where that is above
        a half, the square root of the flake's area.
    """
    near, large = targets.unbind(dim=1)
    flakes = (near == 1).sum().clamp(min=1)
    told = binary_cross_entropy_with_logits(centres, near, reduction="sum") / flakes
    there = near > CENTRAL
    off = (areas - large).abs()[there].mean() if there.any() else areas.sum() * 0.0
    return CENTRE_WEIGHT * told + AREA_WEIGHT * off


def generalised_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the generalised IoU (n,) of boxes (n, 4), left, top, right, bottom, in (−1, 1].

    Rezatofighi et al., 2019, arXiv 1902.09630: IoU less the share of the smallest enclosing box
    that neither covers, so that boxes apart have a gradient too.
    """
    size_a, size_b = ((box[:, 2:] - box[:, :2]).clamp(min=0) for box in (a, b))
    area_a, area_b = size_a.prod(dim=-1), size_b.prod(dim=-1)
    inner = torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])
    overlap = inner.clamp(min=0).prod(dim=-1)
    union = area_a + area_b - overlap
    outer = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    hull = outer.clamp(min=0).prod(dim=-1)
    tiny = torch.finfo(hull.dtype).eps
    return overlap / (union + tiny) - (hull - union) / (hull + tiny)
