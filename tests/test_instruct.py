import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from qupaint_lib.annotations import Flake, from_coco
from qupaint_lib.answers import parse_answer
from qupaint_lib.colorimetry import srgb_to_lab
from qupaint_lib.errors import ArgumentError, CalibrationError, ImageError, UnknownNameError
from qupaint_lib.instruct import (
    TASK_NAMES,
    Facts,
    conclusions,
    count_tokens,
    distinct,
    enumeration,
    expect,
    make_dialogues,
    measure,
    phrases,
    questions,
    repeated_share,
    scene_from_flakes,
    verify,
)
from qupaint_lib.instruct.grammar import Voice
from qupaint_lib.instruct.judge import at_border
from qupaint_lib.instruct.refer import resolve
from qupaint_lib.instruct.wording import sentences
from qupaint_lib.microscope import encode, get_preset, layer_contrast, palette, render_layers
from qupaint_lib.synthia import render, sample_scene

MATERIALS = ("graphene", "BN", "MoS2", "MoSe2", "MoWSe2", "WS2", "WSe2", "WTe2")
MICROSCOPE = get_preset("maskterial-20x")
LAYERS = {(40, 30): 1, (40, 120): 3, (130, 60): 1, (130, 150): 9}  # corner (y, x): layers


@cache
def example(number, **options):
    """Return a scene of one of the eight materials, and its image."""
    options.setdefault("material", MATERIALS[number % 8])
    scene = sample_scene(np.random.default_rng([5, number]), **options)
    return scene, render(scene).image


@cache
def four_flakes(material="graphene"):
    """Return an image of four 40 × 50 px flakes, and the scene made of their annotations."""
    counts = np.zeros((200, 240), int)
    flakes = []
    for (y, x), layers in LAYERS.items():
        counts[y : y + 40, x : x + 50] = layers
        mask = np.zeros(counts.shape, bool)
        mask[y : y + 40, x : x + 50] = True
        flakes.append(Flake.from_mask(mask, layer_count=layers, material=material))
    codes = render_layers(counts, material, MICROSCOPE, np.random.default_rng(1))
    image = np.round(codes * 255).astype(np.uint8)
    return scene_from_flakes(image, flakes, MICROSCOPE, magnification=20, quality="verified"), image


@cache
def dialogues(number, **options):
    scene, image = example(number)
    return make_dialogues(scene, image, np.random.default_rng(number), **options)


# --- what is measured -----------------------------------------------------------------------------


def test_measured_contrast_is_that_of_the_layers():
    scene, image = four_flakes()
    found = measure(image, scene.flakes, scene.microscope)
    true = layer_contrast("graphene", list(LAYERS.values()), MICROSCOPE)
    assert found.contrast == pytest.approx(true, abs=0.01)


def test_colour_difference_is_that_of_the_rendered_codes():
    """From the palette's own codes, converted with the colorimetry that PIA uses."""
    scene, image = four_flakes("MoS2")
    lab = srgb_to_lab(encode(palette("MoS2", [0, 1, 3, 1, 9], MICROSCOPE), MICROSCOPE))
    true = np.linalg.norm(lab[1:] - lab[0], axis=1)
    # vignetting takes up to 0.19 of the light, and ΔE goes with about its cube root
    assert measure(image, scene.flakes, scene.microscope).delta_e == pytest.approx(true, rel=0.075)
    assert expect(scene).delta_e == pytest.approx(true, rel=0.075)


def test_noise_is_measured_beside_gradients():
    scene, image = four_flakes()
    seen = measure(image, scene.flakes, scene.microscope).visibility
    assert seen == pytest.approx(expect(scene).visibility, rel=0.25)


def test_a_saturated_flake_has_no_contrast():
    scene, image = four_flakes()
    image = image.copy()
    image[40:80, 30:80, 0] = 241
    found = measure(image, scene.flakes, scene.microscope)
    assert found.clipped[0].tolist() == [True, False, False]
    assert np.isnan(found.contrast[0]).all() and not np.isnan(found.contrast[1:]).any()


