"""The configuration: InternVL's, with the PIA gate's variant and the sizes of Table 4."""

from typing import ClassVar

from huggingface_hub.dataclasses import strict
from transformers import InternVLConfig, InternVLVisionConfig
from transformers.configuration_utils import SubConfigSpec
from transformers.models.auto import AutoConfig

from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.model.tokens import (
    NANO_CONTEXT,
    NANO_IMAGE_TOKEN,
    NANO_VOCABULARY,
    QWEN3_IMAGE_TOKEN,
    QWEN3_VOCABULARY,
)

WORDS = 5  # tokens of a region: see `regions`
PIA_VARIANTS = ("none", "gate", "gate_post", "add", "channel")
TILE_PX, PATCH_PX = 448, 14
OPEN_GATE = (0.0, 30.0)  # w and b of σ(wα + b) = 1 in float32: the base model, without a gradient
TRAINING_START = (1.0, 2.0)

_VIT_300M = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "attention_bias": True,
}
_QWEN3 = {
    "vocab_size": QWEN3_VOCABULARY,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40_960,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
}


def _qwen3(hidden: int, intermediate: int, layers: int, heads: int) -> dict:
    """Return a Qwen3 decoder as published."""
    shape = {"hidden_size": hidden, "intermediate_size": intermediate}
    return {**_QWEN3, **shape, "num_hidden_layers": layers, "num_attention_heads": heads}


def _small_vit(hidden: int, layers: int) -> dict:
    """Return a ViT that is trained from scratch: heads of 32, layer scale of 1."""
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 32,
        "intermediate_size": 4 * hidden,
        "attention_bias": True,
        "layer_scale_init_value": 1.0,
    }


def _small_qwen3(hidden: int, intermediate: int, layers: int) -> dict:
    """Return a decoder that is trained from scratch: heads of 64."""
    return {
        **_QWEN3,
        "vocab_size": NANO_VOCABULARY,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 64,
        "num_key_value_heads": hidden // 64,
        "head_dim": 64,
        "max_position_embeddings": NANO_CONTEXT,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
    }


# Vision, decoder, input and output embedding tied. The four large ones are InternViT-300M with
# Qwen3; untied they have Table 4's parameters. The small ones learn from scratch.
SIZES = {
    "tiny": (_small_vit(32, 2), _small_qwen3(64, 128, 2), True),  # for tests
    "micro": (_small_vit(192, 4), _small_qwen3(256, 680, 4), True),  # for a processor
    "nano": (_small_vit(256, 8), _small_qwen3(320, 848, 8), True),  # for one GPU
    "1B": (_VIT_300M, _qwen3(1024, 3072, 28, 16), False),
    "2B": (_VIT_300M, _qwen3(2048, 6144, 28, 16), False),
    "4B": (_VIT_300M, _qwen3(2560, 9728, 36, 32), False),
    "8B": (_VIT_300M, _qwen3(4096, 12_288, 36, 32), False),
}


