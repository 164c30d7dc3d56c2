"""Raw scores into probabilities, with few numbers to fit: boxes, presence, thresholds, labels and the gate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Pair = tuple[float, float]
FOLDS = 5
# A label seen in this many pictures, and missing in as many, has a threshold of its own and counts for the gate.
PLENTY = 30
ALPHA = 0.05
# Thresholds outside of these would flood or silence the events, whatever a small sample says.
LEAST, MOST = 0.25, 0.65
STEP, SMOOTH = 0.01, 0.04
TEMPERATURES = np.geomspace(0.005, 0.5, 185)


def fold_of(name: str, folds: int = FOLDS) -> int:
    """Return the fold of a picture, the same for every size it is shown at."""
    return int(hashlib.sha256(f"fold {name}".encode()).hexdigest(), 16) % folds


def sigmoid(z: Any) -> Floats:
    """Return 1 / (1 + exp(-z))."""
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -50.0, 50.0))), np.float64)


@dataclass(frozen=True)
class Boxes:
    """Raw boxes of many looks, one row each.

    Attributes:
        logit: the model's.
        label: channel.
        look: the number of the look at a picture.
        right: 1, 0, or -1 where nobody knows.
        first: it is the best of its label in its look.
    """

    logit: Floats
    label: Ints
    look: Ints
    right: Ints
    first: NDArray[np.bool_]


@dataclass(frozen=True)
class Evidence:
    """What a model says, uncalibrated, beside the truth, one row a look; a look is one picture at one size.

    Attributes:
        fold: of the picture, (looks,).
        best: the highest logit of every label, (looks, labels).
        present: 1, 0, or -1 where nobody knows, (looks, labels).
        objects: how many of each label there are, (looks, labels).
        boxes: see there.
        share: what one look counts: pictures are shown at several sizes, but are one piece of evidence each.
    """

    fold: Ints
    best: Floats
    present: Ints
    objects: Ints
    boxes: Boxes
    share: float

    def without(self, fold: int) -> Self:
        """Return the evidence that leaves out one fold."""
        kept = self.fold != fold
        rows = kept[self.boxes.look]
        number = np.cumsum(kept) - 1
        boxes = {field.name: getattr(self.boxes, field.name)[rows] for field in fields(Boxes)}
        boxes["look"] = number[boxes["look"]]
        return type(self)(
            self.fold[kept], self.best[kept], self.present[kept], self.objects[kept], Boxes(**boxes), self.share
        )


@dataclass(frozen=True)
class Scales:
    """Logistic calibrations, (labels, 2) each: `presence` for a label's best box, `further` for the rest."""

    presence: Floats
    further: Floats

    def score(self, seen: Evidence) -> Floats:
        """Return what the detector gives every box: the best one presence, others their own but never more."""
        rows = seen.boxes
        top = _apply(self.presence, seen.best[rows.look, rows.label], rows.label)
        own = _apply(self.further, rows.logit, rows.label)
        return np.where(rows.first, top, np.minimum(own, top))

    def present(self, seen: Evidence) -> Floats:
        """Return the probability that each label is in the picture, (looks, labels)."""
        return _apply(self.presence, seen.best, np.arange(seen.best.shape[1]))


def _apply(scales: Floats, logits: Floats, labels: Ints) -> Floats:
    return sigmoid(logits * scales[labels, 0] + scales[labels, 1])


def platt(logits: Floats, right: NDArray[Any], share: float = 1.0, prior: Pair | None = None) -> Pair:
    """Fit probability = sigmoid(scale * logit + bias) (Platt, 1999), held near a prior where there is little to see.

    Args:
        logits: raw scores, (n,).
        right: 1 or 0.
        share: what one of them counts.
        prior: scale and bias to lean on, worth about a dozen pictures.
    """
    centre = np.array(prior or (1.0, 0.0))
    pull = np.array([10.0, 2.0]) if prior else np.array([0.02, 0.02])
    inputs = np.stack([logits, np.ones(len(logits))], 1)

    def loss(values: Floats) -> float:
        z = inputs @ values
        return float(share * (np.logaddexp(0, z) - right * z).sum() + (pull * (values - centre) ** 2).sum())

    values = centre.copy()
    for _ in range(50):
        chance = sigmoid(inputs @ values)
        slope = share * inputs.T @ (chance - right) + 2 * pull * (values - centre)
        bend = share * (inputs * (chance * (1 - chance))[:, None]).T @ inputs + np.diag(2 * pull)
        step = np.linalg.solve(bend, slope)
        # Newton's step may overshoot where scores are nearly separable.
        size = 1.0
        while loss(values - size * step) > loss(values) and size > 1e-4:
            size /= 2
        values = values - size * step
        if np.abs(size * step).max() < 1e-6:
            break
    return max(0.05, round(float(values[0]), 4)), round(float(values[1]), 4)


def per_label(logits: Floats, right: Ints, label: Ints, count: int, share: float) -> Floats:
    """Fit one calibration for all labels, then one per label that leans on it; returns (count, 2)."""
    known = right >= 0
    logits, right, label = logits[known], right[known], label[known]
    shared = platt(logits, right, share)
    fitted = [platt(logits[label == n], right[label == n], share, shared) for n in range(count)]
    return np.array(fitted)


def scales(seen: Evidence) -> Scales:
    """Fit presence on every label's best logit, and boxes on those that are not the best of their label."""
    count = seen.best.shape[1]
    channel = np.broadcast_to(np.arange(count), seen.best.shape)
    presence = per_label(seen.best.ravel(), seen.present.ravel(), channel.ravel(), count, seen.share)
    rest, rows = ~seen.boxes.first, seen.boxes
    further = per_label(rows.logit[rest], rows.right[rest], rows.label[rest], count, seen.share)
    return Scales(presence, further)


