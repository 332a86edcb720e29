"""How sure the model is of a box that it wrote: probabilities from one teacher-forced pass."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from transformers import BatchFeature

from qupaint_lib.answers import ParsedAnswer, layer_mentions, parse_answer

_INTEGER_DIGITS = re.compile(r"(?<![.\d])\d+")  # those before a decimal point
_ADJACENT = 3  # characters between a class and the layer count that goes with it


def box_scores(
    model: Any,
    processor: Any,
    inputs: BatchFeature,
    text: str,
    parsed: ParsedAnswer | None = None,
) -> tuple[float, ...]:
    """Return a score for every box of an answer, for ranking and for AP.

    The answer is given to the model in one pass, from raw logits, whatever temperature it was
    sampled at. The score is the geometric mean of the probabilities of the box's integer digits
    (decimals are noise), times the probability of the word that names its layers, where there is
    one.

    Parameters
    ----------
    model : QuPaintForConditionalGeneration
        The model.
    processor : QuPaintProcessor
        Its processor.
    inputs : BatchFeature
        What the processor made of image and prompt, batch of one, on the model's device.
    text : str
        An answer, generated or not.
    parsed : ParsedAnswer, optional
        What `parse_answer` reads in it.

    Returns
    -------
    tuple of float
        In (0, 1], one per box of `parsed`; exp of a mean log-probability, times a probability.
    """
    parsed = parse_answer(text) if parsed is None else parsed
    if not parsed.boxes:
        return ()
    log_probabilities, offsets = answer_log_probabilities(model, processor, inputs, text)

    def within(spans: list[tuple[int, int]]) -> list[float]:
        return [
            value
            for value, (begin, end) in zip(log_probabilities, offsets, strict=True)
            if any(begin < b and a < end for a, b in spans)
        ]

    scores = []
    for span, label in zip(parsed.spans, parsed.labels, strict=True):
        digits = within(digit_spans(text, span)) or within([span])
        word = label_span(text, span, label)
        named = sum(within([word])) if word else 0.0
        scores.append(math.exp(sum(digits) / len(digits) + named))
    return tuple(scores)


@torch.inference_mode()
def answer_log_probabilities(
    model: Any, processor: Any, inputs: BatchFeature, text: str
) -> tuple[list[float], list[tuple[int, int]]]:
    """Return log-probability and (begin, end) in the text of every token of an answer."""
    encoded = processor.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    device = inputs["input_ids"].device
    answer = torch.tensor([encoded["input_ids"]], dtype=torch.long, device=device)  # (1, n)
    tokens = torch.cat([inputs["input_ids"], answer], dim=1)
    mask = torch.cat([inputs["attention_mask"], torch.ones_like(answer)], dim=1)
    output = model(
        input_ids=tokens,
        attention_mask=mask,
        pixel_values=inputs.get("pixel_values"),
        regions=inputs.get("regions"),
        logits_to_keep=answer.shape[1] + 1,
    )
    log_softmax = output.logits[0, :-1].float().log_softmax(dim=-1)  # the token before foretells
    return log_softmax.gather(1, answer[0, :, None])[:, 0].tolist(), encoded["offset_mapping"]


def digit_spans(text: str, span: tuple[int, int]) -> list[tuple[int, int]]:
    """Return where the integer parts of a box's numbers stand."""
    begin, end = span
    return [
        (begin + match.start(), begin + match.end())
        for match in _INTEGER_DIGITS.finditer(text[begin:end])
    ]


def label_span(text: str, span: tuple[int, int], label: str | None) -> tuple[int, int] | None:
    """Return where the words stand that name a box's layers: the nearest before it, else after."""
    mentions = [m for m in layer_mentions(text) if m.label == label and not m.negated]
    before = [m for m in mentions if m.end <= span[0]]
    after = [m for m in mentions if m.begin >= span[1]]
    if not before:
        return (after[0].begin, after[0].end) if after else None
    begin, end = before[-1].begin, before[-1].end
    if len(before) > 1 and begin - before[-2].end <= _ADJACENT:
        begin = before[-2].begin  # "few-layer (2 layers)"
    return begin, end
