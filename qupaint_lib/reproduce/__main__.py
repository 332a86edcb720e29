"""The command line, ``python -m qupaint_lib.reproduce``."""

from __future__ import annotations

import argparse
import signal
import sys

from qupaint_lib.errors import ArgumentError, QuPaintError
from qupaint_lib.reproduce.chapters import SCALES, find_root, parse_assignments
from qupaint_lib.reproduce.driver import Outcome, execute
from qupaint_lib.reproduce.site import BookError, build_book
from qupaint_lib.results import read_results


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: everything ran and agrees. 1: a cell failed, a result differs from its external reference, or
    the book has warnings. 2: an argument is wrong, and nothing was done. 130: interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        return _main(options)
    except KeyboardInterrupt:
        print("interrupted: finished chapters are kept", file=sys.stderr)
        return 130
    except BookError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except QuPaintError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _main(options: argparse.Namespace) -> int:
    overrides = parse_assignments(options.parameters)
    if options.book and overrides:
        allowed = "has no -p: the book shows every chapter at its own defaults"
        raise ArgumentError("--book", options.parameters, allowed)
    root = find_root()
    outcomes = execute(
        options.chapters,
        scale=options.scale,
        overrides=overrides,
        jobs=options.jobs,
        force=options.force,
        root=root,
    )
    if options.show:
        for outcome in outcomes:
            _print_results(outcome)
    failed = [o.chapter.stem for o in outcomes if o.state in ("failed", "not run")]
    if options.book and failed:
        raise BookError(f"the book is not built without {', '.join(failed)}")
    if options.book:
        try:
            print(build_book(root, options.scale))
        except ArgumentError as error:  # something a chapter recorded, or a file of the book
            raise BookError(f"the book is not built: {error}") from error
    return 1 if failed or any(o.differing for o in outcomes) else 0


def _print_results(outcome: Outcome) -> None:
    """Print name, value and status of every result that a chapter recorded."""
    for result in read_results(outcome.results)[0] if outcome.results else ():
        name, ours, status, reference, tolerance, _ = result.cells()
        against = "" if result.reference is None else f", {status} ({reference} {tolerance})"
        print(f"{name}: {ours}{against}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m qupaint_lib.reproduce",
        description="Execute the chapters into _build/, those that changed since the last time.",
        epilog="Kernels run in the repository's root. A relative file given for a parameter "
        "'image' or '…_path' is looked up from the current folder. Chapters that take a -p value "
        "go to _build/executed/SCALE-custom/, so that the book's own copies stay.",
    )
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="1, 01_thin… (default: all)")
    parser.add_argument("--scale", default="quick", help=f"one of {', '.join(SCALES)}")
    parser.add_argument(
        "-p",
        dest="parameters",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="override a chapter's parameter; may be repeated",
    )
    parser.add_argument("--jobs", type=int, default=2, help="chapters at a time (default: 2)")
    parser.add_argument("--force", action="store_true", help="execute unchanged chapters too")
    parser.add_argument("--show", action="store_true", help="print what the chapters recorded")
    parser.add_argument("--book", action="store_true", help="write the report, build the HTML")
    return parser


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
