"""Figures: equal to pycocotools and scikit-learn, to cases worked by hand, and to themselves."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.metrics import balanced_accuracy_score, brier_score_loss

from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.evaluate import (
    Answered,
    average_precisions,
    bootstrap_interval,
    calibration_metrics,
    count_metrics,
    detection_metrics,
    grounding_accuracy,
    is_well_formed,
    layer_metrics,
    palette_layer,
    score_answers,
    verification_metrics,
)
from qupaint_lib.evaluate.detection import _match
from qupaint_lib.instruct import Facts, make_dialogues
from qupaint_lib.synthia import render, sample_scene

CATEGORIES = [{"id": k, "name": n} for k, n in enumerate(("Mono", "Few", "Thick"), start=1)]
SIDE = 120


# Detection, with pycocotools as the oracle


def rectangle(box: list[float]) -> dict:
    """Run lengths of a box's pixels."""
    mask = np.zeros((2 * SIDE, 2 * SIDE), dtype=np.uint8, order="F")
    x, y, w, h = (round(v) for v in box)
    mask[y : y + h, x : x + w] = 1
    return coco_mask.encode(mask)


def random_case(rng: np.random.Generator, *, masks: bool = False) -> tuple[dict, list[dict]]:
    """Images with crowds, none at all, ties and shifted boxes; ids in no order."""
    ids = rng.permutation(1000)[: rng.integers(1, 6)].tolist()
    annotations, predictions = [], []
    for image_id in ids:
        for _ in range(rng.integers(0, 8)):
            box = [*rng.integers(0, SIDE, 2).tolist(), *rng.integers(5, 100, 2).tolist()]
            entry = {"id": len(annotations) + 1, "image_id": image_id, "bbox": box}
            entry |= {"category_id": int(rng.integers(1, 4)), "area": float(box[2] * box[3])}
            annotations.append({**entry, "iscrowd": int(rng.random() < 0.15)})
            for _ in range(rng.integers(0, 3)):
                moved = np.clip(np.array(box) + rng.normal(0, 5, 4), 1, SIDE).round(1).tolist()
                entry = {"image_id": image_id, "category_id": int(rng.integers(1, 4))}
                predictions.append(entry | {"bbox": moved, "score": float(rng.integers(0, 6) / 5)})
    if masks:
        for entry in (*annotations, *predictions):
            entry["segmentation"] = rectangle(entry["bbox"])
        for entry in annotations:
            entry["area"] = float(coco_mask.area(entry["segmentation"]))
    images = [{"id": i, "height": 2 * SIDE, "width": 2 * SIDE} for i in ids]
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}, predictions


def pycocotools_figures(
    truth: dict, predictions: list[dict], task: str, iou_type: str = "bbox"
) -> np.ndarray:
    """AP, AP50, AP75 and AP of small, medium and large, −1 where nothing is there."""
    with contextlib.redirect_stdout(io.StringIO()):
        there, found = COCO(), COCO()
        entries = [
            {**p, "id": k, "iscrowd": 0, "area": _area(p, iou_type)}
            for k, p in enumerate(predictions, start=1)
        ]
        there.dataset, found.dataset = truth, {**truth, "annotations": entries}
        there.createIndex()
        found.createIndex()
        run = COCOeval(there, found, iou_type)
        if task == "general":
            run.params.useCats = 0
        else:
            run.params.catIds = [{"mono": 1, "few": 2, "thick": 3}[task]]
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats[:6]


def _area(prediction: dict, iou_type: str) -> float:
    if iou_type == "segm":
        return float(coco_mask.area(prediction["segmentation"]))
    return prediction["bbox"][2] * prediction["bbox"][3]


def figures_of(found) -> np.ndarray:
    areas = [found.slices[f"area: {name}"]["ap"].value for name in ("small", "medium", "large")]
    return np.nan_to_num([found.ap.value, found.ap50.value, found.ap75.value, *areas], nan=-1)


