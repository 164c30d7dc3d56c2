"""Numbers with their honesty attached: calibration errors, intervals, and INT8 beside FP32 on the same pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Measure = Callable[["Floats"], float]
    """A number worked out from how often each picture, or sentence, is counted."""

Floats = NDArray[np.float64]
BINS = 10
DRAWS = 1000
# Two-sided, 95 %.
TAILS = (0.025, 0.975)
# INT8 may lose this much against FP32.
LOSS = 0.01


@dataclass(frozen=True)
class Row:
    """One line of the evaluation.

    Attributes:
        name: for programs.
        what: for people.
        count: pictures or sentences behind it.
        int8: worked out from the weight of every picture.
        fp32: the same of the model before INT8, in the same order of pictures.
        bar: what it should reach, if anything.
        least: the bar is a lower limit.
        chance: of a calibration error, what true scores stay below on a sample of this size, 19 times in 20.
    """

    name: str
    what: str
    count: int
    int8: Measure
    fp32: Measure
    bar: float | None = None
    least: bool = True
    chance: float | None = None


@dataclass(frozen=True)
class Bins:
    """Scores put together by size: weight, mean score and share that was right, one entry a bin that is not empty."""

    weight: Floats
    chance: Floats
    right: Floats

    @property
    def gap(self) -> Floats:
        """Return how much more was right than the score said."""
        return np.asarray(self.right - self.chance)

    @property
    def error(self) -> float:
        """Return the expected calibration error (arXiv:1706.04599)."""
        return float((self.weight * np.abs(self.gap)).sum() / max(self.weight.sum(), 1e-12))


def binned(
    chances: NDArray[Any],
    right: NDArray[Any],
    weights: Floats | None = None,
    *,
    bins: int = BINS,
    equal_mass: bool = False,
) -> Bins:
    """Sort scores in 0 to 1 into bins of equal width, or of equal weight."""
    weight = np.ones(len(chances)) if weights is None else np.asarray(weights, np.float64)
    if equal_mass:
        order = np.argsort(chances, kind="stable")
        before = np.cumsum(weight[order]) - weight[order] / 2
        place = np.empty(len(order), np.int64)
        place[order] = np.clip(before / max(weight.sum(), 1e-12) * bins, 0, bins - 1).astype(np.int64)
    else:
        place = np.clip((np.asarray(chances) * bins).astype(np.int64), 0, bins - 1)
    columns = np.ones(len(weight)), chances, right
    total, chance, hit = (np.asarray(np.bincount(place, weight * v, bins), np.float64) for v in columns)
    kept = total > 0
    return Bins(total[kept], chance[kept] / total[kept], hit[kept] / total[kept])


def calibration_error(chances: NDArray[Any], right: NDArray[Any], weights: Floats | None = None) -> float:
    """Return the expected calibration error with ten bins of equal width."""
    return binned(chances, right, weights).error


def debiased_error(chances: NDArray[Any], right: NDArray[Any], weights: Floats | None = None) -> float:
    """Return the calibration error less what chance adds to it in bins this small (arXiv:1909.10155, section 5).

    A bin of n answers misses its own frequency by about sqrt(p (1 - p) / n) even when every score is true.
    """
    bins = binned(chances, right, weights)
    smooth = (bins.right * bins.weight + 0.5) / (bins.weight + 1)
    spread = np.sqrt(smooth * (1 - smooth) / bins.weight)
    z = bins.gap / spread
    tail = np.array([math.erf(value / math.sqrt(2)) for value in z])
    expected = spread * math.sqrt(2 / math.pi) * np.exp(-(z**2) / 2) + bins.gap * tail
    excess = (bins.weight * (expected - np.abs(bins.gap))).sum() / bins.weight.sum()
    return float(max(0.0, bins.error - excess))


def error_by_chance(chances: NDArray[Any], draws: int = 300, seed: int = 1) -> tuple[float, float]:
    """Return the error that true scores show on a sample of this size: its mean and its 95 % quantile."""
    rng = np.random.default_rng(seed)
    found = [calibration_error(chances, rng.random(len(chances)) < chances) for _ in range(draws)]
    return float(np.mean(found)), float(np.quantile(found, 0.95))


def mean_of(values: NDArray[Any], classes: NDArray[Any] | None = None) -> Measure:
    """Return a weighted mean; with `classes` (0, 1, ...) every class counts alike."""
    numbers = np.asarray(values, np.float64)
    group = np.zeros(len(numbers), np.int64) if classes is None else np.asarray(classes, np.int64)

    def measure(weights: Floats) -> float:
        total, summed = np.bincount(group, weights), np.bincount(group, weights * numbers)
        kept = total > 0
        return float((summed[kept] / total[kept]).mean())

    return measure


def error_of(chances: NDArray[Any], right: NDArray[Any]) -> Measure:
    """Return the calibration error; `chances` and `right` are (pictures,) or (pictures, answers)."""
    answers = 1 if chances.ndim == 1 else chances.shape[1]
    p, y = chances.ravel(), right.ravel()
    return lambda weights: calibration_error(p, y, np.repeat(weights, answers))


def f1_of(found: NDArray[Any], said: NDArray[Any], there: NDArray[Any]) -> Measure:
    """Return F1 from each picture's right boxes, boxes and objects."""
    return lambda weights: float(2 * weights @ found / max(1e-9, weights @ (said + there)))


