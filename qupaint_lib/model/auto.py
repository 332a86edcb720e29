"""Makes transformers' Auto classes know the model, its configuration and its processors."""

from __future__ import annotations

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
    Qwen2Tokenizer,
)
from transformers.models.auto import AutoTokenizer

from qupaint_lib.model.config import QuPaintConfig
from qupaint_lib.model.image_processor import QuPaintImageProcessor
from qupaint_lib.model.modeling import QuPaintForConditionalGeneration, QuPaintModel
from qupaint_lib.model.processor import QuPaintProcessor


def register() -> None:
    """Register QuPAINT with transformers' Auto classes; doing so again changes nothing."""
    AutoConfig.register(QuPaintConfig.model_type, QuPaintConfig, exist_ok=True)
    AutoModel.register(QuPaintConfig, QuPaintModel, exist_ok=True)
    AutoModelForImageTextToText.register(
        QuPaintConfig, QuPaintForConditionalGeneration, exist_ok=True
    )
    AutoTokenizer.register(QuPaintConfig, fast_tokenizer_class=Qwen2Tokenizer, exist_ok=True)
    AutoProcessor.register(QuPaintConfig, QuPaintProcessor, exist_ok=True)
    AutoImageProcessor.register(
        QuPaintConfig, image_processor_classes={"pil": QuPaintImageProcessor}, exist_ok=True
    )
