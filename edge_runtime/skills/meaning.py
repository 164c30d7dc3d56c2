"""Which of some classes a sentence means, with a calibrated probability, or that it means none of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edge_runtime.errors import InputError
from edge_runtime.skills.features import WIDTH, Features, count_grams
from edge_runtime.skills.regression import Floats, Planes, fit_chance, fit_planes
from edge_runtime.whole_files import packed, unpacked, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FOLDS = 3
PENALTY = 1e-3
KEEP = 0.985
"""Share of the sentences that do mean a class which must stay above the threshold."""
MOST = 0.5
"""What more likely than not means a class is never turned away; a few examples much alike would ask for 1."""
OUTSIDE_SHARE = 0.2
"""How many questions are taken to mean no class when probabilities are calibrated."""
LEAST_FOR_HIDING = 6
"""Classes from which some can be hidden, to see how sentences of an unknown class look."""
FORMAT = 1


class Examples(NamedTuple):
    """Sentences, their unit vectors of shape (n, d), and the class of each; None means none of the classes."""

    texts: Sequence[str]
    vectors: Floats
    classes: Sequence[str | None]


class Guess(NamedTuple):
    """The likeliest class, the probability that it is meant, and whether that is enough; `second` is the next."""

    name: str
    probability: float
    known: bool
    second: str


@dataclass(frozen=True, slots=True)
class Held:
    """What cross-validation saw: for sentences that were not learned from, how they were judged.

    Attributes:
        truth: index of each sentence's class, -1 where it means none of those that were known.
        best: index of the likeliest class.
        clues: what the probability is made of, shape (n, 2).
        hidden: sentences without a class were missing, so classes were hidden instead.
    """

    truth: NDArray[np.int64]
    best: NDArray[np.int64]
    clues: NDArray[np.float64]
    hidden: bool = False

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which sentences got the class that they mean."""
        found: NDArray[np.bool_] = self.best == self.truth
        return found


