"""The small model in its two stages, each with a budget of minutes: dense, then joint.

A decoder begins to read boxes after a million tokens or two. Where the budget is far below that,
the joint stage starts from given weights instead, such as nano's, and the dense one is left out.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from qupaint_lib._files import read_json
from qupaint_lib.baselines.fit import Budget, rate_at
from qupaint_lib.baselines.start import started
from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.model import QuPaint
from qupaint_lib.model.config import PIA_VARIANTS, SIZES
from qupaint_lib.train import TrainConfig, start_nano, train
from qupaint_lib.train.run import RECORD

_NEVER = 1_000_000  # steps: a budget of time ends the run long before
# What has learned already goes on at a lower rate, and sees anew: PIA acts on what the tower tells.
_GOING_ON = {"bf16": True, "freeze_vision": False, "learning_rate": 3e-4}
_DENSE_LOSS = 0.2  # where the given model has a dense head


@dataclass(frozen=True)
class Stages:
    """How a small model is trained: `start_nano` and `train` twice, under a clock.

    Attributes
    ----------
    dense_minutes, joint_minutes : float
        Processor time of the dense stage, which there is none of with `start`, and of the one with
        dialogues.
    pia_variant : str
        Of `PIA_VARIANTS`; both stages have it.
    pad : bool
        Some dialogues in full form, with the physics; otherwise all are short.
    full_share : float
        How many of them, where `pad` is true.
    size, image_size, patch_size
        See `start_nano`; with `start` they are those of its weights.
    dense, joint : mapping
        Changes of the presets ``"dense"`` and ``"nano"``.
    options : mapping
        More for `start_nano` of the joint stage.
    start : str, optional
        Weights that the joint stage starts from: ``"nano"``, or the folder of a model. They are put
        into a model with this `pia_variant` (see `with_variant`), and all of it learns.
    seed : int
        Of both stages.
    """

    dense_minutes: float = 4.0
    joint_minutes: float = 16.0
    pia_variant: str = "gate"
    pad: bool = True
    full_share: float = 0.25
    size: str = "micro"
    image_size: int = 224
    patch_size: int = 16
    dense: Mapping[str, Any] = field(default_factory=dict)
    joint: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    start: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("dense_minutes", "joint_minutes")[self.start is not None :]:
            if not getattr(self, name) > 0:
                raise ArgumentError(name, getattr(self, name), "minutes > 0")
        if self.pia_variant not in PIA_VARIANTS:
            raise UnknownNameError("pia_variant", self.pia_variant, PIA_VARIANTS)
        if self.size not in SIZES:
            raise UnknownNameError("size", self.size, SIZES)
        if not 0 <= self.full_share <= 1:
            raise ArgumentError("full_share", self.full_share, "a share from 0 to 1")

    def configs(self) -> tuple[TrainConfig, TrainConfig]:
        """Return the recipes of the two stages; the clock lowers their rates."""
        common = {
            "seed": self.seed,
            "save_steps": _NEVER,
            "epochs": 1000,
            "bf16": False,
            "schedule": "constant_with_warmup",
            "warmup": 0.0,
        }
        joint = {"full_share": self.full_share if self.pad else 0.0, "freeze_vision": True}
        if self.start is not None:
            joint |= _GOING_ON
        return (
            TrainConfig.preset("dense", **{**common, **self.dense}),
            TrainConfig.preset("nano", **{**common, **joint, **self.joint}),
        )

    def new_model(self, images: Any, config: TrainConfig, **options: Any) -> QuPaint:
        """Return a model of this size and variant with random weights: see `start_nano`."""
        names = ("size", "image_size", "patch_size", "pia_variant")
        shape = {name: getattr(self, name) for name in names}
        return start_nano(images, config, **shape, **options)


def train_dense(
    images: Sequence[list[Mapping[str, Any]]],
    out: str | Path,
    stages: Stages,
    *,
    progress: bool = False,
) -> QuPaint:
    """Return a model after its dense stage, from `out` where that is done already.

    Parameters
    ----------
    images : Images, or a sequence of lists of rows
        What is learned from.
    out : path
        Folder of the run. One that was interrupted begins anew.
    stages : Stages
        Budgets and recipe.
    progress : bool, optional
        Show a progress bar.
    """
    config, _ = stages.configs()
    return _run(images, out, config, stages.dense_minutes, progress, stages.new_model)


def train_joint(
    images: Sequence[list[Mapping[str, Any]]],
    out: str | Path,
    stages: Stages,
    vision: QuPaint | None = None,
    *,
    progress: bool = False,
) -> QuPaint:
    """Return a model after the stage with dialogues; the rest as in `train_dense`.

    Parameters
    ----------
    images, out, stages, progress
        See `train_dense`.
    vision : QuPaint, optional
        What it returned: vision tower and dense head are taken. None where there is a `start`.
    """
    _, config = stages.configs()

    def make(images: Any, config: TrainConfig) -> QuPaint:
        if stages.start is not None:
            return started(stages.start, stages.pia_variant)
        return stages.new_model(images, config, vision=vision, **stages.options)

    return _run(images, out, config, stages.joint_minutes, progress, make)


def _run(
    images: Sequence[list[Mapping[str, Any]]],
    out: str | Path,
    config: TrainConfig,
    minutes: float,
    progress: bool,
    make: Callable[[Any, TrainConfig], QuPaint],
) -> QuPaint:
    out = Path(out)
    if is_finished(out):
        return QuPaint.from_pretrained(out)
    if out.exists():
        shutil.rmtree(out)
    assistant = make(images, config)
    config = _with_dense_loss(config, assistant)
    on_processor = assistant.model.device.type == "cpu" and not torch.cuda.is_available()
    budget = Budget(minutes, by_clock=not on_processor)
    assistant = train(
        assistant,
        images,
        out,
        config,
        callbacks=[_Clock(budget)],
        progress=progress,
        stop=budget.over,
    )
    for folder in [*out.glob("checkpoint-*"), out / "logs"]:
        shutil.rmtree(folder, ignore_errors=True)
    return assistant


def _with_dense_loss(config: TrainConfig, assistant: QuPaint) -> TrainConfig:
    """Let a tower that learns beside the decoder be told what it sees, where it has a head."""
    seeing = config.dialogues != "none" and not config.freeze_vision
    if seeing and assistant.model.config.dense_classes:
        return replace(config, dense_loss_weight=_DENSE_LOSS)
    return config


def is_finished(run: str | Path) -> bool:
    """Return whether a run was trained to its end: its record tells how many steps it took."""
    path = Path(run) / RECORD
    return path.is_file() and "steps" in read_json(path)


class _Clock(TrainerCallback):
    """Lets the rates rise and fall with the time that is spent, not with steps."""

    def __init__(self, budget: Budget):
        self.budget = budget

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set the rate of every group of parameters."""
        for group in kwargs["optimizer"].param_groups:
            group["lr"] = group["initial_lr"] * rate_at(self.budget.share)
