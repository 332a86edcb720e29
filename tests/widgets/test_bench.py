"""The panels without a browser: guarded callbacks, uploads in parts, claims, clicks."""

import asyncio

import numpy as np
import pytest
from rendered import LAYERS, SCOPE, center

from qupaint_lib.answers import format_box, to_percent
from qupaint_lib.errors import ArgumentError
from qupaint_lib.instruct import Claim
from qupaint_lib.widgets import (
    Bench,
    Checked,
    Session,
    ask,
    check,
    draw_boxes,
    flake_at,
    load_model,
)
from qupaint_lib.widgets.bench import PANELS, makes_pages
from qupaint_lib.widgets.controls import Files
from qupaint_lib.widgets.panel_ask import claim_rows
from qupaint_lib.widgets.panel_calibrate import BAR, FLAKE, SUBSTRATE
from qupaint_lib.widgets.parts import Status, guarded, in_background, table_html
from qupaint_lib.widgets.pictures import encode_png, with_text


@pytest.fixture
def bench(session):
    made = Bench(session)
    made.announce()
    return made


def click(panel, i, width=480, height=320):
    x, y = center(i)
    panel.clicked(x / width, y / height)


def test_all_panels_are_built_in_their_order(bench):
    assert list(bench.panels) == ["Optics", "Calibrate", "Find", "Ask"]
    assert bench.tabs.titles == tuple(PANELS)


def test_a_panel_that_cannot_be_built_leaves_the_others(monkeypatch):
    def broken(bench):
        raise RuntimeError("no luck")

    monkeypatch.setitem(PANELS, "Find", broken)
    made = Bench()
    assert list(made.panels) == ["Optics", "Calibrate", "Ask"]
    assert "no luck" in made.tabs.children[2].value


def test_a_crash_is_said_in_its_panel_and_the_others_go_on(bench, monkeypatch):
    def crash(*args, **kwargs):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(bench.session, "find", crash)
    find, optics = bench.panels["Find"], bench.panels["Optics"]
    button = find.widget.children[0].children[0]
    button.click()
    assert find.status.failed and "ZeroDivisionError" in find.status.text
    before = optics.strip.data
    optics.oxide.value = 200
    assert not optics.status.failed and optics.strip.data != before


def test_slider_changes_pictures_and_their_words(bench):
    optics = bench.panels["Optics"]
    before = optics.strip.data, optics.curves.data, optics.strip.alt
    optics.oxide.value = 285
    assert before[0] != optics.strip.data and before[1] != optics.curves.data
    assert "285 nm" in optics.strip.alt != before[2]
    optics.oxide.value = 150
    optics.find_oxide()
    assert 85 <= optics.oxide.value <= 95 and "instead of" in optics.status.text
    optics.find_filter()
    assert optics.filtered.value and 520 <= optics.center.value <= 600
    optics.hand_on()
    assert bench.session.microscope == optics.microscope


def test_bad_file_is_refused_in_a_sentence(bench):
    panel = bench.panels["Calibrate"]
    panel.open("<b>a</b>.gif", b"GIF89a" + bytes(50))
    assert panel.status.failed
    assert panel.status.text.startswith("<b>a</b>.gif was not opened. Needed: a JPEG, PNG or TIFF")
    assert "<b>" not in panel.status.widget.value  # it is shown as text
    assert bench.session.name == "wafer.png"


def test_clicks_set_substrate_flakes_and_scale_bar(bench):
    panel = bench.panels["Calibrate"]
    panel.click.value = BAR
    panel.bar.value = 12.0
    panel.clicked(0.25, 0.5)
    panel.clicked(0.5, 0.5)  # 120 px apart
    assert bench.session.microscope.pixel_size_um == pytest.approx(0.1)
    panel.click.value = SUBSTRATE
    panel.clicked(0.0, 0.4)
    panel.clicked(1.0, 0.6)
    assert panel.substrate_box == pytest.approx((0, 128, 480, 192))
    panel.click.value = FLAKE
    for i in range(3):
        panel.layers.value = LAYERS[i]
        click(panel, i)
    panel.calibrate()
    assert "known flakes: 3" in panel.status.text and "fitted" in panel.status.text
    assert bench.session.microscope.oxide_thickness_nm == pytest.approx(86, abs=1.5)
    assert panel.oxide.value == pytest.approx(bench.session.microscope.oxide_thickness_nm, abs=0.01)


