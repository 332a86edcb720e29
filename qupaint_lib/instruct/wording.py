"""How varied texts are worded: distinct n-grams, and sentences that come again."""

from __future__ import annotations

import re
from collections.abc import Iterable

from qupaint_lib.errors import ArgumentError

_BOX = re.compile(r"<box>[^<]*</box>")
_NUMBER = re.compile(r"[-+−]?[0-9]+(?:\.[0-9]+)?")
_WORD = re.compile(r"<box>|<n>|[^\W\d_]+|[^\w\s]")
_END = re.compile(r"(?<=[.?!])\s+|\n")
_TAGS = re.compile(r"</?conclusion>|^- .*<box>$|^[0-9]+\. <box>$", re.IGNORECASE | re.MULTILINE)
_LEAST_WORDS = 4  # fewer make a label, not a sentence


def masked(text: str) -> str:
    """Return a text in lower case with ``<box>`` for every box and ``<n>`` for every number."""
    return _NUMBER.sub("<n>", _BOX.sub("<box>", text)).lower()


def sentences(text: str) -> list[str]:
    """Return the masked sentences of a text, those of four words or more.

    Lines that hold a box and its label only, and tags, are form and not wording: they are left out.
    """
    parts = (part.strip() for part in _END.split(_TAGS.sub("", masked(text))))
    return [part for part in parts if len(_WORD.findall(part)) >= _LEAST_WORDS]


def distinct(texts: Iterable[str], n: int = 2) -> float:
    """Return distinct-n: different n-grams over all n-grams, numbers and boxes masked.

    Li et al. 2016 (doi 10.18653/v1/N16-1014). It falls with the number of texts, so compare equal
    numbers.
    """
    if n < 1:
        raise ArgumentError("n", n, "at least 1")
    seen, total = set(), 0
    for text in texts:
        for sentence in sentences(text):
            words = _WORD.findall(sentence)
            grams = list(zip(*(words[k:] for k in range(n)), strict=False))
            seen.update(grams)
            total += len(grams)
    return len(seen) / total if total else 0.0


def repeated_share(texts: Iterable[str]) -> float:
    """Return the share of sentences that have stood in the texts before, numbers masked."""
    every = [sentence for text in texts for sentence in sentences(text)]
    return 1 - len(set(every)) / len(every) if every else 0.0
