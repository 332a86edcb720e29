"""Figures of generated answers: the table of a model's abilities, by contrast and by density."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from qupaint_lib.errors import ArgumentError
from qupaint_lib.evaluate.answers import (
    Answered,
    as_coco,
    asked_class,
    claims_of,
    is_well_formed,
    told_layer,
)
from qupaint_lib.evaluate.detection import FIGURES, detection_metrics
from qupaint_lib.evaluate.intervals import RESAMPLES, Estimate, bootstrap_interval
from qupaint_lib.evaluate.metrics import (
    count_metrics,
    first_box_iou,
    layer_metrics,
    mean_of,
    verification_metrics,
)
from qupaint_lib.evaluate.oracle import palette_layer

Scores = dict[str, dict[str, Estimate]]
Figures = Callable[[np.ndarray], np.ndarray]


def score_answers(
    records: Iterable[Answered],
    *,
    rng: np.random.Generator | None = None,
    resamples: int = RESAMPLES,
    claims: bool = True,
) -> Scores:
    """Return every figure of generated answers, by slices, with intervals.

    Rows, with the tasks whose answers they are of:

    - ``count_exact``, ``count_within_1``, ``count_mean_absolute_error``: count;
    - ``verdict``, balanced accuracy of yes and no, and ``monolayer_verdict``, the same of the
      questions about monolayers: verify;
    - ``layer_class``, balanced over mono, few and thick, and ``layer_exact``, beside
      ``layer_class_ceiling`` and ``layer_exact_ceiling`` of an oracle that knows the flake's mask
      and the palette: layer;
    - ``grounding_50``, ``grounding_75``: refer;
    - ``detection_ap``, ``detection_ap50``, ``detection_ap75``, ``detection_calibration_error``:
      localise; ``mono_ap`` … : localise_monolayers. Flakes that the question's own answer leaves
      out, being more than an answer lists, count as missed;
    - ``well_formed``, see `is_well_formed`: all tasks;
    - ``claims_accepted``, ``claims_contradicted``, ``claims_untestable``, shares of the claims
      before the conclusion of answers in full form, held against the image, and
      ``claims_accepted_without_image``, held against the optical model alone: all tasks.

    Slices: ``"all"``; ``"contrast: faint"``, ``"contrast: medium"``, ``"contrast: clear"`` with the
    borders `CONTRAST_EDGES` in ΔE, of the flake asked for or else of the faintest, in detection of
    each flake; ``"density: sparse"`` and ``"density: dense"`` of up to ten flakes and more.

    Parameters
    ----------
    records : iterable of Answered
        Answers of any tasks, mixed. Those of tasks without a row of their own, such as contrast,
        weigh in on form and claims.
    rng : numpy.random.Generator, optional
        Resamples images for the intervals; without it there are none.
    resamples : int, optional
        How many.
    claims : bool, optional
        Whether claims are checked, which takes most of the time.

    Returns
    -------
    dict of str to dict of str to Estimate
        By row and slice; slices without a case are left out.
    """
    records = list(records)
    for number, record in enumerate(records):
        if not isinstance(record, Answered):
            raise ArgumentError(f"records[{number}]", type(record).__name__, "an Answered")
    of = {
        task: [r for r in records if r.task == task]
        for task in ("count", "verify", "layer", "refer", "localise", "localise_monolayers")
    }
    about_mono = [r for r in of["verify"] if asked_class(r) == "Mono"]
    full = [r for r in records if r.reference.form == "full"] if claims else []
    draw = (rng, resamples)
    scores: Scores = {}
    scores |= _table(of["count"], _count_figures, draw)
    scores |= _table(about_mono, _verdict_figures("monolayer_verdict"), draw)
    scores |= _table(of["verify"], _verdict_figures("verdict"), draw)
    scores |= _table(of["layer"], _layer_figures, draw)
    scores |= _table(of["refer"], _grounding_figures, draw)
    scores |= _detection(of["localise"], "general", "detection", draw)
    scores |= _detection(of["localise_monolayers"], "mono", "mono", draw)
    scores |= _table(records, _form_figures, draw)
    scores |= _table(full, _claim_figures, draw)
    return scores


def _table(
    records: Sequence[Answered],
    prepare: Callable[[Sequence[Answered]], tuple[tuple[str, ...], Figures, np.ndarray]],
    draw: tuple[np.random.Generator | None, int],
) -> Scores:
    """Return the figures of records in every slice.

    `prepare` returns their names, a function from weights (N,) to their values (K,), and how many
    cases each record holds (N,).
    """
    if not records:
        return {}
    names, figures, cases = prepare(records)
    groups = _images_of(records)
    scores: Scores = {name: {} for name in names}
    for name in sorted({s for r in records for s in r.slices}):
        inside = np.array([name in r.slices for r in records], dtype=bool)
        for key, estimate in zip(names, _sliced(figures, inside, groups, cases, draw), strict=True):
            scores[key][name] = estimate
    return scores


def _images_of(records: Sequence[Answered]) -> np.ndarray:
    """Return the number (N,) of the image of every record, in the order in which they come."""
    numbers: dict = {}
    keys = [("facts", id(r.facts)) if r.image_id is None else r.image_id for r in records]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _sliced(
    figures: Figures,
    inside: np.ndarray,
    groups: np.ndarray,
    cases: np.ndarray,
    draw: tuple[np.random.Generator | None, int],
) -> list[Estimate]:
    def figures_of(times: np.ndarray) -> np.ndarray:
        weights = np.zeros(len(inside))
        weights[inside] = times
        return figures(weights)

    values = figures_of(np.ones(inside.sum()))
    low = high = np.full(len(values), np.nan)
    rng, resamples = draw
    if rng is not None:
        low, high = bootstrap_interval(figures_of, groups[inside], rng, resamples=resamples)
    count = int(cases[inside].sum())
    return [Estimate(*map(float, row), count) for row in zip(values, low, high, strict=True)]


def _count_figures(records: Sequence[Answered]) -> tuple[tuple[str, ...], Figures, np.ndarray]:
    told = [r.parsed.counts.get("total") for r in records]
    true = [len(r.facts.flakes) for r in records]
    keys = ("exact", "within_1", "mean_absolute_error")

    def figures(weights: np.ndarray) -> np.ndarray:
        found = count_metrics(told, true, weights=weights)
        return np.array([found[key] for key in keys])

    return tuple(f"count_{key}" for key in keys), figures, np.ones(len(records))


def _verdict_figures(name: str) -> Callable:
    def prepare(records: Sequence[Answered]) -> tuple[tuple[str, ...], Figures, np.ndarray]:
        told = [r.parsed.verdict for r in records]
        true = [r.true.verdict for r in records]

        def figures(weights: np.ndarray) -> np.ndarray:
            found = verification_metrics(told, true, weights=weights)
            return np.array([found["balanced_accuracy"]])

        return (name,), figures, np.ones(len(records))

    return prepare


def _layer_figures(records: Sequence[Answered]) -> tuple[tuple[str, ...], Figures, np.ndarray]:
    few_max = records[0].facts.few_max
    for r in records:
        if r.asked is None:
            raise ArgumentError("question", r.reference.question, "a question about a flake's box")
    flakes = [r.facts.flakes[r.asked] for r in records]
    true = [f.layer_count or f.layer_class() for f in flakes]
    told = [told_layer(r.parsed, r.facts.few_max) for r in records]
    best = [palette_layer(r.facts, r.asked) for r in records]
    keys = ("class_balanced_accuracy", "exact")

    def figures(weights: np.ndarray) -> np.ndarray:
        both = [layer_metrics(p, true, few_max=few_max, weights=weights) for p in (told, best)]
        return np.array([found[key] for found in both for key in keys])

    names = ("layer_class", "layer_exact", "layer_class_ceiling", "layer_exact_ceiling")
    return names, figures, np.ones(len(records))


def _grounding_figures(records: Sequence[Answered]) -> tuple[tuple[str, ...], Figures, np.ndarray]:
    ious = first_box_iou([r.parsed.boxes for r in records], [r.true.boxes[0] for r in records])

    def figures(weights: np.ndarray) -> np.ndarray:
        return np.array([mean_of(ious >= t, weights) for t in (0.5, 0.75)])

    return ("grounding_50", "grounding_75"), figures, np.ones(len(records))


def _form_figures(records: Sequence[Answered]) -> tuple[tuple[str, ...], Figures, np.ndarray]:
    formed = np.array([is_well_formed(r) for r in records], dtype=bool)

    def figures(weights: np.ndarray) -> np.ndarray:
        return np.array([mean_of(formed, weights)])

    return ("well_formed",), figures, np.ones(len(records))


def _claim_figures(records: Sequence[Answered]) -> tuple[tuple[str, ...], Figures, np.ndarray]:
    blind = {id(r.facts): replace(r.facts, image=None) for r in records}
    seen = np.array([[*claims_of(r).values()] for r in records], dtype=float)  # (N, 3)
    modelled = np.array([[*claims_of(r, blind[id(r.facts)]).values()] for r in records], float)

    def shares(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
        total = weights @ counts
        return total / total.sum() if total.any() else np.full(3, np.nan)

    def figures(weights: np.ndarray) -> np.ndarray:
        return np.append(shares(seen, weights), shares(modelled, weights)[0])

    names = ("claims_accepted", "claims_contradicted", "claims_untestable")
    return (*names, "claims_accepted_without_image"), figures, seen.sum(axis=1)


def _detection(
    records: Sequence[Answered],
    task: str,
    prefix: str,
    draw: tuple[np.random.Generator | None, int],
) -> Scores:
    """Return average precisions, every answer being an image of its own to COCO's rules."""
    if not records:
        return {}
    scores: Scores = {f"{prefix}_{name}": {} for name in FIGURES}
    dense = np.array(["density: dense" in r.slices for r in records], dtype=bool)
    slices = {"all": records}
    slices["density: dense"] = [r for r, d in zip(records, dense, strict=True) if d]
    slices["density: sparse"] = [r for r, d in zip(records, dense, strict=True) if not d]
    for name, kept in slices.items():
        if not kept:
            continue
        truth, predictions, contrasts = as_coco(kept)
        found = detection_metrics(
            predictions,
            truth,
            task=task,
            area_edges=(),
            contrasts=contrasts if name == "all" else None,
            groups=_images_of(kept),
            rng=draw[0],
            resamples=draw[1],
        )
        tables = {name: {key: getattr(found, key) for key in FIGURES}, **found.slices}
        for slice_name, table in tables.items():
            for key, estimate in table.items():
                if estimate.count:
                    scores[f"{prefix}_{key}"][slice_name] = estimate
    return scores
