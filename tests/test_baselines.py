"""Baselines: what they see, how long they train, what they say, and what of it is kept."""

from __future__ import annotations

import json
from itertools import islice

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal

from qupaint_lib.annotations import LAYER_CLASSES
from qupaint_lib.baselines import (
    BASELINES,
    DETECTORS,
    Budget,
    Detected,
    Detector,
    FitConfig,
    Mixture,
    Options,
    collect_runs,
    count_flops,
    count_parameters,
    fit_detector,
    fit_mixture,
    load_results,
    make_sample,
    mask2former_config,
    microscope_of,
    pixels_for,
    predictions_file,
    predictions_of,
    rt_detr_config,
    run_baseline,
    scored_images,
    stream_samples,
    windowed,
)
from qupaint_lib.baselines import fit as fit_module
from qupaint_lib.baselines.__main__ import main
from qupaint_lib.baselines.collect import main as collect_main
from qupaint_lib.baselines.detectors import _box_of, _read_mask2former
from qupaint_lib.baselines.fit import rate_at
from qupaint_lib.baselines.run import spread
from qupaint_lib.errors import ArgumentError, TrainingError, UnknownNameError
from qupaint_lib.evaluate import detection_metrics, load_predictions
from qupaint_lib.instruct import build_dataset
from qupaint_lib.model import QuPaintImageProcessor
from qupaint_lib.train import Images
from qupaint_lib.train.examples import flakes_of, pixels_of

QUICK = Options(resamples=20)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    options = {"shape": (224, 224), "crystals": (1, 6), "dialogues": 1, "tasks": ("count",)}
    shares = {"train": 1.0}
    build_dataset(16, folder, seed=5, splits=shares, form="short", progress=False, **options)
    return folder


@pytest.fixture(scope="module")
def images(data):
    return Images(data / "train")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return scored_images(tmp_path_factory.mktemp("bench"), 4)


# What detectors see


def test_a_sample_without_augmentation_is_the_image_and_its_flakes(images):
    row = next(images[i][0] for i in range(len(images)) if len(images[i][0]["boxes"]) > 1)
    sample = make_sample(row)
    flakes = flakes_of(row)
    assert [LAYER_CLASSES[k] for k in sample.classes] == [f.layer_class() for f in flakes]
    assert_array_equal(sample.masks.astype(bool), [flake.mask for flake in flakes])
    centre, size = sample.boxes[:, :2] * 224, sample.boxes[:, 2:] * 224
    corners = np.concatenate([centre - size / 2, size], axis=1)
    assert_allclose(corners, [flake.bbox_xywh for flake in flakes], atol=1e-3)


def test_boxes_of_every_view_are_those_of_its_masks(images):
    seen = 0
    for sample in islice(stream_samples(images, np.random.default_rng(1)), 48):
        for (x, y, w, h), mask in zip(sample.boxes * 224, sample.masks, strict=True):
            if mask.any():  # nearest neighbours may drop a line of pixels at an edge
                left, top, right, bottom = np.multiply(_box_of(mask), 224)
                assert_allclose([x - w / 2, y - h / 2], [left, top], atol=2.5)
                assert_allclose([x + w / 2, y + h / 2], [right, bottom], atol=2.5)
                seen += 1
    assert seen > 50


def test_every_image_comes_once_in_a_pass(images):
    rng = np.random.default_rng(2)
    stream = stream_samples(images, rng, augment=False)
    n = len(images)
    sums = [float(sample.pixels.sum()) for sample in islice(stream, 2 * n)]
    alone = sorted(float(make_sample(images[i][0]).pixels.sum()) for i in range(n))
    assert sorted(sums[:n]) == alone == sorted(sums[n:])
    assert sums[:n] != sums[n:]


def test_detectors_see_what_the_small_model_sees(images):
    image = pixels_of(images[0][0])
    processor = QuPaintImageProcessor(224, 14, pia=False, contrast_gain=4.0)
    expected = processor(image, return_tensors="np")["pixel_values"][0]
    assert_array_equal(pixels_for(image), expected)


def test_no_images_are_refused():
    with pytest.raises(ArgumentError, match="images = 0"):
        next(stream_samples([], np.random.default_rng(0)))


