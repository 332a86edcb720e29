import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qupaint_lib.answers import (
    MAX_BOXES,
    ParsedAnswer,
    count_mentions,
    find_boxes,
    format_answer,
    format_box,
    format_region,
    layer_mentions,
    layer_phrase,
    move_boxes,
    number_word,
    parse_answer,
    round_boxes,
    to_percent,
    to_pixels,
)
from qupaint_lib.errors import ArgumentError

BOX = (12.0, 30.5, 8.2, 6.0)
LABELS = st.sampled_from([(1, "Mono"), (2, "Few"), (4, "Few"), (5, "Thick"), (140, "Thick")])


@st.composite
def regions(draw, most=20):
    """Draw boxes with two decimals inside the image, none twice, and what is in them."""
    boxes = []
    for _ in range(draw(st.integers(1, most))):
        x, y = draw(st.integers(0, 9990)), draw(st.integers(0, 9990))
        w, h = draw(st.integers(1, 10_000 - x)), draw(st.integers(1, 10_000 - y))
        boxes.append((x / 100, y / 100, w / 100, h / 100))
    boxes = list(dict.fromkeys(boxes))
    return boxes, [draw(LABELS) for _ in boxes]


FRAGMENTS = st.sampled_from(
    [
        *("<box>", "</box>", "<CONCLUSION>", "</CONCLUSION>", "<conclusion", "[", "]", "%", ","),
        *(
            "1, 2, 3, 4",
            "12.5 6 7 8",
            "-3",
            "1e400",
            "nan",
            "١٢",
            "９",
            "monolayer",
            "not a",
            "few",
        ),
        *(
            "thick",
            "3 layers",
            "Yes",
            "no",
            "\n",
            " ",
            "flakes",
            "5",
            "Mono:",
            "\ud800",
            "İ",
            "not a",
        ),
    ]
)
HOSTILE = st.lists(st.one_of(FRAGMENTS, st.text(max_size=5)), max_size=60).map("".join)


@given(HOSTILE | st.text(max_size=300))
@settings(max_examples=400, deadline=None)
def test_any_text_is_parsed_into_sound_boxes(text):
    found = parse_answer(text)
    assert isinstance(found, ParsedAnswer)
    assert len(found.boxes) == len(found.labels) == len(found.layer_counts) == len(found.spans)
    assert len(set(found.boxes)) == len(found.boxes) <= MAX_BOXES
    for (x, y, w, h), (begin, end) in zip(found.boxes, found.spans, strict=True):
        assert 0 <= x <= 100 and 0 <= y <= 100 and w >= 0.01 and h >= 0.01
        assert x + w <= 100.011 and y + h <= 100.011
        assert 0 <= begin < end <= len(text)
    assert set(found.labels) <= {"Mono", "Few", "Thick", None}
    assert all(n is None or n >= 1 for n in found.layer_counts)
    assert all(n >= 0 for n in found.counts.values())


