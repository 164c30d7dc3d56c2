"""What omni-nano's eyes are: one MobileNetV2 backbone, a joint-space head and an anchor-free detector on top of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from scripts.export import Exportable

if TYPE_CHECKING:
    from pathlib import Path

# Expansion, output channels, repeats, stride (MobileNetV2, arXiv:1801.04381, table 2).
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
STRIDES = (8, 16, 32)
TAPS = {5: 0, 12: 1, 16: 2}
TAP_CHANNELS = (32, 96, 320)
FEATURES = 1280


class Sight(NamedTuple):
    """One look: embedding (B, 384) of unit length, boxes (B, N, 4) as corner fractions, logits (B, N, C)."""

    embedding: Tensor
    boxes: Tensor
    logits: Tensor


def rounded(x: Tensor) -> Tensor:
    """Round activations as INT8 will, by their own range; the gradient passes through (arXiv:1308.3432)."""
    low, high = x.detach().amin().clamp(max=0).float(), x.detach().amax().clamp(min=0).float()
    scale = ((high - low) / 255).clamp(min=1e-6)
    zero = (-low / scale).round().int()
    return torch.fake_quantize_per_tensor_affine(x.float(), scale, zero, 0, 255).to(x.dtype)


class Convolution(nn.Conv2d):
    """A convolution that can learn as if its weights and outputs were INT8 already."""

    rounding = False

    def forward(self, x: Tensor) -> Tensor:
        """Map as nn.Conv2d does; while `rounding`, with weights rounded per output channel."""
        if not self.rounding:
            return super().forward(x)
        scale = (self.weight.detach().abs().amax((1, 2, 3)) / 127).clamp(min=1e-8)
        zero = torch.zeros(len(scale), dtype=torch.int32)
        weight = torch.fake_quantize_per_channel_affine(self.weight, scale, zero, 0, -127, 127)
        return self._conv_forward(x, weight, self.bias)


class Conv(nn.Module):
    """Convolution, optional batch norm, ReLU6; padded alike on all sides, so that no Pad node is left in the graph."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, *, depthwise: bool = False, norm: bool = True
    ) -> None:
        super().__init__()
        groups = inputs if depthwise else 1
        self.conv = Convolution(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=not norm)
        self.norm = nn.BatchNorm2d(outputs) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        y = functional.relu6(self.norm(self.conv(x)))
        return rounded(y) if self.conv.rounding else y


