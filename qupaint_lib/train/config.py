"""What a training run is: the paper's recipe, and that of the shipped model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.instruct import TASK_NAMES

METHODS = ("full", "lora", "scratch")
DIALOGUES = ("stored", "fresh", "none")
SCHEDULES = ("cosine", "linear", "constant_with_warmup")


@dataclass(frozen=True)
class TrainConfig:
    """A training run. The defaults are the paper's recipe (§6.1), with full tuning.

    Attributes
    ----------
    method : {"full", "lora", "scratch"}
        All weights of a pretrained model, low-rank updates of its decoder (projector, gate,
        dense head and region tokens in full), or all weights of a new one.
    learning_rate, weight_decay : float
        Of AdamW. Biases, norms and the gate do not decay.
    gate_learning_rate : float
        Of w and b of Eq. 5: at 2e-5 two scalars barely move.
    warmup : float
        Share of the steps over which the rates rise from 0.
    schedule : {"cosine", "linear", "constant_with_warmup"}
        How they fall after it.
    batch_size, accumulation : int
        Images per step and process, and steps whose gradients are added up.
    epochs : int
        Passes over the images.
    max_images : int
        How many of them are drawn; 0: all.
    max_steps : int
        Of the optimiser; 0: as many as the epochs have.
    max_tokens : int
        Of an example, visual tokens included.
    dialogues : {"stored", "fresh", "none"}
        Those of the data set, or made anew from its scenes for every view of an image; none leave
        the dense loss alone, which teaches the vision tower before the decoder joins in.
    dialogues_per_image : int
        How many fresh ones, packed behind one image.
    full_share : float
        Share of the fresh ones that have candidates and reasoning.
    terse : bool
        Fresh answers say everything in one way, and only the questions vary: a small model then
        learns what to say, not in how many ways.
    max_boxes, max_answer_tokens : int
        Of a fresh answer: see `make_dialogues`.
    tasks : mapping of str to float
        Weights of the tasks among the fresh ones.
    augment : bool
        Crops, mirror images and, with fresh dialogues, quarter turns; shifts in CIELAB.
    dense_loss_weight : float
        Of the auxiliary loss; 0, the paper's, leaves it out.
    freeze_vision : bool
        Vision tower and the heads behind it stay as they are: what the decoder learns to read
        holds still. Without dialogues only the head of the region tokens is left to learn, from
        regions alone.
    lora_rank, lora_alpha : int
        Of the low-rank updates.
    bf16, gradient_checkpointing : bool
        Arithmetic in bfloat16 with weights in float32; activations computed again, not kept.
    max_grad_norm : float
        Gradients are scaled down to it.
    workers : int
        Processes that make examples.
    save_steps, log_steps : int
        Between checkpoints with validation, and between lines of the log.
    keep : int
        Checkpoints that stay, the best one besides.
    seed : int
        Of order, views, words, and of what a new model starts from.
    """

    method: str = "full"
    learning_rate: float = 2e-5
    weight_decay: float = 1e-4
    gate_learning_rate: float = 1e-2
    warmup: float = 0.03
    schedule: str = "cosine"
    batch_size: int = 4
    accumulation: int = 1
    epochs: int = 2
    max_images: int = 0
    max_steps: int = 0
    max_tokens: int = 8192
    dialogues: str = "stored"
    dialogues_per_image: int = 4
    full_share: float = 0.5
    terse: bool = False
    max_boxes: int = 24
    max_answer_tokens: int = 2048
    tasks: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(TASK_NAMES, 1.0))
    augment: bool = True
    dense_loss_weight: float = 0.0
    freeze_vision: bool = False
    lora_rank: int = 16
    lora_alpha: int = 32
    bf16: bool = True
    gradient_checkpointing: bool = False
    max_grad_norm: float = 1.0
    workers: int = 0
    save_steps: int = 500
    log_steps: int = 20
    keep: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("method", METHODS), ("dialogues", DIALOGUES), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise UnknownNameError(name, getattr(self, name), known)
        for name in ("learning_rate", "gate_learning_rate", "max_grad_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise ArgumentError(name, getattr(self, name), "a number > 0")
        for name in ("weight_decay", "dense_loss_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ArgumentError(name, getattr(self, name), "a number of at least 0")
        for name in ("warmup", "full_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ArgumentError(name, getattr(self, name), "a share from 0 to 1")
        for name in _POSITIVE:
            _whole(name, getattr(self, name), 1)
        for name in ("max_images", "max_steps", "workers", "seed"):
            _whole(name, getattr(self, name), 0)
        for task, weight in self.tasks.items():
            if task not in TASK_NAMES:
                raise UnknownNameError("tasks", task, TASK_NAMES)
            if not 0 <= weight < math.inf:
                raise ArgumentError("tasks", dict(self.tasks), "weights of at least 0")
        if self.dialogues == "none" and not self.dense_loss_weight:
            raise ArgumentError("dense_loss_weight", 0.0, "more than 0: there is no other loss")
        if not sum(self.tasks.values()) > 0:
            raise ArgumentError("tasks", dict(self.tasks), "one weight at least that is not 0")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> TrainConfig:
        """Return a recipe by name, with changes.

        Parameters
        ----------
        name : {"paper", "lora", "dense", "regions", "nano"}
            The paper's; the same with low-rank updates; the three stages of the shipped model,
            from scratch: what it sees with, the head of its region tokens, then its decoder.
        **changes
            Attributes.
        """
        if name not in PRESETS:
            raise UnknownNameError("name", name, PRESETS)
        unknown = sorted(set(changes) - set(cls.__dataclass_fields__))
        if unknown:
            raise UnknownNameError("changes", unknown[0], sorted(cls.__dataclass_fields__))
        return replace(cls(**PRESETS[name]), **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for the record beside the weights."""
        return {**asdict(self), "tasks": dict(self.tasks)}


_POSITIVE = (
    "batch_size", "accumulation", "epochs", "max_tokens", "dialogues_per_image", "max_boxes",
    "max_answer_tokens", "lora_rank", "lora_alpha", "save_steps", "log_steps", "keep",
)  # fmt: skip

# What a small model is asked most: where things are, and of how many layers.
_NANO_TASKS = {
    "count": 2.0, "count_class": 0.3, "localise": 3.0, "localise_monolayers": 1.5,
    "localise_layer": 0.3, "refer": 3.0, "verify": 3.0, "layer": 3.0, "terraces": 0.1,
    "contrast": 0.2, "material": 0.1, "substrate": 0.1, "dialogue": 0.1,
}  # fmt: skip

_NANO: dict[str, Any] = {
    "method": "scratch",
    "learning_rate": 1e-3,
    "weight_decay": 0.05,
    "batch_size": 2,
    "max_tokens": 576,
    "dialogues": "fresh",
    "dialogues_per_image": 8,
    "full_share": 0.06,
    "terse": True,
    "max_boxes": 12,
    "max_answer_tokens": 900,
    "tasks": _NANO_TASKS,
    "freeze_vision": True,
}

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "lora": {"method": "lora", "learning_rate": 1e-4},
    "dense": {
        **_NANO,
        "batch_size": 16,
        "epochs": 1,
        "dialogues": "none",
        "dense_loss_weight": 1.0,
        "freeze_vision": False,
    },
    "regions": {
        **_NANO,
        "batch_size": 32,
        "epochs": 4,
        "max_images": 20_000,
        "dialogues": "none",
        "dense_loss_weight": 1.0,
        "bf16": False,
    },
    "nano": _NANO,
}


def _whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ArgumentError(name, value, f"a whole number of at least {least}")
