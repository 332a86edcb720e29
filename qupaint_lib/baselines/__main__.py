"""``python -m qupaint_lib.baselines NAME --data DATASET --minutes M --out FOLDER``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from qupaint_lib.errors import QuPaintError

_EPILOG = """\
NAME is one of
  finder        thin-film optics alone, told material, wafer and oxide; nothing is trained
  mixture       Gaussian mixtures of contrast, the idea of 2DMatGMM; told the material
  rt-detrv2     a detector of boxes
  mask2former   a detector of masks, MaskTerial's family
  internvl      the small model without PIA and PAD
  nano          the small model that comes with the library, as it is
and DATASET the folder of a data set that python -m qupaint_lib.instruct made. FOLDER gets model,
predictions.json and, at last, record.json with figures, intervals, budget and versions. On a GPU:
  python -m qupaint_lib.baselines rt-detrv2 --data qmat --minutes 240 --size full --out run
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 if all went well, 2 for what is not allowed."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except QuPaintError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    from transformers.utils import logging

    from qupaint_lib.baselines.run import Options, run_baseline
    from qupaint_lib.evaluate import load_benchmark

    logging.set_verbosity_error()
    names = ("data", "minutes", "size", "backbone", "seed", "images", "resamples")
    benchmark = load_benchmark(options.bench) if options.bench else None
    record = run_baseline(
        options.name,
        options.out,
        Options(**{name: getattr(options, name) for name in names}),
        benchmark=benchmark,
        progress=True,
    )
    for task, table in record["scores"].items():
        told = ", ".join(
            f"{name} {100 * figure['value']:.1f}"
            for name, figure in table["all"].items()
            if figure["value"] is not None
        )
        print(f"{task}: {told} (percent)")
    print(f"{options.out}: model, predictions and record are written")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m qupaint_lib.baselines",
        description="Train a baseline with a budget of minutes, and score it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("name", metavar="NAME", help="see below")
    add("--out", required=True, help="a new or empty folder")
    add("--data", help="data set to learn from")
    add("--minutes", type=float, default=20.0, help="of processor time (%(default)s)")
    add("--size", default="small", help="small, or full for a GPU (%(default)s)")
    add("--backbone", help="folder with pretrained weights of a full detector's backbone")
    add("--bench", help="benchmark to score on (default: qf-bench-synthetic's test images)")
    add("--images", type=int, help="look at so many of its test images only")
    add("--resamples", type=int, default=1000, help="for the intervals (%(default)s)")
    add("--seed", type=int, default=0, help="of weights, order and views (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