def test_scene_of_a_real_image_has_its_white_balance():
    scene, image = four_flakes()
    reddish = np.round(image * [0.9, 0.7, 0.5]).astype(np.uint8)
    other = scene_from_flakes(reddish, scene.flakes, get_preset("machine-vision"))
    ratio = np.array(other.microscope.white_balance_gain) / scene.microscope.white_balance_gain
    assert ratio == pytest.approx([0.9, 0.7, 0.5], rel=0.02)
    assert other.quality == "weak" and other.material == "graphene"


# --- dialogues ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("pad", [True, False])
def test_every_statement_holds_with_the_image_and_without(number, pad):
    scene, image = example(number)
    for record in dialogues(number, pad=pad, form="mixed" if number % 2 else "full"):
        for given in (image, None):
            found = verify(record, scene, image=given)
            assert found.ok, (record.task, found.wrong)


def test_every_task_of_every_material():
    made = {(r.material, r.task) for number in range(16) for r in dialogues(number)}
    assert {task for _, task in made} == set(TASK_NAMES)
    assert {material for material, _ in made} == set(MATERIALS)
    assert len(made) >= 0.95 * len(MATERIALS) * len(TASK_NAMES)


def test_full_answers_have_three_parts_and_short_ones_one():
    for record in dialogues(0):
        if record.task in ("localise", "count"):
            listing, reasoning, conclusion = record.answer.split("\n\n")
            assert listing.count("<box>") and "<box>" not in reasoning
            assert conclusion.startswith("<CONCLUSION>\n")
            assert conclusion.endswith("\n</CONCLUSION>")
    for record in dialogues(0, form="short"):
        assert all("CONCLUSION" not in answer for _, answer in record.turns)


def test_records_hold_what_their_answers_commit_to():
    for record in dialogues(3):
        parsed = [parse_answer(answer) for _, answer in record.turns]
        assert record.boxes == tuple(box for p in parsed for box in p.boxes)
        assert record.question == record.turns[0][0] and record.answer == record.turns[0][1]
        roles = [message["role"] for message in record.messages]
        assert roles == ["user", "assistant"] * len(record.turns)
        images = [c for m in record.messages for c in m["content"] if c["type"] == "image"]
        assert images == [{"type": "image"}] == record.messages[0]["content"][:1]


def test_localising_finds_every_flake():
    scene, image = four_flakes()
    [record] = make_dialogues(scene, image, np.random.default_rng(0), tasks=["localise"])
    boxes = {tuple(np.round(box, 2)) for box in Facts(scene).boxes}
    assert {tuple(np.round(box, 2)) for box in record.boxes} == boxes
    assert sorted(record.layer_counts) == [1, 1, 3, 9] and record.quality == "verified"


def test_physics_is_one_switch():
    physics = re.compile(
        r"contrast|model|predict|σ|ΔE|interference|noise|lightness|towards (?!the)"
    )
    for record in dialogues(2, pad=False):
        said = [re.sub(r"<CONCLUSION>.*", "", a, flags=re.S) for _, a in record.turns]
        assert not any(physics.search(text) for text in said), record
    assert sum(bool(physics.search(r.answer)) for r in dialogues(2)) >= 10


def test_the_prompts_of_the_release_are_asked_word_for_word():
    prompts = {
        "Identify all flakes and provide bounding boxes [x,y,w,h] for each",
        "Identify monolayer candidates and provide bounding boxes [x,y,w,h]",
        "How many material flakes are there in the image?",
        "Describe the optical contrast of the flakes relative to the substrate",
    }
    scene, image = four_flakes()
    tasks = ["localise", "localise_monolayers", "count", "contrast"] * 24
    asked = make_dialogues(scene, image, np.random.default_rng(0), tasks=tasks, form="short")
    assert prompts <= {record.question for record in asked}


def test_the_same_generator_gives_the_same_dialogues():
    scene, image = example(1)
    one, two = (make_dialogues(scene, image, np.random.default_rng(9)) for _ in range(2))
    assert one == two != make_dialogues(scene, image, np.random.default_rng(10))


def test_as_many_questions_are_answered_yes_as_no():
    said = []
    for number in range(16):
        scene, _ = example(number)
        rng = np.random.default_rng(number)
        made = make_dialogues(scene, None, rng, tasks=["verify"] * 10, form="short")
        said += [record.answer.startswith("Yes") for record in made]
    assert 0.4 < np.mean(said) < 0.6


