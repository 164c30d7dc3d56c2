"""How good a classifier of meaning is: the figures that papers about unknown intents report."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_runtime.skills.meaning import Guess, Meaning

PAIRS = 10


def measured(guesses: Sequence[Guess], intents: Sequence[str | None]) -> dict[str, Any]:
    """Return how `guesses` compare with what was meant; None stands for figures that nothing was there to measure.

    `in_scope_accuracy` counts a sentence that was taken for none of the intents as wrong (Larson et al. 2019).
    """
    known = np.array([guess.known for guess in guesses])
    right = np.array([guess.name == intent for guess, intent in zip(guesses, intents, strict=True)])
    sure = np.array([guess.probability for guess in guesses])
    inside = np.array([intent is not None for intent in intents])
    confused = Counter(
        (intent or "(none)", guess.name if guess.known else "(none)")
        for guess, intent in zip(guesses, intents, strict=True)
        if intent != (guess.name if guess.known else None)
    )
    return {
        "in_scope": int(inside.sum()),
        "out_of_scope": int((~inside).sum()),
        "in_scope_accuracy": _mean((right & known)[inside]),
        "out_of_scope_recall": _mean(~known[~inside]),
        "accuracy_without_threshold": _mean(right[inside]),
        "auroc": auroc(sure[inside], sure[~inside]),
        "calibration_error": calibration_error(sure, right),
        "confused": [
            {"meant": meant, "taken_for": taken, "count": n} for (meant, taken), n in confused.most_common(PAIRS)
        ],
    }


def cross_validated(model: Meaning) -> dict[str, Any]:
    """Return what was measured while `model` was fitted, on sentences that were held out."""
    held = model.held
    if held is None:
        raise ValueError("a model that was read from a file has forgotten how it was fitted")
    sure, inside = model.chances(held.clues), held.truth >= 0
    known = sure >= model.threshold
    return {
        "in_scope_accuracy": _mean((held.right & known)[inside]),
        "out_of_scope_recall": _mean(~known[~inside]),
        "accuracy_without_threshold": _mean(held.right[inside]),
        "auroc": auroc(sure[inside], sure[~inside]),
        "calibration_error": calibration_error(sure, held.right),
        "hidden_intents": held.hidden,
    }


def auroc(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> float | None:
    """Return the probability that a score of `inside` is above one of `outside`; ties count half."""
    if not len(inside) or not len(outside):
        return None
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, "left") + np.searchsorted(ordered, inside, "right")
    return round(float(below.mean()) / (2 * len(ordered)), 4)


def calibration_error(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over ten equal steps of the probability (Naeini et al. 2015)."""
    step = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs(float(sure[step == n].sum() - right[step == n].sum())) for n in range(10)]
    return round(sum(gaps) / max(len(sure), 1), 4)


def _mean(values: NDArray[np.bool_]) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None
