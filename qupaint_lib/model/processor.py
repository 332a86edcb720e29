"""Text and images together: placeholders become as many tokens as the model sees in the tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import BatchFeature, ProcessorMixin

from qupaint_lib.answers import round_boxes
from qupaint_lib.errors import ArgumentError
from qupaint_lib.model.config import QuPaintConfig
from qupaint_lib.model.image_processor import QuPaintImageProcessor
from qupaint_lib.model.tokens import BRIEF, IMAGE_CONTEXT, IMAGE_END, IMAGE_START

# Turns as Qwen and InternVL write them; an image stands before the text of its turn.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<IMG_CONTEXT>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class QuPaintProcessor(ProcessorMixin):
    """Makes of prompts and images what the model takes.

    Parameters
    ----------
    image_processor : QuPaintImageProcessor
        Makes the tiles.
    tokenizer : transformers tokenizer
        Knows ``<img>``, ``</img>`` and ``<IMG_CONTEXT>``; pads on the left.
    image_seq_length : int, optional
        Visual tokens per tile.
    system_message : str, optional
        What the model was told to be while it was trained; empty: no such turn.
    chat_template : str, optional
        Jinja template of a conversation.
    box_step : float or None, optional
        Grid, in percent, to which the boxes of questions are rounded, where the tokenizer has
        `location_tokens`.

    Raises
    ------
    ArgumentError
        A tokenizer without the image tokens.
    """

    def __init__(
        self,
        image_processor: QuPaintImageProcessor,
        tokenizer: Any,
        image_seq_length: int = 256,
        system_message: str = "",
        chat_template: str | None = None,
        box_step: float | None = None,
    ):
        super().__init__(image_processor, tokenizer, chat_template=chat_template or CHAT_TEMPLATE)
        missing = [
            token
            for token in (IMAGE_START, IMAGE_END, IMAGE_CONTEXT)
            if tokenizer.convert_tokens_to_ids(token) in (None, tokenizer.unk_token_id)
        ]
        if missing:
            raise ArgumentError("tokenizer", type(tokenizer).__name__, f"knows {missing}")
        tokenizer.padding_side = "left"
        self.image_token = IMAGE_CONTEXT
        self.image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_CONTEXT)
        self.image_seq_length = image_seq_length
        self.system_message = system_message
        self.box_step = box_step

    @classmethod
    def from_config(
        cls, config: QuPaintConfig, tokenizer: Any, *, tiles: Sequence[int] = (1, 1), **kwargs: Any
    ) -> QuPaintProcessor:
        """Return the processor that goes with a model.

        Parameters
        ----------
        config : QuPaintConfig
            The model's.
        tokenizer : transformers tokenizer
            Its ``<IMG_CONTEXT>`` has the id that the configuration names.
        tiles : (int, int), optional
            Columns and rows of the canvas; (4, 3) is the release's.
        **kwargs
            ``system_message``, ``chat_template``, ``box_step``.
        """
        image_processor = QuPaintImageProcessor(
            tile_px=config.tile_px,
            patch_px=config.patch_px,
            tiles=tiles,
            pia=config.pia_variant != "none",
            pia_delta_e_scale=config.pia_delta_e_scale,
            contrast_gain=config.contrast_gain,
            region_tokens=config.region_tokens,
        )
        processor = cls(image_processor, tokenizer, config.image_seq_length, **kwargs)
        processor.check_fits(config)
        return processor

    def check_fits(self, config: QuPaintConfig) -> None:
        """Refuse a model that was made for other tiles, tokens or attention.

        Raises
        ------
        ArgumentError
            Names what differs.
        """
        images = self.image_processor
        pairs = {
            "image_token_id": (self.image_token_id, config.image_token_id),
            "image_seq_length": (self.image_seq_length, config.image_seq_length),
            "tile_px": (images.tile_px, config.tile_px),
            "patch_px": (images.patch_px, config.patch_px),
            "pia": (images.pia, config.pia_variant != "none"),
            "pia_delta_e_scale": (images.pia_delta_e_scale, config.pia_delta_e_scale),
            "contrast_gain": (images.contrast_gain, config.contrast_gain),
            "region_tokens": (images.region_tokens, config.region_tokens),
        }
        for name, (ours, models) in pairs.items():
            if ours != models:
                raise ArgumentError(name, ours, f"{models}, as the model has it")
        if len(self.tokenizer) > config.text_config.vocab_size:
            allowed = f"at most the {config.text_config.vocab_size} tokens of the model"
            raise ArgumentError("tokenizer", len(self.tokenizer), allowed)

    def prompt(
        self, question: str, answer: str | None = None, *, images: int = 1, brief: bool = False
    ) -> str:
        """Return a question about images as the model is asked it, up to where it answers.

        Parameters
        ----------
        question : str
            What is asked.
        answer : str, optional
            What was answered, for a prompt that holds both.
        images : int, optional
            How many images stand before the question.
        brief : bool, optional
            Ask for the conclusion alone, without candidates and reasoning.
        """
        question = self.asked(question, brief=brief)
        content = [{"type": "image"}] * images + [{"type": "text", "text": question}]
        turns = [{"role": "system", "content": self.system_message}] if self.system_message else []
        turns.append({"role": "user", "content": content})
        prompt = self.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        return prompt if answer is None else f"{prompt}{answer}<|im_end|>\n"

    def asked(self, question: str, *, brief: bool = False) -> str:
        """Return a question as the model is asked it: boxes on the grid, form of the answer."""
        question = self.on_grid(question)
        return f"{question.rstrip()} {BRIEF}" if brief else question

    def on_grid(self, text: str) -> str:
        """Return a text with its boxes rounded to `box_step`, where there is one."""
        return round_boxes(text, self.box_step) if self.box_step else text

    def __call__(
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        *,
        tiles: Sequence[int] | None = None,
        attention: Sequence[Any] | None = None,
        return_tensors: str | None = "pt",
        **kwargs: Any,
    ) -> BatchFeature:
        """Return tokens and tiles of a batch of prompts.

        Parameters
        ----------
        images : image or sequence of images, optional
            As many as the prompts have placeholders, in their order.
        text : str or sequence of str
            Prompts, each with one ``<IMG_CONTEXT>`` per image.
        tiles, attention
            As in `QuPaintImageProcessor.preprocess`.
        return_tensors : {"pt", "np", None}, optional
            Kind of the result's arrays.
        **kwargs
            Those of the tokenizer; sequences are padded on the left.

        Returns
        -------
        BatchFeature
            ``input_ids``, ``attention_mask`` (B, L), ``pixel_values`` (T, 4, S, S), and
            ``regions`` (T, K, 15) for a model with region tokens.

        Raises
        ------
        ArgumentError
            No text, more images than placeholders or fewer, a prompt longer than the context.
        ImageError
            Not an RGB image of at least 32 × 32 pixels.
        """
        if text is None:
            raise ArgumentError("text", None, f"a prompt, with one {IMAGE_CONTEXT} per image")
        prompts = [text] if isinstance(text, str) else list(text)
        images = [] if images is None else images
        images = list(images) if isinstance(images, list | tuple) else [images]
        self._check_placeholders(prompts, len(images))
        data = {}
        if images:
            data = self.image_processor(
                images, tiles=tiles, attention=attention, return_tensors=return_tensors
            )
            prompts = self._with_image_tokens(prompts, list(map(int, data.pop("num_patches"))))
        kwargs = {"padding": len(prompts) > 1, "return_token_type_ids": False, **kwargs}
        tokens = self.tokenizer(prompts, **kwargs)
        self._check_length(max(map(len, tokens["input_ids"])))
        return BatchFeature({**tokens, **data}, tensor_type=return_tensors)

    def visual_tokens(self, tiles: Sequence[int] | None = None) -> int:
        """Return how many tokens the model sees of one image, thumbnail included."""
        columns, rows = self.image_processor.tiles if tiles is None else tiles
        count = columns * rows
        return (count + (count > 1)) * self.image_seq_length

    def _check_placeholders(self, prompts: list[str], images: int) -> None:
        placeholders = sum(prompt.count(IMAGE_CONTEXT) for prompt in prompts)
        if placeholders == images:
            return
        if not placeholders:
            allowed = f"a prompt with one {IMAGE_CONTEXT} per image; this one has no placeholder"
            raise ArgumentError("text", prompts[0], allowed)
        allowed = f"as many as the {placeholders} placeholders {IMAGE_CONTEXT} in the text"
        raise ArgumentError("images", images, allowed)

    def _with_image_tokens(self, prompts: list[str], counts: list[int]) -> list[str]:
        """Return prompts whose placeholders stand for all visual tokens of their images."""
        counts, expanded = iter(counts), []
        for prompt in prompts:
            first, *rest = prompt.split(IMAGE_CONTEXT)
            for part in rest:
                visual = IMAGE_CONTEXT * (next(counts) * self.image_seq_length)
                first += f"{IMAGE_START}{visual}{IMAGE_END}{part}"
            expanded.append(first)
        return expanded

    def _check_length(self, length: int) -> None:
        longest = self.tokenizer.model_max_length
        if length > longest:
            allowed = f"at most {longest:,} tokens, visual ones included: the context of the model"
            raise ArgumentError("text", f"{length} tokens", allowed)

    @property
    def model_input_names(self) -> list[str]:
        """Names of what `__call__` returns."""
        return [*self.tokenizer.model_input_names, *self.image_processor.model_input_names]
