"""The pieces of a model that a bundle needs, each a torch module with named inputs and outputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


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
    """`input_features` (n, mels, frames) to `last_hidden_state` (n, states, size), for Whisper."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder, self.config = model.get_encoder(), model.config

    def forward(self, input_features: Tensor) -> dict[str, Tensor]:
        """Return the "last_hidden_state"."""
        return {"last_hidden_state": self.encoder(input_features).last_hidden_state}


class WaveformEncoder(nn.Module):
    """`input_values` (n, samples) to `last_hidden_state` (n, states, size), for Moonshine."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder, self.config = model.get_encoder(), model.config

    def forward(self, input_values: Tensor) -> dict[str, Tensor]:
        """Return the "last_hidden_state"."""
        return {"last_hidden_state": self.encoder(input_values).last_hidden_state}


class Writer(nn.Module):
    """`input_ids` (n, tokens) and `encoder_hidden_states` to `logits` (n, tokens, vocabulary), nothing remembered."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.decoder, self.head, self.config = model.get_decoder(), model.proj_out, model.config

    def forward(self, input_ids: Tensor, encoder_hidden_states: Tensor) -> dict[str, Tensor]:
        """Return the "logits"."""
        states = self.decoder(input_ids=input_ids, encoder_hidden_states=encoder_hidden_states, use_cache=False)
        return {"logits": self.head(states.last_hidden_state)}
