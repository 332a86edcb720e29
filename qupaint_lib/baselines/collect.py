"""The results that chapter 9 reads: figures, budgets and predictions that come with the library.

``python -m qupaint_lib.baselines.collect --runs RUN … --ablation FOLDER`` puts finished runs into
``data/benchmark/``: ``results.json``, and the predictions of each method beside it. What is there
of other methods stays.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from qupaint_lib._files import read_json, write_text
from qupaint_lib.errors import ArgumentError, QuPaintError

FOLDER, RESULTS = "data/benchmark", "results.json"


def results_folder() -> Path:
    """Return the folder with the results that come with the library."""
    with as_file(files("qupaint_lib") / FOLDER) as folder:
        return folder


def load_results(folder: str | Path | None = None) -> dict[str, Any]:
    """Return the results: ``methods`` by name, each a record of `run_baseline`; the ablation's.

    Parameters
    ----------
    folder : path, optional
        By default that of the library. Without a file there: no methods, no cells.

    Returns
    -------
    dict
        ``methods``; ``ablation``, the cells of `run_ablation`; ``before``, by variant of PIA what
        the weights that they started from were worth, empty where they started from nothing.
    """
    path = Path(folder or results_folder()) / RESULTS
    found = read_json(path) if path.exists() else {}
    return {"methods": {}, "ablation": [], "before": {}, **found}


def predictions_file(method: str, folder: str | Path | None = None) -> Path:
    """Return the file of a method's predictions, for `load_predictions`."""
    return Path(folder or results_folder()) / f"{method}.json"


def collect_runs(
    runs: Sequence[str | Path] = (),
    ablation: str | Path | None = None,
    *,
    folder: str | Path | None = None,
) -> dict[str, Any]:
    """Put finished runs into a folder of results, and return all that is there now.

    Parameters
    ----------
    runs : sequence of path, optional
        Of `run_baseline`.
    ablation : path, optional
        Of `run_ablation`; it may still be running. It replaces the cells that were there.
    folder : path, optional
        By default that of the library.

    Raises
    ------
    ArgumentError
        A run that is not finished, or an ablation without a cell.
    """
    folder = Path(folder or results_folder())
    results = load_results(folder)
    for run in map(Path, runs):
        record = read_json(run / "record.json")
        predictions = read_json(run / "predictions.json")
        results["methods"][record["method"]] = record
        text = json.dumps(predictions, separators=(",", ":")) + "\n"
        write_text(predictions_file(record["method"], folder), text)
    if ablation is not None:
        cells = [read_json(path) for path in sorted((Path(ablation) / "cells").glob("*.json"))]
        if not cells:
            raise ArgumentError("ablation", str(ablation), "a folder with one cell at least")
        results["ablation"] = cells
        before = sorted((Path(ablation) / "before").glob("*.json"))
        results["before"] = {path.stem: read_json(path) for path in before}
    write_text(folder / RESULTS, json.dumps(results, separators=(",", ":")) + "\n")
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m qupaint_lib.baselines.collect",
        description="Put finished runs into the results that chapter 9 reads.",
    )
    parser.add_argument("--runs", nargs="*", default=[], help="folders of qupaint_lib.baselines")
    parser.add_argument("--ablation", help="folder of qupaint_lib.baselines.ablation")
    parser.add_argument("--folder", help="where to (default: the library's own results)")
    options = parser.parse_args(arguments)
    try:
        found = collect_runs(options.runs, options.ablation, folder=options.folder)
    except QuPaintError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"methods: {', '.join(found['methods'])}; cells: {len(found['ablation'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
