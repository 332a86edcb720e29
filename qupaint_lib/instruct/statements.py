"""Reading what a text states: sentences, what they are about, and the claims that can be checked.

Patterns are loose, so that a model's own wording is read as well as ours; a pattern's quantifiers
are bounded, so that the time is linear in the text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from qupaint_lib.annotations import FEW_MAX
from qupaint_lib.answers import LayerMention, find_boxes, layer_mentions, parse_answer
from qupaint_lib.answers.boxes import Box
from qupaint_lib.answers.words import read_number
from qupaint_lib.instruct import patterns as pattern

read_answer = lru_cache(maxsize=8)(parse_answer)  # an answer is read for many reasons


@dataclass(frozen=True)
class Statement:
    """Something that a text states.

    Attributes
    ----------
    kind : str
        What it is about, such as ``"contrast"``.
    text : str
        The sentence.
    about : tuple of Box
        Boxes of the flakes that it is about; empty for the whole image.
    value : object
        What is stated.
    layer_count : int or None
        For which the optical model is quoted, or with which the flake is compared.
    model : bool
        Whether the optical model is quoted, not the image.
    other : Box or None
        The flake that it is compared with.
    digits : int
        Decimals of a stated number.
    """

    kind: str
    text: str
    about: tuple[Box, ...] = ()
    value: object = None
    layer_count: int | None = None
    model: bool = False
    other: Box | None = None
    digits: int = 0


def read_statements(
    text: str, *, known: dict[int, Box] | None = None, few_max: int = FEW_MAX
) -> tuple[list[Statement], dict[int, Box]]:
    """Return what a text states about its flakes, and the numbers under which it lists them.

    Parameters
    ----------
    text : str
        An answer.
    known : mapping of int to Box, optional
        Numbers that an earlier answer has given.
    few_max : int, optional
        The most layers that are still *few*.
    """
    names = {**(known or {}), **_numbered(text)}
    parsed = read_answer(text, few_max=few_max)
    only = parsed.boxes if len(parsed.boxes) == 1 else ()
    concluding = text.find(parsed.conclusion.partition("\n")[0]) if only else len(text)
    found: list[Statement] = []
    at = 0
    for line in text.split("\n"):
        about: tuple[Box, ...] = only if at >= concluding else ()
        at += len(line) + 1
        for sentence in filter(None, pattern.SENTENCE.split(line)):
            about, other = _subject(sentence, names, about)
            found += _unlisted(sentence, names)
            found += _Reader(sentence, about, other, few_max).statements()
    return found, names


def _unlisted(sentence: str, names: dict[int, Box]) -> list[Statement]:
    """Return that a sentence names flakes by numbers which no list has given."""
    numbers = [
        int(n)
        for match in pattern.REFERENCE.finditer(sentence)
        for n in re.findall(r"[0-9]+", match[0])
    ]
    strangers = sorted({n for n in numbers if n not in names}) if names else []
    return [Statement("unlisted", sentence.strip(), value=n) for n in strangers]


def _numbered(text: str) -> dict[int, Box]:
    names: dict[int, Box] = {}
    for line in text.split("\n"):
        number = pattern.NUMBERED.match(line)
        boxes = [box for _, box in find_boxes(line) if box] if number else []
        if boxes:
            names.setdefault(int(number[1]), boxes[0])
    return names


def _subject(
    sentence: str, names: dict[int, Box], before: tuple[Box, ...]
) -> tuple[tuple[Box, ...], Box | None]:
    """Return the flakes that a sentence is about, and the one that it compares them with."""
    groups = []
    for match in pattern.REFERENCE.finditer(sentence):
        numbers = [int(n) for n in re.findall(r"[0-9]+", match[0])]
        groups.append(tuple(names[n] for n in numbers if n in names))
    groups = [group for group in groups if group]
    boxes = [box for _, box in find_boxes(sentence) if box]
    if boxes:
        return tuple(boxes[:1]) if pattern.NUMBERED.match(sentence) else tuple(boxes), None
    if not groups:
        return before, None
    if len(groups) == 1 and before and _refers_back(sentence):
        return before, groups[0][0]
    return groups[0], groups[1][0] if len(groups) > 1 else None


def _refers_back(sentence: str) -> bool:
    """Tell whether a pronoun stands before the first flake that a sentence names."""
    first = pattern.REFERENCE.search(sentence)
    return bool(
        re.search(
            r"\b(?:it|its|this (?:flake|region|candidate|plateau|area))\b",
            sentence[: first.start()],
            re.IGNORECASE,
        )
    )


class _Reader:
    """Reads one sentence."""

    def __init__(self, sentence: str, about: tuple[Box, ...], other: Box | None, few_max: int):
        self.text, self.about, self.other = sentence, about, other
        self.blank = pattern.REFERENCE.sub(_blanked, sentence)
        self.hypotheses = list(self._hypotheses())
        self.blank = pattern.ONLY_FIT.sub(_blanked, self.blank)
        self.mentions = layer_mentions(self.blank, few_max=few_max)
        self.used: set[int] = set()
        self.markers = sorted(
            [(m.start(), True) for m in pattern.MODEL.finditer(sentence)]
            + [(m.start(), False) for m in pattern.SEEN.finditer(sentence)]
        )

    def statements(self) -> list[Statement]:
        """Return all that the sentence states."""
        found = [*self.hypotheses, *self._steps(), *self._spans(), *self._misfits()]
        return [*found, *self._numbers(), *self._words(), *self._classes()]

    def _hypotheses(self) -> Iterator[Statement]:
        """Yield what is said of another material or oxide, and blank it."""
        text, said = self.blank, self.text.strip()
        match = pattern.OTHER_OXIDE.search(text)
        if match:
            (oxide, _), (value, digits) = _value(match["d"]), _value(match["v"])
            counts = [m.layer_count for m in layer_mentions(match["rest"])]
            data = (oxide, value, counts[0] if counts else None)
            yield Statement("other oxide", said, self.about, data, digits=digits)
        elif pattern.CLOSEST.search(text):
            match = pattern.OTHER_MATERIAL.search(text)
            if match:
                value, digits = _value(match["v"])
                data = (match["name"], read_number(match["count"]), value)
                yield Statement("other material", said, self.about, data, digits=digits)
        if match:
            begin, end = match.start(), max(match.end(), match.end("v") + 2)
            self.blank = text[:begin] + " " * (end - begin) + text[end:]

    def _make(self, kind: str, value: object, at: int | None = None, **more) -> Statement:
        model = at is not None and self._of_model(at)
        count = self._nearest(at) if model else None
        more = {"layer_count": count, "model": model, **more}
        return Statement(kind, self.text.strip(), self.about, value, **more)

    def _of_model(self, at: int) -> bool:
        before = bisect_right(self.markers, (at, True))
        return before > 0 and self.markers[before - 1][1]

    def _nearest(self, at: int) -> int | None:
        """Return the layer count that is named nearest to a place, and note that it is used."""
        counted = [k for k, m in enumerate(self.mentions) if m.layer_count]
        if not counted:
            return None

        def gap(k: int) -> int:
            return max(self.mentions[k].begin - at, at - self.mentions[k].end)

        best = min(counted, key=gap)
        self.used.add(best)
        return self.mentions[best].layer_count

    def _steps(self) -> Iterator[Statement]:
        for k, (a, b) in enumerate(zip(self.mentions, self.mentions[1:], strict=False)):
            between = self.blank[a.end : b.begin].strip()
            if between == "to" and pattern.STEP.search(self.blank[max(a.begin - 8, 0) : a.begin]):
                self.used |= {k, k + 1}
                yield self._make("step", (a.layer_count, b.layer_count), other=self.other)

    def _spans(self) -> Iterator[Statement]:
        for match in pattern.SPAN.finditer(self.blank):
            low, high = read_number(match["low"]), read_number(match["high"])
            inside = range(match.start(), match.end())
            self.used |= {k for k, m in enumerate(self.mentions) if m.begin in inside}
            yield self._make("layers between", (low, high))

    def _misfits(self) -> Iterator[Statement]:
        numbers = list(pattern.SIGMA.finditer(self.blank))
        counted = [m for m in self.mentions if m.layer_count]
        if numbers or pattern.SAME_LOOK.search(self.blank):
            self.used |= set(range(len(self.mentions)))
        if len(numbers) == len(counted):
            pairs = list(zip(numbers, counted, strict=True))
        else:
            pairs = [(n, _closest(counted, n.start())) for n in numbers if counted]
        for number, mention in pairs:
            value, digits = _value(number["v"])
            yield self._make("misfit", value, layer_count=mention.layer_count, digits=digits)
        if pattern.SAME_LOOK.search(self.blank) and counted:
            yield self._make("same look", True, layer_count=counted[0].layer_count)

    def _numbers(self) -> Iterator[Statement]:
        text = self.blank
        for match in pattern.RGB_LIST.finditer(text):
            for channel in "rgb":
                value, digits = _value(match[channel])
                data = ("rgb".index(channel), value / 100)
                yield self._make("contrast", data, match.start(), digits=digits + 2)
        text = pattern.RGB_LIST.sub(lambda m: " " * len(m[0]), text)
        for match in pattern.PER_CHANNEL.finditer(text):
            name = (match["name"] or match["name2"])[0].lower()
            value, digits = _value(match["before"] or match["after"])
            data = ("rgb".index(name), value / 100)
            yield self._make("contrast", data, match.start(), digits=digits + 2)
        for match in pattern.DELTA_E_RANGE.finditer(text):
            (low, digits), (high, _) = _value(match["low"]), _value(match["high"])
            yield Statement("ΔE range", self.text.strip(), value=(low, high), digits=digits)
        text = pattern.DELTA_E_RANGE.sub(lambda m: " " * len(m[0]), text)
        for match in pattern.DELTA_E.finditer(text):
            value, digits = _value(match["v"] or match["w"])
            yield self._make("delta_e", value, match.start(), digits=digits)
        for match in pattern.LIGHTNESS.finditer(text):
            value, digits = _value(match["v"])
            sign = 1 if match["way"].lower() in ("rises", "increases", "goes up") else -1
            yield self._make("lightness", sign * abs(value), match.start(), digits=digits)
        for kind, simple in pattern.SIMPLE.items():
            for match in simple.finditer(text):
                groups = match.groupdict()
                value, digits = _value(groups["v"] or groups.get("w"))
                if kind == "oxide thickness":
                    value = (value, groups["name"])
                yield self._make(kind, value, digits=digits)

    def _words(self) -> Iterator[Statement]:
        text = self.blank
        for match in pattern.TONE.finditer(text):
            value = (match["tone"].lower() in ("brighter", "lighter"), match["how"].strip().lower())
            yield self._make("tone", value, match.start())
        for match in pattern.HUE.finditer(text):
            yield self._make("hue", match["hue"].lower(), match.start())
        if pattern.SAME_HUE.search(text):
            yield self._make("hue", None)
        for match in pattern.EDGE.finditer(text):
            yield self._make("edge", match["clear"] is not None)
        for match in pattern.CHANNEL.finditer(text):
            name = (match["name"] or match["name2"]).lower()
            yield self._make("strongest channel", name, match.start())
        for match in pattern.PLACE.finditer(text):
            row = "middle" if match["middle"] else match["row"].lower()
            column = "middle" if match["middle"] else match["column"].lower()
            yield self._make("place", (row, column))
        for match in pattern.SATURATED.finditer(text):
            yield self._make(
                "saturated", tuple(re.findall(r"red|green|blue", match["names"].lower()))
            )
        if pattern.UNSETTLED.search(text):
            yield self._make("unsettled", True)
        if pattern.CLASS_SETTLED.search(text):
            yield self._make("class settled", True)
        if pattern.ONLY_FIT.search(self.text):
            yield self._make("only fit", True)
        if pattern.BARE_FITS.search(text):
            yield self._make("rival", (0,))
        elif pattern.RIVAL.search(text):
            yield self._make("rival", tuple(m.layer_count for m in self.mentions if m.layer_count))
        if pattern.CUT.search(text):
            yield self._make("cut", True)
        if pattern.POOR_FIT.search(text):
            yield self._make("poor fit", True)
        if pattern.ALONE.search(text):
            yield self._make("border", False)
        elif self.other and pattern.BORDER.search(text):
            yield self._make("border", True, other=self.other)
        for match in pattern.RELATION.finditer(text):
            if self.other:
                yield self._make("relation", match["way"].lower(), other=self.other)
        thinnest = pattern.THINNEST.search(text)
        if thinnest:
            way = thinnest["way"].lower()
            yield self._make("extreme", way, layer_count=self._nearest(thinnest.start()))

    def _classes(self) -> Iterator[Statement]:
        """Yield the layer counts and classes that the sentence gives to its flakes."""
        exists = pattern.EXISTS.search(self.blank)
        for k, mention in enumerate(self.mentions):
            if exists and mention.begin >= exists.start():
                least = read_number(exists["number"] or "1")
                data = (mention.label, mention.layer_count, least)
                yield Statement("existence", self.text.strip(), value=data)
                return
            before = self.blank[max(mention.begin - 12, 0) : mention.begin]
            loose = pattern.PREPOSITION.search(before) and not _named_by(before)
            quoted = self._of_model(mention.begin) and not pattern.COPULA.search(before)
            if k in self.used or not self.about or loose or quoted:
                continue
            kind = "not a class" if mention.negated else "class"
            yield self._make(kind, mention.label, layer_count=mention.layer_count)


def _named_by(before: str) -> bool:
    """Tell whether a preposition belongs to a name: a flake of two layers."""
    return bool(re.search(r"\b(?:flake|piece|region|film|area) of $", before))


def _blanked(match: re.Match) -> str:
    return " " * len(match[0])


def _closest(mentions: list[LayerMention], at: int) -> LayerMention:
    return min(mentions, key=lambda m: abs(m.begin - at))


def _value(text: str) -> tuple[float, int]:
    """Return a number and its decimals; dashes of every length are minus signs."""
    text = text.replace("−", "-").replace("–", "-")
    return float(text), len(text.partition(".")[2])
