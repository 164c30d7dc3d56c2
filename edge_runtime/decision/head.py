"""A small head that tells from a prompt's embedding how probably its local answer is right.

Kernel ridge regression on right or wrong: a radial kernel on the embedding, so that a question counts like its
neighbours did, beside linear terms for the prompt's shape and the skill's score. Each row is also judged by a head that
has not seen it, in closed form (the leave-one-out residuals of a linear smoother), so that up to `MOST_ROWS` none has
to be set aside for calibration. Of more rows some become landmarks that stand for all (Nystrom); those judge the
others and are not judged, because a row that is a landmark is no longer like a question to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_ROWS = 3_000
LANDMARKS = 1_500
_STEPS = 508.0
_JITTER = 1e-6


@dataclass(frozen=True, slots=True)
class Shape:
    """What one head is built of.

    Attributes:
        gamma: how fast a neighbour's say falls off with its distance.
        ridge: how strongly the head is held back.
        looks: weight of the prompt's shape.
        score: weight of the skill's score.
    """

    gamma: float
    ridge: float
    looks: float = 0.0
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What a head sees of n prompts.

    Attributes:
        vectors: whole-numbered embeddings as `rounded` returns them, shape (n, d).
        looks: their shapes, shape (n, p).
        score: what the skill's score says, shape (n, q); q is 0 where there are no scores.
    """

    vectors: NDArray[np.int8]
    looks: NDArray[np.float32]
    score: NDArray[np.float32]

    def __getitem__(self, chosen: slice | NDArray[np.int64]) -> Terms:
        return Terms(self.vectors[chosen], self.looks[chosen], self.score[chosen])

    def __len__(self) -> int:
        return len(self.vectors)

    def linear(self, shape: Shape) -> Floats:
        """Return all but the embedding, weighted, and a constant, shape (n, p + q + 1)."""
        parts = (self.looks * shape.looks**0.5, self.score * shape.score**0.5, np.ones((len(self), 1)))
        return np.concatenate(parts, axis=1, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Head:
    """A fitted head.

    Attributes:
        landmarks: what embeddings are compared with, shape (m, d).
        near: weights of the landmarks, shape (m,).
        linear: weights of the other terms, shape (p + q + 1,).
    """

    shape: Shape
    landmarks: NDArray[np.int8]
    near: NDArray[np.float32]
    linear: NDArray[np.float32]

    def predict(self, terms: Terms) -> Floats:
        """Return about how probably each local answer is right, shape (n,); not calibrated."""
        found: Floats = kernel(terms.vectors, self.landmarks, self.shape.gamma) @ self.near.astype(np.float64)
        return found + terms.linear(self.shape) @ self.linear.astype(np.float64)


def rounded(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return unit vectors in whole steps of 1/508, which is how landmarks are kept; parts beyond a quarter are cut."""
    whole: NDArray[np.int8] = np.clip(np.rint(vectors * _STEPS), -127, 127).astype(np.int8)
    return whole


def kernel(rows: NDArray[np.int8], landmarks: NDArray[np.int8], gamma: float) -> Floats:
    """Return exp(-gamma |a - b|^2) of the unit vectors, shape (n, m)."""
    cosines = _unit(rows) @ _unit(landmarks).T
    near: Floats = np.exp(-gamma * np.maximum(2 - 2 * cosines, 0)).astype(np.float64)
    return near


def _unit(rows: NDArray[np.int8]) -> NDArray[np.float32]:
    floats = rows.astype(np.float32)
    found: NDArray[np.float32] = floats / np.maximum(np.linalg.norm(floats, axis=1, keepdims=True), 1e-6)
    return found


def fit_head(shape: Shape, terms: Terms, right: Floats, seed: int = 0) -> tuple[Head, Floats]:
    """Return a head, and what heads that had not seen it say of each row; NaN for rows that became landmarks.

    Args:
        shape: what to build.
        terms: of the rows.
        right: 1 where the local answer was right, 0 where it was wrong, shape (n,).
        seed: chooses the landmarks.
    """
    return _fit_all(shape, terms, right) if len(terms) <= MOST_ROWS else _fit_landmarks(shape, terms, right, seed)


def _fit_all(shape: Shape, terms: Terms, right: Floats) -> tuple[Head, Floats]:
    linear = terms.linear(shape)
    whole = kernel(terms.vectors, terms.vectors, shape.gamma) + linear @ linear.T
    inverse = np.linalg.inv(whole + shape.ridge * np.eye(len(terms)))
    dual = inverse @ right
    head = Head(shape, terms.vectors, dual.astype(np.float32), (linear.T @ dual).astype(np.float32))
    return head, right - dual / np.diag(inverse)


def _fit_landmarks(shape: Shape, terms: Terms, right: Floats, seed: int) -> tuple[Head, Floats]:
    chosen = np.sort(np.random.default_rng(seed).permutation(len(terms))[:LANDMARKS])
    landmarks = terms.vectors[chosen]
    inner = kernel(landmarks, landmarks, shape.gamma) + _JITTER * np.eye(LANDMARKS)
    # With the kernel's square root folded in, every weight is held back alike.
    root = np.linalg.inv(np.linalg.cholesky(inner))
    columns = np.concatenate([kernel(terms.vectors, landmarks, shape.gamma) @ root.T, terms.linear(shape)], axis=1)
    inverse = np.linalg.inv(columns.T @ columns + shape.ridge * np.eye(columns.shape[1]))
    solved = inverse @ (columns.T @ right)
    leverage = np.einsum("ij,ij->i", columns @ inverse, columns)
    unseen = right - (right - columns @ solved) / np.maximum(1 - leverage, _JITTER)
    unseen[chosen] = np.nan
    near = (root.T @ solved[:LANDMARKS]).astype(np.float32)
    return Head(shape, landmarks, near, solved[LANDMARKS:].astype(np.float32)), unseen


def choose_shape(shapes: Sequence[Shape], terms: Terms, right: Floats) -> Shape:
    """Return the shape with the smallest mean squared leave-one-out error.

    Shapes that differ in `ridge` alone share one decomposition.
    """
    best, least = shapes[0], np.inf
    families: dict[tuple[float, float, float], list[Shape]] = {}
    for shape in shapes:
        families.setdefault((shape.gamma, shape.looks, shape.score), []).append(shape)
    for family in families.values():
        linear = terms.linear(family[0])
        values, axes = np.linalg.eigh(kernel(terms.vectors, terms.vectors, family[0].gamma) + linear @ linear.T)
        along, squares = axes.T @ right, np.square(axes)
        for shape in family:
            shrunk = 1 / (np.maximum(values, 0) + shape.ridge)
            error = float(np.mean(np.square((axes @ (shrunk * along)) / (squares @ shrunk))))
            best, least = (shape, error) if error < least else (best, least)
    return best
