"""Training of a detector until its budget of processor minutes is spent."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch

from qupaint_lib.baselines.detectors import Detector
from qupaint_lib.baselines.samples import SIDE_PX, stream_samples
from qupaint_lib.errors import ArgumentError, TrainingError

_WARMUP, _LAST_RATE = 0.03, 0.02  # share of the budget; of the peak rate, at its end


@dataclass(frozen=True)
class FitConfig:
    """How a detector is trained.

    Attributes
    ----------
    minutes : float
        Processor time of the training, making of the samples included; on a GPU, time by the clock.
    batch_size : int
        Images per step.
    learning_rate, weight_decay : float
        Of AdamW; the rate rises, then falls as a half cosine over the budget.
    max_grad_norm : float
        Gradients are scaled down to it.
    side_px : int
        Side of the samples.
    seed : int
        Of weights, order and views.
    """

    minutes: float = 20.0
    batch_size: int = 4
    learning_rate: float = 5e-4
    weight_decay: float = 1e-4
    max_grad_norm: float = 1.0
    side_px: int = SIDE_PX
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("minutes", "learning_rate", "max_grad_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise ArgumentError(name, getattr(self, name), "a number > 0")
        if not 0 <= self.weight_decay < math.inf:
            raise ArgumentError("weight_decay", self.weight_decay, "a number of at least 0")
        if self.batch_size < 1:
            raise ArgumentError("batch_size", self.batch_size, "at least 1")
        if self.side_px < 64 or self.side_px % 32:
            raise ArgumentError("side_px", self.side_px, "a multiple of 32, at least 64")


class Budget:
    """A number of minutes, of processor time or by the clock, that runs from when it is made."""

    def __init__(self, minutes: float, *, by_clock: bool = False):
        if not 0 < minutes < math.inf:
            raise ArgumentError("minutes", minutes, "a number > 0")
        self.minutes, self._now = minutes, time.perf_counter if by_clock else time.process_time
        self._start = self._now()

    @property
    def spent(self) -> float:
        """Minutes that have passed."""
        return (self._now() - self._start) / 60

    @property
    def share(self) -> float:
        """Which part of the budget is spent, 0 to 1."""
        return min(self.spent / self.minutes, 1.0)

    def over(self) -> bool:
        """Return whether all of it is spent."""
        return self.spent >= self.minutes


def fit_detector(
    detector: Detector,
    model: Any,
    images: Sequence[list[Mapping[str, Any]]],
    config: FitConfig,
    *,
    progress: bool = False,
) -> dict[str, Any]:
    """Train a model in place, and return how that went.

    Parameters
    ----------
    detector : Detector
        Of `DETECTORS`.
    model : torch.nn.Module
        What its `make` returned, on its device.
    images : Images, or a sequence of lists of rows
        What is learned from.
    config : FitConfig
        Budget and recipe.
    progress : bool, optional
        Show a progress bar.

    Returns
    -------
    dict
        ``minutes`` spent, ``steps``, ``images_seen``, and ``curve``: about a hundred pairs of
        images seen and mean loss since the last pair.

    Raises
    ------
    TrainingError
        The loss is not finite.
    """
    from tqdm import tqdm

    stream = stream_samples(images, np.random.default_rng([config.seed, 1]), side_px=config.side_px)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    curve, losses, steps, shown = [], [], 0, 0.0
    budget = Budget(config.minutes, by_clock=model.device.type == "cuda")
    model.train()
    with tqdm(total=1.0, disable=not progress, bar_format="{l_bar}{bar}| {postfix}") as bar:
        while not budget.over():
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * rate_at(budget.share)
            loss = detector.loss(model, list(islice(stream, config.batch_size)))
            if not torch.isfinite(loss):
                raise TrainingError("loss", loss.item(), f"finite; it was not at step {steps}")
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
            optimizer.step()
            steps += 1
            losses.append(loss.item())
            if budget.share >= shown + 0.01:
                curve.append([steps * config.batch_size, round(float(np.mean(losses)), 4)])
                bar.update(budget.share - shown)
                bar.set_postfix_str(f"loss {curve[-1][1]:.3f}")
                shown, losses = budget.share, []
    model.eval()
    seen = steps * config.batch_size
    return {"minutes": budget.spent, "steps": steps, "images_seen": seen, "curve": curve}


def rate_at(share: float) -> float:
    """Return the learning rate as a part of its peak, when a share of the budget is spent."""
    if share < _WARMUP:
        return max(share / _WARMUP, 0.01)
    fallen = 0.5 * (1 + math.cos(math.pi * (share - _WARMUP) / (1 - _WARMUP)))
    return _LAST_RATE + (1 - _LAST_RATE) * fallen
