"""What one user has open: images, calibration, flakes, corrections, exports."""

import csv
import io
import json

import imagecodecs
import numpy as np
import pytest
import tifffile
from rendered import LAYERS, SCOPE, TRUE_OXIDE_NM, center

from qupaint_lib.annotations import from_coco
from qupaint_lib.errors import ArgumentError, CalibrationError, ImageError, QuPaintError
from qupaint_lib.widgets import (
    Filter,
    FolderJob,
    Session,
    flake_at,
    pixel_size_from_bar,
    pixel_size_from_objective,
    select,
    with_stage,
)
from qupaint_lib.widgets import selection as selecting
from qupaint_lib.widgets.pictures import encode_jpeg, encode_png, sentence


def number_at(session, i):
    return flake_at(session.flakes, *center(i))


def test_pixel_size_from_objective_and_bar():
    assert pixel_size_from_objective(20, 5.86, 0.763) == pytest.approx(
        0.384, abs=5e-4
    )  # MaskTerial
    assert pixel_size_from_bar((10, 10), (13, 14), 10) == pytest.approx(2.0)  # 3, 4, 5
    with pytest.raises(ArgumentError, match="apart"):
        pixel_size_from_bar((1, 1), (2, 1), 10)
    with pytest.raises(ArgumentError, match="length"):
        pixel_size_from_bar((1, 1), (20, 1), 0)
    with pytest.raises(ArgumentError, match="magnification"):
        pixel_size_from_objective(0)


def test_twelve_bit_codes_in_a_16_bit_file_are_told(wafer):
    codes = (wafer[0].astype(np.uint16) * 16 + 7).clip(max=4095)
    opened = Session(SCOPE)
    opened.open_image("a.png", imagecodecs.png_encode(codes))
    assert opened.bits == 12
    np.testing.assert_allclose(opened.codes, codes / 4095, atol=1e-6)
    assert abs(opened.codes_8bit.astype(int) - wafer[0]).max() <= 1


def test_pages_and_their_pixel_size(wafer):
    other = np.ascontiguousarray(wafer[0][::-1])
    file = io.BytesIO()
    with tifffile.TiffWriter(file, ome=True) as tiff:
        about = {"PhysicalSizeX": 250, "PhysicalSizeXUnit": "nm", "axes": "TYXS"}
        tiff.write(np.stack([wafer[0], other]), photometric="rgb", metadata=about)
    opened = Session(SCOPE)
    opened.open_image("a.ome.tif", file.getvalue())
    assert (opened.file.pages, opened.microscope.pixel_size_um) == (2, 0.25)
    opened.open_page(1)
    np.testing.assert_array_equal(opened.codes, other)


def test_a_refused_file_leaves_what_was_open(session, wafer):
    with pytest.raises(ImageError, match="GIF"):
        session.open_image("a.gif", b"GIF89a" + bytes(100))
    with pytest.raises(ImageError, match="64"):
        session.open_image("small.png", encode_png(wafer[0][:40, :40]))
    assert session.name == "wafer.png"
    np.testing.assert_array_equal(session.codes, wafer[0])


def test_calibration_from_clicks_finds_the_oxide(session):
    nominal = session.calibrate()
    assert not nominal.oxide_fitted
    known = [(*center(i), LAYERS[i]) for i in range(4)]
    fit = session.calibrate((0, 130, 480, 190), known)
    assert fit.oxide_fitted
    assert fit.microscope.oxide_thickness_nm == pytest.approx(TRUE_OXIDE_NM, abs=1.0)
    assert session.microscope is fit.microscope
    assert session.microscope.pixel_size_um == SCOPE.pixel_size_um


def test_calibration_refuses_what_is_no_substrate_and_no_flake(session):
    x, y = center(4)
    with pytest.raises(CalibrationError, match="substrate"):
        session.calibrate((x - 20, y - 20, x + 20, y + 20))
    with pytest.raises(ArgumentError, match="even region"):
        session.calibrate(known=[(2.0, 2.0, 1)])


def test_flakes_are_found_filtered_and_picked(session, wafer):
    session.find()
    found = {i: session.flakes[number_at(session, i)].layer_count for i in range(len(LAYERS))}
    assert found == dict(enumerate(LAYERS))
    assert flake_at(session.flakes, 1, 1) is None
    thin = select(session.flakes, Filter(layers=(1, 1)))
    assert {f.layer_count for f in thin.values()} == {1} and len(thin) == 2
    assert not select(session.flakes, Filter(min_area_px=1e6))
    sure = select(session.flakes, Filter(min_confidence=1.0))
    assert all(selecting.confidence(f) == 1.0 for f in sure.values())


