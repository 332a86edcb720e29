"""A workload beside a peer's: what every benchmark measures, and how its ratio is stated.

Both are timed in turn and in processor time, so that a neighbour or a slower clock meets both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import process_time

TURN_S = 0.05


@dataclass(frozen=True)
class Case:
    """A workload: ours, a peer, how many times the peer's sample the workload is, the bars."""

    workload: str
    ours: Callable
    peer_name: str
    peer: Callable
    bar: float
    stretch: float | None = None
    scale: float = 1
    rounds: int = 5

    def __str__(self):
        return f"{self.workload} | {self.peer_name}"


def seconds(function):
    """Return the processor time of a call."""
    start = process_time()
    function()
    return process_time() - start


def turn(function):
    """Return the median of as many calls as fit in a turn, of one at least: mostly warm ones."""
    times = [seconds(function)]
    while sum(times) < TURN_S:
        times.append(seconds(function))
    return median(times)


def medians(case):
    """Return the medians of ours and of the peer in seconds; rounds of both in turn."""
    case.ours(), case.peer()  # warm
    rounds = [(turn(case.ours), turn(case.peer)) for _ in range(case.rounds)]
    ours, peer = map(median, zip(*rounds, strict=True))
    return ours, peer * case.scale


def ratio(case, rows):
    """Measure a case, add its row to the table, and return how many times faster ours is."""
    ours, peer = medians(case)
    print(f"{case}: {1e3 * ours:.2f} ms, {peer / ours:.2f} times as fast, bar {case.bar}")
    sample = f"peer timed on 1/{case.scale:.0f} of the workload"
    rows.append(
        {
            "workload": case.workload,
            "ours": "qupaint_lib",
            "peer": case.peer_name,
            "ours_median_s": ours,
            "peer_median_s": peer,
            "ratio": peer / ours,
            "bar": case.bar,
            "stretch": case.stretch,
            "note": "both in full" if case.scale == 1 else sample,
        }
    )
    return peer / ours
