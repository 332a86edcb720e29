"""One training run, from data to weights with their record; the same call again goes on with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch.utils.data import Dataset, Subset
from transformers import TrainerCallback, TrainingArguments

from qupaint_lib._files import write_text
from qupaint_lib.errors import ArgumentError
from qupaint_lib.model import QuPaint
from qupaint_lib.train.config import TrainConfig
from qupaint_lib.train.encode import Collator
from qupaint_lib.train.examples import Examples, Images
from qupaint_lib.train.record import make_record
from qupaint_lib.train.regions import RegionExamples, measure_regions
from qupaint_lib.train.targets import DENSE_CLASSES
from qupaint_lib.train.trainer import QuPaintTrainer

RECORD = "training.json"
STATE = "trainer_state.json"
# Decoder layers alone: a plain list of names would hit the vision tower too.
LORA_TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
LORA_SAVED = (
    "multi_modal_projector", "pia_gate", "pia_embedding", "dense_head", "region_tokens",
)  # fmt: skip


def train(
    assistant: QuPaint,
    data: Any,
    out: str | Path,
    config: TrainConfig,
    *,
    validation: Any = None,
    callbacks: Sequence[Any] = (),
    progress: bool = True,
    stop: Callable[[], bool] | None = None,
) -> QuPaint:
    """Train a model, and write it with a record of how; the same call again resumes.

    In ``out``: checkpoints while it runs, ``logs`` for TensorBoard, and in the end
    ``model.safetensors`` with processor and tokenizer (the best by the validation loss, where
    there is validation data), and ``training.json``: configuration, data, versions, commit, curve.
    Started by ``accelerate launch``, it runs on several processes.

    Parameters
    ----------
    assistant : QuPaint
        Model and processor: from `from_scratch`, `load_nano`, `load_released`, …; changed in place.
    data : Images, path of a split, or torch Dataset of Example
        What is learned from.
    out : path
        A new or empty folder, or that of the same run.
    config : TrainConfig
        The recipe.
    validation : Images, path or Dataset, optional
        What chooses the best checkpoint.
    callbacks : sequence of transformers.TrainerCallback, optional
        More of them.
    progress : bool, optional
        Show a progress bar.
    stop : callable, optional
        Asked after every step whether to end now, with a checkpoint.

    Returns
    -------
    QuPaint
        The trained model, in evaluation mode.

    Raises
    ------
    ArgumentError
        Data without an image, a folder with another run, dense loss without a dense head.
    TrainingError
        The loss is not finite; the batch is saved.
    """
    model, processor = assistant
    out = Path(out)
    dense = _dense(model, config)
    images, checked = _images(data, config.max_images, config.seed), _images(validation)
    record = make_record(model, processor, config, data, validation)
    _claim(out, record)
    make = partial(_examples, processor=processor, config=config, dense=dense)
    examples = make(images, file=out / "regions.npz", passes=config.epochs, progress=progress)
    checks = None
    if checked is not None:
        checks = make(checked, file=out / "regions_validation.npz", augment=False)
    _freeze(model.model, config)
    wrapped = with_lora(model, config) if config.method == "lora" else model
    _learn_in_float32(wrapped, config)
    trainer = QuPaintTrainer(
        model=wrapped,
        args=arguments(config, out, checks is not None, progress),
        train_dataset=examples,
        eval_dataset=checks,
        data_collator=Collator.of(processor),
        gate_learning_rate=config.gate_learning_rate,
        callbacks=[*callbacks, *([_Stop(stop)] if stop else [])],
    )
    last = last_checkpoint(out)
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    if config.method == "lora" and trainer.is_world_process_zero():
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(out / "adapter")
    _finish(trainer, assistant, out, record, config)
    return QuPaint(model.eval(), processor)


def arguments(config: TrainConfig, out: Path, validated: bool, progress: bool) -> TrainingArguments:
    """Return what transformers' Trainer is told."""
    every = {"save_steps": config.save_steps, "eval_steps": config.save_steps}
    chosen = {}
    if validated:
        chosen = {
            "eval_strategy": "steps",
            "load_best_model_at_end": True,
            "metric_for_best_model": "eval_loss",
            "greater_is_better": False,
        }
    checkpointing = {}
    if config.gradient_checkpointing:
        options = {"use_reentrant": False}
        checkpointing = {
            "gradient_checkpointing": True,
            "gradient_checkpointing_kwargs": options,
        }
    return TrainingArguments(
        output_dir=str(out),
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulation,
        num_train_epochs=1,  # the passes are in the examples, each in another order
        max_steps=config.max_steps or -1,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        adam_beta2=0.98 if config.method == "scratch" else 0.999,
        warmup_steps=config.warmup,
        lr_scheduler_type=config.schedule,
        max_grad_norm=config.max_grad_norm,
        bf16=config.bf16,
        use_cpu=not torch.cuda.is_available(),
        **checkpointing,
        dataloader_num_workers=config.workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        dataloader_persistent_workers=config.workers > 0,
        remove_unused_columns=False,
        label_names=[_learned_from(config)],
        prediction_loss_only=True,
        logging_steps=config.log_steps,
        logging_first_step=True,
        save_strategy="steps",
        save_total_limit=config.keep,
        report_to=["tensorboard"],
        disable_tqdm=not progress,
        seed=config.seed % 2**32,
        **every,
        **chosen,
    )


def _learned_from(config: TrainConfig) -> str:
    if config.dialogues != "none":
        return "labels"
    return "region_labels" if config.freeze_vision else "dense_labels"


