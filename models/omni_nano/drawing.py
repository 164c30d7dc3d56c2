"""Batches drawn ahead of the training loop, each from its own dice."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.omni_nano.batches import Batch


def prefetched(draw: Callable[[int], Batch], start: int, count: int, depth: int = 4) -> queue.Queue[Batch]:
    """Draw batches `start` to `count` in a thread, a few ahead of the training loop."""
    ready: queue.Queue[Batch] = queue.Queue(depth)

    def work() -> None:
        for step in range(start, count):
            ready.put(draw(step))

    threading.Thread(target=work, daemon=True, name="batches").start()
    return ready


def seeded(seed: int, step: int) -> np.random.Generator:
    """Return the generator of one step, so that a resumed run draws what it would have drawn."""
    return np.random.default_rng([seed, step])