@pytest.mark.parametrize("task", ["general", "mono", "few"])
def test_average_precision_is_that_of_pycocotools(task):
    rng = np.random.default_rng(7)
    for _ in range(60):
        truth, predictions = random_case(rng)
        found = detection_metrics(predictions, truth, task=task)
        peer = pycocotools_figures(truth, predictions, task)
        np.testing.assert_allclose(figures_of(found), peer, rtol=0, atol=1e-12)


def test_average_precision_of_masks_is_that_of_pycocotools():
    rng = np.random.default_rng(8)
    for _ in range(20):
        truth, predictions = random_case(rng, masks=True)
        found = detection_metrics(predictions, truth, iou_type="segm")
        peer = pycocotools_figures(truth, predictions, "general", "segm")
        np.testing.assert_allclose(figures_of(found), peer, rtol=0, atol=1e-12)


def repeated(entries: list[dict], times: dict[int, int]) -> list[dict]:
    """Entries of images that occur several times, each time under another id."""
    copies = [
        {**entry, "image_id": entry["image_id"] * 10 + k}
        for entry in entries
        for k in range(times[entry["image_id"]])
    ]
    return [{**entry, "id": number} for number, entry in enumerate(copies, start=1)]


def test_weights_are_images_that_occur_several_times():
    """Scores differ here: among equal ones pycocotools goes by the order of its list."""
    rng = np.random.default_rng(9)
    for _ in range(30):
        truth, predictions = random_case(rng)
        predictions = [{**p, "score": float(rng.random())} for p in predictions]
        ids = sorted(image["id"] for image in truth["images"])
        times = dict(zip(ids, rng.integers(0, 4, len(ids)).tolist(), strict=True))
        times[ids[0]] += 1
        span = {"all": (0.0, 1e10)}
        matches = _match(truth["annotations"], predictions, truth["images"], "bbox", span, 100)
        mine = average_precisions(matches["all"], np.array([*times.values()], dtype=float))
        images = [{"image_id": i} for i in ids]
        copies = {
            "images": [{"id": i["image_id"]} for i in repeated(images, times)],
            "annotations": repeated(truth["annotations"], times),
            "categories": CATEGORIES,
        }
        peer = pycocotools_figures(copies, repeated(predictions, times), "general")[:3]
        np.testing.assert_allclose(np.nan_to_num(mine, nan=-1), peer, rtol=0, atol=1e-12)


def two_flakes() -> dict:
    boxes = [[10, 10, 20, 20], [60, 60, 30, 30]]
    annotations = [
        {"id": k, "image_id": 1, "category_id": k, "bbox": b, "area": b[2] * b[3], "iscrowd": 0}
        for k, b in enumerate(boxes, start=1)
    ]
    images = [{"id": 1, "height": 100, "width": 100}]
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def said(box, score, category=1) -> dict:
    return {"image_id": 1, "category_id": category, "bbox": box, "score": score}


def test_a_case_worked_by_hand():
    """Right, wrong, right: precision 1 up to half of the recall, then two thirds."""
    boxes = [([10, 10, 20, 20], 0.9), ([0, 70, 9, 9], 0.8), ([60, 60, 30, 30], 0.7)]
    found = detection_metrics([said(b, s) for b, s in boxes], two_flakes())
    worked = (51 * 1 + 50 * 2 / 3) / 101  # 101 recalls, 0 to 0.5 and beyond
    assert found.ap50.value == pytest.approx(worked, abs=1e-12)
    assert found.ap.value == pytest.approx(worked, abs=1e-12)
    assert found.ap.count == 2


def test_scores_are_held_against_what_was_found():
    """Three quarters sure of a right box, one quarter of a wrong one: a quarter off each time."""
    said_boxes = [said([10, 10, 20, 20], 0.75), said([0, 70, 9, 9], 0.25)]
    rng = np.random.default_rng(0)
    found = detection_metrics(said_boxes, two_flakes(), rng=rng, resamples=10).calibration_error
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))
    assert found.count == 2
    assert np.isnan(detection_metrics([], two_flakes()).calibration_error.value)


