"""How statements on what else fits are checked: other layer counts, materials, oxides."""

from __future__ import annotations

from collections.abc import Callable

from qupaint_lib.instruct import judge
from qupaint_lib.instruct.checks import Outcome, each, names_of_materials, near
from qupaint_lib.instruct.facts import MOST_LAYERS, Facts
from qupaint_lib.instruct.statements import Statement
from qupaint_lib.materials import FLAKE_MATERIALS


def _rival(s: Statement, facts: Facts, i: int) -> Outcome:
    """Check that the layer counts named beside a flake's own fit about as well as that."""
    count = facts.layer_counts[i]
    others = [n for n in s.value if n != count]
    if not judge.judged(facts, i) or not others or max(others) > MOST_LAYERS:
        return Outcome(None)
    best = facts.misfit(i, count) + judge.RIVAL
    worst = max(judge.misfit(facts, i, n) for n in others)
    reach = facts.tolerance("misfit", worst)
    return Outcome(worst <= best + reach, worst, best + reach)


def _unsettled(s: Statement, facts: Facts, i: int) -> Outcome:
    """Check that a flake's light leaves another layer count, or is not known."""
    hidden = facts.observed.clipped[i] | facts.expected.clipped[i]
    if hidden.any() or not judge.judged(facts, i):
        return Outcome(True, "unknown contrast")
    count = facts.layer_counts[i]
    nearest = judge.nearest_rival(facts, i)
    best = facts.misfit(i, count) + judge.RIVAL
    reach = facts.tolerance("misfit", nearest)
    far = count > judge.COUNTABLE or judge.looks_alike(facts, i)
    return Outcome(far or nearest <= best + reach or not judge.settled(facts, i), nearest, best)


def _class_settled(s: Statement, facts: Facts, i: int) -> Outcome:
    if facts.layer_counts[i] is None:
        return Outcome(None)
    holds = judge.settled_class(facts, i)
    return Outcome(holds, judge.rivals(facts, i) if judge.judged(facts, i) else None)


def _only_fit(s: Statement, facts: Facts, i: int) -> Outcome:
    if not judge.judged(facts, i):
        return Outcome(None)
    return Outcome(not judge.rivals(facts, i), judge.rivals(facts, i))


def _other_material(s: Statement, facts: Facts, i: int) -> Outcome:
    """Check how far another material is from a flake's layers, and that none is nearer."""
    name, count, stated = s.value
    known, own = names_of_materials(name), facts.layer_counts[i]
    if own is None or not known or known[0] not in FLAKE_MATERIALS:
        return Outcome(None)
    nearest, layers, distance = judge.nearest_material(facts, own)
    found = near(stated, distance, 0, s.digits)
    same = (nearest, layers) == (known[0], count)
    return found._replace(holds=found.holds and same, true=(nearest, layers, round(distance, 2)))


def _other_oxide(s: Statement, facts: Facts, i: int) -> Outcome:
    """Check how far a flake's layers move with another oxide."""
    oxide, stated, count = s.value
    own = facts.layer_counts[i]
    if own is None or not 0 <= oxide <= 10_000 or count not in (None, own):
        return Outcome(None if own is None else False, own)
    return near(stated, judge.oxide_distance(facts, own, oxide), 0, s.digits)


FIT_CHECKS: dict[str, Callable[[Statement, Facts, float], Outcome]] = {
    "rival": each(_rival),
    "unsettled": each(_unsettled),
    "class settled": each(_class_settled),
    "only fit": each(_only_fit),
    "other material": each(_other_material),
    "other oxide": each(_other_oxide),
}