@strict
class QuPaintConfig(InternVLConfig):
    """Configuration of a QuPAINT model: a vision tower, a decoder, and how PIA enters.

    Parameters
    ----------
    pia_variant : {"gate", "none", "gate_post", "add", "channel"}, optional
        ``"gate"``: Eq. 5–6, the vision tower's patch tokens times σ(wα + b). ``"gate_post"``: the
        same factor on the tokens after the projector, past its LayerNorm. ``"add"``: a learned
        linear map of α added to those tokens. ``"channel"``: α as the fourth channel of the patch
        embedding. ``"none"``: the base model.
    pia_weight_init, pia_bias_init : float, optional
        w and b of Eq. 5 in a new model.
    pia_delta_e_scale : float or None, optional
        α = min(ΔE / scale, 1), which keeps how strong the contrast is; None: the min–max of each
        image (Eq. 18). Used by the processor that `QuPaintProcessor.from_config` makes.
    contrast_gain : float or None, optional
        Factor by which that processor brings out what deviates from the substrate: see
        `tiling.relief`. None, for pretrained weights: images as InternVL takes them.
    conv_stem : bool, optional
        Patches are embedded by a convolution of stride 2 after another instead of one of stride p:
        see `stem`. False, the paper's, is what pretrained weights have.
    dense_classes : int, optional
        Classes of the head that tells the layers of every patch, for the auxiliary loss; 0: none.
    dense_boxes : bool, optional
        Whether that head tells the box of each patch's flake as well.
    region_tokens : int, optional
        How many regions that optics finds in a tile follow its visual tokens, as five tokens each:
        see `regions`. 0, the paper's: none.
    location_token_id, location_steps : int, optional
        First of the tokenizer's location tokens, which regions need, and the steps of their grid.
    dense_loss_weight : float, optional
        Weight of that loss beside the language loss.
    weights_licence : str or None, optional
        Licence of the weights where they carry one of their own.
    **kwargs
        Those of transformers' `InternVLConfig`; the decoder is a Qwen3.

    Raises
    ------
    UnknownNameError
        No such variant.
    ArgumentError
        A number out of range, or a tile that patches and pixel shuffle do not divide.
    """

    model_type = "qupaint"
    sub_configs_defaults: ClassVar[dict] = {
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="qwen3"),
        "vision_config": InternVLVisionConfig,
    }

    image_token_id: int = QWEN3_IMAGE_TOKEN
    pia_variant: str = "gate"
    pia_weight_init: float | int = TRAINING_START[0]
    pia_bias_init: float | int = TRAINING_START[1]
    pia_delta_e_scale: float | int | None = None
    contrast_gain: float | int | None = None
    conv_stem: bool = False
    dense_classes: int = 0
    dense_boxes: bool = False
    region_tokens: int = 0
    location_token_id: int = -1
    location_steps: int = 100
    dense_loss_weight: float | int = 1.0
    weights_licence: str | None = None

    def __post_init__(self, **kwargs: object) -> None:
        super().__post_init__(**kwargs)
        if self.pia_variant not in PIA_VARIANTS:
            raise UnknownNameError("pia_variant", self.pia_variant, PIA_VARIANTS)
        if self.pia_delta_e_scale is not None and not self.pia_delta_e_scale > 0:
            raise ArgumentError("pia_delta_e_scale", self.pia_delta_e_scale, "a ΔE > 0, or None")
        if self.contrast_gain is not None and not self.contrast_gain > 0:
            raise ArgumentError("contrast_gain", self.contrast_gain, "a factor > 0, or None")
        if self.dense_classes < 0:
            raise ArgumentError("dense_classes", self.dense_classes, "0 (none), 1, 2, …")
        if self.region_tokens < 0 or (self.region_tokens and not self.dense_classes):
            allowed = "0 (none), or 1, 2, … with dense_classes"
            raise ArgumentError("region_tokens", self.region_tokens, allowed)
        if self.region_tokens and self.location_token_id < 0:
            allowed = "the id of a tokenizer's first location token"
            raise ArgumentError("location_token_id", self.location_token_id, allowed)
        if (self.vision_feature_layer, self.vision_feature_select_strategy) != (-1, "default"):
            allowed = "-1: the patch tokens of the last layer"
            raise ArgumentError("vision_feature_layer", self.vision_feature_layer, allowed)
        vision = self.vision_config
        sides = (*vision.image_size, *vision.patch_size)
        block = vision.patch_size[0] * round(1 / self.downsample_ratio)
        if sides[0] != sides[1] or sides[2] != sides[3] or sides[0] % block:
            allowed = f"square tiles, a multiple of {block} px on a side"
            raise ArgumentError("image_size", tuple(vision.image_size), allowed)
        self.image_seq_length = (sides[0] // block) ** 2 + WORDS * self.region_tokens
        if self.conv_stem and sides[2] & (sides[2] - 1):
            raise ArgumentError("patch_size", sides[2], "a power of 2 with conv_stem")
        vision.num_channels = 4 if self.pia_variant == "channel" else 3

    @classmethod
    def from_size(
        cls,
        size: str,
        *,
        image_size: int = TILE_PX,
        patch_size: int = PATCH_PX,
        vocab_size: int | None = None,
        image_token_id: int | None = None,
        **kwargs: object,
    ) -> "QuPaintConfig":
        """Return the configuration of a size.

        Parameters
        ----------
        size : {"nano", "1B", "2B", "4B", "8B", "micro", "tiny"}
            InternViT-300M with Qwen3 of 0.6, 1.7, 4 and 8 B, embeddings untied, for the last four
            of Table 4. From scratch: nano (17.6 M), micro (5.7 M), tiny (0.3 M, for tests).
        image_size, patch_size : int, optional
            Side of a tile and of a patch in pixels.
        vocab_size, image_token_id : int, optional
            Those of the tokenizer; by default Qwen3's, and for small sizes `nano_tokenizer`'s.
        **kwargs
            Other parameters of `QuPaintConfig`.
        """
        if size not in SIZES:
            raise UnknownNameError("size", size, SIZES)
        vision, text, tied = SIZES[size]
        text = {**text, "vocab_size": vocab_size or text["vocab_size"], "tie_word_embeddings": tied}
        if image_token_id is None:
            image_token_id = NANO_IMAGE_TOKEN if tied else QWEN3_IMAGE_TOKEN
        return cls(
            vision_config={**vision, "image_size": image_size, "patch_size": patch_size},
            text_config={"model_type": "qwen3", **text},
            image_token_id=image_token_id,
            tie_word_embeddings=tied,
            **kwargs,
        )

    @property
    def tile_px(self) -> int:
        """Side of a tile in pixels."""
        return self.vision_config.image_size[0]

    @property
    def patch_px(self) -> int:
        """Side of a patch in pixels."""
        return self.vision_config.patch_size[0]

    @property
    def context_tokens(self) -> int:
        """The most tokens, visual ones included, that the decoder can hold."""
        return self.text_config.max_position_embeddings
