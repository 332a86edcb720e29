"""A workload beside a peer's: what every benchmark measures, and how its ratio is stated."""

from collections.abc import Callable
from dataclasses import dataclass

OUR_ROUNDS = 15
_medians = {}


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
    rounds: int = 3

    def __str__(self):
        return f"{self.workload} | {self.peer_name}"


def measure(case, who, benchmark):
    """Time one side of a case, and return its median in seconds."""
    benchmark.group = case.workload
    rounds = OUR_ROUNDS if who == "ours" else case.rounds
    benchmark.pedantic(getattr(case, who), rounds=rounds, warmup_rounds=1)
    _medians[case, who] = benchmark.stats.stats.median
    return _medians[case, who]


def ratio(case, rows):
    """Add a case's row to the table, and return how many times faster ours is."""
    ours, peer = _medians[case, "ours"], _medians[case, "peer"] * case.scale
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
