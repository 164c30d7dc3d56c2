"""Batches drawn ahead of the training loop, each from its own dice."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


def prefetched(draw: Callable[[int], T], start: int, count: int, depth: int = 4) -> Iterator[T]:
    """Draw batches `start` to `count` in a thread, a few ahead of the training loop; its errors are raised here."""
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(1, "batches") as thread:
        for step in range(start, count + depth):
            if step < count:
                waiting.append(thread.submit(draw, step))
            if len(waiting) > depth or (step >= count and waiting):
                yield waiting.popleft().result()


def seeded(seed: int, step: int) -> np.random.Generator:
    """Return the generator of one step, so that a resumed run draws what it would have drawn."""
    return np.random.default_rng([seed, step])
