"""``python -m qupaint_lib.instruct --out FOLDER -n 10000 --workers 2``: a data set."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from qupaint_lib.errors import ArgumentError, QuPaintError
from qupaint_lib.instruct.card import CARD
from qupaint_lib.instruct.dataset import KIND_SHARES, SPLIT_SHARES, build_dataset
from qupaint_lib.instruct.dialogues import FORMS, TASK_NAMES
from qupaint_lib.instruct.export import export_qf_bench, export_sharegpt
from qupaint_lib.instruct.real import RealImages
from qupaint_lib.microscope import get_preset
from qupaint_lib.synthia import HABITS, VIEWS

_EPILOG = """\
The folder then holds train, validation and test as Parquet shards with a manifest each, and
README.md, the dataset card. The same command again goes on after an interruption, and makes damaged
shards again. To train: datasets.load_dataset("FOLDER", split="train", streaming=True).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a data set; returns 0, 2 for a wrong call or a full disk, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        reports = build_dataset(
            options.n,
            options.out,
            seed=options.seed,
            workers=options.workers,
            cluster=options.cluster,
            dialogues=options.dialogues,
            pad=options.pad,
            form=options.form,
            tasks=options.tasks,
            materials=options.materials,
            kinds=KIND_SHARES if options.kinds is None else _shares("kinds", options.kinds),
            splits=SPLIT_SHARES if options.splits is None else _shares("splits", options.splits),
            real=_real(options),
            real_share=options.real_share,
            shape=tuple(options.shape),
            view=options.view,
            crystals=options.crystals,
            images_per_shard=options.images_per_shard,
        )
        for split in reports:
            if options.sharegpt:
                export_sharegpt(options.out, f"{options.sharegpt}/{split}", split=split)
            if options.coco:
                export_qf_bench(options.out, f"{options.coco}/{split}", split=split)
    except QuPaintError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt as told:
        print(told or "the same command again goes on from there", file=sys.stderr)
        return 130
    made = ", ".join(f"{r.manifest.dataset['n']:,} in {split}" for split, r in reports.items())
    print(f"{options.n:,} images, dialogues: {made}; {CARD}: {options.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m qupaint_lib.instruct",
        description="Make a data set of micrographs with dialogues, split without leaks.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--out", required=True, help="new folder, or one to go on with")
    add("-n", type=int, required=True, help="number of images")
    add("--seed", type=int, default=0, help="image i follows from it and i alone (%(default)s)")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes (%(default)s)")
    add("--cluster", help="local, slurm, or the address of a Dask scheduler")
    add("--dialogues", type=int, default=4, help="per image (%(default)s)")
    add("--pad", type=float, default=1.0, help="share with physics-aware text (%(default)s)")
    add("--form", choices=FORMS, default="mixed", help="of the answers (%(default)s)")
    add("--tasks", nargs="+", default=TASK_NAMES, metavar="TASK", help=", ".join(TASK_NAMES))
    add("--materials", nargs="+", default=tuple(HABITS), metavar="NAME", help=", ".join(HABITS))
    add("--kinds", nargs="+", metavar="NAME=SHARE", help=_listed(KIND_SHARES))
    add("--splits", nargs="+", metavar="NAME=SHARE", help=_listed(SPLIT_SHARES))
    add("--real", metavar="FOLDER", help="real micrographs to cut images from")
    add("--annotations", metavar="FILE", help="COCO of them; by default the finder looks")
    add("--real-material", metavar="NAME", help="of the real flakes")
    add("--real-microscope", default="machine-vision", metavar="PRESET", help="%(default)s")
    add("--real-magnification", type=float, help="of the objective")
    add("--real-share", type=float, default=0.1, help="of the images (%(default)s)")
    add("--shape", type=int, nargs=2, default=(448, 448), metavar=("H", "W"), help="448 448")
    add("--view", choices=VIEWS, help="both by default")
    add("--crystals", type=int, nargs=2, metavar=("MIN", "MAX"), help="per synthetic image")
    add("--images-per-shard", type=int, default=500, help="%(default)s")
    add("--sharegpt", metavar="FOLDER", help="write LLaVA's and ShareGPT's JSON as well")
    add("--coco", metavar="FOLDER", help="write COCO in QF-Bench's layout as well")
    return parser


def _listed(shares: dict[str, float]) -> str:
    return ", ".join(f"{name}={share}" for name, share in shares.items())


def _shares(argument: str, texts: Sequence[str]) -> dict[str, float]:
    """Return shares by name of texts such as ``empty=0.1``."""
    try:
        return {name: float(share) for name, share in (text.split("=") for text in texts)}
    except ValueError:
        raise ArgumentError(argument, list(texts), "names with shares, as any=0.9") from None


def _real(options: argparse.Namespace) -> RealImages | None:
    if options.real is None:
        return None
    return RealImages(
        options.real,
        options.annotations,
        options.real_material,
        get_preset(options.real_microscope),
        options.real_magnification,
    )


if __name__ == "__main__":
    sys.exit(main())