def test_objective_sets_the_pixel_and_a_preset_keeps_it(bench):
    panel = bench.panels["Calibrate"]
    panel.objective.value = 20
    assert bench.session.microscope.pixel_size_um == pytest.approx(0.293)
    panel.preset.value = "cie-d65"
    assert bench.session.microscope.name == "cie-d65"
    assert bench.session.microscope.pixel_size_um == pytest.approx(0.293)


def test_click_corrects_and_recalibrates(bench):
    panel = bench.panels["Find"]
    panel.find()
    assert f"{len(LAYERS)} thin flakes" in panel.status.text
    for i in range(3):
        number = flake_at(bench.session.flakes, *center(i))
        panel.count.value = LAYERS[i]
        click(panel, i)
        assert panel.number.value == number
    assert bench.session.corrections == 3
    panel.recalibrate()
    assert "fitted" in panel.status.text
    assert panel.table.value.count("corrected") == 3
    panel.layers.value = (4, 10)
    assert panel.table.value.count("<tr>") == 1 + 1  # titles, and the only four layers


def test_exports_are_offered(bench, monkeypatch):
    panel, sent = bench.panels["Find"], []
    monkeypatch.setattr(panel.files, "send", lambda m, buffers: sent.append((m, buffers)))
    panel.find()
    panel.export_coco(), panel.export_csv(), panel.export_picture()
    assert [m["name"] for m, _ in sent] == ["flakes.json", "flakes.csv", "flakes.png"]
    assert sent[2][1][0].startswith(b"\x89PNG")


class Upload:
    """A field, what it handed over, and what it refused."""

    def __init__(self, **kwargs):
        self.files, self.got, self.refused = Files(accept=".png", **kwargs), [], []
        self.files.on_file(
            lambda name, data: self.got.append((name, data)),
            lambda name, error: self.refused.append((name, str(error))),
        )

    def send(self, content, *buffers):
        self.files._handle_custom_msg(content, [memoryview(b) for b in buffers])


def test_upload_comes_in_parts():
    upload = Upload()
    upload.send({"kind": "begin", "name": "../../x\\y.png", "size": 5})
    upload.send({"kind": "part"}, b"abc")
    upload.send({"kind": "part"}, b"de")
    upload.send({"kind": "end"})
    assert upload.got == [("y.png", b"abcde")]
    upload.send({"kind": "end"})
    assert len(upload.got) == 1


def test_upload_is_bounded_whatever_it_says_of_its_size():
    for size in (10, 1):
        upload = Upload(max_bytes=4)
        upload.send({"kind": "begin", "name": "x.png", "size": size})
        upload.send({"kind": "part"}, b"abcde")
        upload.send({"kind": "end"})
        assert not upload.got
        ((name, reason),) = upload.refused
        assert name == "x.png" and "at most" in reason
        assert not upload.files._parts


class Model:
    def __init__(self, text):
        self.text, self.asked = text, []

    def chat(self, image, question):
        self.asked.append((image.shape, image.dtype, question))
        return self


