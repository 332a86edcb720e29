"""``python -m qupaint_lib.finder FOLDER --material graphene --out flakes.json``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from qupaint_lib.errors import QuPaintError
from qupaint_lib.finder.batch import BatchReport, find_in_folder
from qupaint_lib.microscope import PRESETS, Microscope, get_preset, load_microscope


def main(arguments: Sequence[str] | None = None) -> int:
    """Find the flakes of a folder; returns 0, 1 where images failed, 2 for a wrong call."""
    options = _parser().parse_args(arguments)
    try:
        report = find_in_folder(
            options.folder,
            options.material,
            options.out,
            microscope=_microscope(options),
            overlays=options.overlays,
            jobs=options.jobs,
            progress=True,
            oxide_tolerance_nm=options.oxide_tolerance_nm,
            min_area_px=options.min_area_px,
        )
    except QuPaintError as error:
        print(error, file=sys.stderr)
        return 2
    _tell(report)
    return 1 if report.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m qupaint_lib.finder", description=__doc__)
    parser.add_argument("folder", help="folder of JPEG, PNG and TIFF micrographs")
    parser.add_argument("--material", required=True, help="graphene, hBN, MoS2, WSe2, …")
    parser.add_argument("--out", default="flakes.json", help="COCO file to write (%(default)s)")
    parser.add_argument("--overlays", help="folder for images with outlines")
    parser.add_argument(
        "--microscope", default="machine-vision", help=f"JSON file, or {', '.join(PRESETS)}"
    )
    parser.add_argument("--oxide-nm", type=float, help="nominal oxide, instead of the microscope's")
    parser.add_argument("--oxide-tolerance-nm", type=float, default=6.0, help="%(default)s")
    parser.add_argument("--pixel-size-um", type=float, help="instead of the microscope's")
    parser.add_argument("--min-area-px", type=int, default=100, help="%(default)s")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    return parser


def _microscope(options: argparse.Namespace) -> Microscope:
    name = options.microscope
    microscope = load_microscope(name) if name.endswith(".json") else get_preset(name)
    changes = {
        "oxide_thickness_nm": options.oxide_nm,
        "pixel_size_um": options.pixel_size_um,
    }
    return replace(microscope, **{k: v for k, v in changes.items() if v is not None})


def _tell(report: BatchReport) -> None:
    print(
        f"{sum(report.found.values())} thin flakes in {len(report.found)} images "
        f"({report.resumed} done before): {report.out}"
    )
    for name, reason in report.failed.items():
        print(f"could not be examined: {name}: {reason}")


if __name__ == "__main__":
    sys.exit(main())
