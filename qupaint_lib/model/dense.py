"""The auxiliary task of models that learn from scratch: every patch tells what lies on it.

The language loss alone (Eq. 9) teaches a vision tower little until the decoder can read it; a class
and a box for every patch, free from synthetic masks, teach it from the first step. The boxes are
those of FCOS (Tian et al., 2019, arXiv 1904.01355), from a patch's centre to the sides of its
flake's box, with the L1 and generalised-IoU losses of DETR (Carion et al., 2020, arXiv 2005.12872).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cross_entropy

UNKNOWN = -100  # class of a patch that is left out of the loss
L1_WEIGHT, GIOU_WEIGHT = 0.5, 0.2  # DETR's ratio; less than the class loss, which comes first


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
    """

    def __init__(self, size: int, classes: int, boxes: bool = False):
        super().__init__()
        self.classes = classes
        self.norm = nn.LayerNorm(size)
        self.classify = nn.Linear(size, classes)
        self.locate = nn.Linear(size, 4) if boxes else None

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return logits (T, C, side, side) and boxes (T, 4, side, side) of tokens (T, side², d).

        Boxes are left, top, right and bottom as shares of the tile; None without them.
        """
        side = round(tokens.shape[1] ** 0.5)
        tokens = self.norm(tokens)
        logits = self.classify(tokens).transpose(1, 2).unflatten(2, (side, side))
        if self.locate is None:
            return logits, None
        offsets = self.locate(tokens).transpose(1, 2).unflatten(2, (side, side))
        middle = (torch.arange(side, device=tokens.device) + 0.5) / side
        x, y = middle.expand(side, side), middle[:, None].expand(side, side)
        return logits, offsets.float() + torch.stack([x, y, x, y])


def class_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of patches: its sum over those that are known, by their number.

    Parameters
    ----------
    logits : (T, C, side, side) tensor
    labels : (T, side, side) int64 tensor
        Class of every patch, `UNKNOWN` where it is left out.
    """
    known = (labels != UNKNOWN).sum().clamp(min=1)
    return cross_entropy(logits.float(), labels, ignore_index=UNKNOWN, reduction="sum") / known


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