# The budget


class Clock:
    """A clock that moves by a second each time it is looked at."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def test_a_budget_counts_from_when_it_is_made(monkeypatch):
    monkeypatch.setattr(fit_module.time, "process_time", Clock())
    budget = Budget(0.05)  # three seconds
    assert [budget.over() for _ in range(4)] == [False, False, True, True]
    assert budget.share == 1.0


def test_rates_rise_then_fall_to_a_fiftieth():
    shares = np.linspace(0, 1, 401)
    rates = np.array([rate_at(share) for share in shares])
    top = int(rates.argmax())
    assert 0 < shares[top] < 0.05
    assert rates.max() == pytest.approx(1.0, abs=0.02)
    assert (np.diff(rates[:top]) >= 0).all()
    assert (np.diff(rates[top:]) <= 0).all()
    assert rates[-1] == pytest.approx(0.02)


@pytest.mark.parametrize(
    "wrong",
    [
        {"minutes": 0.0},
        {"minutes": float("nan")},
        {"learning_rate": -1.0},
        {"weight_decay": -0.1},
        {"batch_size": 0},
        {"side_px": 100},
        {"max_grad_norm": 0.0},
    ],
)
def test_recipes_that_cannot_be_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ArgumentError, match=name):
        FitConfig(**wrong)


class Dot(torch.nn.Module):
    """The smallest model: the mean of the pixels times a weight."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    @property
    def device(self):
        return self.weight.device


def of_loss(loss):
    return Detector("stub", lambda size, backbone: Dot(), loss, lambda model, pixels: [])


def test_training_stops_at_its_budget_and_tells_what_it_did(images, monkeypatch):
    monkeypatch.setattr(fit_module.time, "process_time", Clock())
    seen = []

    def loss(model, batch):
        seen.append(len(batch))
        return (model.weight**2).sum()

    model, config = Dot(), FitConfig(minutes=2.0, batch_size=3, weight_decay=0.0)
    told = fit_detector(of_loss(loss), model, images, config)
    assert told["steps"] == len(seen) > 10
    assert told["images_seen"] == sum(seen) == 3 * len(seen)
    assert 2.0 <= told["minutes"] < 2.2
    assert abs(model.weight.item()) < 1.0
    assert [pair[1] for pair in told["curve"]] == sorted(
        (p[1] for p in told["curve"]), reverse=True
    )


def test_a_loss_that_is_no_number_ends_the_training(images):
    detector = of_loss(lambda model, batch: model.weight.sum() * float("nan"))
    with pytest.raises(TrainingError, match="at step 0"):
        fit_detector(detector, Dot(), images, FitConfig(minutes=1.0))


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_learns_and_is_read(name, images):
    detector = DETECTORS[name]
    torch.manual_seed(0)
    model = detector.make("small", None)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    told = fit_detector(detector, model, images, FitConfig(minutes=1e-4, batch_size=2))
    assert told["steps"] == 1
    changed = [key for key, value in model.state_dict().items() if not value.equal(before[key])]
    assert len(changed) > 0.5 * len(before)
    with torch.no_grad():
        read = detector.read(model, torch.zeros(2, 3, 224, 224))
    assert len(read) == 2
    for boxes, chances in read:
        assert boxes.shape == (len(chances), 4)
        assert chances.shape[1] == len(LAYER_CLASSES)
        assert ((boxes >= 0) & (boxes <= 1)).all()
        assert (boxes[:, :2] <= boxes[:, 2:]).all()
        assert ((chances >= 0) & (chances <= 1)).all()


def test_masks_become_boxes_with_the_probability_of_class_times_mask():
    masks = torch.full((1, 2, 8, 8), -20.0)
    masks[0, 0, 2:4, 1:6] = 20.0  # the second query's mask is empty
    classes = torch.tensor([[[0.0, 2.0, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0]]])

    class Output:
        masks_queries_logits, class_queries_logits = masks, classes

    ((boxes, chances),) = _read_mask2former(lambda pixel_values: Output, torch.zeros(1))
    assert_allclose(boxes, [[1 / 8, 2 / 8, 6 / 8, 4 / 8]])
    assert_allclose(chances, [classes[0, 0].softmax(0)[:3].numpy()], rtol=1e-6)


