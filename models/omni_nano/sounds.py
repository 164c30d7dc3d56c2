"""Omni-nano's ears: a MobileNet that starts from YAMNet's weights, kinds of sound, and a place among the sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime.inference.log_mel import BANDS, FRAMES
from scripts.export import Exportable
from scripts.stage import load_checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")
SIZE = 384
OFFSET = 0.001
# (channels, stride) of the blocks of MobileNetV1 (arXiv:1704.04861).
BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
FEATURES = BLOCKS[-1][0]


class Trunk(nn.Sequential):
    """Log-mel (n, 96, 64) to features (n, 1024); depthwise-separable convolutions, batch norm folded in.

    Patches are read backwards, from their end and from the highest band down. At stride 2 TensorFlow's SAME pads only
    below and to the right; seen backwards that is above and to the left, which plain padding by one comes to.

    Args:
        rank: of the last and largest layer, written as a product of two; 0 leaves it whole.
    """

    def __init__(self, rank: int = 0) -> None:
        super().__init__()
        self.append(nn.Sequential(nn.Conv2d(1, 32, 3, 2, padding=1), nn.ReLU6()))
        before = 32
        for width, stride in BLOCKS:
            depthwise = nn.Conv2d(before, before, 3, stride, padding=1, groups=before)
            self.append(nn.Sequential(depthwise, nn.ReLU6(), nn.Conv2d(before, width, 1), nn.ReLU6()))
            before = width
        if rank:
            product = nn.Sequential(nn.Conv2d(before, rank, 1, bias=False), nn.Conv2d(rank, before, 1))
            cast("nn.Sequential", self[-1])[2] = product

    def forward(self, log_mel: Tensor) -> Tensor:
        """Average the last map over time and pitch."""
        return functional.adaptive_avg_pool2d(super().forward(log_mel.flip(1, 2).unsqueeze(1)), 1).flatten(1)


class Wanted(NamedTuple):
    """The kinds of sound a tower tells, by places among its logits.

    Attributes:
        classes: how many of AudioSet's classes come first among the logits.
        blends: after them, logits that are the mean of some of those.
        members: for each kind what it is heard by, and what is taken off the logit of each.
        rivals: for each kind what speaks against it where it is surer.
    """

    classes: int
    blends: tuple[tuple[int, ...], ...]
    members: tuple[tuple[tuple[int, float], ...], ...]
    rivals: tuple[tuple[int, ...], ...]


def lift(log_mel: Tensor, enough: float, most: float) -> Tensor:
    """Make quiet patches louder, for the teacher knows hardly any: no more than `most` times, up to `enough`.

    Loudness is the sum of all bands in the loudest frame; what a patch holds is the logarithm of a band plus 0.001.
    """
    bands = log_mel.exp() - OFFSET
    loudness = bands.sum(2, keepdim=True).amax(1, keepdim=True)
    # No clamp: a quantiser would take its Clip for a layer's.
    gain = torch.minimum(torch.maximum(enough / (loudness + OFFSET), torch.ones(1)), torch.full((1,), most))
    return (bands * gain + OFFSET).log()


class SoundTower(nn.Module):
    """Patches of log-mel to logits of kinds of sound and to unit vectors among the sentences.

    The vector is the mean of what AudioSet's classes are called, weighted by how surely each is heard (ConSE,
    arXiv:1312.5650).

    Args:
        wanted: the kinds of sound.
        sharpness: of the weights; 1 takes the classes' probabilities as they are.
        rivalry: share of a rival's lead that is taken off.
        loudness: what quiet patches are brought up to, and by how much at most.
        rank: of the trunk's last layer.
    """

    members: Tensor
    handicaps: Tensor
    rivals: Tensor
    rivalry: Tensor
    vectors: Tensor

    def __init__(
        self,
        wanted: Wanted,
        sharpness: float = 1.0,
        rivalry: float = 0.0,
        loudness: tuple[float, float] = (1.0, 1.0),
        rank: int = 0,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(rank)
        self.head = nn.Linear(FEATURES, wanted.classes + len(wanted.blends))
        self.classes, self.sharpness, self.loudness = wanted.classes, sharpness, loudness
        members, rivals = filled(wanted.members), filled([r or (0,) for r in wanted.rivals])
        self.register_buffer("members", torch.tensor([[place for place, _ in label] for label in members]))
        self.register_buffer("handicaps", torch.tensor([[less for _, less in label] for label in members]))
        self.register_buffer("rivals", torch.tensor(rivals))
        self.register_buffer("rivalry", torch.tensor([rivalry if named else 0.0 for named in wanted.rivals]))
        self.register_buffer("vectors", torch.zeros(wanted.classes, SIZE))

    def logits(self, log_mel: Tensor) -> Tensor:
        """Return the logits of AudioSet's classes and of the blends, (n, classes + blends)."""
        found: Tensor = self.head(self.trunk(lift(log_mel, *self.loudness)))
        return found

    def sounds(self, logits: Tensor) -> Tensor:
        """Return the logits of the kinds of sound, (n, labels): each as sure as its surest class, less its rivals."""
        own = (logits[:, self.members] - self.handicaps).amax(2)
        lead = logits[:, self.rivals].amax(2) - own
        return own - self.rivalry * functional.relu(lead)

    def embed(self, logits: Tensor) -> Tensor:
        """Return unit vectors, (n, 384)."""
        sure = -self.sharpness * functional.softplus(-logits[:, : self.classes])
        # The surest class weighs one, so that eight bits hold the weights.
        weights = (sure - sure.amax(1, keepdim=True)).exp()
        return functional.normalize(weights @ self.vectors, dim=1)

    def forward(self, log_mel: Tensor) -> dict[str, Tensor]:
        """Map (n, 96, 64) to "embedding" (n, 384) and "sounds" (n, labels)."""
        logits = self.logits(log_mel)
        return {"embedding": self.embed(logits), "sounds": self.sounds(logits)}


def filled(rows: Sequence[Sequence[T]]) -> list[list[T]]:
    """Return rows of one length: the shorter name their first once more."""
    longest = max(map(len, rows))
    return [[*row, *[row[0]] * (longest - len(row))] for row in rows]


def rebuild(state: Mapping[str, Any]) -> SoundTower:
    """Return the tower that `scripts/train_sounds.py` left, in eval mode."""
    shape = dict(state["shape"])
    tower = SoundTower(Wanted(*shape.pop("wanted")), **shape)
    tower.load_state_dict(state["tower"])
    return tower.eval()


def exportable(checkpoint: Path) -> Exportable:
    """Return the tower as its stage left it."""
    state = load_checkpoint(checkpoint)
    if state is None:
        raise SystemExit(f"{checkpoint} is missing; run scripts/train_sounds.py first")
    return Exportable(
        module=rebuild(state),
        feeds={"log_mel": torch.randn(3, FRAMES, BANDS)},
        outputs=("embedding", "sounds"),
        dynamic={"log_mel": {0: "patches"}, "embedding": {0: "patches"}, "sounds": {0: "patches"}},
    )