@given(regions(), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_what_was_written_is_read_again(drawn, tags, closed):
    boxes, what = drawn
    counts, labels = [n for n, _ in what], [label for _, label in what]
    text = format_answer("All flakes:", boxes, counts, candidates="Candidates:", tags=tags)
    if tags and not closed:
        text = text.removesuffix("</CONCLUSION>")
    found = parse_answer(text)
    assert len(found.boxes) == len(boxes)
    for mine, theirs in zip(found.boxes, boxes, strict=True):
        assert mine == pytest.approx(theirs, abs=0.0100001)
    assert list(found.labels) == labels
    assert list(found.layer_counts) == counts
    assert found.complete == (tags and closed)
    assert all(text[a:b].startswith("<box>") for a, b in found.spans)


def test_the_round_trip_keeps_a_hundredth_of_a_percent_of_any_number():
    box = (100 / 3, 200 / 7, 10 / 9, 5 / 11)
    assert parse_answer(format_box(box)).boxes[0] == pytest.approx(box, abs=0.01)


@pytest.mark.parametrize(
    "text",
    [
        "<box>12.00, 30.50, 8.20, 6.00</box>",
        "<box>12.00,30.50,8.20,6.00</box>",
        "<box>12 30.5 8.2 6</box>",
        "<box>[12, 30.5, 8.2, 6]</box>",
        "<box>(12%, 30.5%, 8.2%, 6%)</box>",
        "<box>12.0030.508.206.00</box>",
        "<BOX> 12; 30.5; 8.2; 6 </BOX>",
        "<box>12, 30.5, 8.2, 6",
        "<box>12, 30.5, 8.2, 6\nand more",
        "at [12.0, 30.5, 8.2, 6.0] there is one",
        "<CONCLUSION>\n<box>12, 30.5, 8.2, 6</bo",
        "<box>12, 30.5, 8.2, 6</box> again <box>12, 30.5, 8.2, 6</box>",
    ],
)
def test_loose_spellings_of_a_box(text):
    assert parse_answer(text).boxes == (BOX,)


@pytest.mark.parametrize(
    "text",
    [
        *("<box>1, 2, 3</box>", "<box>1, 2, 3, 4, 5</box>", "<box>5, 5, 0, 4</box>", "[1, 2, 3]"),
        *("<box>120, 5, 4, 4</box>", "<box>1e5, 2, 3, 4</box>", "<box>a, b, c, d</box>", "<box>"),
    ],
)
def test_what_is_no_box(text):
    assert parse_answer(text).boxes == ()


def test_boxes_are_clipped_to_the_image():
    found = parse_answer("<box>-5, 90, 10, 20</box> <box>95, -10, 50, 200</box>")
    assert found.boxes == ((0.0, 90.0, 5.0, 10.0), (95.0, 0.0, 5.0, 100.0))


def test_only_the_conclusion_commits():
    text = "1. <box>1, 1, 2, 2</box>\n2. <box>5, 5, 2, 2</box>\n<CONCLUSION>\nmonolayer: "
    found = parse_answer(text + "<box>5, 5, 2, 2</box>\n</CONCLUSION> <box>9, 9, 1, 1</box>")
    assert found.boxes == ((5.0, 5.0, 2.0, 2.0),)
    assert found.candidates == ((1.0, 1.0, 2.0, 2.0), (5.0, 5.0, 2.0, 2.0))
    assert found.labels == ("Mono",) and found.layer_count == 1


@pytest.mark.parametrize(
    ("text", "labels", "counts"),
    [
        ("Mono <box>1,1,1,1</box>, Few <box>2,2,2,2</box>", ("Mono", "Few"), (1, None)),
        ("<box>1,1,1,1</box> (Mono), <box>2,2,2,2</box> (Few)", ("Mono", "Few"), (1, None)),
        ("Monolayers:\n<box>1,1,1,1</box>\n<box>2,2,2,2</box>", ("Mono", "Mono"), (1, 1)),
        ("bilayers: <box>1,1,1,1</box> and <box>2,2,2,2</box>", ("Few", "Few"), (2, 2)),
        ("<box>1,1,1,1</box> is not a monolayer but a trilayer", ("Few",), (3,)),
        ("thick (38 layers): <box>1,1,1,1</box>", ("Thick",), (38,)),
        ("five layers: <box>1,1,1,1</box>, 2L: <box>2,2,2,2</box>", ("Thick", "Few"), (5, 2)),
        ("oxide 90 nm thick: <box>1,1,1,1</box>", (None,), (None,)),
    ],
)
def test_labels_stand_before_or_after_their_boxes(text, labels, counts):
    found = parse_answer(text)
    assert (found.labels, found.layer_counts) == (labels, counts)


def test_where_few_ends_is_a_parameter():
    assert parse_answer("5 layers: <box>1,1,1,1</box>", few_max=5).labels == ("Few",)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (
            "There are five flakes: one monolayer, 3 few-layer and one thick flake.",
            {"total": 5, "Mono": 1, "Few": 3, "Thick": 1},
        ),
        ("Mono: 2, Few: 0, Thick: 3. Total: 5", {"Mono": 2, "Few": 0, "Thick": 3, "total": 5}),
        ("No monolayer is present among the 7 flakes.", {"Mono": 0, "total": 7}),
        ("two bilayer flakes and 3 flakes of 4 layers", {"2 layers": 2, "4 layers": 3}),
        ("at least one monolayer", {}),
        ("one of the flakes", {}),
        ("90 nm of oxide at 20x, 3.5 flakes", {}),
        ("flakes 3, 4 and 17 go into the monolayer class", {}),
    ],
)
def test_counts(text, counts):
    assert parse_answer(text).counts == counts


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Yes, there is one.", True),
        ("no", False),
        ("It is faint.\n<CONCLUSION>\nAnswer: **Yes**\n</CONCLUSION>", True),
        ("No other flake is near. <CONCLUSION>two flakes</CONCLUSION>", None),
        ("Nothing", None),
        ("yesterday", None),
    ],
)
def test_verdicts(text, verdict):
    assert parse_answer(text).verdict is verdict