def test_a_backbone_is_for_the_full_size_and_must_be_there(tmp_path):
    with pytest.raises(ArgumentError, match="full size"):
        DETECTORS["rt-detrv2"].make("small", tmp_path)
    with pytest.raises(UnknownNameError, match="size"):
        DETECTORS["rt-detrv2"].make("medium", None)


def test_a_backbone_is_taken_from_a_folder(tmp_path, monkeypatch):
    """Shrunken, so that the test is quick; the path is the one of the full size."""
    from qupaint_lib.baselines import detectors

    small = rt_detr_config("small")
    monkeypatch.setattr(detectors, "rt_detr_config", lambda size: small)
    torch.manual_seed(1)
    other = detectors._make_rt_detr("full", None).model.backbone.model
    other.save_pretrained(tmp_path)
    made = detectors._make_rt_detr("full", tmp_path)
    for name, value in made.model.backbone.model.state_dict().items():
        assert value.equal(other.state_dict()[name]), name
    with pytest.raises(ArgumentError, match="backbone"):
        detectors._make_rt_detr("full", tmp_path / "nothing")


# Windows and predictions


def test_windows_put_together_what_a_perfect_detector_sees(bench):
    """Whatever shows a flake whole in one of the windows comes out once, in its place."""
    truth = bench.ground_truth
    small = [a for a in truth["annotations"] if max(a["bbox"][2:]) <= 50]
    current = {}

    def read(model, pixels):
        frames = current["frames"]
        found = []
        for x, y, w, h in frames:
            boxes, chances = [], []
            for a in (a for a in small if a["image_id"] == current["id"]):
                left, top, width, height = a["bbox"]
                corners = np.array([left - x, top - y, left - x + width, top - y + height])
                corners = np.clip(corners, 0, [w, h, w, h])
                if (corners[2:] - corners[:2] >= 3).all():
                    boxes.append(corners / [w, h, w, h])
                    chances.append(np.eye(3)[a["category_id"] - 1] * 0.9)
            found.append((np.reshape(boxes, (-1, 4)), np.reshape(chances, (-1, 3))))
        return found

    from qupaint_lib.model.tiling import windows

    detect = windowed(Detector("oracle", None, None, read), Dot())

    def detect_one(image, about):
        current["id"], current["frames"] = about["id"], windows(image.shape[:2], (224, 224), 56)
        return detect(image, about)

    found = load_predictions(predictions_of(detect_one, bench), truth)
    part = {**truth, "annotations": small}
    assert detection_metrics(found, part).ap50.value > 0.97
    assert abs(len(found) - len(small)) <= 0.05 * len(small)


def test_predictions_are_cut_to_the_image_and_to_a_hundred(bench):
    def detect(image, about):
        box = (-3.0, 440.0, 20.0, 30.0)
        return [Detected(box, None if k % 2 else "Few", k / 200) for k in range(150)]

    found = predictions_of(detect, bench)
    read = load_predictions(found, bench.ground_truth)
    assert len(read) == 100 * len(bench.ground_truth["images"])
    assert min(one["score"] for one in read) == 0.25
    assert read[0]["bbox"] == [0.0, 440.0, 17.0, 8.0]
    assert {one.get("category") for one in found} == {None, "Few"}


# The mixture


def blobs(rng):
    """Return rows whose contrasts are those of two classes, for the formulas alone."""
    means = {("graphene", "Mono"): (-0.1, -0.1, 0.0), ("graphene", "Few"): (-0.4, -0.3, 0.1)}
    parts = {}
    for key, mean in {**means, ("bare", "bare"): (0.0, 0.0, 0.0)}.items():
        precision = np.linalg.inv(np.diag(rng.uniform(1e-4, 4e-4, 3)) + 2e-5)
        parts[key] = np.array([0.5, 0.5]), np.array([mean, mean]) + 0.01, np.stack([precision] * 2)
    return Mixture(parts)