def test_an_empty_scene():
    scene, image = example(0, flake_count=0, debris=False)
    made = make_dialogues(scene, image, np.random.default_rng(0))
    assert {"count", "localise", "localise_monolayers", "verify"} <= {r.task for r in made}
    for record in made:
        assert not record.boxes and verify(record, scene, image=image).ok
        if record.task == "count":
            assert parse_answer(record.answer).counts["total"] == 0


def test_three_hundred_flakes_are_summarised_within_the_budget():
    scene, image = example(4, shape=(1024, 1024), flake_count=300)
    assert len(scene.flakes) >= 300
    for budget in (256, 700, 2048):
        for record in make_dialogues(scene, image, np.random.default_rng(0), max_tokens=budget):
            assert all(count_tokens(answer) <= budget for _, answer in record.turns), record.task
            assert verify(record, scene).ok
            if record.task == "localise":
                assert re.search(r"\b[0-9]+ largest of", record.answer)
                assert len(record.boxes) <= 24
                largest = sorted(f.area_px for f in scene.flakes)[-len(record.boxes)]
                facts = Facts(scene)
                on = [facts.find(box)[0] for box in record.boxes]
                assert all(scene.flakes[i].area_px >= largest for i in on)


def test_unknown_layer_counts_are_left_unsaid():
    scene, image = four_flakes()
    flakes = [replace(f, layer_count=None, category="Thick") for f in scene.flakes[:2]]
    flakes += [replace(scene.flakes[2], layer_count=None)]  # neither: debris
    flakes += scene.flakes[3:]
    scene = scene_from_flakes(image, flakes, MICROSCOPE)
    assert len(scene.flakes) == 3
    for record in make_dialogues(scene, image, np.random.default_rng(2)):
        assert verify(record, scene, image=image).ok and verify(record, scene).ok


def test_a_label_that_fits_poorly_is_called_so():
    scene, image = four_flakes()
    wrong = [replace(f, layer_count=4 if f.layer_count == 1 else 9) for f in scene.flakes]
    scene = scene_from_flakes(image, wrong, MICROSCOPE)
    [record] = make_dialogues(scene, image, np.random.default_rng(0), tasks=["localise"])
    assert re.search(r"fits?\b[^.]* poorly", record.answer)
    assert verify(record, scene, image=image).ok


def test_referring_expressions_mean_one_flake():
    scene, image = four_flakes()
    facts = Facts(scene)
    asked = make_dialogues(scene, image, np.random.default_rng(3), tasks=["refer"] * 40)
    assert len({record.question for record in asked}) > 15
    for record in asked:
        assert facts.find(record.boxes[0])[0] == resolve(record.question, facts)[0]
    assert resolve("the monolayer left of the only thick flake", facts) == [0, 2]
    assert resolve("the monolayer below the few-layer flake", facts) == [2]
    assert resolve("the monolayer nearest to the only thick flake", facts) == [2]
    assert resolve("the rightmost flake", facts) == [3]
    assert resolve("the monolayer in the centre", facts) == []
    assert resolve("What is this?", facts) is None


# --- what the light carries -----------------------------------------------------------------------

SEVERAL = range(12)


@cache
def answers(number, **options):
    """Return facts and every answer about a scene, tasks taken twice."""
    facts = Facts(*example(number))
    rng = np.random.default_rng([1, number])
    made = make_dialogues(facts, None, rng, tasks=TASK_NAMES * 2, **options)
    return facts, [answer for record in made for _, answer in record.turns]


def reasoning(answer):
    return re.sub(r"<CONCLUSION>.*", "", answer, flags=re.S)


def about(answer, facts):
    """Yield (sentence, flake) of the reasoning; the flake is the one that was named last."""
    names = {
        int(number): facts.find(tuple(map(float, box.split(","))))[0]
        for number, box in re.findall(r"^(\d+)\. <box>([^<]*)</box>", answer, re.M)
    }
    for line in reasoning(answer).split("\n"):
        flake = None
        for sentence in re.split(r"(?<=[.;]) ", line):
            named = list(
                re.finditer(r"\b(?:flake|candidate|region|area) (\d+)(?!\.?\d)", sentence, re.I)
            )
            before = sentence[: named[0].start()] if named else "it"
            if not re.search(r"\b(?:it|its|this)\b", before, re.I):  # no pronoun: a new subject
                flake = names.get(int(named[0][1]))
            if flake is not None and len(named) < 2:
                yield sentence, flake