@pytest.mark.parametrize(
    "piece",
    [
        *("<box>", "<box>1,2,3,4", "[", " ", "1 ", "one ", "<", "no few no ", "mono ", "[1,2,3,"),
        *("<box>1,2,3,4</box>\n", "a b c d e ", "1 a a a ", "<conclusion>", "# ", "1 1 1-layer "),
        "\n",
    ],
)
def test_time_grows_no_faster_than_the_text(piece):
    """Eight times the text may take sixteen times as long; a quadratic search takes 64."""

    def seconds(length):
        text = (piece * (length // len(piece) + 1))[:length]
        times = []
        for _ in range(3):
            start = time.process_time()
            parse_answer(text)
            times.append(time.process_time() - start)
        return max(min(times), 1e-4)

    assert seconds(80_000) / seconds(10_000) < 24


def test_boxes_are_capped():
    text = "\n".join(f"<box>{i % 90}.{i // 90:02d}, 1, 1, 1</box>" for i in range(500))
    assert len(parse_answer(text).boxes) == MAX_BOXES
    assert len(parse_answer(text, max_boxes=7).boxes) == 7


@given(
    st.tuples(*[st.floats(0, 4000)] * 2, *[st.floats(0.5, 4000)] * 2),
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
)
def test_percent_and_pixels_are_inverse(box, shape):
    assert to_pixels(to_percent(box, shape), shape) == pytest.approx(box, abs=1e-9, rel=1e-12)


def test_percent_of_width_and_height():
    assert to_percent((10, 20, 30, 40), (200, 100)) == (10.0, 10.0, 30.0, 20.0)
    with pytest.raises(ArgumentError, match="shape"):
        to_percent((0, 0, 1, 1), (0, 5))


@pytest.mark.parametrize("box", [(1, 2, 3), (90, 0, 20, 1), (0, 0, 0, 1), (float("nan"), 0, 1, 1)])
def test_a_box_that_cannot_be_written(box):
    with pytest.raises(ArgumentError, match="box"):
        format_box(box)


def test_words():
    assert layer_phrase(1) == "monolayer" and layer_phrase(None, "Thick") == "thick"
    assert format_region(BOX, 3) == "few-layer (3 layers): <box>12.00, 30.50, 8.20, 6.00</box>"
    assert [number_word(n) for n in (0, 1, 12, 13)] == ["no", "one", "twelve", "13"]
    found = [(m.label, m.layer_count, m.negated) for m in layer_mentions("no bilayer but 4 layers")]
    assert found == [("Few", 2, True), ("Few", 4, False)]
    assert find_boxes("<box>0,0,0,0</box>") == [((0, 18), None)]
    assert count_mentions("two terraces")[0].terraces
    with pytest.raises(ArgumentError, match="boxes"):
        format_answer("", [BOX], [1, 2])


@given(regions(), st.sampled_from([0.25, 0.5, 1.0, 2.0]))
def test_boxes_are_rounded_to_a_grid_by_half_a_step_at_most(given_regions, step):
    boxes, _ = given_regions
    text = "before " + " then ".join(map(format_box, boxes)) + " after"
    rounded = round_boxes(text, step)
    assert round_boxes(rounded, step) == rounded
    assert rounded.startswith("before <box>") and rounded.endswith("</box> after")
    for (_, (x, y, w, h)), (_, (u, v, p, q)) in zip(
        find_boxes(text), find_boxes(rounded), strict=True
    ):
        for number in (u, v, p, q):
            assert abs(number / step - round(number / step)) < 1e-6
        assert min(p, q) >= step - 1e-9
        assert max(abs(x - u), abs(y - v)) <= step + 1e-9  # a box at the border gives way
        if min(w, h) > step:
            ends = abs(x + w - u - p), abs(y + h - v - q)
            assert max(*ends, abs(x - u), abs(y - v)) <= step / 2 + 0.011


def test_boxes_are_moved_and_what_is_no_box_stays():
    text = "[x,y,w,h] of <box>1.00, 2.00, 3.00, 4.00</box> and <box>1, 2</box> and [5, 6, 7, 8]"
    moved = move_boxes(text, lambda box: (box[0] + 10, *box[1:]))
    assert moved == (
        "[x,y,w,h] of <box>11.00, 2.00, 3.00, 4.00</box> and <box>1, 2</box> and "
        "<box>15.00, 6.00, 7.00, 8.00</box>"
    )
