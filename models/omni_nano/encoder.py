"""Moonshine tiny's encoder (arXiv:2410.15608), written so that it can be shortened, trained and exported."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH = 288
HEADS = 8
INNER = 1152
TURNED = 32
"""So many channels of a head tell the place by turning (Su 2021); the others do not."""


class Attention(nn.Module):
    """Every frame looks at every frame."""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))

    def forward(self, heard: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        """Return what each frame finds in the others; `turns` are cosines and sines (frames, TURNED)."""
        shape = (heard.shape[0], -1, HEADS, WIDTH // HEADS)
        query, key, value = (
            part(heard).reshape(shape).transpose(1, 2) for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        query, key = turned(query, turns), turned(key, turns)
        found = nn.functional.scaled_dot_product_attention(query, key, value)
        joined: Tensor = self.o_proj(found.transpose(1, 2).flatten(2))
        return joined


class Inner(nn.Module):
    """Two layers that look at one frame alone."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

    def forward(self, heard: Tensor) -> Tensor:
        """Return the same shape."""
        out: Tensor = self.fc2(nn.functional.gelu(self.fc1(heard)))
        return out


class Layer(nn.Module):
    """Attention and inner layers, each with a way around it."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn, self.mlp = Attention(), Inner()
        self.input_layernorm, self.post_attention_layernorm = (nn.LayerNorm(WIDTH, bias=False) for _ in range(2))

    def forward(self, heard: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        """Return the same shape."""
        heard = heard + self.self_attn(self.input_layernorm(heard), turns)
        out: Tensor = heard + self.mlp(self.post_attention_layernorm(heard))
        return out


class Encoder(nn.Module):
    """Samples (clips, n) at 16 kHz to features (clips, frames, 288), a frame every 384 samples.

    Args:
        layers: how many of the six.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(1, WIDTH, 127, 64, bias=False)
        self.conv2 = nn.Conv1d(WIDTH, 2 * WIDTH, 7, 3)
        self.conv3 = nn.Conv1d(2 * WIDTH, WIDTH, 3, 2)
        self.groupnorm = nn.GroupNorm(1, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))
        self.layer_norm = nn.LayerNorm(WIDTH, bias=False)
        rates = 10_000 ** (-torch.arange(0, TURNED, 2) / TURNED)
        self.register_buffer("rates", rates.repeat_interleave(2), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Return the features."""
        heard = self.groupnorm(torch.tanh(self.conv1(samples.unsqueeze(1))))
        heard = nn.functional.gelu(self.conv2(heard))
        heard = nn.functional.gelu(self.conv3(heard)).transpose(1, 2)
        places = torch.arange(heard.shape[1], device=heard.device).unsqueeze(1) * self.rates
        turns = places.cos(), places.sin()
        for layer in self.layers:
            heard = layer(heard, turns)
        out: Tensor = self.layer_norm(heard)
        return out


def turned(heads: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Return the heads (clips, heads, frames, channels), their first channels turned in pairs by the frame's place."""
    first, rest = heads[..., :TURNED], heads[..., TURNED:]
    pairs = first.reshape(*first.shape[:-1], TURNED // 2, 2)
    across = torch.stack((-pairs[..., 1], pairs[..., 0]), dim=-1).flatten(-2)
    return torch.cat((first * turns[0] + across * turns[1], rest), dim=-1)
