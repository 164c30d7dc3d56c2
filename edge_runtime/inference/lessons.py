"""What a few examples teach: a line through a model's vectors, and how well it will do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

LEAST_CLIPS = 3
_OTHERS = {"recordings": "other sounds", "pictures": "ordinary pictures"}


@dataclass(frozen=True, slots=True)
class Estimate:
    """How well something taught will do, each example judged by what the others taught (leave one out).

    Attributes:
        clips: examples it was taught with: recordings or pictures.
        found: of these, how many the others would find.
        background: ordinary examples that were tried, and those said not to show it.
        false: of these, how many were taken for it.
        confused: of those said not to show it, how many were taken for it.
        of: what the examples are.
    """

    clips: int
    found: int
    background: int
    false: int
    confused: int = 0
    of: Literal["recordings", "pictures"] = "recordings"

    def facts(self) -> dict[str, int]:
        """Return what is kept and told of it."""
        return {"clips": self.clips, "found": self.found, "background": self.background, "false": self.false}

    def shortage(self) -> str | None:
        """Return why this is not enough to rely on, or None where it is."""
        if self.clips < LEAST_CLIPS:
            return f"{self.clips} {self.of} are too few; give {LEAST_CLIPS} at least, 10 are better"
        if self.found < math.ceil(0.7 * self.clips):
            return f"only {self.found} of {self.clips} would be found by the others; give more and clearer {self.of}"
        if self.confused:
            return f"{self.confused} of the {self.of} that do not show it would be taken for it; give more of both"
        if self.false > max(1, 0.01 * self.background):
            taken = f"{self.false} of {self.background} {_OTHERS[self.of]} would be taken for it"
            return f"{taken}; give clearer {self.of}"
        return None


@dataclass(frozen=True, slots=True)
class LineLesson:
    """What examples teach: a vector is of the thing where `weights` . vector + `bias` is above 0.

    Attributes:
        weights: (embedding size,), of length one.
        bias: added to the product.
        scale: logits for each unit of it.
        estimate: how well it will do.
    """

    weights: Floats
    bias: float
    scale: float
    estimate: Estimate

    def probabilities(self, vectors: Floats) -> Floats:
        """Return the probability that vectors, (n, embedding size), are of the thing; one half at the threshold."""
        logits = np.clip(self.scale * (vectors @ self.weights + self.bias), -30, 30)
        found: Floats = (1 / (1 + np.exp(-logits))).astype(np.float32)
        return found

    def arrays(self) -> dict[str, Floats]:
        """Return what it is on disk."""
        return {"weights": self.weights, "line": np.array([self.bias, self.scale], np.float32)}


def line_of(arrays: Mapping[str, Floats]) -> tuple[Floats, float, float]:
    """Return the weights, bias and scale of a lesson that is on disk."""
    bias, scale = (float(number) for number in arrays["line"])
    return arrays["weights"], bias, scale


def inverse_spread(vectors: Floats, shrink: float) -> NDArray[np.float64]:
    """Return the inverse covariance of vectors, (n, embedding size), shrunk as Ledoit and Wolf 2004 do.

    Args:
        vectors: n >= 2.
        shrink: share of the spread that is taken to be alike in all directions.
    """
    apart = (vectors - vectors.mean(axis=0)).astype(np.float64)
    covariance = apart.T @ apart / len(vectors)
    alike = np.trace(covariance) / len(covariance)
    inverse: NDArray[np.float64] = np.linalg.inv((1 - shrink) * covariance + shrink * alike * np.eye(len(covariance)))
    return inverse


def direction(examples: Sequence[Floats], middle: Floats, inverse: NDArray[np.float64]) -> Floats:
    """Return where examples lie from the `middle` of others (Fisher 1936), of length one; each counts alike.

    Args:
        examples: of each its vectors, (n, embedding size).
        middle: (embedding size,).
        inverse: of the covariance, as `inverse_spread` returns it.
    """
    apart = inverse @ (np.mean([example.mean(axis=0) for example in examples], axis=0) - middle)
    weights: Floats = (apart / np.linalg.norm(apart)).astype(np.float32)
    return weights