def with_lora(model: Any, config: TrainConfig) -> Any:
    """Return a model whose decoder has low-rank updates; the rest that is small, in full."""
    from peft import LoraConfig, get_peft_model

    there = [name for name in LORA_SAVED if any(name in n for n, _ in model.named_modules())]
    setup = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        target_modules=LORA_TARGETS,
        modules_to_save=there,
    )
    return get_peft_model(model, setup)


def last_checkpoint(out: str | Path) -> Path | None:
    """Return the newest whole checkpoint of a run; None where there is none.

    A process that is killed while it saves leaves a folder without its last file, or with files
    that are cut off; such a folder is passed over.
    """
    found = []
    for folder in Path(out).glob("checkpoint-*"):
        step = folder.name.rpartition("-")[2]
        if step.isdigit() and is_whole(folder):
            found.append((int(step), folder))
    return max(found)[1] if found else None


def is_whole(checkpoint: Path) -> bool:
    """Return whether a checkpoint was written to its end: the trainer's state is its last file."""
    try:
        json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        for file in checkpoint.glob("*.safetensors"):
            with safe_open(str(file), framework="numpy"):
                pass
    except (OSError, ValueError, SafetensorError):
        return False
    return True


def _dense(model: Any, config: TrainConfig) -> bool:
    """Return whether the run has the auxiliary loss, and tell the model its weight."""
    if not config.dense_loss_weight:
        return False
    if model.config.dense_classes != DENSE_CLASSES:
        allowed = f"0, or a model with dense_classes={DENSE_CLASSES}"
        raise ArgumentError("dense_loss_weight", config.dense_loss_weight, allowed)
    model.config.dense_loss_weight = float(config.dense_loss_weight)
    return True


def _learn_in_float32(model: Any, config: TrainConfig) -> None:
    """Keep in float32 what is learned, however it was stored: steps of 2e-5 vanish in bfloat16.

    What low-rank updates leave as it is stays as it was stored, where arithmetic is in bfloat16.
    """
    for parameter in model.parameters():
        if parameter.requires_grad or not config.bf16:
            parameter.data = parameter.data.float()


def _freeze(core: Any, config: TrainConfig) -> None:
    """Let the parts that see rest, where the configuration says so, or learn."""
    for part in (core.vision_tower, core.dense_head):
        if part is not None:
            part.requires_grad_(not config.freeze_vision)
    if core.region_tokens is not None:
        for part in core.region_tokens.head():
            part.requires_grad_(not config.freeze_vision or config.dialogues == "none")


def _images(data: Any, most: int = 0, seed: int = 0) -> Any:
    """Return the images of a split's folder, or what is given; `most` of them, drawn at random."""
    if data is None or isinstance(data, Dataset):
        return data
    images = Images(data) if isinstance(data, str | Path) else data
    if not len(images):
        raise ArgumentError("data", 0, "one image at least")
    if not 0 < most < len(images):
        return images
    drawn = np.random.default_rng(seed).permutation(len(images))[:most]
    return Subset(images, drawn.tolist())


def _examples(
    images: Any,
    *,
    processor: Any,
    config: TrainConfig,
    dense: bool,
    file: Path,
    passes: int = 1,
    augment: bool | None = None,
    progress: bool = False,
) -> Any:
    if isinstance(images, Dataset) and not isinstance(images, Subset):
        return images
    if not (config.dialogues == "none" and config.freeze_vision):
        return Examples(images, processor, config, dense=dense, passes=passes, augment=augment)
    regions, labels = measure_regions(images, processor, file, progress=progress)
    augment = config.augment if augment is None else augment
    return RegionExamples(regions, labels, config.seed, passes=passes, augment=augment)


def _claim(out: Path, record: dict[str, Any]) -> None:
    """Refuse a folder that holds another run, by its recipe and its data."""
    path = out / RECORD
    if path.exists():
        there = json.loads(path.read_text(encoding="utf-8"))
        for name in ("config", "data"):
            if there.get(name) != json.loads(json.dumps(record[name])):
                allowed = f"a new folder, or that of the same run; its {name} differ"
                raise ArgumentError("out", str(out), allowed)
        return
    if out.exists() and any(out.iterdir()):
        raise ArgumentError("out", str(out), "a new or empty folder, or that of the same run")
    write_text(path, json.dumps(record, indent=2))


def _finish(
    trainer: QuPaintTrainer,
    assistant: QuPaint,
    out: Path,
    record: dict[str, Any],
    config: TrainConfig,
) -> None:
    """Write weights, processor and record."""
    if config.method == "lora":
        merged = trainer.accelerator.unwrap_model(trainer.model).merge_and_unload()
        if trainer.is_world_process_zero():
            merged.save_pretrained(out)
    else:
        if trainer.is_fsdp_enabled:  # checkpoints are sharded; what remains in the end is whole
            trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
        trainer.save_model(str(out))
    if trainer.is_world_process_zero():
        assistant.processor.save_pretrained(out)
        state = trainer.state
        record = {
            **record,
            "steps": state.global_step,
            "best_step": state.best_global_step,
            "best_validation_loss": state.best_metric,
            "curve": [entry for entry in state.log_history if "train_runtime" not in entry],
            "seconds": float(np.sum([e.get("train_runtime", 0) for e in state.log_history])),
        }
        write_text(out / RECORD, json.dumps(record, indent=2))


class _Stop(TrainerCallback):
    """Ends a run, with a checkpoint, when it is told to."""

    def __init__(self, asked: Callable[[], bool]):
        self.asked = asked

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        if self.asked():
            control.should_save = control.should_training_stop = True
        return control
