"""A small memory behind the picture embedding: what looks like a user's picture moves to its words, the rest stays.

The embedding e becomes the unit vector along e + sum_k exp(SHARPNESS (e . key_k - 1)) value_k. Keys are embeddings of
the user's pictures; values are learned. Far from every key the sum fades away, so what the bundle knew of other things
stays. A memory of keys and values beside a frozen model is Tip-Adapter's idea (arXiv:2111.03930).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from scripts.stage import progress

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARPNESS = 4.0
MOST_KEYS = 256
BATCH = 256
RATE = 0.02
FOLDS = 4
PULLS = (3.0, 10.0, 30.0, 100.0)
"""How much staying where one was counts; which is best is found out on the pictures to learn from."""
# An everyday noun is held against a picture unless the old eyes give it this chance, or it means about the same.
SEEN = 0.02
SAME = 0.7
NEVER = -1e4


@dataclass(frozen=True)
class Words:
    """What the pictures may be called, unit vectors.

    Attributes:
        variants: (variants, words, size); the last is the one that is used on the device.
        wanted: (pictures, words), which words belong to a picture.
        nouns: (nouns, size), everyday nouns that must not win.
        temperature: that cosines are divided by.
    """

    variants: Tensor
    wanted: Tensor
    nouns: Tensor
    temperature: float


@dataclass(frozen=True)
class Lesson:
    """Looks to learn from: pictures (n, 1 + views, size), the demo's (m, size), and the words."""

    looks: Tensor
    demo: Tensor
    words: Words


@dataclass(frozen=True)
class Memory:
    """Keys (k, size), unit vectors, and values (k, size)."""

    keys: Tensor
    values: Tensor

    def move(self, looks: Tensor) -> Tensor:
        """Return the new embeddings (n, size) of old ones."""
        return functional.normalize(looks + likeness(looks, self.keys) @ self.values, dim=1)


def likeness(looks: Tensor, keys: Tensor) -> Tensor:
    """Return (n, k) from 0 to 1."""
    return (SHARPNESS * (looks @ keys.T - 1)).exp()


def landmarks(looks: Tensor, most: int) -> Tensor:
    """Choose up to `most` of the looks (n, size), each the farthest from those chosen before."""
    if len(looks) <= most:
        return looks
    chosen = [0]
    nearest = looks @ looks[0]
    while len(chosen) < most:
        chosen.append(int(nearest.argmin()))
        nearest = torch.maximum(nearest, looks @ looks[chosen[-1]])
    return looks[sorted(chosen)]


def surprise(moved: Tensor, old: Tensor, wanted: Tensor, vectors: Tensor, words: Words) -> Tensor:
    """Return the mean cross-entropy of the wanted words against the other words and everyday nouns.

    Args:
        moved: (n, size) new embeddings.
        old: (n, size) embeddings before.
        wanted: (n, w) which of the words belong.
        vectors: (w, size) of the words.
        words: for the nouns and the temperature.
    """
    scores = moved @ vectors.T / words.temperature
    meant = wanted.float() @ (vectors @ words.nouns.T > SAME).float() > 0
    there = (old @ words.nouns.T / words.temperature).softmax(1) > SEEN
    nouns = (moved @ words.nouns.T / words.temperature).masked_fill(meant | there, NEVER)
    rest = torch.cat([scores.masked_fill(wanted, NEVER), nouns], 1).logsumexp(1, keepdim=True)
    return ((torch.logaddexp(scores, rest) - scores) * wanted).sum() / wanted.sum()


def learn(lesson: Lesson, rows: Sequence[int], pull: float, steps: int, seed: int) -> Memory:
    """Learn the values from some of the pictures; the same for the same seed."""
    dice = torch.Generator().manual_seed(seed)
    looks, wanted = lesson.looks[list(rows)], lesson.words.wanted[list(rows)]
    keys = landmarks(looks[:, 0], MOST_KEYS)
    values = torch.zeros_like(keys, requires_grad=True)
    optimiser = torch.optim.Adam([values], lr=RATE)
    demo = likeness(lesson.demo, keys)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * max(0.01, 0.5 * (1 + math.cos(math.pi * step / steps)))
        picture = torch.randint(len(looks), (BATCH,), generator=dice)
        old = looks[picture, torch.randint(looks.shape[1], (BATCH,), generator=dice)]
        variant = lesson.words.variants[step % len(lesson.words.variants)]
        # Of thousands of captions only those of the pictures at hand are compared.
        used = wanted[picture].any(0) if wanted.shape[1] > BATCH else torch.ones(wanted.shape[1], dtype=torch.bool)
        motion = likeness(old, keys) @ values
        moved = functional.normalize(old + motion, dim=1)
        loss = surprise(moved, old, wanted[picture][:, used], variant[used], lesson.words)
        stay = motion.square().sum(1).mean() + (demo @ values).square().sum(1).mean()
        loss = loss + pull * stay + 1e-3 * values.square().sum() / len(values)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return Memory(keys, values.detach())


def best_pull(lesson: Lesson, rows: Sequence[int], steps: int, seed: int) -> float:
    """Choose how strongly to stay, by pictures that a part of the lesson was learned without."""
    turns = [(pull, fold) for pull in PULLS for fold in range(FOLDS)]
    wrong = dict.fromkeys(PULLS, 0.0)
    # Shuffled, as the pictures come label by label.
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).tolist()
    mixed = [rows[place] for place in order]
    for pull, fold in progress(turns, "choose"):
        asked = mixed[fold::FOLDS]
        memory = learn(lesson, [row for n, row in enumerate(mixed) if n % FOLDS != fold], pull, steps, seed)
        old, wanted = lesson.looks[asked, 0], lesson.words.wanted[asked]
        used = wanted.any(0) if wanted.shape[1] > BATCH else torch.ones(wanted.shape[1], dtype=torch.bool)
        vectors = lesson.words.variants[-1][used]
        wrong[pull] += float(surprise(memory.move(old), old, wanted[:, used], vectors, lesson.words)) * len(asked)
    return min(PULLS, key=lambda pull: wrong[pull])
