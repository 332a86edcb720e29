"""An exam: questions about images that were held out, and a model's answers, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qupaint_lib.evaluate.answers import Answered
from qupaint_lib.instruct import Dialogue, Facts, make_dialogues, scene_of

# What the table of a small model is made of; verification twice, since a half asks for monolayers.
EXAM_TASKS = ("count", "verify", "verify", "layer", "refer", "localise", "localise_monolayers")
MAX_BOXES, MAX_TOKENS = 12, 900  # of an answer


@dataclass(frozen=True, eq=False)
class Question:
    """A question about an image.

    Attributes
    ----------
    image : (H, W, 3) uint8 array
        The image.
    facts : Facts
        What is so in it.
    dialogue : Dialogue
        The question, and the answer that is true.
    image_id : int
        Questions about one image share it.
    """

    image: np.ndarray
    facts: Facts
    dialogue: Dialogue
    image_id: int


def make_exam(
    rows: Iterable[Mapping[str, Any]],
    *,
    tasks: Sequence[str] = EXAM_TASKS,
    reasons: Sequence[str] = ("localise",),
    seed: int = 0,
) -> list[Question]:
    """Return questions about the images of rows of a data set, the same for the same rows and seed.

    Parameters
    ----------
    rows : iterable of dict
        One for each image, as `build_dataset` writes them.
    tasks : sequence of str, optional
        Asked in short form; those that an image gives no occasion for are left out.
    reasons : sequence of str, optional
        Asked in full form, one of them in turn per image.
    seed : int, optional
        Draws flakes and words.
    """
    from qupaint_lib.synthia.sensor import decode_jpeg

    exam = []
    for number, row in enumerate(rows):
        data = row["image"]
        image = decode_jpeg(data["bytes"] if isinstance(data, Mapping) else data)
        facts = Facts(scene_of(row), image)
        rng = np.random.default_rng([seed, int(row["id"])])
        options = {"max_boxes": MAX_BOXES, "max_tokens": MAX_TOKENS}
        made = make_dialogues(facts, None, rng, tasks=tasks, form="short", **options)
        if reasons:
            task = reasons[number % len(reasons)]
            made += make_dialogues(facts, None, rng, tasks=[task], form="full", **options)
        exam += [Question(image, facts, dialogue, int(row["id"])) for dialogue in made]
    return exam


def take_exam(
    assistant: Any,
    exam: Sequence[Question],
    *,
    batch_size: int = 16,
    max_new_tokens: int = 512,
    scored: bool = True,
    progress: bool = False,
) -> list[Answered]:
    """Return a model's answers to an exam, decoded greedily.

    Parameters
    ----------
    assistant : QuPaint
        Model and processor.
    exam : sequence of Question
        Those of similar length are answered together.
    batch_size : int, optional
        How many.
    max_new_tokens : int, optional
        The longest answer.
    scored : bool, optional
        Work out how sure the model is of its boxes, for AP.
    progress : bool, optional
        Show a progress bar.
    """
    from tqdm import tqdm

    order = sorted(range(len(exam)), key=lambda k: (_length(exam[k]), k))
    answered: list[Answered | None] = [None] * len(exam)
    with tqdm(total=len(exam), disable=not progress, unit="question") as bar:
        for at in range(0, len(order), batch_size):
            chosen = order[at : at + batch_size]
            texts, scores = _answer(assistant, [exam[k] for k in chosen], max_new_tokens, scored)
            for k, text, sure in zip(chosen, texts, scores, strict=True):
                asked = exam[k]
                answered[k] = Answered(asked.dialogue, text, asked.facts, sure, asked.image_id)
            bar.update(len(chosen))
    return answered


def _length(question: Question) -> int:
    """Return about how long the answer is, to put alike ones into a batch."""
    return len(question.dialogue.answer)


def _answer(
    assistant: Any, questions: Sequence[Question], max_new_tokens: int, scored: bool
) -> tuple[list[str], list[tuple[float, ...] | None]]:
    from qupaint_lib.model import box_scores, split_batch

    model, processor = assistant
    prompts = [
        processor.prompt(q.dialogue.question, brief=q.dialogue.form == "short") for q in questions
    ]
    inputs = processor([q.image for q in questions], prompts).to(model.device)
    texts = assistant.generate_texts(inputs, max_new_tokens)
    if not scored:
        return texts, [None] * len(texts)
    singles = zip(split_batch(inputs, len(questions)), texts, strict=True)
    return texts, [box_scores(model, processor, one, text) for one, text in singles]
