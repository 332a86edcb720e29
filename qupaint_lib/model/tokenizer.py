"""A tokenizer for models that learn from scratch: byte-level BPE with digits one by one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from copy import deepcopy
from functools import cache

from tokenizers import AddedToken, Tokenizer, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer

from qupaint_lib.errors import ArgumentError
from qupaint_lib.model.corpus import corpus
from qupaint_lib.model.tokens import (
    ANSWER_TOKENS,
    CONTROL_TOKENS,
    END_OF_TEXT,
    NANO_CONTEXT,
    NANO_VOCABULARY,
    TURN_END,
)


def train_tokenizer(
    texts: Iterable[str],
    *,
    vocab_size: int = NANO_VOCABULARY,
    extra_tokens: Iterable[str] = (),
    context_tokens: int = NANO_CONTEXT,
) -> Qwen2Tokenizer:
    """Train a tokenizer on texts; the same texts give the same tokenizer.

    Qwen's own rules for taking text apart (digits stand alone, a space goes with the word after
    it), so that the class, and what comes after it, are those of the large models. The control
    and answer tokens have the first ids; all text can be encoded and comes back as it was (NFC).

    Parameters
    ----------
    texts : iterable of str
        What it is trained on.
    vocab_size : int, optional
        The most tokens, special ones included; fewer where the texts hold no more pairs.
    extra_tokens : iterable of str, optional
        More tokens that are never taken apart, such as location tokens.
    context_tokens : int, optional
        The most tokens of the model that it belongs to.

    Raises
    ------
    ArgumentError
        Less than bytes and special tokens need.
    """
    answer_tokens = [*ANSWER_TOKENS, *extra_tokens]
    least = 256 + len(CONTROL_TOKENS) + len(answer_tokens)
    if vocab_size < least:
        raise ArgumentError("vocab_size", vocab_size, f"at least {least}")
    backend = Tokenizer.from_str(Qwen2Tokenizer().backend_tokenizer.to_str())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[*CONTROL_TOKENS, *answer_tokens],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    model = json.loads(backend.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(pair) for pair in model["merges"]],
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        extra_special_tokens=list(CONTROL_TOKENS[1:]),
        model_max_length=context_tokens,
        padding_side="left",
    )
    # Answers are text: decoding that skips special tokens keeps their boxes.
    tokenizer.add_tokens([AddedToken(token, special=False) for token in answer_tokens])
    return tokenizer


def location_tokens(step: float) -> list[str]:
    """Return one token for each number that a box may hold, where boxes are rounded to a step.

    A small model learns places from a few tokens better than from digits. The text stays that of
    the release: ``<box>``, three numbers with the comma and space after them, and the last one
    with ``</box>``.

    Parameters
    ----------
    step : float
        In percent; divides 100, and is a multiple of 0.01.

    Raises
    ------
    ArgumentError
        Another step.
    """
    count = round(100 / step) if step >= 0.01 else 0
    if not count or abs(count * step - 100) > 1e-6 or abs(100 * step - round(100 * step)) > 1e-9:
        raise ArgumentError("step", step, "a multiple of 0.01 percent that divides 100")
    numbers = [f"{k * step:.2f}" for k in range(count + 1)]
    return [f"{number}{end}" for end in (", ", "</box>") for number in numbers]


@cache
def _trained_once() -> Qwen2Tokenizer:
    return train_tokenizer(corpus())


def nano_tokenizer() -> Qwen2Tokenizer:
    """Return a tokenizer of at most 2,048 tokens, trained on `corpus`; takes a tenth of a second.

    The released layout of tokens, with a vocabulary that a small model can learn. To learn from
    other text, train another one on it with `train_tokenizer`.
    """
    return deepcopy(_trained_once())