def test_contrast_slices_ask_for_their_flakes_only():
    predictions = [said([60, 60, 30, 30], 0.9), said([0, 80, 9, 9], 0.3)]
    found = detection_metrics(predictions, two_flakes(), contrasts={1: 2.0, 2: 40.0})
    assert found.slices["contrast: clear"]["ap"].value == pytest.approx(1.0)
    assert found.slices["contrast: faint"]["ap"].value == 0.0
    assert np.isnan(found.slices["contrast: medium"]["ap"].value)


def test_no_predictions_are_zero_and_no_flakes_are_unknown():
    truth = two_flakes()
    assert detection_metrics([], truth).ap.value == 0.0
    assert np.isnan(detection_metrics([], truth, task="thick").ap.value)
    assert np.isnan(detection_metrics([], {**truth, "images": [], "annotations": []}).ap.value)


def test_the_general_task_does_without_categories():
    bare = {"image_id": 1, "bbox": [10, 10, 20, 20], "score": 0.5}
    assert detection_metrics([bare], two_flakes()).ap50.value == pytest.approx(51 / 101)


def test_detection_refuses_what_it_cannot_do():
    with pytest.raises(UnknownNameError, match=r"task = 'monolayer'.*general"):
        detection_metrics([], two_flakes(), task="monolayer")
    with pytest.raises(UnknownNameError, match="iou_type"):
        detection_metrics([], two_flakes(), iou_type="keypoints")
    with pytest.raises(ArgumentError, match=r"predictions\[0\].image_id = 9"):
        detection_metrics([{**said([1, 1, 5, 5], 0.5), "image_id": 9}], two_flakes())
    with pytest.raises(ArgumentError, match="area_edges"):
        detection_metrics([], two_flakes(), area_edges=(5, 2))
    with pytest.raises(ArgumentError, match=r"\[0\].segmentation = None"):
        detection_metrics([said([1, 1, 5, 5], 0.5)], two_flakes(), iou_type="segm")


# Figures of answers


def test_the_first_box_counts_and_none_is_a_miss():
    true = [[0, 0, 10, 10]] * 4
    half = [0, 0, 10, 5]  # an intersection over union of exactly 0.5
    said_boxes = [[true[0], [50, 50, 5, 5]], [[50, 50, 5, 5], true[0]], [], [half]]
    assert grounding_accuracy(said_boxes, true) == {0.5: 0.5, 0.75: 0.25}
    assert grounding_accuracy(said_boxes, true, [0.51]) == {0.51: 0.25}
    assert np.isnan(grounding_accuracy([], [])[0.5])


@pytest.mark.parametrize(
    ("predicted", "true", "thresholds", "named"),
    [
        ([[]], [[0, 0, 0, 4]], (0.5,), r"true_boxes\[0\]"),
        ([[[0, 0, np.nan, 4]]], [[0, 0, 4, 4]], (0.5,), r"predicted_boxes\[0\]\[0\]"),
        ([[]], [], (0.5,), "predicted_boxes = '1 cases'"),
        ([[]], [[0, 0, 4, 4]], (0.0,), "thresholds = 0.0"),
    ],
)
def test_grounding_refuses(predicted, true, thresholds, named):
    with pytest.raises(ArgumentError, match=named):
        grounding_accuracy(predicted, true, thresholds)


def test_counts_worked_by_hand():
    found = count_metrics([3, 4, None, 9], [3, 3, 3, 3])
    assert found == {"exact": 0.25, "within_1": 0.5, "mean_absolute_error": pytest.approx(7 / 3)}
    assert all(np.isnan(value) for value in count_metrics([], []).values())


labels = st.sampled_from(["Mono", "Few", "Thick"])
pairs = st.lists(st.tuples(labels, labels), min_size=1, max_size=40)


