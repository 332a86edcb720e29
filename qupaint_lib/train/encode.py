"""From dialogues to tokens: one image, one prefix, and behind it several dialogues side by side.

The visual tokens of an image are the larger part of a short example. Dialogues about the same image
share them: they stand one after another behind the image, each at the positions that it would have
alone, and none attends to another, so that logits and losses are those of as many single examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from qupaint_lib.errors import ArgumentError
from qupaint_lib.model.tokens import (
    END_OF_TEXT,
    IMAGE_CONTEXT,
    IMAGE_END,
    IMAGE_START,
    TURN_END,
    TURN_START,
)

IGNORED = -100  # label of a token that is not learned
_LABELS = {  # what examples may have besides, and how it is joined
    "regions": np.concatenate,
    "region_labels": np.concatenate,
    "dense_labels": np.stack,
    "dense_boxes": np.stack,
}


@dataclass(frozen=True)
class Talk:
    """A dialogue as it is trained on.

    Attributes
    ----------
    turns : tuple of (str, str)
        Questions and answers.
    brief : bool
        The answers are conclusions alone.
    """

    turns: tuple[tuple[str, str], ...]
    brief: bool = False


@dataclass(frozen=True)
class Packed:
    """Dialogues about one image.

    Attributes
    ----------
    input_ids, labels, position_ids, talk : (L,) int64 arrays
        Tokens, those to be learned, places, and number of the dialogue; 0 is what all share.
    """

    input_ids: np.ndarray
    labels: np.ndarray
    position_ids: np.ndarray
    talk: np.ndarray

    @property
    def talks(self) -> int:
        """Number of dialogues."""
        return int(self.talk.max())


def prefix_text(processor: Any, images: int = 1) -> str:
    """Return what stands before the first question: system turn, user turn, image."""
    system = ""
    if processor.system_message:
        system = f"{TURN_START}system\n{processor.system_message}{TURN_END}\n"
    visual = IMAGE_CONTEXT * processor.visual_tokens()
    return f"{system}{TURN_START}user\n" + f"{IMAGE_START}{visual}{IMAGE_END}\n" * images


def talk_tokens(processor: Any, talk: Talk) -> tuple[list[int], list[int]]:
    """Return tokens and labels of a dialogue, from the first question on."""
    ids: list[int] = []
    labels: list[int] = []

    def add(text: str, learned: bool) -> None:
        tokens = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        ids.extend(tokens)
        labels.extend(tokens if learned else [IGNORED] * len(tokens))

    for number, (question, answer) in enumerate(talk.turns):
        opened = f"\n{TURN_START}user\n" if number else ""
        asked = processor.asked(question, brief=talk.brief)
        add(f"{opened}{asked}{TURN_END}\n{TURN_START}assistant\n", False)
        add(f"{processor.on_grid(answer)}{TURN_END}", True)
    return ids, labels


def pack(processor: Any, talks: Sequence[Talk], max_tokens: int) -> Packed | None:
    """Return dialogues about one image behind one prefix, as many as fit, in their order.

    Parameters
    ----------
    processor : QuPaintProcessor
        Of the model that is trained.
    talks : sequence of Talk
        Those that are too long for what is left are skipped.
    max_tokens : int
        Of the whole example, visual tokens included.

    Returns
    -------
    Packed or None
        None where not one fits.

    Raises
    ------
    ArgumentError
        Visual tokens alone are more than `max_tokens`.
    """
    start = processor.tokenizer(prefix_text(processor), add_special_tokens=False)["input_ids"]
    if len(start) >= max_tokens:
        raise ArgumentError("max_tokens", max_tokens, f"more than the image's {len(start)} tokens")
    ids, labels = list(start), [IGNORED] * len(start)
    places, talk_of = list(range(len(start))), [0] * len(start)
    number = 0
    for talk in talks:
        more, learned = talk_tokens(processor, talk)
        if len(ids) + len(more) > max_tokens:
            continue
        number += 1
        ids += more
        labels += learned
        places += range(len(start), len(start) + len(more))
        talk_of += [number] * len(more)
    if not number:
        return None
    return Packed(*(np.array(column, dtype=np.int64) for column in (ids, labels, places, talk_of)))


def attention_of(talk: torch.Tensor) -> torch.Tensor:
    """Return which token may see which, (B, 1, L, L) bool, of dialogue numbers (B, L).

    A token sees those before it in its own dialogue and in what all share; padding (-1) sees
    itself, since softmax needs something.
    """
    length = talk.shape[1]
    earlier = torch.ones(length, length, dtype=torch.bool, device=talk.device).tril()
    same = (talk[:, :, None] == talk[:, None, :]) | (talk[:, None, :] == 0)
    there = (talk >= 0)[:, None, :] & (talk >= 0)[:, :, None]
    itself = torch.eye(length, dtype=torch.bool, device=talk.device)
    return ((earlier & same & there) | itself)[:, None]


class Collator:
    """Makes a batch of examples: see `examples.Example`.

    Parameters
    ----------
    pad_token_id : int
        What fills up shorter sequences, on the right.
    multiple : int, optional
        Lengths are rounded up to it, so that fewer shapes occur.
    """

    def __init__(self, pad_token_id: int, multiple: int = 32):
        self.pad_token_id, self.multiple = pad_token_id, multiple

    @classmethod
    def of(cls, processor: Any, **options: Any) -> Collator:
        """Return the collator for a processor's tokenizer."""
        return cls(processor.tokenizer.convert_tokens_to_ids(END_OF_TEXT), **options)

    def __call__(self, examples: Sequence[Any]) -> dict[str, torch.Tensor]:
        """Return tensors of a batch, as `QuPaintForConditionalGeneration.forward` takes them."""
        batch = {} if examples[0].packed is None else self._tokens([e.packed for e in examples])
        if examples[0].pixel_values is not None:
            batch["pixel_values"] = torch.from_numpy(
                np.concatenate([example.pixel_values for example in examples])
            )
        for name, joined in _LABELS.items():
            if getattr(examples[0], name) is not None:
                batch[name] = torch.from_numpy(joined([getattr(e, name) for e in examples]))
        return batch

    def _tokens(self, packed: Sequence[Packed]) -> dict[str, torch.Tensor]:
        """Return tokens, labels, places and who may see whom."""
        length = max(len(p.input_ids) for p in packed)
        length += -length % self.multiple
        fill = {"input_ids": self.pad_token_id, "labels": IGNORED, "position_ids": 0, "talk": -1}
        batch = {
            name: torch.from_numpy(
                np.stack([_padded(getattr(p, name), length, value) for p in packed])
            )
            for name, value in fill.items()
        }
        talk = batch.pop("talk")
        single = max(p.talks for p in packed) == 1
        batch["attention_mask"] = (talk >= 0).long() if single else attention_of(talk)
        return batch


def _padded(column: np.ndarray, length: int, value: int) -> np.ndarray:
    return np.pad(column, (0, length - len(column)), constant_values=value)
