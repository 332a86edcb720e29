"""Table 5 at a small scale: PIA × PAD, the gate's variants, real beside synthetic data.

``python -m qupaint_lib.baselines.ablation --data DATASET --minutes M --seeds 3 --out FOLDER``

A cell is a small model trained in two stages (`Stages`) with the same budgets as every other cell,
and asked the same questions about held-out images, half of which have a faint monolayer. Its result
is ``cells/NAME.json``, which appears when it is whole; the same call again does what is missing.

Minutes on a processor are too few for a decoder to learn to read from nothing: all cells would be
at the floor, and alike. With ``--start nano`` each goes on from the weights that come with the
library, its own variant of PIA put into them; ``before/VARIANT.json`` is what they are worth with
and without PIA before anything is learned.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib._files import read_json, write_text
from qupaint_lib._git import git_state
from qupaint_lib.baselines.marks import LOSS, losses_of, marks_of
from qupaint_lib.baselines.stages import Stages, train_dense, train_joint
from qupaint_lib.baselines.start import dialogues_kept, started
from qupaint_lib.errors import ArgumentError, QuPaintError
from qupaint_lib.evaluate import Question, make_exam, score_answers, take_exam, to_json
from qupaint_lib.evaluate.detection import CONTRAST_EDGES
from qupaint_lib.instruct import Facts, scene_of
from qupaint_lib.model import QuPaint
from qupaint_lib.train import Images
from qupaint_lib.train.record import describe_data
from qupaint_lib.train.run import RECORD
from qupaint_lib.train.ship import SPARSE, pick_rows

EXAM_TASKS = ("refer", "localise_monolayers", "count", "layer")  # what `FIGURES` are made of
_CANDIDATES = 6  # images looked at for one that is asked about
_MAX_NEW_TOKENS = 320


@dataclass(frozen=True)
class Cell:
    """One training: what is on, and the seed.

    Attributes
    ----------
    pia_variant : str
        ``"none"``: without PIA; others: how it enters.
    pad : bool
        Dialogues in full form, with the physics.
    real_share : float
        Of the images, how many are real.
    seed : int
        Of weights, order, views and words.
    """

    pia_variant: str
    pad: bool
    real_share: float
    seed: int

    @property
    def name(self) -> str:
        """What its files are called."""
        words = [self.pia_variant, "pad" if self.pad else "short"]
        words += [f"real{round(100 * self.real_share)}"] * (self.real_share > 0)
        return "-".join([*words, f"seed{self.seed}"])


@dataclass(frozen=True)
class Plan:
    """The cells of an ablation, and the budgets of each.

    Attributes
    ----------
    stages : Stages
        Budgets and sizes; variant, PAD and seed are the cell's.
    seeds : int
        How many trainings of every kind.
    variants : sequence of str
        Of PIA; the first one, with ``"none"``, crosses PAD, the others are with PAD alone.
    real_shares : sequence of float
        Beside 0, which is always there: with the first variant and PAD alone.
    exam_images, exam_seed : int
        Of the questions, which are the same for all cells.
    loss_images : int
        Held-out images with dialogues in short form, on which the loss is measured: a finer figure
        than answers that are right or wrong.
    """

    stages: Stages = field(default_factory=Stages)
    seeds: int = 3
    variants: Sequence[str] = ("gate", "gate_post", "add", "channel")
    real_shares: Sequence[float] = ()
    exam_images: int = 120
    exam_seed: int = 0
    loss_images: int = 60

    def __post_init__(self) -> None:
        for name in ("seeds", "exam_images", "loss_images"):
            if getattr(self, name) < 1:
                raise ArgumentError(name, getattr(self, name), "at least 1")
        if not self.variants or "none" in self.variants:
            raise ArgumentError("variants", list(self.variants), "one at least; none is there")
        for share in self.real_shares:
            if not 0 < share <= 1:
                raise ArgumentError("real_shares", share, "a share above 0, up to 1")

    def cells(self) -> list[Cell]:
        """Return the cells, those of Table 5 first, then variants and real shares; by seed."""
        first, *others = self.variants
        table = [(v, pad, 0.0) for v, pad in product(("none", first), (False, True))]
        beside = [(variant, True, 0.0) for variant in others]
        beside += [(first, True, float(share)) for share in self.real_shares]
        seeds = range(self.seeds)
        return [Cell(*k, seed) for kinds in (table, beside) for seed in seeds for k in kinds]


class Mixed(Sequence):
    """Synthetic images of which every so many are replaced by real ones.

    Parameters
    ----------
    synthetic, real : sequences of lists of rows
        Images; the real ones are repeated as often as needed.
    share : float
        Of real images, 0 to 1; those are spread evenly.
    """

    def __init__(self, synthetic: Sequence[Any], real: Sequence[Any], share: float):
        if share > 0 and not len(real):
            raise ArgumentError("real", 0, "one real image at least")
        self.synthetic, self.real, self.share = synthetic, real, share

    def __len__(self) -> int:
        return len(self.synthetic)

    def __getitem__(self, i: int) -> Any:
        if not 0 <= i < len(self):
            raise IndexError(i)
        before, after = int(i * self.share), int((i + 1) * self.share)
        return self.real[before % len(self.real)] if after > before else self.synthetic[i]


def run_ablation(
    data: str | Path,
    out: str | Path,
    plan: Plan,
    *,
    real: str | Path | None = None,
    progress: bool = False,
) -> list[dict[str, Any]]:
    """Train and examine the cells of a plan that are not done, and return the results of all.

    Parameters
    ----------
    data : path
        Data set of `build_dataset` with the splits ``train`` and ``test``.
    out : path
        A new folder, or that of the same plan and data.
    plan : Plan
        Cells and budgets.
    real : path, optional
        Data set whose split ``train`` has real images, where the plan asks for shares of them.
    progress : bool, optional
        Show progress.

    Returns
    -------
    list of dict
        In the order of `Plan.cells`: ``cell``, ``stages``, ``steps``, ``dialogues`` made and kept
        (`dialogues_kept`), ``scores`` with intervals over images, ``marks`` of each question and
        the loss on each image for paired comparisons, ``data``, ``commit``.

    Raises
    ------
    ArgumentError
        The folder is that of another plan, or real images are missing.
    """
    data, out = Path(data), Path(out)
    if plan.real_shares and real is None:
        raise ArgumentError("real", None, "a data set with real images, for shares of them")
    _claim(out, plan, data)
    images = Images(data / "train")
    own = Images(Path(real) / "train") if real is not None else []
    exam = make_ablation_exam(data / "test", plan)
    held_out = Images(data / "test")
    if plan.stages.start is not None:
        for variant in ("none", plan.variants[0]):
            path = out / "before" / f"{variant}.json"
            if not path.exists():
                assistant = started(plan.stages.start, variant)
                told = {"pia_variant": variant, "stages": asdict(plan.stages)}
                told |= _examine(assistant, plan, exam, held_out, progress)
                write_text(path, json.dumps(told, indent=1) + "\n")
    results = []
    for cell in plan.cells():
        path = out / "cells" / f"{cell.name}.json"
        if not path.exists():
            if progress:
                print(f"cell {cell.name}", flush=True)
            seen = Mixed(images, own, cell.real_share) if cell.real_share else images
            assistant, result = _train(cell, seen, out / "runs", plan, progress)
            result |= _examine(assistant, plan, exam, held_out, progress)
            shutil.rmtree(out / "runs" / cell.name, ignore_errors=True)
            result["data"] = describe_data(data / "train")
            write_text(path, json.dumps(result, indent=1) + "\n")
        results.append(read_json(path))
    shutil.rmtree(out / "runs", ignore_errors=True)
    return results


def make_ablation_exam(split: str | Path, plan: Plan) -> list[Question]:
    """Return the questions: about images of up to ten flakes, half with a faint monolayer."""
    rows = pick_rows(split, SPARSE, _CANDIDATES * plan.exam_images)
    faint = [row for row in rows if has_faint_monolayer(row)][: plan.exam_images // 2]
    chosen = {row["id"] for row in faint}
    others = [row for row in rows if row["id"] not in chosen]
    kept = faint + others[: plan.exam_images - len(faint)]
    if not kept:
        raise ArgumentError("data", str(split), "a test split with images of 1 to 10 flakes")
    return make_exam(kept, tasks=EXAM_TASKS, reasons=(), seed=plan.exam_seed)


def has_faint_monolayer(row: Mapping[str, Any]) -> bool:
    """Return whether an image has a monolayer of less contrast than `CONTRAST_EDGES` begin at."""
    if 1 not in row["layer_counts"]:
        return False
    facts = Facts(scene_of(row))
    pairs = zip(facts.flakes, facts.expected.delta_e, strict=True)
    return any(f.layer_count == 1 and delta_e < CONTRAST_EDGES[0] for f, delta_e in pairs)


def _train(
    cell: Cell, images: Sequence[Any], runs: Path, plan: Plan, progress: bool
) -> tuple[QuPaint, dict[str, Any]]:
    """Return the trained model of a cell, and how it was trained."""
    stages = replace(plan.stages, pia_variant=cell.pia_variant, pad=cell.pad, seed=cell.seed)
    vision = None
    if stages.start is None:
        tower = replace(cell, pad=True).name  # the dense stage has no dialogues: PAD is not in it
        vision = train_dense(images, runs / f"dense-{tower}", stages, progress=progress)
    assistant = train_joint(images, runs / cell.name, stages, vision, progress=progress)
    told = {"cell": asdict(cell), "stages": asdict(stages)}
    told["steps"] = read_json(runs / cell.name / RECORD)["steps"]
    told["dialogues"] = dialogues_kept(images, assistant.processor, stages.configs()[1])
    return assistant, told


def _examine(
    assistant: QuPaint,
    plan: Plan,
    exam: Sequence[Question],
    held_out: Sequence[Any],
    progress: bool,
) -> dict[str, Any]:
    """Return what a model is worth: scores, marks and losses, with the commit."""
    answered = take_exam(
        assistant, exam, max_new_tokens=_MAX_NEW_TOKENS, scored=True, progress=progress
    )
    scores = score_answers(answered, rng=np.random.default_rng(plan.exam_seed), claims=False)
    commit, dirty = git_state(Path(__file__).parent)
    return {
        "scores": to_json({"answers": scores})["answers"],
        "marks": {**marks_of(answered), LOSS: losses_of(assistant, held_out, plan.loss_images)},
        "images": plan.exam_images,
        "commit": commit,
        "dirty": dirty,
    }


def _claim(out: Path, plan: Plan, data: Path) -> None:
    """Refuse a folder that holds another ablation."""
    told = {"plan": json.loads(json.dumps(asdict(plan))), "data": describe_data(data / "train")}
    path = out / "plan.json"
    if path.exists():
        there = read_json(path)
        for name, value in told.items():
            if there.get(name) != json.loads(json.dumps(value)):
                raise ArgumentError("out", str(out), f"a new folder: that one has another {name}")
        return
    if out.exists() and any(out.iterdir()):
        raise ArgumentError("out", str(out), "a new or empty folder, or that of the same plan")
    write_text(path, json.dumps(told, indent=1) + "\n")


def done_cells(out: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the results of the cells that are done, of an ablation that may still be running."""
    for path in sorted((Path(out) / "cells").glob("*.json")):
        yield read_json(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 if all went well, 2 for what is not allowed, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        dense = 0.0 if options.start else options.dense_share * options.minutes
        stages = Stages(
            dense,
            options.minutes - dense,
            size=options.size,
            patch_size=options.patch_size,
            start=options.start,
        )
        plan = Plan(
            stages,
            seeds=options.seeds,
            variants=options.variants,
            real_shares=options.real_shares,
            exam_images=options.images,
        )
        run_ablation(options.data, options.out, plan, real=options.real, progress=True)
    except QuPaintError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command again goes on from there", file=sys.stderr)
        return 130
    print(f"{options.out}: all {len(plan.cells())} cells are done; python -m")
    print("qupaint_lib.baselines.collect puts them into the results that chapter 9 reads")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m qupaint_lib.baselines.ablation",
        description="Train a small model with and without PIA and PAD, and examine each.",
    )
    add = parser.add_argument
    add("--data", required=True, help="data set with the splits train and test")
    add("--out", required=True, help="new folder, or one to go on with")
    add("--minutes", type=float, default=20.0, help="of processor time, a cell (%(default)s)")
    add("--start", help="go on from weights: nano, or a folder; without it from nothing")
    add("--dense-share", type=float, default=0.25, help="of them for the dense stage (%(default)s)")
    add("--seeds", type=int, default=3, help="trainings of every kind (%(default)s)")
    add("--variants", nargs="+", default=list(Plan().variants), help="of PIA (%(default)s)")
    add("--real", help="data set whose images are real")
    add("--real-shares", nargs="*", type=float, default=[], help="of real images, such as 0.25")
    add("--images", type=int, default=120, help="of the exam (%(default)s)")
    add("--size", default="micro", help="of the model (%(default)s)")
    add("--patch-size", type=int, default=16, help="of the model, px (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
