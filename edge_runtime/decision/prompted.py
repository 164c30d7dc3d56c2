"""How much a part of a picture looks like what a sentence names: a score, and what it is made of."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.types import Box, Detection, Look, Vector

    Floats = NDArray[np.float32]

FLOOR = 0.0
"""The least score of an alert, whatever the site's history: of parts of ordinary photographs one in 20 scores more."""
SURE = 2.0
"""A score that is believed before there is a history, where the detector knows the thing or pictures taught it."""
SURER = 0.98
LEAST_SURE = 0.3
"""Where words alone count, a likeness that one in 50 ordinary pictures has is believed, within these bounds."""
USUAL = 0.95
QUIET = -20.0
"""The score of a look in which nothing has changed."""

_PLACE = re.compile(
    r"\s+(on|in|at|by|near|under|behind|beside|inside|outside|next to|in front of|on top of)"
    r"\s+(?=(?:the|my|our|an?)\b)",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"^(?:a|an|the|some|any|my|our|your)\s+", re.IGNORECASE)
_DETECTOR = (-6.0, 4.0)
_PLACE_TEXT = (-1.0, 0.5)
_ELSEWHERE = -4.0
_PLACE_SEEN = 0.3


def parts_of(prompt: str) -> tuple[str, str, str]:
    """Return what a prompt looks for, how it says where, and where: ("dog", "on", "sofa") of "a dog on the sofa"."""
    found = _PLACE.search(prompt)
    if found is None:
        return bare(prompt), "", ""
    return bare(prompt[: found.start()]), found[1].lower(), bare(prompt[found.end() :])


def bare(words: str) -> str:
    """Return words without the article that they begin with."""
    return _ARTICLE.sub("", words.strip().rstrip(".!")).strip()


@dataclass(frozen=True, slots=True)
class Lesson:
    """What pictures of a thing have taught: it is there where `weights` . vector + `bias` is above 0.

    Attributes:
        weights: (embedding size,).
        bias: added to the product.
        scale: logits for each unit of it.
    """

    weights: Floats
    bias: float
    scale: float

    def logit(self, vector: Vector) -> float:
        """Return the logit of a picture's unit vector; 0 at the threshold."""
        return float(np.clip(self.scale * (float(vector @ self.weights) + self.bias), -20.0, 20.0))


@dataclass(frozen=True, slots=True)
class Sought:
    """What one prompt looks for, ready to be compared with pictures.

    Attributes:
        prompt: as the owner wrote it.
        subject: unit vector of what is looked for.
        contrast: unit vectors of everyday things, (n, embedding size), under their `names`; all prompts share them.
        apart: which of them are other things than the subject, (n,).
        temperature: of the bundle's embedding: similarities by it are logits.
        usual: the likeness that one in 20 ordinary pictures exceeds.
        sure: the score that is believed before there is a history.
        labels: of the detector that stand for the subject; none where it knows nothing of the kind.
        exact: whether those labels are all that the subject says: a dog, not "a dog with a ball".
        place: unit vector of the place, if the prompt names one; `place_labels` of the detector stand for it.
        lesson: of pictures, in place of the words.
    """

    prompt: str
    subject: Vector
    contrast: Floats
    names: Sequence[str]
    apart: NDArray[np.bool_]
    temperature: float
    usual: float
    sure: float = SURE
    labels: tuple[str, ...] = ()
    exact: bool = False
    place: Vector | None = None
    place_labels: tuple[str, ...] = ()
    lesson: Lesson | None = None

    @property
    def trusted(self) -> bool:
        """Tell whether more than words speaks for it: the detector knows just this, or pictures taught it."""
        return self.exact or self.lesson is not None


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A closer look at one part of a picture.

    Attributes:
        box: the part, as fractions of the picture.
        near: what the model sees in it with a small margin.
        wide: unit vector of it with all that is around, where somebody asks for a place.
    """

    box: Box
    near: Look
    wide: Vector | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a prompt in one part of a picture, in logits; `score` is their sum.

    Attributes:
        likeness: of picture and words, against what else it may be, and above that of ordinary pictures.
        detector: the detector's opinion, 0 where it has none.
        place: whether it is where the prompt says.
        like: which of the other things it looks like most.
    """

    box: Box
    likeness: float
    detector: float
    place: float
    like: str

    @property
    def score(self) -> float:
        """Return all of it together."""
        return round(self.likeness + self.detector + self.place, 4)


