"""Parameters and operations of architectures that transformers has."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from qupaint_lib.baselines.samples import SIDE_PX


def count_parameters(make: Any) -> int:
    """Return the parameters of a model that `make` makes on the meta device, without weights."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in make().parameters())


def count_flops(model: nn.Module, side_px: int = SIDE_PX) -> float:
    """Return the operations of one forward pass on an image, 2 per multiply–add.

    Products of matrices, convolutions and attention count, as `torch.utils.flop_counter` counts
    them; additions, norms and activations do not.

    Parameters
    ----------
    model : torch.nn.Module
        With weights, which do not matter: detectors choose among their own proposals, so that the
        pass has to be a real one.
    side_px : int, optional
        Of the square image.
    """
    from torch.utils.flop_counter import FlopCounterMode

    device = next(model.parameters()).device
    counter, training = FlopCounterMode(display=False), model.training
    with torch.no_grad(), counter:
        model.eval()(pixel_values=torch.zeros(1, 3, side_px, side_px, device=device))
    model.train(training)
    return float(counter.get_total_flops())
