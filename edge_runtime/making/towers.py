"""The pieces of a model that a bundle needs, each a torch module with named inputs and outputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache, DynamicLayer, EncoderDecoderCache


class ImageEmbedder(nn.Module):
    """`pixel_values` (n, 3, rows, columns) to `embedding` (n, size) of unit length, for CLIP and its kin."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.config = model, model.config

    def forward(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """Return the "embedding"."""
        return {"embedding": nn.functional.normalize(self.model.get_image_features(pixel_values=pixel_values), dim=-1)}


class TextEmbedder(nn.Module):
    """`input_ids` and `attention_mask` (n, tokens) to `embedding` (n, size) of unit length, for CLIP."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.config = model, model.config

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """Return the "embedding"."""
        found = self.model.get_text_features(input_ids=input_ids, attention_mask=attention_mask)
        return {"embedding": nn.functional.normalize(found, dim=-1)}


class PaddedTextEmbedder(nn.Module):
    """`input_ids` (n, tokens), always filled up, to `embedding` (n, size) of unit length, for SigLIP."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.config = model, model.config

    def forward(self, input_ids: Tensor) -> dict[str, Tensor]:
        """Return the "embedding"."""
        return {"embedding": nn.functional.normalize(self.model.get_text_features(input_ids=input_ids), dim=-1)}


class SentenceEmbedder(nn.Module):
    """`input_ids` and `attention_mask` (n, tokens) to `embedding` (n, size) of unit length.

    Args:
        model: an encoder with a last_hidden_state.
        pooling: "mean" over the tokens, their "max", or the first one, "cls".
    """

    def __init__(self, model: Any, pooling: str) -> None:
        super().__init__()
        self.model, self.config, self.pooling = model, model.config, pooling

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """Return the "embedding"."""
        states = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        if self.pooling == "cls":
            pooled = states[:, 0]
        elif self.pooling == "max":
            pooled = states.masked_fill(mask == 0, torch.finfo(states.dtype).min).max(1).values
        else:
            pooled = (states * mask).sum(1) / mask.sum(1).clamp(min=1.0)
        return {"embedding": nn.functional.normalize(pooled, dim=-1)}


class Classifier(nn.Module):
    """`pixel_values` (n, 3, rows, columns) to `logits` (n, classes)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.config = model, model.config

    def forward(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """Return the "logits"."""
        return {"logits": self.model(pixel_values=pixel_values).logits}


class SpectrumEncoder(nn.Module):
    """`input_features` (1, mels, frames) to what the decoder attends to, for Whisper; outputs as `attended` says."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder, self.decoder, self.config = model.get_encoder(), model.get_decoder(), model.config

    def forward(self, input_features: Tensor) -> dict[str, Tensor]:
        """Return "cross.N.key" and "cross.N.value" of each layer."""
        return attended(self.decoder, self.encoder(input_features).last_hidden_state)


class WaveformEncoder(nn.Module):
    """`input_values` (1, samples) to what the decoder attends to, for Moonshine; outputs as `attended` says."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder, self.decoder, self.config = model.get_encoder(), model.get_decoder(), model.config

    def forward(self, input_values: Tensor) -> dict[str, Tensor]:
        """Return "cross.N.key" and "cross.N.value" of each layer."""
        return attended(self.decoder, self.encoder(input_values).last_hidden_state)


def attended(decoder: Any, states: Tensor) -> dict[str, Tensor]:
    """Return each decoder layer's keys and values of what was heard, (1, heads, states, head size) each.

    They stay the same for every token, so the encoder's file works them out and the decoder's holds no such weights.
    """
    found = {}
    for number, layer in enumerate(decoder.layers):
        attention = layer.encoder_attn
        for name, projection in (("key", attention.k_proj), ("value", attention.v_proj)):
            heads = projection(states).view(1, -1, projection.out_features // attention.head_dim, attention.head_dim)
            found[f"cross.{number}.{name}"] = heads.transpose(1, 2)
    return found


class Writer(nn.Module):
    """The decoder with a memory, for Whisper and Moonshine.

    `input_ids` (1, n), the `past` of the m tokens before them (m, 2 * layers, heads, head size) and the encoder's
    `cross` to `logits` (1, n, vocabulary) and `present` (n, 2 * layers, heads, head size): the past of these n.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.decoder, self.head, self.config = model.get_decoder(), model.proj_out, model.config

    def forward(self, input_ids: Tensor, past: Tensor, cross: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return the "logits" and the "present"."""
        before, now = past.shape[0], input_ids.shape[1]
        positions = torch.arange(before + now)
        later = positions > positions[before:].unsqueeze(1)
        mask = torch.zeros(later.shape).masked_fill(later, torch.finfo(torch.float32).min)
        rows = past.permute(1, 2, 0, 3).unsqueeze(1).unbind(0)
        remembered, heard = DynamicCache(), DynamicCache()
        remembered.layers = [_layer(*pair) for pair in zip(rows[::2], rows[1::2], strict=True)]
        heard.layers = [_layer(*pair) for pair in zip(cross[::2], cross[1::2], strict=True)]
        both = EncoderDecoderCache(remembered, heard)
        both.is_updated = dict.fromkeys(range(len(heard.layers)), True)
        states = self.decoder(
            input_ids=input_ids,
            attention_mask=mask[None, None],
            # Only that there are some is looked at, as their keys and values are known.
            encoder_hidden_states=torch.zeros(1, 1, self.config.hidden_size),
            past_key_values=both,
            cache_position=positions[before:],
            use_cache=True,
        )
        kept = [tensor[0, :, before:] for layer in remembered.layers for tensor in (layer.keys, layer.values)]
        return {"logits": self.head(states.last_hidden_state), "present": torch.stack(kept).permute(2, 0, 1, 3)}


def _layer(keys: Tensor, values: Tensor) -> DynamicLayer:
    layer = DynamicLayer()
    # Through its own update an empty tensor of one axis would be joined, which ONNX refuses.
    layer.lazy_initialization(keys)
    layer.keys, layer.values = keys, values
    return layer