def weigh(sought: Sought, glimpse: Glimpse, seen: Sequence[Detection]) -> Evidence:
    """Return what speaks for a prompt.

    The likeness is that of a softmax classifier: the logit of the words less the logarithm of the mean of those of
    other things. The detector counts in full where it knows just what is sought, else only against it: that there is a
    person tells nothing for a person with a ladder, that there is none tells against one.

    Args:
        sought: what the prompt looks for.
        glimpse: the part of the picture.
        seen: every box of the detector in the whole picture.
    """
    vector = glimpse.near.embedding
    if vector is None:
        raise ValueError("the model gives no embedding")
    logits = _others(sought, vector)
    like = sought.names[int(np.flatnonzero(sought.apart)[logits.argmax()])]
    if sought.lesson is not None:
        return Evidence(glimpse.box, FLOOR + sought.lesson.logit(vector), 0.0, 0.0, like)
    likeness = float(against(vector @ sought.subject / sought.temperature, logits))
    return Evidence(
        glimpse.box,
        likeness - sought.usual,
        _detector(sought, glimpse.near.presence),
        _place(sought, glimpse, seen),
        like,
    )


def against(logits: Floats, others: Floats) -> Floats:
    """Return logits less the logarithm of the mean of the exponentials of others: (...), (..., n) to (...)."""
    most = others.max(axis=-1)
    found: Floats = logits - most - np.log(np.exp(others - most[..., np.newaxis]).mean(axis=-1))
    return found


def usual_likeness(logits: Floats, others: Floats) -> tuple[float, float]:
    """Return the likeness that one in 20 ordinary pictures exceeds, and by how much one in 50 does.

    Args:
        logits: of the subject's words for each picture, (pictures,).
        others: of other things for each, (pictures, things).
    """
    usual, high = (float(level) for level in np.quantile(against(logits, others), (USUAL, SURER)))
    return usual, high - usual


def _others(sought: Sought, vector: Vector) -> Floats:
    """Return the logits of other things; those that are the same thing count for nothing."""
    logits = sought.contrast @ vector / np.float32(sought.temperature)
    found: Floats = logits[sought.apart]
    return found


def _detector(sought: Sought, presence: Mapping[str, float]) -> float:
    known = [presence[label] for label in sought.labels if label in presence]
    if not known:
        return 0.0
    chance = min(max(*known, 1e-6), 1 - 1e-6)
    logit = math.log(chance / (1 - chance))
    least, most = _DETECTOR
    return min(max(logit, least), most if sought.exact else 0.0)


def _place(sought: Sought, glimpse: Glimpse, seen: Sequence[Detection]) -> float:
    """Return what speaks for the place: boxes of the detector where it knows the place, else a little of the words."""
    boxes = [one.box for one in seen if one.label in sought.place_labels and one.score >= _PLACE_SEEN]
    least, most = _PLACE_TEXT
    if boxes:
        return most if any(_meets(glimpse.box, box) for box in boxes) else _ELSEWHERE
    if sought.place is None or glimpse.wide is None:
        return 0.0
    likeness = float(against(glimpse.wide @ sought.place / sought.temperature, _others(sought, glimpse.wide)))
    return min(max(0.5 * likeness, least), most)


def _meets(box: Box, place: Box) -> bool:
    """Tell whether the foot of a box lies within a place, with a little around it."""
    x, y = (box[0] + box[2]) / 2, box[3] - 0.1 * (box[3] - box[1])
    aside, above = 0.1 * (place[2] - place[0]), 0.1 * (place[3] - place[1])
    return place[0] - aside <= x <= place[2] + aside and place[1] - above <= y <= place[3] + above
