"""One thread for everybody, and the table of ratios that the book shows.

Ratios against named peers in the same run are tests; absolute times are only reported.
"""

# ruff: noqa: E402
import os

THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
os.environ.update(THREADS)  # before NumPy is imported

import importlib.metadata
import json
import platform
from pathlib import Path

import pytest

OUTPUT = Path(__file__).parents[2] / "_build" / "benchmarks.json"
PEERS = ("numpy", "torch", "tmm", "tmm_fast", "colour-science", "scikit-image")


@pytest.fixture(scope="session")
def rows():
    """Rows of the table, one per ratio; written when the session ends and any was measured."""
    rows = []
    yield rows
    if not rows:
        return
    machine = {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_count": os.cpu_count(),
        "versions": {peer: importlib.metadata.version(peer) for peer in PEERS},
    }
    if OUTPUT.exists():  # a run of some cases leaves the rows of the others
        measured = {(row["workload"], row["peer"]) for row in rows}
        before = json.loads(OUTPUT.read_text())["rows"]
        rows = [r for r in before if (r["workload"], r["peer"]) not in measured] + rows
    OUTPUT.parent.mkdir(exist_ok=True)
    temporary = OUTPUT.with_suffix(".tmp")
    temporary.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))
    temporary.replace(OUTPUT)
