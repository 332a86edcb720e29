"""Reading an answer: boxes, labels, counts and verdict of any text, in time linear in it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from qupaint_lib.annotations import FEW_MAX
from qupaint_lib.answers.boxes import Box, find_boxes
from qupaint_lib.answers.words import LayerMention, layer_mentions, read_number

MAX_BOXES = 100  # as many as COCO counts per image

_OPEN = re.compile(r"<\s{0,4}conclusion\s{0,4}>|(?:^|\n)[#*\s]{0,6}conclusion[*\s]{0,4}:", re.I)
_CLOSE = re.compile(r"<\s{0,4}/\s{0,4}conclusion", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z_]{1,12}>")
_VERDICT = re.compile(
    r"[\s\W]{0,20}(?:(?:the )?(?:answer|verdict|conclusion)[\s:,]{0,4}(?:is)?[\s\W]{0,6})?"
    r"(?P<word>yes|no)(?!\w)",
    re.IGNORECASE,
)
_OPENING_VERDICT = re.compile(
    r"[\s\W]{0,20}(?P<word>yes|no)(?=\s{0,4}(?:[,.;:!]|$))", re.IGNORECASE
)
_HOW_MANY = r"[0-9]{1,6}|no|none|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_NOUN = r"(?:flakes?|regions?|terraces?|instances?|pieces?)"
_ADJECTIVE = r"(?:[A-Za-z(][\w()-]{0,15}|[0-9]{1,4}-layer|[0-9]{1,4}(?= layers?))"
_NO_ADJECTIVE = r"(?:and|or|the|this|that|these|a|an|it|its|is|are|put|at|in|on|to)[ ]"
_COUNT = re.compile(
    rf"(?<![\w.,<-])(?<!least )(?P<number>{_HOW_MANY})[ ]"
    rf"(?P<kind>(?:(?!{_NO_ADJECTIVE}){_ADJECTIVE}[ ]){{0,4}}?)"
    rf"(?P<noun>{_NOUN}(?P<of>[ ](?:of|with)[ ][0-9a-z]{{1,6}}[ ]layers?)?"
    r"|candidates?|monolayers?|bilayers?|trilayers?"
    r"|(?:few-layers?|thick)(?=[,.;)]| and ))(?!\w)",
    re.IGNORECASE,
)
_LISTED = re.compile(
    rf"(?<!\w)(?P<kind>total|mono(?:layers?)?|few(?:-layers?)?|thick)(?: {_NOUN})?"
    rf"\s{{0,2}}[:=]\s{{0,2}}(?P<number>{_HOW_MANY})(?![\w%]|\.[0-9])",
    re.IGNORECASE,
)


_PART = re.compile(  # what follows a number that does not count the noun after it
    r"(?:of|or|to|and|largest|smallest|is|are|was|were|counts?|turns?|proves?|goe?s?|belongs?|falls?|has|have|on|in|at)\b",
    re.IGNORECASE,
)
_UNCLEAR = re.compile(r"\b(?:of|layers?|other|more|further|remaining)\b", re.IGNORECASE)


class CountMention(NamedTuple):
    """A number of flakes that a text states.

    Attributes
    ----------
    begin, end : int
        Where it stands in the text.
    kind : str
        ``"total"``, ``"Mono"``, ``"Few"``, ``"Thick"`` or such as ``"2 layers"``.
    number : int
        How many.
    terraces : bool
        Whether the text calls them terraces.
    """

    begin: int
    end: int
    kind: str
    number: int
    terraces: bool


@dataclass(frozen=True)
class ParsedAnswer:
    """What an answer commits to.

    Attributes
    ----------
    boxes : tuple of (float, float, float, float)
        x, y, width, height in percent, clipped to the image, each once.
    labels : tuple of str or None
        ``"Mono"``, ``"Few"``, ``"Thick"`` per box; None where none is named.
    layer_counts : tuple of int or None
        Per box; None where only a class is named, or nothing.
    spans : tuple of (int, int)
        Where each box stands in the text.
    counts : mapping of str to int
        How many flakes: ``"total"``, ``"Mono"``, ``"Few"``, ``"Thick"``, and ``"2 layers"`` where
        the answer counts those of one layer count.
    verdict : bool or None
        Yes or no, where the answer begins with it.
    layer_count : int or None
        The layer count that the conclusion names, where it names just one.
    conclusion : str
        Text of the conclusion without tags; the whole answer where it has none.
    candidates : tuple of (float, float, float, float)
        Boxes that stand before the conclusion.
    complete : bool
        Whether the conclusion was found and closed.
    """

    boxes: tuple[Box, ...] = ()
    labels: tuple[str | None, ...] = ()
    layer_counts: tuple[int | None, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    verdict: bool | None = None
    layer_count: int | None = None
    conclusion: str = ""
    candidates: tuple[Box, ...] = ()
    complete: bool = False


def parse_answer(text: str, *, few_max: int = FEW_MAX, max_boxes: int = MAX_BOXES) -> ParsedAnswer:
    """Return what an answer commits to; no text makes it fail.

    Boxes are those of the conclusion, whether it is closed or cut off, else those of the whole
    text. Brackets, percent signs, missing commas and closing tags are accepted; boxes are clipped
    to the image; those of no size and repeats are dropped, as are all after the first `max_boxes`.
    The label of a box stands before it, in its line or a heading over it, or after it in its line.

    Parameters
    ----------
    text : str
        Any text.
    few_max : int, optional
        The most layers that are still *few*.
    max_boxes : int, optional
        How many boxes are kept.
    """
    begin, end, closed = _conclusion(text)
    body = text[begin:end]
    mentions = layer_mentions(body, few_max=few_max)
    kept = _labelled(body, mentions, max_boxes)
    before = find_boxes(text[:begin]) if begin else []
    counts: dict[str, int] = {}
    for mention in count_mentions(body, few_max=few_max):
        counts.setdefault(mention.kind, mention.number)
    named = {m.layer_count for m in mentions if m.layer_count and not m.negated}
    verdict = _VERDICT.match(_TAG.sub(" ", body[:400])) or _OPENING_VERDICT.match(text[:200])
    return ParsedAnswer(
        boxes=tuple(box for _, box, _, _ in kept),
        labels=tuple(label for _, _, label, _ in kept),
        layer_counts=tuple(count for _, _, _, count in kept),
        spans=tuple((a + begin, b + begin) for (a, b), _, _, _ in kept),
        counts=counts,
        verdict=verdict["word"].lower() == "yes" if verdict else None,
        layer_count=named.pop() if len(named) == 1 else None,
        conclusion=_TAG.sub("", body).strip(),
        candidates=tuple(dict.fromkeys(box for _, box in before if box))[:max_boxes],
        complete=closed,
    )


def _conclusion(text: str) -> tuple[int, int, bool]:
    """Return begin and end of the conclusion, and whether it is closed; else the whole text."""
    opened = _OPEN.search(text)
    if not opened:
        return 0, len(text), False
    closed = _CLOSE.search(text, opened.end())
    return opened.end(), closed.start() if closed else len(text), closed is not None


def _labelled(
    text: str, mentions: list[LayerMention], max_boxes: int
) -> list[tuple[tuple[int, int], Box, str | None, int | None]]:
    """Return (span, box, label, layer count) of the boxes of a text, each box once."""
    mentions = [m for m in mentions if not m.negated]
    starts = [m.begin for m in mentions]
    boxes = find_boxes(text)
    kept: dict[Box, tuple] = {}
    heading, line_begin, at = (None, None), 0, 0
    while at < len(boxes) and len(kept) < max_boxes:
        first = boxes[at][0][0]
        above = text.rfind("\n", line_begin, first) + 1 or line_begin
        if above > line_begin:  # lines without a box: the last that names a class is a heading
            heading = _named(mentions, starts, line_begin, above)
            line_begin = above
        line_end = text.find("\n", first)
        line_end = len(text) if line_end < 0 else line_end
        stop = at
        while stop < len(boxes) and boxes[stop][0][0] < line_end:
            stop += 1
        spans = [span for span, _ in boxes[at:stop]]
        inside = _labels_of_line(mentions, starts, spans, line_begin, line_end)
        for (span, box), (label, count) in zip(boxes[at:stop], inside, strict=True):
            if box is not None and box not in kept and len(kept) < max_boxes:
                label, count = (label, count) if label else heading
                kept[box] = (span, box, label, count)
        at, line_begin = stop, max(line_end + 1, boxes[stop - 1][0][1])
    return list(kept.values())


def _labels_of_line(
    mentions: list[LayerMention],
    starts: list[int],
    spans: list[tuple[int, int]],
    begin: int,
    end: int,
) -> list[tuple[str | None, int | None]]:
    """Return (label, layer count) per box of a line: named before each box, or after each."""
    edges = [begin, *(b for _, b in spans)]
    before = [_named(mentions, starts, a, span[0]) for a, span in zip(edges, spans, strict=False)]
    if before[0][0]:
        found, current = [], (None, None)
        for named in before:  # one name may stand for several boxes
            current = named if named[0] else current
            found.append(current)
        return found
    ends = [a for a, _ in spans[1:]] + [end]
    return [_named(mentions, starts, span[1], b) for span, b in zip(spans, ends, strict=True)]


def _named(
    mentions: list[LayerMention], starts: list[int], begin: int, end: int
) -> tuple[str | None, int | None]:
    """Return the last class and the layer count that go with it between two places."""
    found = mentions[bisect_left(starts, begin) : bisect_left(starts, end)]
    if not found:
        return None, None
    last = found[-1]
    if len(found) > 1 and found[-2].layer_count is None and last.begin - found[-2].end <= 3:
        return found[-2].label, last.layer_count  # "few-layer (2 layers)": the class, then how many
    return last.label, last.layer_count


def count_mentions(text: str, *, few_max: int = FEW_MAX) -> list[CountMention]:
    """Return every number of flakes that a text states, in order; linear in its length."""
    found = []
    matches = [*_COUNT.finditer(text), *_LISTED.finditer(text)]
    for match in sorted(matches, key=lambda m: m.start()):
        free = match.re is _COUNT
        kind = f"{match['kind']}{match['noun']}" if free else match["kind"]
        number = read_number(match["number"])
        key = None if free and _PART.match(match["kind"]) else _kind_of(kind, few_max)
        if number is not None and key is not None:
            terraces = free and match["noun"].lower().startswith("terrace")
            found.append(CountMention(match.start(), match.end(), key, number, terraces))
    return found


def _kind_of(words: str, few_max: int) -> str | None:
    """Return the key under which flakes of some kind are counted; None where it is unclear."""
    if words.lower().strip() == "few":
        return "Few"
    named = layer_mentions(words, few_max=few_max)
    if not named:
        return None if _UNCLEAR.search(words) else "total"
    count = named[0].layer_count
    return named[0].label if count is None or count == 1 else f"{count} layers"