def test_a_header_speaks_of_all_only_over_all():
    complete = re.compile(
        r"stand out from|differ from|appear|are found|in the image:|everything", re.I
    )
    partial = 0
    for number in SEVERAL:
        facts, texts = answers(number, max_boxes=3)
        for text in texts:
            listed = len(re.findall(r"^\d+\. <box>", text, re.M))
            header = text.partition("\n")[0]
            if listed and listed < len(facts.flakes):
                partial += 1
                assert not complete.search(header), header
            assert not re.search("everything|not substrate", header, re.I)
    assert partial > 50


def test_isolation_is_claimed_only_where_the_image_shows_it():
    told = 0
    for number in SEVERAL:
        facts, texts = answers(number)
        for text in texts:
            assert not re.search(
                r"isolated|on every side|(?:nothing but|only) \w* ?substrate", text
            )
            for sentence, i in about(text, facts):
                if "no other flake" in sentence.lower():
                    told += 1
                    assert not facts.neighbors[i] and not at_border(facts, i), sentence
    assert told > 5
    scene, _ = four_flakes()
    mask = np.zeros(scene.shape, bool)
    mask[:20, :20] = True
    cut = replace(scene, flakes=(*scene.flakes, Flake.from_mask(mask, layer_count=1)))
    at = "The flake at <box>0, 0, 8.33, 10</box>"
    assert not verify(f"{at} touches nothing: no other flake touches it.", cut).ok
    assert verify(f"{at} is cut by the border of the image.", cut).ok
    assert not verify(
        "The flake at <box>12.5, 20, 20.8, 20</box> is cut by the image border.", cut
    ).ok


def test_bare_substrate_alone_is_never_claimed_over_debris():
    empty = ("count", "localise", "localise_monolayers")
    for debris in (True, False):
        said = set()
        for number in range(24):
            scene, _ = example(number, flake_count=0, debris=debris)
            made = make_dialogues(scene, None, np.random.default_rng(number), tasks=empty)
            texts = [reasoning(answer) for record in made for _, answer in record.turns]
            said |= {("dirt" in text.lower(), bool(scene.debris)) for text in texts if text}
            assert not any(re.search("bare substrate|even substrate", text) for text in texts)
        assert said <= {(True, True), (False, False)}
        assert (debris, debris) in said


def test_a_conclusion_is_drawn_only_where_no_other_count_fits():
    """Misfits of 1 to 30 layers by hand, from contrast and optical model."""
    firm = re.compile(
        r"\b(?:is|proves? to be|identifie[sd] (?:\w+ \w+ )?as|makes \w+ \d+) (?:a|an) "
        r"(?:monolayer|bilayer|trilayer|\S+-layer)", re.I
    )  # fmt: skip
    drawn = hedged = 0
    for number in SEVERAL:
        facts, texts = answers(number)
        scene = facts.scene
        predicted = layer_contrast(scene.material, list(range(1, 31)), scene.microscope)
        for sentence, i in (pair for text in texts for pair in about(text, facts)):
            n = facts.layer_counts[i]
            hedged += bool(re.search("not settle|in either case|in any case", sentence))
            if not firm.search(sentence) or re.search("taken|label|annot|σ|so,? only", sentence):
                continue
            off = (facts.observed.contrast[i] - predicted) / (0.01 + 0.05 * abs(predicted))
            off = np.sqrt((off**2).mean(axis=1))
            drawn += 1
            assert n <= 10 and not facts.observed.clipped[i].any(), sentence
            assert (np.delete(off, n - 1) > off[n - 1] + 1).all(), (sentence, off)
    assert drawn > 60 and hedged > 20


