"""The dataset card: what a data set holds, counted from its shards."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qupaint_lib._files import write_text
from qupaint_lib.annotations import LAYER_CLASSES
from qupaint_lib.shards import ShardsReport, read_shards

CARD = "README.md"
_COUNTED = ("task", "material", "quality", "form", "pad", "kind")
_READ = (*_COUNTED, "id", "dialogue", "microscope", "classes", "messages")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))

_TEXT = """\
---
pretty_name: QMat-Instruct, open edition
language: [en]
task_categories: [image-text-to-text, visual-question-answering, object-detection]
tags: [2d-materials, microscopy, synthetic, instruction-tuning, physics]
size_categories: [{size}]
configs:
- config_name: default
  data_files:
{files}
---

# QMat-Instruct, open edition

Reflected-light micrographs of exfoliated flakes with dialogues about them. Every sentence of an
answer is derived from the scene and from an optical model of thin-film interference, and can be
checked against both. {images} images, {dialogues} dialogues, {answers} answers.

```python
from datasets import load_dataset
rows = load_dataset("FOLDER", split="train", streaming=True)
```

A row is one dialogue about one image; the dialogues about an image follow each other. `messages` is
a chat as the templates of `transformers` take it. `answer_boxes` (x, y, width, height in percent),
`answer_labels` and `answer_layer_counts` are what the answers commit to; `boxes` (pixels),
`layer_counts`, `classes`, `masks` and `areas` are all flakes of the image. `scene` is everything
that the image was made from, so that each answer can be verified again. `pad` tells whether an
answer holds physics-aware descriptions, `quality` where the annotation comes from: *synthetic* is
exact, *verified* is vouched for by somebody, *weak* was found by a program.

## Splits

No scene and no microscope (instrument, magnification and wafer) is in two splits. Where a single
microscope took all real images, they are in `train`.

{splits}

Real images: {real} of {images} ({real_share} of all; asked for: {wanted_share}).

## Flakes

One flake is one connected region of constant layer count: Mono is 1, Few is 2 to 4, Thick is 5
layers and more. Counted once per image.

{flakes}

## Dialogues

{tables}
## How it was made

Seed {seed}, {shards} shards; sample i follows from the seed and from i. Packages: {versions}.

```json
{configuration}
```

## Limits

Synthetic images follow a model of thin films, camera and wafer: real residue, folds, strain and
oxidation are simpler here, or absent. Answers are built by a grammar: their wording varies, but it
is not that of people. What an image shows is stated only where it agrees with the optical model.
"""


@dataclass
class Counts:
    """What is counted in a split."""

    images: int = 0
    dialogues: int = 0
    answers: int = 0
    microscopes: set[str] = field(default_factory=set)
    flakes: Counter = field(default_factory=Counter)
    without_mono: int = 0
    empty: int = 0
    real: int = 0
    by: dict[str, Counter] = field(default_factory=lambda: {name: Counter() for name in _COUNTED})

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row."""
        self.dialogues += 1
        self.answers += len(row["messages"]) // 2
        for name in _COUNTED:
            self.by[name][row[name]] += 1
        if row["dialogue"] == 0:
            self.images += 1
            self.microscopes.add(row["microscope"])
            self.flakes.update(row["classes"])
            self.without_mono += "Mono" not in row["classes"]
            self.empty += not row["classes"]
            self.real += row["quality"] != "synthetic"


def count_rows(folder: str | Path) -> Counts:
    """Return what the shards of a split hold, read one row at a time."""
    counts = Counts()
    for row in read_shards(folder, columns=_READ):
        counts.add(row)
    return counts


def write_card(out: Path, reports: Mapping[str, ShardsReport]) -> Path:
    """Write the dataset card of the splits that were made."""
    counts = {split: count_rows(report.out) for split, report in reports.items()}
    manifests = [report.manifest for report in reports.values()]
    dataset, every = manifests[0].dataset, list(counts.values())
    images, dialogues = (sum(getattr(c, name) for c in every) for name in ("images", "dialogues"))
    real = sum(c.real for c in every)
    files = [f"  - split: {split}\n    path: {split}/{split}-*.parquet" for split in counts]
    text = _TEXT.format(
        size=next((name for most, name in _SIZES if dialogues < most), "n>1M"),
        files="\n".join(files),
        images=f"{images:,}",
        dialogues=f"{dialogues:,}",
        answers=f"{sum(c.answers for c in every):,}",
        splits=_split_table(counts),
        real=f"{real:,}",
        real_share=f"{real / images:.1%}",
        wanted_share=f"{dataset['configuration']['plan']['real_share']:.1%}",
        flakes=_flake_table(counts),
        tables="".join(_tables(counts)),
        seed=dataset["seed"],
        shards=sum(len(m.shards) for m in manifests),
        versions=", ".join(f"{k} {v}" for k, v in sorted(manifests[0].versions.items())),
        configuration=json.dumps(dataset["configuration"], indent=1, sort_keys=True),
    )
    return write_text(out / CARD, text)


def _split_table(counts: Mapping[str, Counts]) -> str:
    head = ("split", "images", "dialogues", "answers", "microscopes", "real images")
    rows = [
        (split, c.images, c.dialogues, c.answers, len(c.microscopes), c.real)
        for split, c in counts.items()
    ]
    return _table(head, rows)


def _flake_table(counts: Mapping[str, Counts]) -> str:
    head = ("split", *LAYER_CLASSES, "images without a monolayer", "images without a flake")
    rows = []
    for split, c in counts.items():
        flakes = max(c.flakes.total(), 1)
        shares = [(c.flakes[name], flakes) for name in LAYER_CLASSES]
        shares += [(c.without_mono, c.images), (c.empty, c.images)]
        rows.append((split, *(f"{part:,} ({part / whole:.1%})" for part, whole in shares)))
    return _table(head, rows)


def _tables(counts: Mapping[str, Counts]) -> Iterable[str]:
    """Yield a table for each thing that is counted, with a column per split and the share."""
    total = sum(c.dialogues for c in counts.values())
    for name in _COUNTED:
        values = sorted({value for c in counts.values() for value in c.by[name]}, key=str)
        rows = []
        for value in values:
            numbers = [c.by[name][value] for c in counts.values()]
            shown = {True: "yes", False: "no"}.get(value, value)
            rows.append((shown, *numbers, f"{sum(numbers) / total:.1%}"))
        yield _table((name, *counts, "share"), rows) + "\n\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head)]
    lines += [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
