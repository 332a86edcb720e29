"""Speed of training against the bare loop, and against transformers' own grouping by length.

One thread; every step in processor time, so that a busy neighbour counts little. Ours makes its
examples while it trains; the bare loop is handed the same batches ready made.
"""

import itertools
import statistics
from functools import cache
from tempfile import TemporaryDirectory
from time import process_time

import pytest
import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from qupaint_lib.instruct import build_dataset
from qupaint_lib.model import from_scratch
from qupaint_lib.train import Collator, Example, Examples, Images, TrainConfig, pack, train
from qupaint_lib.train.examples import stored_talks, whole
from qupaint_lib.train.targets import DENSE_CLASSES

torch.set_num_threads(1)

STEPS, BATCH, DIALOGUES = 7, 4, 8
CONFIG = TrainConfig.preset(
    "nano", dialogues="stored", augment=False, batch_size=BATCH, max_steps=STEPS, bf16=False,
    dense_loss_weight=1.0, max_tokens=768,
)  # fmt: skip


class Clock(TrainerCallback):
    """Processor time at the end of every step."""

    def __init__(self):
        self.ends = []

    def on_step_end(self, args, state, control, **kwargs):
        self.ends.append(process_time())

    @property
    def step(self):
        """Median of a step, the first one left out."""
        return statistics.median(b - a for a, b in zip(self.ends, self.ends[1:], strict=False))


@cache
def images():
    folder = TemporaryDirectory()
    options = {"form": "short", "dialogues": DIALOGUES, "shape": (224, 224), "crystals": (1, 6)}
    shares = {"train": 1.0}
    build_dataset(STEPS * BATCH, folder.name, splits=shares, progress=False, **options)
    images.folder = folder  # kept until the end
    return Images(f"{folder.name}/train", cache=f"{folder.name}/cache")


@cache
def assistant():
    import numpy as np

    rng = np.random.default_rng(0)
    shape = {"image_size": 224, "dense_classes": DENSE_CLASSES, "dense_boxes": True}
    return from_scratch("micro", rng, **shape)


@cache
def our_step():
    """Seconds of a step of ours, and how many dialogues it holds."""
    clock = Clock()
    with TemporaryDirectory() as out:
        train(assistant(), images(), out + "/run", CONFIG, callbacks=[clock], progress=False)
    examples = Examples(images(), assistant().processor, CONFIG, dense=True)
    talks = statistics.mean(examples[j].packed.talks for j in range(STEPS * BATCH))
    return clock.step, BATCH * talks


@cache
def bare_step():
    """Seconds of forward, backward and update alone, on the same batches."""
    model, processor = assistant()
    examples = Examples(images(), processor, CONFIG, dense=True)
    collate = Collator.of(processor)
    batches = [collate([examples[k * BATCH + i] for i in range(BATCH)]) for k in range(STEPS)]
    optimizer = torch.optim.AdamW(model.train().parameters(), CONFIG.learning_rate)
    ends = []
    for batch in batches:
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CONFIG.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        ends.append(process_time())
    return statistics.median(b - a for a, b in itertools.pairwise(ends))


@cache
def grouped_step():
    """Seconds of a step of the library's Trainer, of as many dialogues one by one."""
    model, processor = assistant()
    singles, shape = [], (224, 224)
    whole_images = Examples(images(), processor, CONFIG, dense=True)
    for j in range(0, STEPS * BATCH, 2):
        made = whole_images[j]
        for talk in stored_talks(images()[j], whole(shape), shape):
            packed = pack(processor, [talk], CONFIG.max_tokens)
            example = Example(packed, made.pixel_values, made.dense_labels, made.dense_boxes)
            singles.append({"input_ids": packed.input_ids.tolist(), "example": example})
    collate, clock = Collator.of(processor), Clock()
    with TemporaryDirectory() as out:
        arguments = TrainingArguments(
            out, per_device_train_batch_size=BATCH * DIALOGUES // 4, max_steps=STEPS,
            train_sampling_strategy="group_by_length", remove_unused_columns=False,
            report_to=[], disable_tqdm=True, save_strategy="no", use_cpu=True,
        )  # fmt: skip
        Trainer(
            model,
            arguments,
            train_dataset=singles,
            data_collator=lambda rows: collate([row["example"] for row in rows]),
            callbacks=[clock],
            processing_class=processor.tokenizer,
        ).train()
    return clock.step, BATCH * DIALOGUES // 4


def row(workload, ours, peer_name, peer, bar, note):
    return {
        "workload": workload,
        "ours": "qupaint_lib.train",
        "peer": peer_name,
        "ours_median_s": ours,
        "peer_median_s": peer,
        "ratio": peer / ours,
        "bar": bar,
        "stretch": None,
        "note": note,
    }


def test_a_step_against_the_bare_loop(rows):
    ours, _ = our_step()
    note = "processor time of a step; ours makes its examples meanwhile"
    rows.append(row("training step, micro", ours, "bare loop", bare_step(), 1 / 1.1, note))
    assert ours / bare_step() <= 1.10


def test_a_dialogue_against_grouping_by_length(rows):
    (ours, talks), (peer, singles) = our_step(), grouped_step()
    if not talks:
        pytest.fail("no dialogue was packed")
    name = "transformers Trainer, group_by_length"
    note = "processor time per dialogue; theirs ready made, one by one"
    rows.append(row("dialogue learned, micro", ours / talks, name, peer / singles, 1, note))
    assert (peer / singles) / (ours / talks) >= 1
