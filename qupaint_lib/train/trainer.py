"""transformers' Trainer with what QuPAINT adds: the gate's own rate, two losses, a stop on NaN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.utils.data import SequentialSampler
from transformers import Trainer

from qupaint_lib._files import write_bytes
from qupaint_lib.errors import TrainingError

BAD_BATCH = "bad_batch.safetensors"
GATE = "pia_gate"


class QuPaintTrainer(Trainer):
    """A Trainer for QuPAINT models.

    Parameters
    ----------
    *args, **kwargs
        Those of transformers' `Trainer`.
    gate_learning_rate : float
        Of w and b of Eq. 5.
    """

    def __init__(self, *args: Any, gate_learning_rate: float, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.gate_learning_rate = gate_learning_rate
        self.dense_sum, self.dense_steps = 0.0, 0

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Return AdamW with the gate in a group of its own, which does not decay."""
        if self.optimizer is not None:
            return self.optimizer
        module = self.model if model is None else model
        named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        decaying = set(self.get_decay_parameter_names(module))
        rest = [(n, p) for n, p in named if GATE not in n]
        groups = [
            {"params": [p for n, p in rest if n in decaying]},
            {"params": [p for n, p in rest if n not in decaying], "weight_decay": 0.0},
            {
                "params": [p for n, p in named if GATE in n],
                "weight_decay": 0.0,
                "lr": self.gate_learning_rate,
            },
        ]
        kind, options = self.get_optimizer_cls_and_kwargs(self.args, module)
        options["weight_decay"] = self.args.weight_decay
        self.optimizer = kind([group for group in groups if group["params"]], **options)
        return self.optimizer

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Return the language loss per learned token of the whole batch, plus the dense loss."""
        if "labels" not in inputs:
            num_items_in_batch = None
        outputs = model(**inputs, num_items_in_batch=num_items_in_batch)
        loss, dense = outputs.loss, getattr(outputs, "dense_loss", None)
        weighted = 0.0 if dense is None else self._weight() * dense
        language = loss - weighted
        if num_items_in_batch is not None:
            # Tokens were counted over all processes, whose gradients are then averaged.
            if self.args.average_tokens_across_devices:
                language = language * self.accelerator.num_processes
            weighted = weighted / self.current_gradient_accumulation_steps
        loss = language + weighted
        self._stop_on_nan(loss, inputs)
        if dense is not None and model.training:
            self.dense_sum += dense.detach()
            self.dense_steps += 1
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Add the dense loss to what is logged."""
        if self.dense_steps and "loss" in logs:
            logs["dense_loss"] = float(self.dense_sum) / self.dense_steps
            self.dense_sum, self.dense_steps = 0.0, 0
        super().log(logs, *args, **kwargs)

    def _weight(self) -> float:
        return self.accelerator.unwrap_model(self.model).config.dense_loss_weight

    def _stop_on_nan(self, loss: torch.Tensor, inputs: dict[str, Any]) -> None:
        if torch.isfinite(loss):
            return
        path = Path(self.args.output_dir) / BAD_BATCH
        save_batch(inputs, path)
        allowed = f"a finite number, which it was not at step {self.state.global_step}; the batch"
        allowed += f" is in {path.name}, the last good checkpoint beside it"
        raise TrainingError("loss", loss.item(), allowed)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """Take examples in their order, which the data has drawn from the seed already."""
        dataset = self.train_dataset if train_dataset is None else train_dataset
        return SequentialSampler(dataset) if hasattr(dataset, "__len__") else None


def save_batch(inputs: dict[str, Any], path: Path) -> None:
    """Write the tensors of a batch, for a look at what went wrong."""
    tensors = {
        name: value.detach().cpu().contiguous()
        for name, value in inputs.items()
        if isinstance(value, torch.Tensor)
    }
    temporary = path.with_suffix(".tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, temporary)
    write_bytes(path, temporary.read_bytes())
    temporary.unlink()