def test_densities_are_those_of_scipy():
    rng = np.random.default_rng(0)
    mixture = blobs(rng)
    weights, means, precisions = mixture.components["graphene", "Mono"]
    means = means + rng.normal(0, 0.02, means.shape)
    mixture = Mixture({("graphene", "Mono"): (weights, means, precisions)})
    points = rng.uniform(-0.3, 0.1, (50, 3))
    expected = sum(
        w * multivariate_normal(m, np.linalg.inv(p)).pdf(points)
        for w, m, p in zip(weights, means, precisions, strict=True)
    )
    assert_allclose(mixture.log_density(("graphene", "Mono"), points), np.log(expected), rtol=1e-9)


def test_posteriors_follow_bayes_and_add_up():
    mixture = blobs(np.random.default_rng(1))
    points = np.random.default_rng(2).uniform(-0.5, 0.1, (40, 3))
    chances = mixture.posterior("graphene", points)
    assert_allclose(chances.sum(axis=1), 1, rtol=1e-12)
    assert_array_equal(chances[:, 3], 0)  # nothing was learned of thick flakes
    odds = np.log(chances[:, 1] / chances[:, 2])
    mono, few = (mixture.log_density(("graphene", name), points) for name in ("Mono", "Few"))
    assert_allclose(odds, mono - few, rtol=1e-6, atol=1e-6)


def test_a_mixture_finds_the_square_that_has_its_contrast(tmp_path):
    mixture = Mixture.load(blobs(np.random.default_rng(3)).save(tmp_path / "mixture.npz"))
    image = np.full((128, 128, 3), 150.0) + np.random.default_rng(4).normal(0, 0.7, (128, 128, 3))
    image[40:70, 50:90] *= np.array([0.61, 0.71, 1.11])  # few layers, by the means above
    found = mixture.detect(np.round(image).astype(np.uint8), {"material": "graphene"})
    best = max(found, key=lambda one: one.box[2] * one.box[3])
    assert best.label == "Few"
    assert_allclose(best.box, [50, 40, 40, 30], atol=3)
    assert best.score > 0.9
    with pytest.raises(UnknownNameError, match="material"):
        mixture.detect(np.zeros((128, 128, 3), np.uint8), {"material": "WSe2"})


def test_a_mixture_is_fitted_to_every_class_it_sees(images):
    mixture, told = fit_mixture(images, 1.0)
    seen = {(images[i][0]["material"], c) for i in range(16) for c in images[i][0]["classes"]}
    assert set(mixture.components) <= {*seen, ("bare", "bare")}
    assert ("bare", "bare") in mixture.components
    assert told["images_seen"] == 16
    for weights, _, precisions in mixture.components.values():
        assert weights.sum() == pytest.approx(1)
        assert (np.linalg.eigvalsh(precisions) > 0).all()


def test_a_file_that_is_no_mixture_is_refused(tmp_path):
    path = tmp_path / "mixture.npz"
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ArgumentError, match="path"):
        Mixture.load(path)


# The finder


@pytest.mark.parametrize(
    ("substrate", "oxide_nm", "expected"),
    [
        ("SiO2/Si", 90.0, ("Si", "SiO2", 90.0)),
        ("Si3N4/Si", 80.0, ("Si", "Si3N4", 80.0)),
        ("sapphire", 0.0, ("sapphire", "SiO2", 0.0)),
    ],
)
def test_the_finder_is_told_the_wafer(substrate, oxide_nm, expected):
    told = microscope_of({"substrate": substrate, "oxide_thickness_nm": oxide_nm})
    assert (told.substrate, told.oxide, told.oxide_thickness_nm) == expected


def test_a_run_leaves_predictions_record_and_figures(bench, tmp_path):
    record = run_baseline("finder", tmp_path / "run", QUICK, benchmark=bench)
    truth = bench.ground_truth
    read = load_predictions(tmp_path / "run" / "predictions.json", truth)
    again = detection_metrics(read, truth)
    whole = record["scores"]["general"]["all"]
    assert whole["ap50"]["value"] == pytest.approx(again.ap50.value, abs=1e-12)
    assert again.ap50.value > 0.1  # it does find flakes
    assert whole["ap50"]["interval"][0] <= whole["ap50"]["interval"][1]
    assert record["benchmark"]["images"] == len(truth["images"])
    assert record["training"]["budget_minutes"] is None
    assert json.loads((tmp_path / "run" / "record.json").read_text()) == record
    with pytest.raises(ArgumentError, match="new or empty"):
        run_baseline("finder", tmp_path / "run", QUICK, benchmark=bench)


