"""The model: transformers' InternVL with Qwen3, and the PIA gate between its eyes and its tongue.

Shapes, for T tiles of 448 px, d_v channels of the vision tower and d of the decoder:
tiles (T, 4, 448, 448) ► patch tokens (T, 1024, d_v) ► gate, pixel shuffle (T, 256, 4 d_v) ►
projector (T, 256, d) ► put where the prompt holds <IMG_CONTEXT> (B, L, d) ► decoder ► logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from transformers import AutoModel, InternVLForConditionalGeneration, InternVLModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.internvl.modeling_internvl import (
    InternVLCausalLMOutputWithPast,
    InternVLMultiModalProjector,
    InternVLPreTrainedModel,
    InternVLVisionEmbeddings,
    InternVLVisionModel,
)

from qupaint_lib.errors import ArgumentError
from qupaint_lib.model.config import QuPaintConfig
from qupaint_lib.model.dense import DenseHead, box_loss, class_loss
from qupaint_lib.model.gate import PiaEmbedding, PiaGate, attention_scores
from qupaint_lib.model.regions import FEATURES, RegionTokens, Rotation
from qupaint_lib.model.stem import ConvStem, StemConv
from qupaint_lib.model.weights import check_source


class QuPaintVisionModel(InternVLVisionModel):
    """InternViT whose position and class embeddings start at random, not at zero.

    The library's zeros suit only weights that are loaded; from zeros, a small model does not learn
    where anything is.
    """

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, StemConv):  # 0.02, as elsewhere, would leave no signal after a few
            init.kaiming_normal_(module.weight, nonlinearity="relu")
            init.zeros_(module.bias)
            return
        super()._init_weights(module)
        if isinstance(module, InternVLVisionEmbeddings):
            init.normal_(module.cls_token, std=self.config.initializer_range)
            init.normal_(module.position_embeddings, std=self.config.initializer_range)


class QuPaintPreTrainedModel(InternVLPreTrainedModel):
    """Loading and saving with safetensors only, and the start of the added weights."""

    config_class = QuPaintConfig
    _keep_in_fp32_modules_strict = ("pia_gate",)
    _no_split_modules = ("PiaGate",)  # of a type of its own, so sharded training keeps it apart

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, Rotation):
            init.orthogonal_(module.weight)
            return
        super()._init_weights(module)
        if isinstance(module, PiaGate):
            init.constant_(module.weight, module.start[0])
            init.constant_(module.bias, module.start[1])
        elif isinstance(module, PiaEmbedding):
            init.zeros_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, RegionTokens):
            for weight in (module.empty, module.slot, module.role):
                init.normal_(weight, std=self.config.text_config.initializer_range)

    @classmethod
    def from_pretrained(
        cls, source: str, *args: object, **kwargs: object
    ) -> QuPaintPreTrainedModel:
        """Load a model of this class: from a folder without the network, or by its Hub id.

        Parameters
        ----------
        source : path or str
            A folder that `save_pretrained` wrote, or a Hub id ``"owner/name"``; only the latter
            reaches the network. None where ``state_dict`` is given.
        *args, **kwargs
            As in transformers; weights are safetensors always.

        Raises
        ------
        ArgumentError
            No such folder, pickled weights, a shard that is missing or cut off.
        """
        if kwargs.pop("use_safetensors", True) is False:
            raise ArgumentError("use_safetensors", False, "True: pickled weights can run code")
        local = source is None or check_source(source)  # None: a state_dict is given
        kwargs.setdefault("local_files_only", local)
        return super().from_pretrained(source, *args, use_safetensors=True, **kwargs)


class QuPaintModel(QuPaintPreTrainedModel, InternVLModel):
    """Vision tower, PIA, projector and decoder, without the head that names the next token."""

    def __init__(self, config: QuPaintConfig):
        InternVLPreTrainedModel.__init__(self, config)
        self.vision_tower = QuPaintVisionModel(config.vision_config)
        if config.conv_stem:
            channels, size = config.vision_config.num_channels, config.vision_config.hidden_size
            stem = ConvStem(channels, size, config.patch_px)
            self.vision_tower.embeddings.patch_embeddings.projection = stem
        self.multi_modal_projector = InternVLMultiModalProjector(config)
        self.language_model = AutoModel.from_config(config.text_config)
        self.pia_gate = self.pia_embedding = None
        if config.pia_variant in ("gate", "gate_post"):
            self.pia_gate = PiaGate(config.pia_weight_init, config.pia_bias_init)
        elif config.pia_variant == "add":
            self.pia_embedding = PiaEmbedding(config.text_config.hidden_size)
        self.dense_head = self.region_tokens = None
        classes = config.dense_classes
        if classes:
            sizes = config.vision_config.hidden_size, classes, config.dense_boxes
            self.dense_head = DenseHead(*sizes)
        if config.region_tokens:
            sizes = config.region_tokens, classes, config.text_config.hidden_size
            places = config.location_token_id, config.location_steps
            self.region_tokens = RegionTokens(*sizes, *places)
        self.post_init()

    def get_image_features(
        self,
        pixel_values: torch.Tensor,
        regions: torch.Tensor | None = None,
        vision_feature_layer: int | None = None,
        vision_feature_select_strategy: str | None = None,
        **kwargs: object,
    ) -> BaseModelOutputWithPooling:
        """Return what the model sees in tiles: Eq. 4 to 6, then the projector.

        Parameters
        ----------
        pixel_values : (T, 4, S, S) tensor
            The normalised image, then α; without α, (T, 3, S, S), where the variant is ``"none"``.
        regions : (T, K, 15) tensor, optional
            What is measured of the regions of each tile, for a model with region tokens.
        vision_feature_layer, vision_feature_select_strategy : None, optional
            Fixed by the configuration: the patch tokens of the last layer.
        **kwargs
            Those of the vision tower.

        Returns
        -------
        BaseModelOutputWithPooling
            ``last_hidden_state`` (T, N, d_v): the patch tokens before PIA; ``pooler_output``
            (T, N / 4 + 5 K, d): the visual tokens, and those of K regions behind them.
        """
        if vision_feature_layer not in (None, -1):
            raise ArgumentError("vision_feature_layer", vision_feature_layer, "-1, or None")
        if vision_feature_select_strategy not in (None, "default"):
            given = vision_feature_select_strategy
            raise ArgumentError("vision_feature_select_strategy", given, "'default', or None")
        kwargs.pop("return_dict", None)
        return self.see(pixel_values, regions, **kwargs)[0]

    def see(
        self, pixel_values: torch.Tensor, regions: torch.Tensor | None = None, **kwargs: object
    ) -> tuple[BaseModelOutputWithPooling, torch.Tensor | None]:
        """Return `get_image_features`, and the logits (T, K, C) of the regions."""
        self._check_regions(pixel_values, regions)
        pixels = pixel_values[:, : self.config.vision_config.num_channels].to(self.dtype)
        seen = self.vision_tower(pixel_values=pixels, **kwargs)
        patches = seen.last_hidden_state[:, 1:]  # (T, N, d_v), without the class token: Eq. 4
        shuffled = self._shuffle(self._gated(patches, pixel_values))  # (T, N / 4, 4 d_v)
        tokens = self._with_pia(self.multi_modal_projector(shuffled), pixel_values)  # (T, N / 4, d)
        logits = None
        if self.region_tokens is not None:
            found, logits = self.region_tokens(regions, self.get_input_embeddings())
            tokens = torch.cat([tokens, found.to(tokens.dtype)], dim=1)
        features = BaseModelOutputWithPooling(
            last_hidden_state=patches,
            pooler_output=tokens,
            hidden_states=seen.hidden_states,
            attentions=seen.attentions,
        )
        return features, logits

    def _check_regions(self, pixel_values: torch.Tensor, regions: torch.Tensor | None) -> None:
        count = self.config.region_tokens
        expected = (len(pixel_values), count, FEATURES) if count else None
        given = None if regions is None else tuple(regions.shape)
        if given != expected:
            raise ArgumentError("regions", given, f"{expected}, as QuPaintProcessor makes them")

    def _gated(self, patches: torch.Tensor, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return the patch tokens (T, N, d_v) times β, in the paper's variant (Eq. 6)."""
        if self.config.pia_variant != "gate":
            return patches
        beta = self.pia_gate(attention_scores(pixel_values, self.config.patch_px))
        return patches * beta[..., None].to(patches.dtype)

    def _shuffle(self, patches: torch.Tensor) -> torch.Tensor:
        """Return groups of two by two patches as one token, (T, N / 4, 4 d_v)."""
        side = round(patches.shape[1] ** 0.5)
        grid = patches.unflatten(1, (side, side))
        return self.pixel_shuffle(grid, self.config.downsample_ratio).flatten(1, 2)

    def _with_pia(self, tokens: torch.Tensor, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return the visual tokens (T, N / 4, d) after PIA, in the variants past the projector."""
        if self.config.pia_variant not in ("gate_post", "add"):
            return tokens
        cell = round(self.config.patch_px / self.config.downsample_ratio)
        alpha = attention_scores(pixel_values, cell)
        if self.pia_embedding is not None:
            return tokens + self.pia_embedding(alpha).to(tokens.dtype)
        return tokens * self.pia_gate(alpha)[..., None].to(tokens.dtype)


@dataclass
class QuPaintOutput(InternVLCausalLMOutputWithPast):
    """InternVL's output, and that of the dense head where there is one.

    Attributes
    ----------
    dense_logits : (T, C, side, side) tensor or None
        Of every patch.
    dense_boxes : (T, 4, side, side) tensor or None
        Left, top, right and bottom of the box of every patch's flake, as shares of the tile.
    region_logits : (T, K, C) tensor or None
        Of every region, in the order of what was measured.
    dense_loss : scalar tensor or None
        Of the dense labels and boxes, before its weight.
    """

    dense_logits: torch.Tensor | None = None
    dense_boxes: torch.Tensor | None = None
    region_logits: torch.Tensor | None = None
    dense_loss: torch.Tensor | None = None


class QuPaintForConditionalGeneration(QuPaintPreTrainedModel, InternVLForConditionalGeneration):
    """QuPAINT: answers questions about micrographs, token by token (Eq. 8), learns by Eq. 9."""

    def __init__(self, config: QuPaintConfig):
        InternVLPreTrainedModel.__init__(self, config)
        text = config.text_config
        self.model = QuPaintModel(config)
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        self.post_init()

    # Generation reads this signature to learn what the model takes: position ids where a prompt
    # is padded, logits of the last token alone, visual tokens that are known already.
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        regions: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        dense_labels: torch.Tensor | None = None,
        dense_boxes: torch.Tensor | None = None,
        region_labels: torch.Tensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None = None,
        **kwargs: object,
    ) -> QuPaintOutput | InternVLCausalLMOutputWithPast:
        """Return logits, and the losses of the labels that are given.

        Parameters
        ----------
        input_ids : (B, L) tensor, optional
            Tokens, with one <IMG_CONTEXT> per visual token. Without them a model with a dense head
            tells what lies on every patch, and the decoder rests.
        pixel_values : (T, 4, S, S) tensor, optional
            Tiles of all images of the batch, one after the other.
        regions : (T, K, 15) tensor, optional
            What is measured of the regions of each tile, for a model with region tokens.
        attention_mask, position_ids : (B, L) tensors, optional
            0 where a sequence is padded; places in it.
        labels : (B, L) tensor, optional
            Tokens to be learned, -100 elsewhere: the loss of Eq. 9.
        dense_labels : (T, side, side) tensor, optional
            Class of every patch, -100 where it is unknown, for the dense head.
        dense_boxes : (T, 4, side, side) tensor, optional
            Box of every patch's flake (see `dense.box_loss`), NaN where there is none.
        region_labels : (T, K) tensor, optional
            Class of every region, 0 for what is no flake, -100 where there is none.
        logits_to_keep : int or tensor, optional
            How many tokens from the end have logits; 0: all.
        mm_encoder_outputs : dict, optional
            ``{"image": get_image_features(…)}`` instead of tiles.
        **kwargs
            Others of `InternVLForConditionalGeneration.forward`.

        Returns
        -------
        QuPaintOutput
            ``loss`` is the language loss, plus the configured weight times ``dense_loss``.
            Without a dense head InternVL's own output.

        Raises
        ------
        ArgumentError
            Dense labels without a dense head, or without tiles.
        """
        inputs = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "position_ids": position_ids,
            "labels": labels,
            "logits_to_keep": logits_to_keep,
            **kwargs,
        }
        if input_ids is None and pixel_values is None and region_labels is not None:
            return self._regions_alone(regions, region_labels)
        if self.model.dense_head is None or pixel_values is None:
            if dense_labels is not None:
                allowed = "a model with dense_classes > 0, and pixel_values"
                raise ArgumentError("dense_labels", tuple(dense_labels.shape), f"need {allowed}")
            inputs["mm_encoder_outputs"] = mm_encoder_outputs
            return super().forward(pixel_values=pixel_values, **inputs)
        features, region_logits = self.model.see(pixel_values, regions)
        output = InternVLCausalLMOutputWithPast()
        if input_ids is not None or kwargs.get("inputs_embeds") is not None:
            output = super().forward(mm_encoder_outputs={"image": features}, **inputs)
        dense_logits, boxes = self.model.dense_head(features.last_hidden_state)
        loss, dense_loss = output.loss, None
        if dense_labels is not None:
            dense_loss = class_loss(dense_logits, dense_labels)
            if dense_boxes is not None and boxes is not None:
                dense_loss = dense_loss + box_loss(boxes, dense_boxes)
            if region_labels is not None and region_logits is not None:
                dense_loss = dense_loss + class_loss(region_logits.transpose(1, 2), region_labels)
            weighted = self.config.dense_loss_weight * dense_loss
            loss = weighted if loss is None else loss + weighted
        added = {"dense_logits": dense_logits, "dense_boxes": boxes, "dense_loss": dense_loss}
        added["region_logits"] = region_logits
        return QuPaintOutput(**{**output, "loss": loss, **added})

    def _regions_alone(
        self, regions: torch.Tensor | None, region_labels: torch.Tensor
    ) -> QuPaintOutput:
        """Return what the head of the region tokens says, which needs no tile, and its loss."""
        if self.model.region_tokens is None or regions is None:
            allowed = "a model with region_tokens > 0, and regions"
            raise ArgumentError("region_labels", tuple(region_labels.shape), f"need {allowed}")
        logits = self.model.region_tokens.logits(regions)
        loss = class_loss(logits.transpose(1, 2), region_labels)
        weighted = self.config.dense_loss_weight * loss
        return QuPaintOutput(loss=weighted, dense_loss=loss, region_logits=logits)