def test_a_saturated_flake_is_taken_from_its_label():
    seen = 0
    for number in SEVERAL:
        _, texts = answers(number)
        for line in (line for text in texts for line in reasoning(text).split("\n")):
            if "of the camera" in line or "camera's limit" in line:
                seen += 1
                last = re.split(r"(?<=\.) ", line)[-1]
                assert re.search("taken|label|count|record|annot", last), line
                assert "cannot settle" in line and "by its colour" not in line
    assert seen > 5


@pytest.mark.parametrize("task", ["material", "substrate"])
def test_material_and_substrate_are_held_against_an_alternative(task):
    firm = open_ = 0
    for number in range(24):
        scene, image = example(number)
        [record] = make_dialogues(scene, image, np.random.default_rng(number), tasks=[task])
        text = reasoning(record.answer)
        taken = "stated" in record.answer.split("<CONCLUSION>")[1] or "taken as" in record.answer
        if "σ" not in text:
            assert taken or "bare" in record.answer
            continue
        distances = [float(v) for v in re.findall(r"(\d+\.\d) σ", text)]
        if len(distances) == 2:  # fit, alternative
            firm, open_ = firm + (not taken), open_ + taken
            assert taken or distances[1] > distances[0] + 0.8
            wrong = text.replace(f"{distances[1]:.1f} σ", f"{distances[1] + 0.4:.1f} σ")
            if distances[0] != distances[1]:
                assert not verify(record.answer.replace(text, wrong), scene, image=image).ok
    assert firm > 2 and firm + open_ > 10


CARRIED = [
    ("{at} is a monolayer in either case.", True),
    ("{at} is 0.1 σ from a monolayer, and a bilayer fits about as well.", False),
    ("{at} is faint: bare substrate would fit its contrast about as well.", False),
    ("No other count up to 30 layers fits as well for {at}.", True),
    ("{at} is taken as a monolayer, which the contrast alone does not settle.", False),
]


@pytest.mark.parametrize(("text", "ok"), CARRIED)
def test_what_is_said_of_other_counts_is_checked(text, ok):
    """A graphene monolayer on 90 nm: a bilayer is some 5 σ off, by the model's own contrasts."""
    scene, image = four_flakes()
    at = "the flake at <box>12.5, 20, 20.8, 20</box>"
    said = text.format(at=at) if text.startswith("No") else text.format(at=at.capitalize())
    claims = [c for c in verify(said, scene, image=image).claims if c.kind in NEW_KINDS]
    assert claims and all((c.status == "confirmed") is ok for c in claims), claims


NEW_KINDS = {"class settled", "rival", "only fit", "unsettled"}


# --- verification ---------------------------------------------------------------------------------

OPPOSITE = {"darker": "brighter", "brighter": "darker", "lighter": "darker"}
SIDES = {"upper": "lower", "lower": "upper", "top": "bottom", "bottom": "top"}
SIDES |= {"left": "right", "right": "left"}
HUES = {"red": "blue-green", "orange": "blue", "yellow": "violet", "green": "magenta"}
HUES |= {"blue-green": "red", "blue": "yellow", "violet": "green", "purple": "green"}
HUES |= {"magenta": "green", "pink": "green"}
CLASSES = {"monolayer": "few-layer", "few-layer": "thick", "thick": "monolayer"}
KINDS = {"a monolayer": "a bilayer", "a bilayer": "a trilayer", "a trilayer": "a monolayer"}
SUBSTANCES = dict(zip(MATERIALS, (*MATERIALS[2:], "graphene", "BN"), strict=True))
SUBSTANCES |= {"hBN": "WS2"}
CHANNELS = {"red": "green", "green": "blue", "blue": "red"}
VERDICTS = {"Yes": "No", "No": "Yes"}

COUNTED = r"(?<!least )\b(one|two|three|four|five|six|no|\d+) (?:thick )?flakes?\b"

