"""Omni-nano's ears: a MobileNet that starts from YAMNet's weights, kinds of sound, and a place among the sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from scripts.export import Exportable
from scripts.stage import load_checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FRAMES, BANDS = 96, 64
# (channels, stride) of the blocks of MobileNetV1 (arXiv:1704.04861).
BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
WIDTHS = tuple(channels for channels, _ in BLOCKS)


class Trunk(nn.Sequential):
    """Log-mel (n, 96, 64) to features (n, widths[-1]); depthwise-separable convolutions, batch norm folded in.

    Patches are read backwards, from their end and from the highest band down. At stride 2 TensorFlow's SAME pads only
    below and to the right; seen backwards that is above and to the left, which plain padding by one comes to.

    Args:
        widths: channels that each of the 13 blocks gives.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.append(nn.Sequential(nn.Conv2d(1, 32, 3, 2, padding=1), nn.ReLU6()))
        before = 32
        for width, (_, stride) in zip(widths, BLOCKS, strict=True):
            depthwise = nn.Conv2d(before, before, 3, stride, padding=1, groups=before)
            self.append(nn.Sequential(depthwise, nn.ReLU6(), nn.Conv2d(before, width, 1), nn.ReLU6()))
            before = width

    def forward(self, log_mel: Tensor) -> Tensor:
        """Average the last map over time and pitch."""
        return functional.adaptive_avg_pool2d(super().forward(log_mel.flip(1, 2).unsqueeze(1)), 1).flatten(1)


class SoundTower(nn.Module):
    """Patches of log-mel to logits of kinds of sound and to unit vectors among the sentences.

    The vector is the mean of what AudioSet's classes are called, weighted by how surely each is heard (ConSE,
    arXiv:1312.5650).

    Args:
        classes: how many of AudioSet's classes the tower tells apart.
        labels: for each kind of sound the classes that it is heard by, and what is taken off the logit of each.
        sharpness: of the weights; 1 takes the classes' probabilities as they are.
        widths: channels of the trunk's blocks.
        size: of the joint space.
    """

    members: Tensor
    handicaps: Tensor
    vectors: Tensor
    favour: Tensor

    def __init__(
        self,
        classes: int,
        labels: Sequence[Sequence[tuple[int, float]]],
        sharpness: float = 1.0,
        widths: Sequence[int] = WIDTHS,
        size: int = 384,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(widths)
        self.head = nn.Linear(widths[-1], classes)
        self.sharpness = sharpness
        # A label with fewer classes than another names its first once more.
        longest = max(len(label) for label in labels)
        filled = [[*label, *[label[0]] * (longest - len(label))] for label in labels]
        self.register_buffer("members", torch.tensor([[index for index, _ in label] for label in filled]))
        self.register_buffer("handicaps", torch.tensor([[float(less) for _, less in label] for label in filled]))
        self.register_buffer("vectors", torch.zeros(classes, size))
        self.register_buffer("favour", torch.zeros(classes))

    def logits(self, log_mel: Tensor) -> Tensor:
        """Return the logits of AudioSet's classes, (n, classes)."""
        found: Tensor = self.head(self.trunk(log_mel))
        return found

    def sounds(self, logits: Tensor) -> Tensor:
        """Return the logits of the kinds of sound, (n, labels): each is as sure as its surest class."""
        return (logits[:, self.members] - self.handicaps).amax(2)

    def embed(self, logits: Tensor) -> Tensor:
        """Return unit vectors, (n, 384)."""
        weights = functional.softmax(self.favour - self.sharpness * functional.softplus(-logits), dim=1)
        return functional.normalize(weights @ self.vectors, dim=1)

    def forward(self, log_mel: Tensor) -> dict[str, Tensor]:
        """Map (n, 96, 64) to "embedding" (n, 384) and "sounds" (n, labels)."""
        logits = self.logits(log_mel)
        return {"embedding": self.embed(logits), "sounds": self.sounds(logits)}


def exportable(checkpoint: Path) -> Exportable:
    """Return the tower as its stage left it."""
    state = load_checkpoint(checkpoint)
    if state is None:
        raise SystemExit(f"{checkpoint} is missing; run scripts/train_sounds.py first")
    tower = SoundTower(**state["shape"])
    tower.load_state_dict(state["tower"])
    return Exportable(
        module=tower.eval(),
        feeds={"log_mel": torch.randn(3, FRAMES, BANDS)},
        outputs=("embedding", "sounds"),
        dynamic={"log_mel": {0: "patches"}, "embedding": {0: "patches"}, "sounds": {0: "patches"}},
    )
