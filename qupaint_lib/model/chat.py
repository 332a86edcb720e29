"""Asking the model: an image and a question in, text, boxes in pixels, labels and scores out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import BatchFeature, GenerationConfig

from qupaint_lib.answers import format_answer, number_word, parse_answer, to_percent, to_pixels
from qupaint_lib.errors import ArgumentError
from qupaint_lib.model.image_processor import check_tiles
from qupaint_lib.model.merging import View, merge_views
from qupaint_lib.model.modeling import QuPaintForConditionalGeneration
from qupaint_lib.model.processor import QuPaintProcessor
from qupaint_lib.model.scoring import box_scores
from qupaint_lib.model.tiling import Window, as_codes, to_attention, to_canvas, windows
from qupaint_lib.model.tokens import END_OF_TEXT, TURN_END
from qupaint_lib.pia import patch_scores

MAX_NEW_TOKENS = 1024
_FLAKE_SHARE = 0.25  # of a window's side: flakes up to this size are whole in one window


@dataclass(frozen=True)
class Answer:
    """What the model answered about an image.

    Attributes
    ----------
    text : str
        The answer in words.
    boxes : tuple of (float, float, float, float)
        x, y, width, height in pixels of the image, of the flakes that it commits to.
    labels : tuple of str or None
        ``"Mono"``, ``"Few"``, ``"Thick"`` per box.
    scores : tuple of float
        In (0, 1] per box: see `box_scores`.
    layer_counts : tuple of int or None
        Number of layers per box, where it is named.
    """

    text: str
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    labels: tuple[str | None, ...] = ()
    scores: tuple[float, ...] = ()
    layer_counts: tuple[int | None, ...] = ()


class QuPaint(NamedTuple):
    """A model and the processor that makes its inputs: together they answer questions.

    A pair, ``model, processor = load_released(…)``.
    """

    model: QuPaintForConditionalGeneration
    processor: QuPaintProcessor

    @classmethod
    def from_pretrained(cls, source: str | Path, **kwargs: Any) -> QuPaint:
        """Load what `save_pretrained` wrote; a Hub id reaches the network, a folder does not.

        Parameters
        ----------
        source : path or str
            Folder, or Hub id ``"owner/name"``.
        **kwargs
            Those of `QuPaintForConditionalGeneration.from_pretrained`, such as ``dtype``.
        """
        model = QuPaintForConditionalGeneration.from_pretrained(source, **kwargs)
        local = Path(source).is_dir()
        processor = QuPaintProcessor.from_pretrained(source, local_files_only=local)
        processor.check_fits(model.config)
        return cls(model, processor)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write model, processor and tokenizer to a folder: safetensors, JSON and Jinja."""
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)

    def chat(
        self,
        image: Any,
        question: str,
        *,
        brief: bool = False,
        tiles: Sequence[int] | None = None,
        max_new_tokens: int = MAX_NEW_TOKENS,
        temperature: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> Answer:
        """Ask one question about one image.

        Parameters
        ----------
        image : (H, W, 3) array or PIL.Image.Image
            8-bit codes, or floats in [0, 1].
        question : str
            For example one of `qupaint_lib.model.corpus.QUESTIONS`.
        brief : bool, optional
            Ask for the conclusion alone: seconds where the reasoning takes longer.
        tiles : (int, int), optional
            Columns and rows of the canvas instead of the processor's.
        max_new_tokens : int, optional
            The longest answer; shorter where the context ends.
        temperature : float, optional
            0 is greedy, as in the release; the paper samples at 0.2.
        rng : numpy.random.Generator, optional
            Needed to sample.

        Raises
        ------
        ImageError
            Not an RGB image of at least 32 × 32 pixels.
        ArgumentError
            A question longer than the context; sampling without `rng`.
        """
        options = (max_new_tokens, temperature, rng)
        return self._ask([image], question, options, brief=brief, tiles=tiles)[0]

    def chat_full_resolution(
        self,
        image: Any,
        question: str,
        *,
        brief: bool = False,
        tiles: Sequence[int] = (1, 1),
        overlap_px: int | None = None,
        batch_size: int = 4,
        max_new_tokens: int = MAX_NEW_TOKENS,
        temperature: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> Answer:
        """Ask for the flakes of a whole micrograph, window by window, at its own resolution.

        A real micrograph holds 8 to 250 flakes, more than an answer can list. Every window is
        asked; PIA compares all of them with the substrate of the whole image, and one min–max
        holds for all. What neighbouring windows both saw is merged (`merge_views`).

        Parameters
        ----------
        image, question, brief, max_new_tokens, temperature, rng
            As in `chat`.
        tiles : (int, int), optional
            Columns and rows of tiles that make a window: (1, 1) is one tile of, say, 448 px; the
            release was tuned at (4, 3).
        overlap_px : int, optional
            What neighbours have in common; by default a quarter of a window's shorter side.
        batch_size : int, optional
            Windows that are asked at once.
        """
        codes, tiles = as_codes(image), check_tiles(tiles)
        tile_px = self.processor.image_processor.tile_px
        size = (tiles[1] * tile_px, tiles[0] * tile_px)
        overlap_px = round(_FLAKE_SHARE * min(size)) if overlap_px is None else overlap_px
        frames = windows(codes.shape[:2], size, overlap_px)
        parts = [codes[w.y : w.y + w.height, w.x : w.x + w.width] for w in frames]
        attention = self._joint_attention(codes, parts, tiles)
        options, answers = (max_new_tokens, temperature, rng), []
        for at in range(0, len(parts), batch_size):
            chosen = slice(at, at + batch_size)
            maps = None if attention is None else list(attention[chosen])
            given = {"brief": brief, "tiles": tiles, "attention": maps}
            answers += self._ask(parts[chosen], question, options, **given)
        return _merged(frames, answers, codes.shape[:2])

    def _joint_attention(
        self, codes: np.ndarray, parts: list[np.ndarray], tiles: tuple[int, int]
    ) -> np.ndarray | None:
        """Return α (N, h, w) of windows, against the background of the whole image."""
        images = self.processor.image_processor
        if not images.pia:
            return None
        scale = 255 if codes.dtype == np.uint8 else 1
        background = np.median(codes.reshape(-1, 3), axis=0) / scale
        patch = (images.patch_px, images.patch_px)
        canvases = [to_canvas(part, images.tile_px, tiles) for part in parts]
        delta_e = np.stack(
            [
                patch_scores(canvas, size=canvas.shape[:2], patch=patch, background=background)
                for canvas in canvases
            ]
        )
        stacked = delta_e.reshape(-1, delta_e.shape[-1])  # one min–max for all windows
        return to_attention(stacked, images.pia_delta_e_scale).reshape(delta_e.shape)

    def _ask(
        self,
        images: list[Any],
        question: str,
        options: tuple[int, float, np.random.Generator | None],
        brief: bool = False,
        **kwargs: Any,
    ) -> list[Answer]:
        """Ask the same question about every image, and score what is answered."""
        images = [as_codes(image) for image in images]
        prompt = self.processor.prompt(question, brief=brief)
        batch = self.processor(images, [prompt] * len(images), **kwargs).to(self.model.device)
        texts = self.generate_texts(batch, *options)
        singles = split_batch(batch, len(images))
        return [
            self._read(image.shape[:2], text, one)
            for image, text, one in zip(images, texts, singles, strict=True)
        ]

    def _read(self, shape: tuple[int, int], text: str, inputs: BatchFeature) -> Answer:
        """Return what a text says about an image of a shape."""
        parsed = parse_answer(text)
        boxes = tuple(to_pixels(box, shape) for box in parsed.boxes)
        scores = box_scores(self.model, self.processor, inputs, text, parsed)
        return Answer(text, boxes, parsed.labels, scores, parsed.layer_counts)

    def generate_texts(
        self,
        inputs: BatchFeature,
        max_new_tokens: int = MAX_NEW_TOKENS,
        temperature: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> list[str]:
        """Return what the model writes after each prompt of a batch.

        Parameters
        ----------
        inputs : BatchFeature
            What the processor made, on the model's device.
        max_new_tokens, temperature, rng
            As in `chat`.
        """
        length, context = inputs["input_ids"].shape[1], self.model.config.context_tokens
        if length >= context:
            allowed = f"fewer than {context:,} tokens, visual ones included: the model's context"
            raise ArgumentError("question", f"{length} tokens", allowed)
        if max_new_tokens < 1:
            raise ArgumentError("max_new_tokens", max_new_tokens, "at least 1")
        sampling = _sampling(temperature, rng)
        tokenizer = self.processor.tokenizer
        config = GenerationConfig(
            max_new_tokens=min(max_new_tokens, context - length),
            eos_token_id=tokenizer.convert_tokens_to_ids(TURN_END),
            pad_token_id=tokenizer.convert_tokens_to_ids(END_OF_TEXT),
            **sampling,
        )
        with torch.random.fork_rng(enabled=rng is not None):
            if rng is not None:
                torch.manual_seed(int(rng.integers(2**63)))
            written = self.model.generate(**inputs, generation_config=config)
        # Boxes and conclusions are special tokens of some tokenizers: nothing is skipped.
        texts = tokenizer.batch_decode(written[:, length:], skip_special_tokens=False)
        return [text.split(TURN_END)[0].split(END_OF_TEXT)[0].strip() for text in texts]


def split_batch(batch: BatchFeature, count: int) -> list[BatchFeature]:
    """Return the inputs of each prompt of a batch, all with as many tiles."""
    columns = {name: values.chunk(count) for name, values in batch.items()}
    return [BatchFeature({name: c[i] for name, c in columns.items()}) for i in range(count)]


def _sampling(temperature: float, rng: np.random.Generator | None) -> dict[str, Any]:
    """Return how the next token is chosen, from all of them."""
    if temperature == 0:
        return {"do_sample": False}
    if not temperature > 0:
        raise ArgumentError("temperature", temperature, "0 (greedy) or more")
    if rng is None:
        raise ArgumentError("rng", None, "a numpy.random.Generator, to sample with")
    return {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}


def _merged(frames: list[Window], answers: list[Answer], shape: tuple[int, int]) -> Answer:
    """Return one answer about a whole image from those about its windows."""
    views = [
        View((x + frame.x, y + frame.y, w, h), frame, label, count, score)
        for frame, answer in zip(frames, answers, strict=True)
        for (x, y, w, h), label, count, score in zip(
            answer.boxes, answer.labels, answer.layer_counts, answer.scores, strict=True
        )
    ]
    views = merge_views(views, shape)
    boxes, labels = tuple(v.box for v in views), tuple(v.label for v in views)
    counts = tuple(v.layer_count for v in views)
    statement = f"{number_word(len(views))} flake{'s' * (len(views) != 1)}".capitalize() + "."
    text = format_answer(statement, [to_percent(b, shape) for b in boxes], counts, labels)
    return Answer(text, boxes, labels, tuple(v.score for v in views), counts)