def precision_of(scores: NDArray[Any], right: NDArray[Any], owner: NDArray[Any], there: NDArray[Any]) -> Measure:
    """Return the average precision of boxes: score, 1 right or 0 wrong, number of the picture; objects per picture."""
    order = np.argsort(-scores, kind="stable")
    hit, picture = right[order].astype(np.float64), owner[order]

    def measure(weights: Floats) -> float:
        weight = weights[picture]
        hits, boxes = np.cumsum(weight * hit), np.cumsum(weight)
        precision = np.maximum.accumulate((hits / np.maximum(boxes, 1e-9))[::-1])[::-1]
        recall = np.concatenate([[0.0], hits / max(1e-9, float(weights @ there))])
        return float((np.diff(recall) * precision).sum())

    return measure


def average_of(measures: list[Measure]) -> Measure:
    """Return the mean of several numbers."""
    return lambda weights: float(np.mean([measure(weights) for measure in measures])) if measures else 0.0


def resampled(count: int, draws: int, seed: int) -> Iterator[Floats]:
    """Yield how often each of `count` pictures is drawn, with replacement."""
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64)


def answered(row: Row, draws: int = DRAWS, seed: int = 7) -> dict[str, Any]:
    """Return a row's values, their 95 % intervals and the paired difference INT8 - FP32, from one bootstrap."""
    once = np.ones(row.count)
    int8, fp32 = row.int8(once), row.fp32(once)
    pairs = np.array([(row.int8(w), row.fp32(w)) for w in resampled(row.count, draws, seed)])
    low, high = np.quantile(pairs[:, 0], TAILS)
    worse, better = np.quantile(pairs[:, 0] - pairs[:, 1], TAILS)
    numbers = {
        "int8": int8,
        "low": low,
        "high": high,
        "fp32": fp32,
        "difference": int8 - fp32,
        "difference_low": worse,
        "difference_high": better,
    }
    return {
        "name": row.name,
        "what": row.what,
        "count": row.count,
        **{name: round(float(value), 4) for name, value in numbers.items()},
        "bar": row.bar,
        "least": row.least,
        "reached": None if row.bar is None else bool(int8 >= row.bar if row.least else int8 <= row.bar),
        "by_chance_95": None if row.chance is None else round(row.chance, 4),
    }


def verdict(bar: float | None, *, reached: bool | None, least: bool = True) -> str:
    """Return a bar in words, and whether it is reached."""
    return "" if bar is None else f"{'>=' if least else '<='} {bar:g} {'pass' if reached else 'FAIL'}"


def judged(row: Mapping[str, Any]) -> str:
    """Return a row's bar in words and whether it is reached; an error that true scores may show as well says so."""
    words = verdict(row["bar"], reached=row["reached"], least=row["least"])
    within = row["by_chance_95"] is not None and row["int8"] <= row["by_chance_95"]
    return f"{words}, as by chance" if within and row["reached"] is False else words


def loss(row: Mapping[str, Any]) -> str:
    """Return whether INT8 is at most a point worse than FP32: pass, FAIL, or as far as this many pictures can tell."""
    gain, low, high = ((1 if row["least"] else -1) * row[f"difference{end}"] for end in ("", "_low", "_high"))
    word = "pass" if gain >= -LOSS else "FAIL"
    certain = min(low, high) >= -LOSS if word == "pass" else max(low, high) < -LOSS
    return word if certain else f"{word}, not certain"


def coverage(confidence: NDArray[Any], wrong: NDArray[Any], points: int = 100) -> dict[str, list[float]]:
    """Return the share of answers wrong among the surest, from few to all: the risk-coverage curve."""
    order = np.argsort(-confidence, kind="stable")
    risk = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    at = np.unique(np.linspace(0, len(order) - 1, points).astype(int)).tolist() if len(order) else []
    return {
        "coverage": [round(float((i + 1) / len(order)), 4) for i in at],
        "risk": [round(float(risk[i]), 4) for i in at],
        "confidence": [round(float(confidence[order[i]]), 4) for i in at],
    }


def kept_above(confidence: NDArray[Any], wrong: NDArray[Any], limit: float) -> dict[str, float]:
    """Return how many answers reach a confidence and which share of those is wrong."""
    kept = confidence >= limit
    count = int(kept.sum())
    share, risk = count / max(1, len(kept)), float(wrong[kept].sum()) / max(1, count)
    return {"limit": limit, "coverage": round(share, 4), "risk": round(risk, 4), "count": count}


def reliability(chances: NDArray[Any], right: NDArray[Any]) -> dict[str, Any]:
    """Return what a reliability diagram shows: bins, and the errors with what chance alone would do."""
    bins = binned(chances, right)
    mean, most = error_by_chance(chances)
    # Wilson's interval: holds for bins that are small or all right.
    n, z = bins.weight, 1.96
    middle = (bins.right + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(bins.right * (1 - bins.right) / n + z**2 / (4 * n**2))
    columns = {"chance": bins.chance, "right": bins.right, "low": middle - half, "high": middle + half}
    return {
        **{name: [round(float(v), 4) for v in values] for name, values in columns.items()},
        "count": [int(v) for v in bins.weight],
        "error": round(bins.error, 4),
        "equal_mass": round(binned(chances, right, equal_mass=True).error, 4),
        "debiased": round(debiased_error(chances, right), 4),
        "by_chance": round(mean, 4),
        "by_chance_95": round(most, 4),
    }
