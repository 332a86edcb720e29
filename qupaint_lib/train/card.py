"""The model card: what a shipped model is, what it can do and what it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qupaint_lib._files import read_json, write_text

CARD = "README.md"
ROWS = (
    ("count_exact", "Flakes counted exactly"),
    ("count_within_1", "Flakes counted within ±1"),
    ("monolayer_verdict", "Monolayer, yes or no; balanced accuracy"),
    ("layer_class", "Class of a given box; balanced accuracy"),
    ("layer_class_ceiling", "– of an oracle that knows mask and palette"),
    ("grounding_50", "A flake that is referred to, Acc@50"),
    ("grounding_75", "A flake that is referred to, Acc@75"),
    ("detection_ap50", "All flakes, AP50"),
    ("detection_ap", "All flakes, AP"),
    ("mono_ap50", "Monolayers, AP50"),
    ("well_formed", "Well-formed answers"),
    ("claims_accepted", "Claims in reasons that hold against the image"),
    ("claims_accepted_without_image", "Claims in reasons that hold against the optical model"),
)

_ABOUT = """\
---
license: mit
pipeline_tag: image-text-to-text
---

# qupaint-nano

A QuPAINT model of {parameters:.1f} million parameters ({size:.1f} MB in float16), trained from
scratch on a {device}. It reads one tile of {tile_px} px and answers in the format of the release,
with its conclusion alone where it is asked for that.

```python
from qupaint_lib.model import load_nano

load_nano().chat(image, "How many material flakes are there in the image?", brief=True)
```

## Data and recipe

Synthetic micrographs of all eight materials by Synthia, with lamp, camera, wafer, objective and
dirt drawn at random, and dialogues by QMat-Instruct, made anew for every view. No real image was
trained on. Three stages: the vision tower with the dense loss, the head of the region tokens
alone, and the decoder, {steps:,} steps of {batch} images with up to {dialogues} dialogues
each{parts}. The records of all runs, with data, configuration, versions, commit and curves, are in
the JSON files beside this card, and the commands in the epilogue of
`python -m qupaint_lib.train --help`.

## Figures

{images} held-out images with 1 to 10 flakes and {dense} with 24 to 40, of microscopes that it has
not been trained on; greedy decoding; 95 % intervals over images. Faint and clear: ΔE below 5 and
from 15 of the flake asked for, or of the faintest.

| | 1–10 flakes | faint | clear | 24–40 flakes |
|---|---|---|---|---|
{rows}
"""

_REAL = """
On the {images} annotated development micrographs, which no training has seen, {reduce} pixels made
one on a side and read window by window: of {flakes} thin flakes a
share of {recall:.2f} is found, and of its {found} boxes a share of {precision:.2f} is on one (IoU
0.5); AP50 {ap50:.2f}, AP {ap:.2f}.
"""

_LIMITS = """
## Limits

**Where a box lies comes from optics.** Plateaus of constant contrast are found without training, as
the finder finds them, and handed to the model as tokens; a small head tells flakes from dirt and
names their layers, and the decoder reads, chooses and says. What optics does not find, a flake of
a few pixels or one that drowns in the noise, the model does not find either.

**The decoder learned for {hours:.1f} hours on a {device},** from synthetic images alone: compare
the figures above with chance (0.5 for a verdict, 0.33 for a class) and with what was aimed at
(chapter 8). To find flakes, use the finder, which fits the optics to the image and needs no
language. Numbers in its reasons are often made up: check any answer with
`qupaint_lib.instruct.verify`.
"""


def write_card(folder: Path, exam: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """Write the card of the model in a folder, from its exam and the records of its runs."""
    runs = [read_json(path) for path in sorted(folder.glob("*.json"))]
    taught = [run for run in runs if run.get("config", {}).get("dialogues") == "fresh"]
    hours = sum(run["seconds"] for run in taught) / 3600
    parts = f", in {len(taught)} runs" if len(taught) > 1 else ""
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    config, model = record["config"], record["model"]
    text = _ABOUT.format(
        parameters=model["parameters"] / 1e6,
        size=size / 1e6,
        device=record["device"],
        tile_px=model["tile_px"],
        steps=sum(run["steps"] for run in taught),
        parts=parts,
        batch=config["batch_size"],
        dialogues=config["dialogues_per_image"],
        images=exam["images"]["rows"],
        dense=exam["images"]["dense"],
        rows="\n".join(_row(exam, key, name) for key, name in ROWS),
    )
    if "real" in exam:
        text += _REAL.format(**{name: value or 0.0 for name, value in exam["real"].items()})
    write_text(folder / CARD, text + _LIMITS.format(hours=hours, device=record["device"]))


def _row(exam: Mapping[str, Any], key: str, name: str) -> str:
    sparse, dense = exam["rows"].get(key, {}), exam["dense"].get(key, {})
    cells = [sparse.get("all"), sparse.get("contrast: faint"), sparse.get("contrast: clear")]
    return f"| {name} | {' | '.join(_cell(cell) for cell in (*cells, dense.get('all')))} |"


def _cell(entry: Sequence[float | None] | None) -> str:
    if entry is None or entry[0] is None:
        return "–"
    value, low, high, _ = entry
    return f"{value:.2f}" if low is None else f"{value:.2f} ({low:.2f}–{high:.2f})"