@given(pairs)
def test_balanced_layer_accuracy_is_that_of_scikit_learn(cases):
    predicted, true = zip(*cases, strict=True)
    found = layer_metrics(predicted, true)["class_balanced_accuracy"]
    recalls = [np.mean([p == t for p, t in cases if t == c]) for c in sorted({*true})]
    assert found == pytest.approx(np.mean(recalls))
    if {*predicted} <= {*true} and len({*true}) > 1:  # scikit-learn warns otherwise
        assert found == pytest.approx(balanced_accuracy_score(true, predicted))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_balanced_verdicts_are_those_of_scikit_learn(cases):
    predicted, true = zip(*cases, strict=True)
    found = verification_metrics(predicted, true)
    if {*predicted} <= {*true} and len({*true}) > 1:
        peer = balanced_accuracy_score(true, predicted)
        assert found["balanced_accuracy"] == pytest.approx(peer)
    assert found["answered"] == 1.0


def test_no_verdict_is_wrong():
    found = verification_metrics([None, None, True], [True, False, True])
    assert (found["yes_recall"], found["no_recall"], found["answered"]) == (0.5, 0.0, 1 / 3)


def test_layers_by_class_and_by_count():
    found = layer_metrics([1, "Few", 3, None, "Thick"], [1, 3, 3, 7, "Thick"])
    assert found["class_accuracy"] == 0.8
    assert found["exact"] == pytest.approx(2 / 4)  # of the four whose count is known
    assert layer_metrics([5], ["Few"], few_max=5)["class_accuracy"] == 1.0
    with pytest.raises(ArgumentError, match="predicted = 'Bulk'"):
        layer_metrics(["Bulk"], [1])


probability = st.floats(0, 1, allow_subnormal=False)


@given(st.lists(st.tuples(probability, st.booleans()), min_size=1, max_size=60))
def test_calibration_is_bounded_and_brier_is_that_of_scikit_learn(cases):
    stated, so = map(list, zip(*cases, strict=True))
    found = calibration_metrics(stated, so)
    gap = abs(np.mean(stated) - np.mean(so))
    assert gap - 1e-12 <= found["expected_calibration_error"]
    assert found["expected_calibration_error"] <= found["maximum_calibration_error"] + 1e-12
    assert found["brier"] == pytest.approx(brier_score_loss(so, stated, pos_label=True))


def test_calibration_worked_by_hand():
    found = calibration_metrics([0.8] * 5 + [1.0] * 5, [1, 1, 1, 0, 0] + [1] * 5)
    assert found["expected_calibration_error"] == pytest.approx(0.1)
    assert found["maximum_calibration_error"] == pytest.approx(0.2)
    with pytest.raises(ArgumentError, match=r"probabilities\[1\] = 1.5"):
        calibration_metrics([0.5, 1.5], [True, True])
    with pytest.raises(ArgumentError, match=r"probabilities\[0\] = nan"):
        calibration_metrics([np.nan], [True])


# Intervals


def mean_under(values: np.ndarray):
    return lambda weights: float(values @ weights / weights.sum())


def test_the_interval_of_a_mean_is_that_of_theory():
    rng = np.random.default_rng(3)
    values = rng.normal(5, 2, 400)
    low, high = bootstrap_interval(mean_under(values), range(400), rng, resamples=4000)
    error = 1.959964 * values.std() / np.sqrt(400)
    assert (low, high) == pytest.approx((values.mean() - error, values.mean() + error), abs=0.02)


def test_whole_images_are_drawn():
    """Ten cases of one value per image are worth one: the interval is √10 wider."""
    rng = np.random.default_rng(4)
    values = np.repeat(rng.normal(0, 1, 50), 10)
    groups = np.repeat(np.arange(50), 10)
    widths = [
        np.ptp(bootstrap_interval(mean_under(values), g, rng, resamples=3000))
        for g in (groups, np.arange(500))
    ]
    assert widths[0] / widths[1] == pytest.approx(np.sqrt(10), rel=0.1)