@dataclass(frozen=True, slots=True)
class Meaning:
    """A classifier of sentences; make one with `fit` or `load`.

    Attributes:
        names: the classes.
        threshold: probability from which a sentence is taken to mean its likeliest class.
        tower: what made the vectors that it learned from; other vectors mean nothing to it.
    """

    names: tuple[str, ...]
    features: Features
    planes: Planes
    chance: NDArray[np.float64]
    threshold: float
    tower: str = ""
    held: Held | None = field(default=None, compare=False)

    @classmethod
    def fit(
        cls,
        examples: Examples,
        *,
        tower: str = "",
        keep: float = KEEP,
        outside: float = OUTSIDE_SHARE,
        on_fold: Callable[[int, int], None] | None = None,
    ) -> Meaning:
        """Learn from examples; probability and threshold are set on sentences that were held out.

        Args:
            examples: at least two classes, at least two sentences each.
            tower: a name for what made the vectors.
            keep: share of the held-out sentences with a class that stays above the threshold, which is 0.5 at most.
            outside: share of questions that mean no class, where the model will be used.
            on_fold: called with how many fits are done, and of how many.

        Raises:
            InputError: there are too few classes or too few sentences of one.
        """
        names, truth = _indexed(examples.classes)
        grams = count_grams(examples.texts)
        vectors = np.asarray(examples.vectors, np.float32)
        held = _hold_out(vectors, grams, truth, len(names), on_fold)
        features = Features.of(vectors, grams)
        planes = _planes(features.rows(vectors, grams), truth, len(names))
        if on_fold:
            on_fold(FOLDS + 1, FOLDS + 1)
        chance = _calibrated(held, outside)
        inside = held.truth >= 0
        threshold = min(float(np.quantile(_chances(held.clues[inside], chance), 1.0 - keep)), MOST)
        return cls(names, features, planes, chance, threshold, tower, held)

    def judge(self, texts: Sequence[str], vectors: Floats) -> list[Guess]:
        """Return what each of `texts` means, given their unit vectors of shape (n, d)."""
        if not len(texts):
            return []
        rows = self.features.rows(np.asarray(vectors, np.float32), count_grams(texts))
        order, clues = _clues(self.planes.logits(rows), len(self.names))
        return [
            Guess(self.names[best], float(sure), bool(sure >= self.threshold), self.names[second])
            for (best, second), sure in zip(order, self.chances(clues), strict=True)
        ]

    def rank(self, text: str, vector: Floats) -> list[tuple[str, float]]:
        """Return the classes with the probability of each, likeliest first; what is missing to 1 is none of them."""
        rows = self.features.rows(np.asarray(vector, np.float32)[None], count_grams([text]))
        logits = self.planes.logits(rows)
        _, clues = _clues(logits, len(self.names))
        sure = float(self.chances(clues)[0])
        shares = np.exp(logits[0] - logits[0].max())
        first = int(logits[0, : len(self.names)].argmax())
        rest = float(shares.sum() - shares[first])
        spread = (1.0 - sure) * shares / max(rest, 1e-9)
        spread[first] = sure
        order = np.argsort(-spread[: len(self.names)], kind="stable")
        return [(self.names[place], float(spread[place])) for place in order]

    def chances(self, clues: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities that `clues`, shape (n, 2), stand for."""
        return _chances(clues, self.chance)

    def save(self, path: Path) -> None:
        """Write everything that `judge` needs into one file, which appears whole or not at all."""
        about = {"format": FORMAT, "names": self.names, "threshold": self.threshold, "tower": self.tower}
        arrays = {
            "about": np.array(json.dumps(about)),
            "mean": self.features.mean,
            "rarity": self.features.rarity,
            "weights": self.planes.weights,
            "biases": self.planes.biases,
            "chance": self.chance,
        }
        write_whole(path, packed(arrays))

    @classmethod
    def load(cls, path: Path) -> Meaning:
        """Read what `save` wrote.

        Raises:
            InputError: there is no such file, or it is none of these.
        """
        try:
            arrays, _ = unpacked(path.read_bytes())
            return cls._of(arrays)
        except FileNotFoundError:
            raise InputError(f"there is no model {path}; make one with: edge-runtime intents fit FILE") from None
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{path} is no model of intents; make one with: edge-runtime intents fit FILE") from None

    @classmethod
    def _of(cls, kept: dict[str, NDArray[Any]]) -> Meaning:
        about = json.loads(str(kept["about"]))
        names, planes = tuple(about["names"]), Planes(kept["weights"], kept["biases"])
        made = cls(
            names, Features(kept["mean"], kept["rarity"]), planes, kept["chance"], about["threshold"], about["tower"]
        )
        fits = len(kept["rarity"]) == WIDTH and planes.weights.shape == (len(kept["mean"]) + WIDTH, len(planes.biases))
        if about["format"] != FORMAT or not fits or len(planes.biases) - len(names) not in {0, 1}:
            raise ValueError("another format")
        return made


def _indexed(classes: Sequence[str | None]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    names = tuple(sorted({name for name in classes if name is not None}))
    if len(names) < 2:
        raise InputError(f"examples of two classes at least are needed, there are {len(names)}; add some")
    places = {name: place for place, name in enumerate(names)}
    truth = np.array([-1 if name is None else places[name] for name in classes], np.int64)
    counts = np.bincount(truth[truth >= 0], minlength=len(names))
    if counts.min() < 2:
        raise InputError(f"{names[int(counts.argmin())]!r} has a single example; give each class two at least")
    return names, truth


def _planes(rows: Floats, truth: NDArray[np.int64], count: int) -> Planes:
    outside = truth < 0
    return fit_planes(rows, np.where(outside, count, truth), count + int(outside.any()), PENALTY)


def _hold_out(
    vectors: Floats, grams: Floats, truth: NDArray[np.int64], count: int, on_fold: Callable[[int, int], None] | None
) -> Held:
    """Judge each sentence by a model that has not seen it; without sentences of no class, hide classes as well."""
    hidden = not (truth < 0).any() and count >= LEAST_FOR_HIDING
    fold = _folds(truth)
    parts = []
    for number in range(FOLDS):
        unknown = hidden & (truth % FOLDS == number)
        learned, asked = (fold != number) & ~unknown, (fold == number) | unknown
        # Planes know the classes by their place among those that are left.
        left, packed = np.unique(truth[learned & (truth >= 0)], return_inverse=True)
        target = np.full(int(learned.sum()), -1, np.int64)
        target[truth[learned] >= 0] = packed
        features = Features.of(vectors[learned], grams[learned])
        planes = _planes(features.rows(vectors[learned], grams[learned]), target, len(left))
        logits = planes.logits(features.rows(vectors[asked], grams[asked]))
        order, clues = _clues(logits, len(left))
        parts.append((np.where(unknown, -1, truth)[asked], left[order[:, 0]], clues))
        if on_fold:
            on_fold(number + 1, FOLDS + 1)
    whole = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Held(whole[0], whole[1], whole[2], hidden)


def _folds(truth: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the fold of each sentence, every class spread evenly over them, the same on every machine."""
    fold = np.empty(len(truth), np.int64)
    chance = np.random.default_rng(0)
    for name in np.unique(truth):
        members = chance.permutation(np.flatnonzero(truth == name))
        fold[members] = (np.arange(len(members)) + name) % FOLDS
    return fold


def _clues(logits: Floats, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the two likeliest classes of each row, and how far the first is above no class and above the second."""
    order = np.argsort(-logits[:, :count], axis=1)[:, :2]
    first, second = np.take_along_axis(logits, order, axis=1).T.astype(np.float64)
    nothing = logits[:, count] if logits.shape[1] > count else 0.0
    return order, np.stack([first - nothing, first - second], axis=1)


def _calibrated(held: Held, share_outside: float) -> NDArray[np.float64]:
    """Return the weights that turn clues into the probability that a class is meant and is the right one."""
    inside = held.truth >= 0
    outside = int((~inside).sum())
    share = share_outside if outside else 0.0
    mass = np.where(inside, (1.0 - share) / inside.sum(), share / max(outside, 1))
    return fit_chance(held.clues, held.right.astype(np.float64), mass)


def _chances(clues: NDArray[np.float64], chance: NDArray[np.float64]) -> NDArray[np.float64]:
    logits = np.clip(clues @ chance[:-1] + chance[-1], -30.0, 30.0)
    found: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-logits))
    return found
