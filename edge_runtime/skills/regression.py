"""Softmax regression in plain numpy: which of some classes a row of features belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

Floats = NDArray[np.float32]
Loss = tuple[float, Floats]

ROUNDS = 30
"""Steps of the search; 80 gained nothing on CLINC150."""
MEMORY = 8
STEPS_BACK = 12
SUFFICIENT = 1e-4
STILL = 1e-5
"""Relative change of the loss from which on nothing is gained."""


class Planes(NamedTuple):
    """A linear classifier: weights of shape (features, classes), biases of shape (classes,)."""

    weights: Floats
    biases: Floats

    def logits(self, rows: Floats) -> Floats:
        """Return one logit per class for each row, shape (n, classes)."""
        found: Floats = rows @ self.weights + self.biases
        return found


def fit_planes(rows: Floats, classes: NDArray[np.int64], count: int, penalty: float, rounds: int = ROUNDS) -> Planes:
    """Return the classifier with the least mean cross-entropy plus `penalty` / 2 times the squared weights.

    Args:
        rows: features, float32 (n, features).
        classes: the class of each row, 0 to `count` - 1.
        count: how many classes there are.
        penalty: of the weights; biases are free.
        rounds: of the search, at most.
    """
    total, width = rows.shape
    truth = np.zeros((total, count), np.float32)
    truth[np.arange(total), classes] = 1.0

    def loss(flat: Floats) -> Loss:
        weights, biases = flat[: width * count].reshape(width, count), flat[width * count :]
        logits = rows @ weights + biases
        top = logits.max(1, keepdims=True)
        chances = np.exp(logits - top)
        sums = chances.sum(1, keepdims=True)
        value = float((np.log(sums[:, 0]) + top[:, 0] - (logits * truth).sum(1)).mean())
        slope = (chances / sums - truth) / np.float32(total)
        gradient = np.concatenate([(rows.T @ slope + np.float32(penalty) * weights).ravel(), slope.sum(0)])
        return value + 0.5 * penalty * float(np.square(weights).sum()), gradient

    flat = least(loss, np.zeros(width * count + count, np.float32), rounds)
    return Planes(flat[: width * count].reshape(width, count), flat[width * count :])


def least(loss: Callable[[Floats], Loss], start: Floats, rounds: int) -> Floats:
    """Return where `loss` is least, by limited-memory BFGS with back-tracking (Nocedal and Wright, algorithm 7.5).

    Args:
        loss: gives a smooth function's value and gradient at a point.
        start: where the search begins.
        rounds: steps at most.
    """
    here, (value, gradient) = start, loss(start)
    past: list[tuple[Floats, Floats]] = []
    for _ in range(rounds):
        way = _downhill(gradient, past)
        fall, stride = float(gradient @ way), np.float32(1.0)
        for _ in range(STEPS_BACK):
            there = here - stride * way
            lower, slope = loss(there)
            if lower <= value - SUFFICIENT * float(stride) * fall:
                break
            stride *= np.float32(0.5)
        moved, turned = there - here, slope - gradient
        gained, here, value, gradient = value - lower, there, lower, slope
        if float(moved @ turned) > 0.0:
            past = [*past, (moved, turned)][-MEMORY:]
        if abs(gained) <= STILL * abs(value):
            break
    return here


def _downhill(gradient: Floats, past: list[tuple[Floats, Floats]]) -> Floats:
    way, shares = gradient.copy(), []
    for moved, turned in reversed(past):
        shares.append(float(moved @ way) / float(moved @ turned))
        way -= np.float32(shares[-1]) * turned
    if past:
        moved, turned = past[-1]
        way *= np.float32(float(moved @ turned) / float(turned @ turned))
    else:
        way /= np.float32(max(1.0, float(np.linalg.norm(gradient))))
    for (moved, turned), share in zip(past, reversed(shares), strict=True):
        way += np.float32(share - float(turned @ way) / float(moved @ turned)) * moved
    return way


def fit_chance(rows: NDArray[np.float64], truth: NDArray[np.float64], mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights and, last, the bias of a logistic regression, by Newton's method; shape (features + 1,).

    Args:
        rows: features, shape (n, features).
        truth: 1 or 0 for each row.
        mass: how much each row counts; they add up to 1.
    """
    wide = np.hstack([rows, np.ones((len(rows), 1))])
    ridge = np.diag([*[1e-3] * rows.shape[1], 1e-6])
    weights = np.zeros(wide.shape[1])
    for _ in range(25):
        chance = 1.0 / (1.0 + np.exp(-np.clip(wide @ weights, -30.0, 30.0)))
        gradient = wide.T @ (mass * (chance - truth)) + ridge @ weights
        curve = (wide * (mass * chance * (1.0 - chance))[:, None]).T @ wide + ridge
        weights = weights - np.linalg.solve(curve, gradient)
    return weights