# name: pattern whose first group is changed, the change, whether the image is needed to see it
CORRUPTIONS = {
    "contrast by a point": (r"([-+]\d+\.\d)%", lambda v: v + 1.0, True),
    "sign of contrast": (r"([-+](?:[1-9]\d|[3-9]\d{2})\.\d)%", lambda v: -v, False),
    "ΔE": (r"ΔE(?: =| of)? (\d+\.\d)", lambda v: v + 0.5, True),
    "ΔE doubled": (r"ΔE(?: =| of)? (\d+\.\d)", lambda v: 2 * v + 3, False),
    "misfit": (r"(\d+\.\d) σ", lambda v: v + 1.0, True),
    "visibility": (r"(\d+(?:\.\d)?) times the", lambda v: 1.5 * v + 2, True),
    "agreement": (r"(\d+\.\d) percentage points", lambda v: v + 1, True),
    "lightness": (r"by (\d+\.\d) L\*", lambda v: v + 1, True),
    "area": (r"(\d+\.\d+)% of the", lambda v: 1.5 * v + 0.1, False),
    "layer count": (r"\((\d+) layers\):", lambda v: v + 1, False),
    "label": (r"\n- (monolayer|few-layer|thick)\b", CLASSES, False),
    "class": (r"\b(?:is|being) (a monolayer|a bilayer|a trilayer)(?=\.|$)", KINDS, False),
    "count": (COUNTED, lambda v: "13" if v != 13 else "14", False),
    "tone": (r"\b(darker|brighter|lighter)\b", OPPOSITE, False),
    "hue": (r"towards (blue-green|(?!the )[a-z]+)\b", HUES, False),
    "place": (r"\b(upper|top|left|right) (?:left|right|of the image|of the frame)\b", SIDES, False),
    "box": (r"<box>([^<]*)</box>", None, False),
    "missing box": (r"(\n- [^\n]*<box>[^\n]*)", None, False),
    "verdict": (r"(?:\A|<CONCLUSION>\n)(Yes|No),", VERDICTS, False),
    "material": (rf"\b({'|'.join(SUBSTANCES)})\b", SUBSTANCES, False),
    "oxide": (r"([\d.]+) nm of", lambda v: v + 5, False),
    "magnification": (r"([\d.]+)×", lambda v: 2 * v, False),
    "channel": (r"(?:strongest|largest|most \w+) in (?:the )?(red|green|blue)", CHANNELS, False),
}


def corrupted(text, name, rng):
    """Return a text with one statement of a kind made wrong; None where it has none."""
    pattern, change, _ = CORRUPTIONS[name]
    found = list(re.finditer(pattern, text))
    if not found:
        return None
    match = found[rng.integers(len(found))]
    old = match[1]
    if name == "missing box":
        return text[: match.start()] + text[match.end() :]
    if name == "box":
        x, y, w, h = map(float, old.split(", "))
        x = x + w if x + 2 * w < 100 else x - w
        return text.replace(old, f"{x:.2f}, {y:.2f}, {w:.2f}, {h:.2f}") if x >= 0 else None
    if isinstance(change, dict):
        new = change[old]
    elif name == "count":
        new = change(int(old) if old.isdigit() else old)
    else:
        sign = "+" if old[0] in "+-" else ""
        new = f"{change(float(old)):{sign}.{len(old.partition('.')[2])}f}"
    return text[: match.start(1)] + new + text[match.end(1) :]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_is_made_wrong_is_found(name):
    tried = 0
    for number in range(8):
        scene, image = example(number)
        rng = np.random.default_rng(number)
        for record in dialogues(number, form="mixed" if number % 2 else "full"):
            text = corrupted(record.answer, name, rng) if record.task != "dialogue" else None
            if text is None or (name == "missing box" and "at least" in text):
                continue  # what is left of "at least one" is still true
            wrong = replace(record, turns=((record.question, text),))
            given = image if CORRUPTIONS[name][2] else None
            assert not verify(wrong, scene, image=given).ok, (name, record.task, text)
            tried += 1
    assert tried >= 5