class Linear1x1(Convolution):
    """A 1x1 convolution with bias and no activation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)


class Block(nn.Module):
    """Inverted residual without batch norm: the teacher's is folded into its weights already."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = Conv(inputs, hidden, norm=False) if expansion > 1 else nn.Identity()
        self.depthwise = Conv(hidden, hidden, 3, stride, depthwise=True, norm=False)
        self.project = Linear1x1(hidden, outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        if not self.project.rounding:
            return x + y if self.residual else y
        y = rounded(y)
        return rounded(x + y) if self.residual else y


class Backbone(nn.Module):
    """MobileNetV2 1.0: RGB in 0..255 to features at strides 8, 16, 32 and the last 1280 channels at stride 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, 32, 3, 2, norm=False)
        blocks: list[Block] = []
        channels = 32
        for expansion, outputs, repeats, stride in BLOCKS:
            for index in range(repeats):
                blocks.append(Block(channels, outputs, expansion, stride if index == 0 else 1))
                channels = outputs
        self.blocks = nn.ModuleList(blocks)
        self.last = Conv(channels, FEATURES, norm=False)

    def forward(self, picture: Tensor) -> tuple[list[Tensor], Tensor]:
        """Map (B, 3, H, W) in 0..255 to the three taps and the last features."""
        x = self.stem(picture * (1 / 127.5) - 1.0)
        taps: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                taps.append(x)
        return taps, self.last(x)


class Separable(nn.Sequential):
    """Depthwise 5x5 then 1x1, each with norm and ReLU6."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, kernel: int = 5) -> None:
        super().__init__(Conv(inputs, inputs, kernel, stride, depthwise=True), Conv(inputs, outputs))


class Neck(nn.Module):
    """A small path-aggregation pyramid (arXiv:1803.01534) of one width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(Conv(channels, width) for channels in TAP_CHANNELS)
        self.down = nn.ModuleList(Separable(width, width) for _ in range(2))
        self.shrink = nn.ModuleList(Separable(width, width, 2, 3) for _ in range(2))
        self.up = nn.ModuleList(Separable(width, width) for _ in range(2))

    def forward(self, taps: list[Tensor]) -> list[Tensor]:
        """Map the backbone's taps to three maps of `width` channels."""
        p3, p4, p5 = (lateral(tap) for lateral, tap in zip(self.lateral, taps, strict=True))
        p4 = self.down[0](p4 + functional.interpolate(p5, scale_factor=2.0, mode="nearest"))
        p3 = self.down[1](p3 + functional.interpolate(p4, scale_factor=2.0, mode="nearest"))
        p4 = self.up[0](p4 + self.shrink[0](p3))
        p5 = self.up[1](p5 + self.shrink[1](p4))
        return [p3, p4, p5]


class DetectionHead(nn.Module):
    """Anchor-free boxes (arXiv:1904.01355): distances from each cell's centre, and class logits that know the scene."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.towers = nn.ModuleList(Separable(width, width) for _ in STRIDES)
        self.outputs = nn.ModuleList(Linear1x1(width, classes + 4) for _ in STRIDES)
        self.scene = Linear1x1(FEATURES, classes)
        for output in self.outputs:
            nn.init.normal_(output.weight, std=0.01)
            nn.init.zeros_(output.bias)
            nn.init.constant_(output.bias[:classes], -4.6)
            nn.init.constant_(output.bias[classes:], 0.7)
        nn.init.zeros_(self.scene.weight)
        nn.init.zeros_(self.scene.bias)

    def forward(self, maps: list[Tensor], pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes (B, N, 4) as corner fractions and logits (B, N, C)."""
        found = [output(tower(m)) for tower, output, m in zip(self.towers, self.outputs, maps, strict=True)]
        raw = torch.cat([f.flatten(2) for f in found], 2).transpose(1, 2)
        grid = torch.cat([cells(f, stride) for f, stride in zip(found, STRIDES, strict=True)])
        distances = raw[..., self.classes :].float().clamp(-6.0, 6.0).exp() * grid[:, 2:]
        corners = torch.cat([grid[:, :2] - distances[..., :2], grid[:, :2] + distances[..., 2:]], -1)
        # The last cell's far corner is the picture's.
        sides = grid[-1:, :2] + grid[-1:, 2:] / 2
        scene = self.scene(pooled).flatten(2).transpose(1, 2)
        return corners / torch.cat([sides, sides], 1), raw[..., : self.classes] + scene


def cells(features: Tensor, stride: int) -> Tensor:
    """Return the centre x and y in pixels, and the stride, of every cell of a map: (rows * columns, 3)."""
    # Counting by cumulative sums leaves three nodes in the graph where ranges leave twenty.
    ones = torch.ones_like(features[0, 0], dtype=torch.float32)
    centres = [(ones.cumsum(axis) - 0.5) * stride for axis in (1, 0)]
    return torch.stack([*centres, ones * stride], 2).flatten(0, 1)


class JointHead(nn.Module):
    """Pooled features to the 384-d space of sentences."""

    def __init__(self, width: int, hidden: int, size: int) -> None:
        super().__init__()
        self.direct = Linear1x1(FEATURES, size)
        self.inner = Conv(FEATURES + width * len(STRIDES), hidden, norm=False)
        self.outer = Linear1x1(hidden, size)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, pooled: Tensor, maps: list[Tensor]) -> Tensor:
        """Map pooled features (B, 1280, 1, 1) and the neck's maps to unit vectors (B, size)."""
        around = [functional.adaptive_avg_pool2d(m, 1) for m in maps]
        raw = self.direct(pooled) + self.outer(self.inner(torch.cat([pooled, *around], 1)))
        return functional.normalize(raw.flatten(1).float(), dim=1)


class ImageModel(nn.Module):
    """Everything the box sees with, in one pass."""

    def __init__(self, classes: int, width: int = 64, hidden: int = 512, size: int = 384) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.neck = Neck(width)
        self.detection = DetectionHead(width, classes)
        self.joint = JointHead(width, hidden, size)

    def study(self, picture: Tensor) -> tuple[Sight, Tensor]:
        """Look at (B, 3, H, W) RGB in 0..255, H and W multiples of 32; also return the pooled features (B, 1280)."""
        taps, last = self.backbone(picture.float())
        maps = self.neck(taps)
        pooled = functional.adaptive_avg_pool2d(last, 1)
        boxes, logits = self.detection(maps, pooled)
        return Sight(self.joint(pooled, maps), boxes, logits), pooled.flatten(1)

    def forward(self, picture: Tensor) -> Sight:
        """Look at (B, 3, H, W) RGB in 0..255, H and W multiples of 32."""
        return self.study(picture)[0]


def exportable(checkpoint: Path) -> Exportable:
    """Return the trained model, ready for scripts/export.py."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    settings = state["settings"]
    model = ImageModel(len(settings["labels"]), settings["width"], settings["hidden"]).eval()
    model.load_state_dict(state["model"])
    picture = torch.randint(0, 256, (1, 3, 192, 320), generator=torch.Generator().manual_seed(0)).float()
    axes = {"image": {2: "height", 3: "width"}, "boxes": {1: "cells"}, "logits": {1: "cells"}}
    return Exportable(model, {"image": picture}, Sight._fields, axes)
