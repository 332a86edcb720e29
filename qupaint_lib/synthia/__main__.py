"""``python -m qupaint_lib.synthia --out FOLDER -n 10000 --workers 2``: a data set."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from qupaint_lib.errors import QuPaintError
from qupaint_lib.synthia.coco_file import COCO
from qupaint_lib.synthia.generate import generate
from qupaint_lib.synthia.render import JPEG_QUALITY
from qupaint_lib.synthia.sample import STATISTICS
from qupaint_lib.synthia.scene import VIEWS

_EPILOG = """\
The folder then holds Parquet shards, manifest.json with the SHA-256 of each, and coco.json. The
same command again goes on after an interruption, and makes damaged shards again. To train:
datasets.load_dataset("FOLDER", split="train", streaming=True).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a data set; returns 0, 2 for a wrong call or a full disk, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        report = generate(
            options.n,
            options.out,
            seed=options.seed,
            workers=options.workers,
            cluster=options.cluster,
            material=options.material,
            shape=tuple(options.shape),
            view=None if options.view == "both" else options.view,
            jpeg_quality=options.jpeg_quality,
            references=options.references,
            samples_per_shard=options.samples_per_shard,
            statistics=options.statistics,
            flake_count=options.flake_count,
        )
    except QuPaintError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt as told:
        print(str(told) or "the same command again goes on from there", file=sys.stderr)
        return 130
    total, built = len(report.manifest.shards), len(report.built)
    print(
        f"{options.n} images in {total} shards ({total - built} whole before), "
        f"manifest.json and {COCO}: {report.out}"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m qupaint_lib.synthia",
        description="Make a data set of synthetic micrographs with exact annotations.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--out", required=True, help="new folder, or one to go on with")
    add("-n", type=int, required=True, help="number of images")
    add("--seed", type=int, default=0, help="image i follows from it and i alone (%(default)s)")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes (%(default)s)")
    add("--cluster", help="local, slurm, or the address of a Dask scheduler")
    add("--material", help="graphene, hBN, MoS2, …; drawn for every image by default")
    add("--shape", type=int, nargs=2, default=(448, 448), metavar=("H", "W"), help="448 448")
    add("--view", choices=[*VIEWS, "both"], default=VIEWS[0], help="%(default)s")
    add("--flake-count", type=int, help="crystals in an image; drawn by default")
    add("--statistics", choices=STATISTICS, default=STATISTICS[0], help="%(default)s")
    add("--references", help="folder of real micrographs to compose the flakes into")
    add("--jpeg-quality", type=int, default=JPEG_QUALITY, help="%(default)s")
    add("--samples-per-shard", type=int, default=500, help="%(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