TWO = "1. <box>12.5, 20, 20.8, 20</box>\n2. <box>50, 20, 20.8, 20</box>\n"
FOREIGN = [
    ("There are 4 flakes in this image, 2 of them thin.", True),
    ("I can see 5 flakes.", False),
    ("Mono: 2, Few: 1, Thick: 1", True),
    ("Mono: 3, Few: 1, Thick: 0", False),
    ("Yes, the sample contains at least one monolayer.", True),
    ("Yes, the sample contains at least 3 monolayers.", False),
    ("No, there is no bilayer here.", True),
    ("The region <box>12.5, 20, 20.8, 20</box> is a single-layer flake.", True),
    ("The region <box>12.5, 20, 20.8, 20</box> is a 2-layer flake.", False),
    ("The flake at <box>12.5,20,20.83,20</box> is not thick.", True),
    ("The flake at <box>12.5,20,20.83,20</box> is darker than the oxide, shifted to darker.", True),
    ("The flake at <box>12.5,20,20.83,20</box> looks brighter than its surroundings.", False),
    ("A monolayer is predicted to change the red light by -13.0% in red.", True),
    ("Theory predicts -25.0% in red for one layer.", False),
    ("This is graphene on a 90 nm thick SiO2 layer.", True),
    ("This is MoS2 on 90 nm SiO2.", False),
    ("This is graphene on 285 nm SiO2, seen at 20x.", False),
    ("Bilayer: <box>12.5, 20, 20.8, 20</box>", False),
    ("<CONCLUSION>Monolayer [12.5, 20, 20.8, 20]", True),
    ("<box>70, 80, 5, 5</box>", False),
    (f"{TWO}Flake 1 lies to the left of flake 2.", True),
    (f"{TWO}Flake 1 lies right of flake 2.", False),
    (f"{TWO}Flakes 1 and 2 are both thin, 1 to 3 layers.", True),
    (f"{TWO}Flakes 1 and 2 are monolayers.", False),
]


@pytest.mark.parametrize(("text", "ok"), FOREIGN)
def test_wording_that_is_not_ours_is_checked_too(text, ok):
    scene, _ = four_flakes()
    found = verify(text, scene)
    assert found.claims and found.ok is ok, found


def test_a_text_without_statements_is_not_confirmed():
    scene, _ = four_flakes()
    assert not verify("", scene).ok and not verify("It is what it is.", scene).claims
    unasked = verify("No.", scene)
    assert [c.status for c in unasked.claims] == ["untestable"] and not unasked.ok
    assert verify("No.", scene, question="Is there a bilayer?").ok
    assert not verify("No.", scene, question="Is there a monolayer?").ok


def test_what_is_measured_is_exact_with_the_image_and_wider_without():
    scene, image = four_flakes()
    contrast = 100 * measure(image, scene.flakes, scene.microscope).contrast[0, 0]
    text = "The flake at <box>12.5,20,20.83,20</box> has a contrast of {:.1f}% in red."
    for off, with_image, without in ((0, True, True), (2, False, True), (8, False, False)):
        said = text.format(contrast + off)
        assert verify(said, scene, image=image).ok is with_image
        assert verify(said, scene).ok is without


def test_hostile_text_is_verified_in_bounded_time():
    scene, _ = four_flakes()
    for piece in (
        "flake 1 ",
        "-1% in red, ",
        "monolayer σ ",
        "<box>1,1,1,1</box>",
        "ΔE = 1 model ",
    ):
        assert not verify(piece * 4000, scene).ok


# --- wording --------------------------------------------------------------------------------------


def test_wording_measures():
    texts = ["The flake is dark. The flake is dark.", "The flake is bright at 3.5%."]
    assert sentences(texts[1]) == ["the flake is bright at <n>%."]
    assert repeated_share(texts) == pytest.approx(1 / 3)
    assert distinct(["a b c d", "a b c e"]) == pytest.approx(4 / 6)
    assert distinct(["a b c d", "a b c e"], 1) == pytest.approx(5 / 8)
    assert distinct([]) == 0 == repeated_share([])
    with pytest.raises(ArgumentError, match="n"):
        distinct(["a"], 0)


def test_wording_varies_five_times_more_than_one_template():
    """On the answers about 32 images, numbers and boxes masked."""
    varied, plain = [], []
    for number in range(32):
        scene, image = example(number)
        for texts, style in ((varied, "varied"), (plain, "plain")):
            made = make_dialogues(scene, image, np.random.default_rng(number), style=style)
            texts += [answer for record in made for _, answer in record.turns]
    assert distinct(varied) >= 5 * distinct(plain)
    assert repeated_share(varied) <= repeated_share(plain) / 5


