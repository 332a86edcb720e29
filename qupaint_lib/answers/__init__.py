"""The answer's grammar: how boxes, labels, counts and verdicts are written, and read again.

``boxes`` converts between pixels and percent, ``words`` names layer counts and reads them,
``write`` puts an answer together, ``parse`` takes any text apart.

Conventions: boxes are x, y, width, height in percent of the image's width and height, origin in
the upper left corner, two decimals, as ``<box>12.50, 8.00, 20.25, 11.40</box>``. An answer has the
paper's three parts: candidates, reasoning, ``<CONCLUSION> … </CONCLUSION>`` with the boxes that it
commits to; a short answer is the conclusion alone, without its tags.
"""

from qupaint_lib.answers.boxes import (
    find_boxes,
    format_box,
    move_boxes,
    round_boxes,
    to_percent,
    to_pixels,
)
from qupaint_lib.answers.parse import (
    MAX_BOXES,
    CountMention,
    ParsedAnswer,
    count_mentions,
    parse_answer,
)
from qupaint_lib.answers.words import LayerMention, layer_mentions, layer_phrase, number_word
from qupaint_lib.answers.write import format_answer, format_region

__all__ = [
    "MAX_BOXES",
    "CountMention",
    "LayerMention",
    "ParsedAnswer",
    "count_mentions",
    "find_boxes",
    "format_answer",
    "format_box",
    "format_region",
    "layer_mentions",
    "layer_phrase",
    "move_boxes",
    "number_word",
    "parse_answer",
    "round_boxes",
    "to_percent",
    "to_pixels",
]