def plentiful(present: Ints, share: float) -> Ints:
    """Return the labels with enough pictures that show them, and enough that do not."""
    enough = [(present == value).sum(0) * share >= PLENTY for value in (0, 1)]
    return np.nonzero(enough[0] & enough[1])[0]


def thresholds(seen: Evidence, fitted: Scales) -> list[float]:
    """Choose each label's score by what serves boxes (F1), "is there one?", and that with both answers alike.

    The three count the same. Labels that are seldom seen share one. What a score is worth is smoothed over its
    neighbours, for a sample's peak is half noise.
    """
    grid = np.arange(LEAST - 3 * SMOOTH, MOST + 3 * SMOOTH + STEP / 2, STEP)
    scores, chances = fitted.score(seen), fitted.present(seen)
    kernel = np.exp(-0.5 * (np.arange(-3 * SMOOTH, 3 * SMOOTH + STEP / 2, STEP) / SMOOTH) ** 2)
    inside = (grid >= LEAST - STEP / 2) & (grid <= MOST + STEP / 2)

    def worth(labels: Ints, limit: float) -> float:
        kept = np.isin(seen.boxes.label, labels) & (scores >= limit) & (seen.boxes.right >= 0)
        found = int((seen.boxes.right[kept] == 1).sum())
        f1 = 2 * found / max(1, int(kept.sum()) + int(seen.objects[:, labels].sum()))
        truth = seen.present[:, labels]
        good = (chances[:, labels] >= limit) == (truth == 1)
        sides = [good[truth == value].mean() if (truth == value).any() else 1.0 for value in (0, 1)]
        return f1 + float(good[truth >= 0].mean() + np.mean(sides))

    def best(labels: Ints) -> float:
        values = np.array([worth(labels, float(limit)) for limit in grid])
        smooth = np.convolve(values, kernel / kernel.sum(), "same")
        return round(float(grid[inside][int(np.argmax(smooth[inside]))]), 2)

    everything = np.arange(seen.best.shape[1])
    own, shared = set(plentiful(seen.present, seen.share).tolist()), best(everything)
    return [best(np.array([label])) if label in own else shared for label in everything.tolist()]


def asked(present: Ints, share: float) -> NDArray[np.bool_]:
    """Return which (looks, labels) are questions "is there a ...?": half of them, about, are about what is there."""
    common = plentiful(present, share)
    if not len(common):
        return np.zeros(present.shape, bool)
    channel = np.broadcast_to(np.arange(present.shape[1]), present.shape)
    # One label that is missing is asked for in every look, each in its turn.
    turn = common[np.arange(len(present)) % len(common)][:, None]
    chosen = (present == 1) | ((present == 0) & (channel == turn))
    return np.asarray(np.isin(channel, common) & chosen)


def gate(chances: Floats, truth: Ints, share: float) -> dict[str, float]:
    """Choose the confidence above which a yes or no is wrong in at most a share ALPHA (arXiv:2208.02814)."""
    confidence = np.maximum(chances, 1 - chances)
    wrong = (chances >= 0.5) != (truth == 1)
    for limit in np.arange(0.5, 0.991, 0.01):
        kept = confidence >= limit
        # One more wrong answer than seen; a picture at four sizes is still one picture.
        if (share * wrong[kept].sum() + 1) / (share * kept.sum() + 1) <= ALPHA:
            return {"local_threshold": round(float(limit), 2), "alpha": ALPHA}
    return {"local_threshold": 0.99, "alpha": ALPHA}


@dataclass(frozen=True)
class Naming:
    """How near labelled pictures are to every noun.

    Attributes:
        fold: of the picture, (n,).
        nearness: cosine with every noun, up to a constant per picture, (n, nouns).
        truth: the number of its noun, (n,).
    """

    fold: Ints
    nearness: Floats
    truth: Ints

    def without(self, fold: int) -> Self:
        """Return what leaves out one fold."""
        kept = self.fold != fold
        return type(self)(self.fold[kept], self.nearness[kept], self.truth[kept])


def lists_of(count: int, length: int, seed: int) -> list[Ints]:
    """Deal `count` nouns into lists of about `length`."""
    order = np.random.default_rng([seed, length]).permutation(count)
    return [np.sort(part) for part in np.array_split(order, max(1, count // length))]


def temperature(seen: Naming, lists: Sequence[Sequence[int] | Ints]) -> float:
    """Choose the temperature that makes the true labels likeliest, every picture in every list that holds its label.

    In a list every label counts the same, however many pictures show it: half of those at hand are dogs and birds.
    """
    losses = []
    for chosen in lists:
        rows = np.nonzero(np.isin(seen.truth, chosen))[0]
        if len(rows):
            place = np.array([list(chosen).index(t) for t in seen.truth[rows]])
            surprise = _surprise(seen.nearness[rows][:, chosen], place)
            losses += [surprise[place == label].mean(0) for label in np.unique(place)]
    return round(float(TEMPERATURES[int(np.argmin(np.mean(losses, 0)))]), 5)


def _surprise(nearness: Floats, place: Ints) -> Floats:
    """Return -log probability of the true label at every temperature, (n, temperatures)."""
    z = (nearness - nearness.max(1, keepdims=True))[:, :, None] / TEMPERATURES
    return np.asarray(np.log(np.exp(z).sum(1)) - z[np.arange(len(place)), place])