def test_a_terse_voice_varies_its_questions_alone_and_stays_true():
    asked, said, claims = set(), set(), 0
    for number in range(24):
        scene, image = example(number)
        facts = Facts(scene, image)
        rng = np.random.default_rng(number)
        for made in make_dialogues(facts, None, rng, tasks=["count"] * 3, style="terse"):
            asked.add(made.question)
            assert verify(made, facts).ok
            claims += 1
        [short] = make_dialogues(facts, None, rng, tasks=["count"], style="terse", form="short")
        said.add(short.answer.split()[0])
    assert len(asked) >= 15 and claims == 72
    assert said <= {"There", "In", "The"}  # the first template of none, of one and of several


@pytest.mark.parametrize("module", [conclusions, enumeration, phrases, questions])
def test_every_template_can_be_said(module):
    rng = np.random.default_rng(0)
    for name, value in vars(module).items():
        if name.isupper():
            templates = value.values() if isinstance(value, dict) else value
            for template in [templates] if isinstance(templates, str) else templates:
                for _ in range(5):
                    said = Voice(rng).say(template)
                    assert said and not set(said) & set("[]|"), (name, said)
                    assert "  " not in said, (name, said)


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"tasks": ["sing"]}, UnknownNameError, "tasks"),
        ({"form": "long"}, UnknownNameError, "form"),
        ({"style": "loud"}, UnknownNameError, "style"),
        ({"max_tokens": 10}, ArgumentError, "max_tokens"),
        ({"max_boxes": 0}, ArgumentError, "max_boxes"),
        ({"image": np.zeros((10, 10, 3), np.uint8)}, ImageError, "image"),
        ({"image": np.zeros((200, 240, 3))}, ImageError, "float64"),
    ],
)
def test_what_is_not_allowed_is_named(change, error, named):
    scene, image = four_flakes()
    options = {"scene": scene, "image": image, "rng": np.random.default_rng(0)} | change
    with pytest.raises(error, match=named):
        make_dialogues(**options)


def test_a_flake_of_another_image_is_named():
    scene, image = four_flakes()
    stray = Flake.from_mask(np.ones((5, 5), bool), layer_count=1)
    broken = replace(scene, flakes=(*scene.flakes, stray))
    with pytest.raises(ArgumentError, match=r"scene.flakes\[4\]"):
        make_dialogues(broken, None, np.random.default_rng(0))
    with pytest.raises(ImageError, match=r"flakes\[4\]"):
        scene_from_flakes(image, broken.flakes, MICROSCOPE)
    with pytest.raises(ArgumentError, match=r"a.jpg: flakes\[0\]"):
        scene_from_flakes(image, ["flake"], MICROSCOPE, name="a.jpg")


def test_real_images_that_cannot_be_used():
    scene, image = four_flakes()
    plain = [replace(f, material=None) for f in scene.flakes]
    with pytest.raises(ArgumentError, match=r"b\.jpg: material"):
        scene_from_flakes(image, plain, MICROSCOPE, name="b.jpg")
    with pytest.raises(UnknownNameError, match="quality"):
        scene_from_flakes(image, scene.flakes, MICROSCOPE, quality="good")
    with pytest.raises(ArgumentError, match="magnification"):
        scene_from_flakes(image, scene.flakes, MICROSCOPE, magnification=-5)
    whole = Flake.from_mask(np.ones(image.shape[:2], bool), layer_count=1, material="graphene")
    with pytest.raises(CalibrationError, match=r"c\.jpg: image"):
        scene_from_flakes(image, [whole], MICROSCOPE, name="c.jpg")
    with pytest.raises(CalibrationError, match="black"):
        scene_from_flakes(image * 0, scene.flakes, MICROSCOPE)
    with pytest.raises(ArgumentError, match="answer"):
        verify(3, scene)


def test_malformed_coco_names_the_annotation():
    data = {
        "images": [{"id": 1, "file_name": "d.jpg", "height": 20, "width": 20}],
        "annotations": [{"id": 7, "image_id": 1, "segmentation": [[1, 2, 3]]}],
    }
    with pytest.raises(ArgumentError, match=r"annotations\[0\].segmentation"):
        from_coco(data)