def test_runs_that_cannot_be_are_refused(tmp_path, capsys):
    with pytest.raises(UnknownNameError, match="rt-detrv2"):
        run_baseline("rt-detr", tmp_path / "run", Options())
    with pytest.raises(ArgumentError, match="data"):
        run_baseline("mixture", tmp_path / "run", Options())
    assert main(["mixture", "--out", str(tmp_path / "run"), "--data", str(tmp_path)]) == 2
    assert "parquet" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_command_trains_a_mixture(data, bench, tmp_path, capsys):
    out = tmp_path / "run"
    given = ["--data", str(data), "--minutes", "0.2", "--bench", str(bench.folder)]
    given += ["--resamples", "20"]
    assert main(["mixture", "--out", str(out), *given]) == 0
    record = json.loads((out / "record.json").read_text())
    assert record["training"]["images_seen"] == 16
    assert record["parameters"] == Mixture.load(out / "model" / "mixture.npz").parameters
    assert "--minutes 0.2" in record["command"]
    assert "mono:" in capsys.readouterr().out


@pytest.mark.parametrize(("count", "expected"), [(None, 10), (3, 3), (10, 10), (99, 10)])
def test_a_part_of_the_images_is_spread_over_all(count, expected):
    chosen = spread(range(10), count)
    assert len(chosen) == len(set(chosen)) == expected
    assert chosen[0] == 0
    assert np.diff(chosen).max(initial=1) <= np.ceil(10 / expected)
    with pytest.raises(ArgumentError, match="images"):
        spread(range(10), 0)


# What architectures cost


def test_operations_are_two_per_multiply_add():
    class Convolution(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)

        def forward(self, pixel_values):
            return self.layer(pixel_values)

    assert count_flops(Convolution(), 64) == 2 * 27 * 8 * 32 * 32


def test_parameters_are_those_that_are_published():
    """RT-DETRv2-L and -X: github.com/lyuwenyu/RT-DETR; Mask2Former R50: arXiv 2112.01527."""
    from transformers import Mask2FormerForUniversalSegmentation, RTDetrV2ForObjectDetection

    config = rt_detr_config("full")
    config.num_labels = 80
    n = count_parameters(lambda: RTDetrV2ForObjectDetection(config))
    assert n == pytest.approx(42e6, rel=0.03)
    config = mask2former_config("full")
    n = count_parameters(lambda: Mask2FormerForUniversalSegmentation(config))
    assert n == pytest.approx(44e6, rel=0.02)


# What is kept


def test_results_of_runs_are_collected_and_others_stay(bench, tmp_path, capsys):
    run_baseline("finder", tmp_path / "run", QUICK, benchmark=bench)
    folder = tmp_path / "results"
    assert load_results(folder) == {"methods": {}, "ablation": [], "before": {}}
    (folder / "results.json").parent.mkdir()
    (folder / "results.json").write_text('{"methods": {"other": {"method": "other"}}}')
    assert collect_main(["--runs", str(tmp_path / "run"), "--folder", str(folder)]) == 0
    found = load_results(folder)
    assert set(found["methods"]) == {"other", "finder"}
    read = load_predictions(predictions_file("finder", folder), bench.ground_truth)
    assert len(read) > 0
    assert collect_main(["--runs", str(tmp_path), "--folder", str(folder)]) == 2
    with pytest.raises(ArgumentError, match="cell"):
        collect_runs((), tmp_path, folder=folder)
    assert load_results(folder) == found


def test_what_comes_with_the_library_is_whole():
    found = load_results()["methods"]
    assert {"finder", "mixture"} <= set(found) <= set(BASELINES)
    for name, record in found.items():
        assert record["method"] == name
        told = json.loads(predictions_file(name).read_text())["predictions"]
        per_image = {}
        for one in told:
            per_image[one["file_name"]] = per_image.get(one["file_name"], 0) + 1
        assert max(per_image.values()) <= 100
        assert len(per_image) <= record["benchmark"]["images"]
        assert {"general", "mono"} == set(record["scores"])