def test_a_correction_is_kept_by_a_new_search_and_moves_the_oxide(session):
    session.find()
    for i in range(4):
        session.correct(number_at(session, i), LAYERS[i])
    gone = number_at(session, 5)
    session.correct(gone, selecting.NOT_A_FLAKE)
    fit = session.recalibrate()
    assert fit.microscope.oxide_thickness_nm == pytest.approx(TRUE_OXIDE_NM, abs=1.0)
    assert number_at(session, 5) is None
    assert session.corrections == 4
    again = session.flakes[number_at(session, 2)]
    assert again.layer_count == LAYERS[2] and selecting.CORRECTED in again.flags
    assert again.probabilities == {LAYERS[2]: 1.0}


def test_wrong_corrections_show_in_the_residual(session):
    session.find()
    for i in range(4):
        session.correct(number_at(session, i), LAYERS[i])
    right = session.recalibrate().residual_rms
    for i in range(4):
        session.correct(number_at(session, i), 5 - LAYERS[i])
    try:
        wrong = session.recalibrate().residual_rms
    except CalibrationError:  # it may also run into its bound
        wrong = np.inf
    assert wrong > 10 * right


def test_correcting_what_is_not_there_is_refused(session):
    session.find()
    with pytest.raises(ArgumentError, match="number"):
        session.correct(99, 1)
    with pytest.raises(ArgumentError, match="at least 1"):
        session.correct(number_at(session, 0), 0)
    with pytest.raises(ArgumentError, match="corrected"):
        Session(SCOPE).recalibrate()


def test_exports_agree_with_the_flakes(session, wafer):
    session.find()
    chosen = Filter(layers=(2, 4), thick=False)
    shown = select(session.flakes, chosen)
    (flakes,) = from_coco(json.loads(session.coco(chosen))).values()
    assert [f.rle for f in flakes] == [f.rle for f in shown.values()]
    table = list(csv.DictReader(io.StringIO(session.csv(chosen, origin_um=(100, 50)).decode())))
    assert [int(row["layer_count"]) for row in table] == [f.layer_count for f in shown.values()]
    for row, flake in zip(table, shown.values(), strict=True):
        x, y = flake.center_xy
        assert float(row["stage_x_um"]) == pytest.approx(100 + 0.5 * x)
        assert float(row["stage_y_um"]) == pytest.approx(50 + 0.5 * y)
    picture = session.annotated(chosen)
    assert picture.shape == wafer[0].shape and picture.dtype == np.uint8
    changed = (picture != wafer[0]).any(axis=-1)
    edge = next(iter(shown.values()))
    assert changed[edge.mask].any() and not changed[:5].any()


def test_a_stage_whose_y_points_up():
    flake = selecting.Flake.from_mask(np.ones((10, 10), dtype=bool))
    (up,) = with_stage({1: flake}, 2.0, (0.0, 0.0), y_up=True)
    assert up.stage_xy_um == (10.0, -10.0)


def test_microscope_goes_out_and_in(session):
    session.calibrate()
    data = session.microscope_json()
    other = Session()
    other.open_microscope(data)
    assert other.microscope == session.microscope
    for bad in (b"[]", b"{", b" " * 200_000):
        with pytest.raises(ArgumentError):
            other.open_microscope(bad)
    assert other.microscope == session.microscope


def test_two_sessions_share_nothing(session):
    other = Session()
    assert other.folder != session.folder
    with pytest.raises(ArgumentError, match="choose a file"):
        other.find()


def test_only_the_own_folder_is_written_and_it_vanishes(session, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session.find()
    session.microscope_json()
    session.coco(Filter()), session.csv(Filter())
    assert not list(tmp_path.iterdir())
    folder = session.folder
    assert folder.is_dir() and (folder.stat().st_mode & 0o077) == 0
    session._temporary.cleanup()
    assert not folder.exists()


def test_a_folder_is_worked_through(wafer, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.jpg").write_bytes(encode_jpeg(wafer[0]))
    (images / "broken.png").write_bytes(b"nothing")
    out = tmp_path / "out"
    out.mkdir()
    job = FolderJob(str(images), "graphene", SCOPE, out, jobs=1)
    assert job.total == 2
    job._process.wait(timeout=60)
    assert job.done == 1 and not job.running
    assert "1 images" in job.report() and "broken.png" in job.report()
    (flakes,) = from_coco(json.loads(job.coco())).values()
    assert sorted(f.layer_count for f in flakes if f.layer_count) == sorted(LAYERS)
    assert len(job.csv().splitlines()) == 1 + len(LAYERS)
    assert sorted(p.name for p in images.iterdir()) == ["a.jpg", "broken.png"]
    job.stop()


@pytest.mark.parametrize("folder", ["", "/no/such/folder", "."])
def test_a_folder_without_images_is_refused(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match="folder"):
        FolderJob(folder, "graphene", SCOPE, tmp_path)


def test_errors_are_sentences():
    said = sentence(ImageError("path", "x.gif", "a JPEG, PNG or TIFF; this is a GIF"), "x.gif")
    assert said == "x.gif was not opened. Needed: a JPEG, PNG or TIFF; this is a GIF."
    assert "ZeroDivisionError" in sentence(ZeroDivisionError("division by zero"))
    assert sentence(QuPaintError("so it is")) == "so it is"