def test_intervals_follow_from_the_generator_and_hold_arrays():
    values = np.arange(6.0)

    def both(weights):
        return np.array([values @ weights / weights.sum(), np.nan])

    draws = [bootstrap_interval(both, list("aabbcc"), np.random.default_rng(1)) for _ in range(2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert np.isnan(draws[0][0][1]) and draws[0][0][0] < 2.5 < draws[0][1][0]
    low, high = bootstrap_interval(lambda weights: np.nan, [], np.random.default_rng(1))
    assert np.isnan(low) and np.isnan(high)
    for options in ({"resamples": 0}, {"level": 1.0}):
        with pytest.raises(ArgumentError, match=next(iter(options))):
            bootstrap_interval(both, ["a", "b"], np.random.default_rng(1), **options)
    with pytest.raises(ArgumentError, match="rng = 'int'"):
        bootstrap_interval(both, ["a", "b"], 1)
    with pytest.raises(ArgumentError, match="groups"):
        bootstrap_interval(both, "ab", np.random.default_rng(1))


@settings(max_examples=25)
@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_an_interval_holds_what_it_is_about(outcomes):
    values = np.array(outcomes, dtype=float)
    rng = np.random.default_rng(0)
    low, high = bootstrap_interval(mean_under(values), range(len(values)), rng, resamples=200)
    assert 0 <= low <= values.mean() + 1e-12 and values.mean() - 1e-12 <= high <= 1


# Generated answers


@pytest.fixture(scope="module")
def records() -> list[Answered]:
    """True answers to all tasks on four images, as a perfect model would give them."""
    rng = np.random.default_rng(5)
    found = []
    for number, material in enumerate(("graphene", "MoS2", "WSe2", "BN")):
        scene = sample_scene(rng, material=material, shape=(160, 200), flake_count=3 + number)
        facts = Facts(scene, render(scene).image)
        for form in ("full", "short"):
            for dialogue in make_dialogues(facts, None, rng, form=form):
                found.append(Answered(dialogue, dialogue.answer, facts, image_id=number))
    return found


def answered(record: Answered, text: str, **options) -> Answered:
    return Answered(record.reference, text, record.facts, **options)


def of_task(records: list[Answered], task: str, form: str = "short") -> list[Answered]:
    return [r for r in records if r.task == task and r.reference.form == form]


def test_true_answers_get_full_marks(records):
    scores = score_answers(records, rng=np.random.default_rng(0), resamples=20)
    whole = ("count_exact", "verdict", "layer_class", "grounding_75", "detection_ap", "mono_ap")
    for row in (*whole, "well_formed", "claims_accepted", "claims_accepted_without_image"):
        estimate = scores[row]["all"]
        assert estimate.value == pytest.approx(1.0) and estimate.low == pytest.approx(1.0), row
    assert scores["claims_contradicted"]["all"].value == 0.0
    assert scores["count_exact"]["all"].count == 16  # counts, and dialogues that begin with one
    parts = [v.count for k, v in scores["well_formed"].items() if k.startswith("density")]
    assert sum(parts) == len(records)


def test_intervals_resample_images_and_not_answers(records):
    """Two images, one right and one wrong: an image is drawn with all of its answers."""
    kept = [r for r in of_task(records, "count") if r.image_id in (0, 1)] * 6
    said = [replace(r, answer=r.answer if r.image_id else "None.") for r in kept]
    for shared in (said, [replace(r, image_id=None) for r in said]):
        estimate = score_answers(shared, rng=np.random.default_rng(0), resamples=200)
        assert estimate["count_exact"]["all"].value == 0.5
        assert estimate["count_exact"]["all"].low == 0.0
        assert estimate["count_exact"]["all"].high == 1.0


def test_silence_gets_none(records):
    scores = score_answers([answered(r, "I cannot see anything.") for r in records])
    for row in ("count_exact", "verdict", "layer_class", "grounding_50", "detection_ap50"):
        assert scores[row]["all"].value == 0.0, row
    assert scores["well_formed"]["all"].value < 0.5
    assert scores["layer_class_ceiling"]["all"].value > 0.5  # which does not ask the model
    assert np.isnan(scores["claims_accepted"]["all"].value)


def test_a_count_that_is_one_off_is_within_one(records):
    counted = of_task(records, "count")
    off = [answered(r, f"There are {len(r.facts.flakes) + 1} flakes.") for r in counted]
    scores = score_answers(off)
    assert scores["count_exact"]["all"].value == 0.0
    assert scores["count_within_1"]["all"].value == 1.0
    assert scores["count_mean_absolute_error"]["all"].value == 1.0


def test_the_layer_of_a_box_is_read_with_and_without_the_box(records):
    for record in of_task(records, "layer"):
        count = record.facts.layer_counts[record.asked]
        for told, mark in ((count, 1.0), (count + 9, 0.0)):
            scores = score_answers([answered(record, f"It has {told} layers.")], claims=False)
            assert scores["layer_exact"]["all"].value == mark


def test_scores_rank_the_boxes_of_an_answer(records):
    record = next(r for r in of_task(records, "localise") if len(r.parsed.boxes) >= 3)
    n = len(record.parsed.boxes)
    text = record.answer + " thick <box>0.00, 0.00, 0.50, 0.50</box>"
    wrong_first = replace(answered(record, text), scores=[0.5] * n + [0.9])
    wrong_last = replace(answered(record, text), scores=[0.5] * n + [0.1])
    first, last = (
        score_answers([r], claims=False)["detection_ap50"]["all"].value
        for r in (wrong_first, wrong_last)
    )
    assert last == pytest.approx(1.0)
    assert first == pytest.approx(n / (n + 1))
    with pytest.raises(ArgumentError, match=rf"one for each of the {n} boxes"):
        replace(record, scores=[0.5])
    with pytest.raises(ArgumentError, match=r"scores = 1.5"):
        replace(record, scores=[1.5] * n)


def test_false_claims_are_told_from_true_ones(records):
    record = of_task(records, "count", "full")[0]
    lie = answered(record, "The image shows 77 flakes.\n" + record.answer)
    true, told = (score_answers([r])["claims_accepted"]["all"] for r in (record, lie))
    assert true.value == 1.0 and told.count == true.count + 1
    assert told.value == pytest.approx(true.count / told.count)
    assert score_answers([lie])["claims_contradicted"]["all"].value == pytest.approx(1 / told.count)


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("count", "Several flakes."),
        ("verify", "It might be a monolayer."),
        ("layer", "It is hard to tell."),
        ("refer", "Here: <box>1.00, 2.00, 3.00, 4.00</box> or <box>5.00, 2.00, 3.00, 4.00</box>"),
        ("refer", "This one."),
        ("localise", "Two flakes are found: <box>1.00, 2.00, 3.00</box>"),
        ("localise", ""),
    ],
)
def test_ill_formed_answers(records, task, text):
    assert not is_well_formed(answered(of_task(records, task)[0], text))


def test_a_full_answer_closes_its_conclusion(records):
    record = of_task(records, "count", "full")[0]
    assert is_well_formed(record)
    assert not is_well_formed(answered(record, record.answer.replace("</CONCLUSION>", "")))


def test_the_oracle_is_right_where_nothing_disturbs_it(records):
    """Without an image the contrast is the flake's own, which only spread of thickness moves."""
    scene = records[0].facts.scene
    flakes = [replace(flake, contrast=None) for flake in scene.flakes]

    class Ideal:
        shape, material, microscope = scene.shape, scene.material, scene.microscope
        magnification = scene.magnification

    Ideal.flakes = flakes
    facts = Facts(Ideal())
    counts = [f.layer_count for f in flakes]
    thin = [k for k, n in enumerate(counts) if n <= 60]
    assert thin and [palette_layer(facts, k) for k in thin] == [counts[k] for k in thin]


def test_records_are_checked(records):
    with pytest.raises(ArgumentError, match=r"records\[0\]"):
        score_answers(["an answer"])
    with pytest.raises(ArgumentError, match="answer = 'NoneType'"):
        replace(records[0], answer=None)