def test_claims_are_confirmed_contradicted_or_untestable(session):
    session.find()
    flake = session.flakes[flake_at(session.flakes, *center(0))]
    box = format_box(to_percent(flake.bbox_xywh, flake.shape))
    text = f"The flake at {box} is a monolayer of graphene. The flake at {box} is brighter than the"
    text += " substrate by 30 % in green."
    model = Model(text)
    answer = ask(model, session.codes_8bit, " Which? ")
    assert model.asked == [((320, 480, 3), np.uint8, "Which?")]
    flakes = list(session.flakes.values())
    checked = check(answer, session.codes_8bit, flakes, session.microscope_found, "graphene")
    verdicts = {(c.kind, c.status) for c in checked.claims}
    assert ("class", "confirmed") in verdicts and ("contrast", "contradicted") in verdicts
    assert checked.boxes == (pytest.approx(flake.bbox_xywh, abs=0.1),)
    drawn = draw_boxes(session.codes_8bit, checked)
    x, y, _, height = (int(v) for v in flake.bbox_xywh)
    assert (
        drawn[y + height // 2, x - 2 : x + 3] != session.codes_8bit[y + height // 2, x - 2 : x + 3]
    ).any()
    order = [row[0][0] for row in claim_rows(checked)]
    assert order == sorted(order, key="✗?✓".index)


def test_the_ask_panel_tells_what_is_missing_and_checks_any_text(bench, monkeypatch):
    panel = bench.panels["Ask"]
    guarded(panel.status)(panel.check_own)()
    assert panel.status.failed and "a text" in panel.status.text
    panel.own.value = "There are two monolayers of graphene and one flake of MoS2."
    panel.check_own()
    assert "1 confirmed" in panel.status.text or "2 confirmed" in panel.status.text
    assert "✗ contradicted" in panel.claims.value
    model = Model("There are two monolayers.")
    panel.model = ("", model)
    panel.ask()
    assert "two monolayers" in panel.answer.value and model.asked


def test_an_answer_is_not_held_against_another_image(bench, wafer, monkeypatch):
    panel, waiting = bench.panels["Ask"], []
    panel.model = ("", Model("There are two monolayers."))
    later = "qupaint_lib.widgets.panel_ask.in_background"
    monkeypatch.setattr(later, lambda work, done, status: waiting.append((work, done)))
    panel.ask()
    panel.ask()
    assert len(waiting) == 1 and "still reading" in panel.status.text
    bench.panels["Calibrate"].open("other.png", encode_png(wafer[0][::-1]))
    ((work, done),) = waiting
    done(work())
    assert "ask again" in panel.status.text and not panel.answer.value
    panel.ask()
    work, done = waiting[1]
    done(work())
    assert "two monolayers" in panel.answer.value


def _has_nothing(name: str) -> None:
    raise AttributeError(name)


def test_model_without_weights_or_folder_is_said(tmp_path, monkeypatch):
    from qupaint_lib import model

    with monkeypatch.context() as bare, pytest.raises(ArgumentError, match="ships no nano model"):
        bare.setattr(model, "__getattr__", _has_nothing)
        bare.delattr(model, "load_nano", raising=False)  # where it was asked for before
        load_model()
    with pytest.raises(ArgumentError, match="existing folder"):
        load_model("owner/name")  # an id of a hub is no folder: nothing is fetched
    with pytest.raises(ArgumentError, match="complete checkpoint"):
        load_model(str(tmp_path))
    with pytest.raises(ArgumentError, match="question"):
        ask(Model(""), np.zeros((64, 64, 3), np.uint8), " ")


def test_work_in_the_background_comes_back_or_is_said():
    status, got = Status(), []
    in_background(lambda: 3, got.append, status)  # no loop: at once
    assert got == [3]

    async def both():
        in_background(lambda: 4, got.append, status)
        in_background(lambda: 1 / 0, got.append, status)
        await asyncio.sleep(0.2)

    asyncio.run(both())
    assert got == [3, 4] and "ZeroDivisionError" in status.text


def test_words_are_edged_and_stay_in_the_picture():
    white = np.full((60, 200, 3), 255, np.uint8)
    for x, y in ((100, 30), (0, 0), (200, 60)):
        drawn = with_text(white, [(x, y, "12: thick ≥ µm")])
        rows, columns = np.nonzero((drawn < 60).all(axis=-1))
        assert drawn.shape == white.shape and len(rows) > 200
        assert columns.min() >= 0 and columns.max() <= 199
        wide = np.ptp(columns)
        if x == 100:
            middle = wide
            assert abs(columns.mean() - 100) < 6 and abs(rows.mean() - 30) < 4
        assert abs(wide - middle) <= 2  # nothing is cut off at a border
    assert (white == 255).all()


def test_claims_are_in_words():
    for kind, value, words in (
        ("tone", (False, "much"), "much darker"),
        ("contrast", (1, -0.0412), "green -4.1%"),
        ("contrast", -0.5, "-50.0%"),
        ("border", True, "yes"),
        ("box", (None, None), "–"),
        ("oxide thickness", (280.6, "SiO2"), "281, SiO2"),
    ):
        claim = Claim("text", kind, value, value, None, "confirmed")
        ((_, _, _, stated, true),) = claim_rows(Checked("text", (), (), (claim,)))
        assert stated == true == words


def test_tables_escape():
    assert "<script>" not in table_html(["a"], [["<script>"]], "x")


def test_pages_are_told_from_kernels(monkeypatch):
    monkeypatch.delenv("QUPAINT_RESULTS", raising=False)
    assert not makes_pages()
    monkeypatch.setenv("QUPAINT_RESULTS", "x.json")
    assert makes_pages()


def test_windows_do_not_share(wafer):
    one, other = Bench(), Bench()
    one.panels["Calibrate"].open("w.png", encode_png(wafer[0]))
    assert one.session.name == "w.png" and other.session.file is None
    assert not other.panels["Calibrate"].picture.data
    assert isinstance(other.session, Session) and SCOPE.pixel_size_um


def test_the_app_says_where_it_starts(tmp_path, monkeypatch, capsys):
    from qupaint_lib.widgets.__main__ import main

    monkeypatch.chdir(tmp_path)
    assert main([]) == 2
    assert "root of the repository" in capsys.readouterr().err
