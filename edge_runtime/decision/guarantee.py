"""How few answers may be kept so that, of the next ones, at most a fraction alpha is wrong and kept.

Calibration rows and future questions are taken as exchangeable, nothing else is assumed. In one list of all of them,
the surest first, a threshold that lets `c` wrong calibration rows pass lets more than `k` wrong questions pass only if
at most `c` of the first `c + k + 1` wrong entries are calibration rows. Which entries those are is a draw without
replacement, so that probability is hypergeometric and exact, whatever the scores are, and one test covers every
threshold (the risk is monotone in it). It is conformal risk control (Angelopoulos et al. 2022) for the loss that is
counted rather than for its mean: an upper bound on the true risk alone would be passed by every few tables of
questions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

NOTHING_LOCAL = 2.0
"""A threshold that no confidence reaches."""
_HALVINGS = 60


def allowance(rows: int, alpha: float, delta: float, horizon: int) -> int:
    """Return how many wrong calibration rows a threshold may let pass, -1 where no threshold is safe.

    With it, more than alpha of the next m questions are wrong and kept with probability at most delta, for any one
    m from `horizon` on.

    Args:
        rows: calibration rows, wrong or not.
        alpha: share of all questions that may be wrong and kept.
        delta: how often it may be more.
        horizon: questions over which the share is counted, at least.

    Raises:
        InputError: a number is out of its range.
    """
    _check(alpha, delta, horizon)
    if rows < 1:
        return -1
    # The share that k of m allow is a sawtooth in m, so what holds for the horizon need not for one question more.
    sizes = range(horizon, horizon + math.ceil(2 / alpha) + 1)
    tightest: dict[int, int] = {}
    for size in sizes:
        allowed = math.floor(alpha * size + 1e-9)
        tightest[allowed] = size
    return min(_most(rows, size, allowed, delta) for allowed, size in tightest.items())


def _check(alpha: float, delta: float, horizon: int) -> None:
    if not 0 < alpha < 1 or not 0 < delta < 1:
        raise InputError(
            f"alpha is {alpha:g} and delta is {delta:g}; both must lie between 0 and 1, as 0.05 and 0.1 do"
        )
    if horizon < 1:
        raise InputError(f"horizon is {horizon}; give the number of questions the promise is about, such as 100")


def _most(rows: int, size: int, allowed: int, delta: float) -> int:
    """Return the largest c with P(more than `allowed` wrong ones pass) <= delta, -1 where none is."""
    low, high = -1, rows
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if chance_of_more(rows, size, middle, allowed) <= delta else (low, middle - 1)
    return low


def chance_of_more(rows: int, size: int, passed: int, allowed: int) -> float:
    """Return P(more than `allowed` of `size` future questions are wrong and kept), at worst.

    Args:
        rows: calibration rows.
        size: future questions.
        passed: wrong calibration rows that the threshold lets pass.
        allowed: wrong future questions that may pass.
    """
    draws = passed + allowed + 1
    if allowed >= size:
        return 0.0
    if draws > rows + size:
        return 1.0
    most = min(passed, rows)
    least = max(0, draws - size)
    return math.fsum(math.exp(_log_hypergeometric(of, draws, rows, size)) for of in range(least, most + 1))


def _log_hypergeometric(found: int, draws: int, rows: int, size: int) -> float:
    return _log_choose(rows, found) + _log_choose(size, draws - found) - _log_choose(rows + size, draws)


def _log_choose(many: int, few: int) -> float:
    return math.lgamma(many + 1) - math.lgamma(few + 1) - math.lgamma(many - few + 1)


def threshold_for(confidence: Floats, right: Bools, allowed: int) -> float:
    """Return the smallest threshold that lets at most `allowed` wrong rows pass; rows pass at or above it.

    Rows of equal confidence pass together or not at all.

    Args:
        confidence: of each row in 0 to 1, shape (n,).
        right: whether the row was right, shape (n,).
        allowed: what `allowance` returned.
    """
    if allowed < 0:
        return NOTHING_LOCAL
    wrong = np.sort(confidence[~right])[::-1]
    if len(wrong) <= allowed:
        return 0.0
    first_out = wrong[allowed]
    above = confidence[confidence > first_out]
    if not len(above):
        return NOTHING_LOCAL
    last_in = float(above.min())
    middle = (float(first_out) + last_in) / 2
    # Between neighbouring floats there is none, and the middle is rounded to one of them.
    return middle if middle > first_out else last_in


def interval(hits: int, trials: int, doubt: float = 0.05) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper and Pearson 1934), which misses it with probability `doubt`."""
    if trials == 0:
        return 0.0, 1.0
    low = 0.0 if hits == 0 else _solved(lambda p: 1 - at_most(hits - 1, trials, p) < doubt / 2)
    high = 1.0 if hits == trials else _solved(lambda p: at_most(hits, trials, p) > doubt / 2)
    return low, high


def at_most(hits: int, trials: int, share: float) -> float:
    """Return P(X <= hits) of a binomial X."""
    if share <= 0 or hits >= trials:
        return 1.0
    if share >= 1:
        return 0.0
    log_p, log_q = math.log(share), math.log1p(-share)
    return math.fsum(
        math.exp(_log_choose(trials, k) + k * log_p + (trials - k) * log_q) for k in range(max(hits, -1) + 1)
    )


def _solved(below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2
