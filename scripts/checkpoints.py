"""How a long training survives a kill: what it saves, when, and how it goes on with the very same numbers."""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from scripts.stage import CHECKPOINT, Stage, flat, load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType, TracebackType

EVERY_S = 120.0
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Checkpoints:
    """What a stage can go on from: saved every so often, and once more when the program is told to stop.

    Used as a context around the training loop. Inside it SIGTERM, SIGHUP and Ctrl-C end the program after the step at
    hand; a second signal ends it at once.
    """

    def __init__(self, stage: Stage, every_s: float = EVERY_S) -> None:
        self.stage, self.every_s = stage, every_s
        self.path = stage.folder / CHECKPOINT
        self.told: signal.Signals | None = None
        self._saved = time.monotonic()
        self._before: dict[signal.Signals, Any] = {}

    def restore(self) -> tuple[int, dict[str, Any]] | None:
        """Return the steps done and the state saved last, and set the dice as they were; None to start anew.

        A checkpoint of other inputs, code or settings would give numbers that nobody could repeat: it is put aside.
        """
        saved = load_checkpoint(self.path)
        if saved is None:
            return None
        other = differences(saved.get("identity", {}), self.stage.identity)
        if other:
            kept = self.path.with_name(f"{self.path.name}.old")
            self.path.replace(kept)
            what = f"{self.stage.name}: {self.path.name} belongs to another {', '.join(other[:4])}"
            print(f"{what}; it is kept as {kept.name} and the training starts anew", file=sys.stderr)
            return None
        self.stage.earlier_s = saved["seconds"]
        random.setstate(saved["dice"]["python"])
        np.random.set_state(saved["dice"]["numpy"])  # noqa: NPY002  # a library may draw from it
        torch.set_rng_state(saved["dice"]["torch"])
        print(f"{self.stage.name}: goes on after step {saved['step']}", file=sys.stderr)
        return int(saved["step"]), saved["state"]

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Write the state after so many steps."""
        dice = {
            "python": random.getstate(),
            "numpy": np.random.get_state(),  # noqa: NPY002  # a library may draw from it
            "torch": torch.get_rng_state(),
        }
        identity, seconds = self.stage.identity, self.stage.seconds
        save_checkpoint(self.path, identity=identity, step=step, state=dict(state), dice=dice, seconds=seconds)
        self._saved = time.monotonic()

    def reached(self, step: int, state: Callable[[], Mapping[str, Any]]) -> None:
        """Save what `state` returns if it is time; having been told to stop, save it and leave the program.

        Args:
            step: how many steps are done.
            state: asked only when there is something to save.

        Raises:
            SystemExit: the program was told to stop; the status is 128 and the signal's number, as shells count it.
        """
        if self.told is None and time.monotonic() - self._saved < self.every_s:
            return
        self.save(step, state())
        if self.told is not None:
            what = f"{self.stage.name}: stopped by {self.told.name} after step {step}"
            print(f"\n{what}; the same command goes on from there", file=sys.stderr)
            raise SystemExit(128 + self.told)

    def __enter__(self) -> Self:
        self._saved = time.monotonic()
        # Python lets only the main thread listen to signals.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._tell) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _tell(self, number: int, _: FrameType | None) -> None:
        if self.told is not None:
            raise SystemExit(128 + number)
        self.told = signal.Signals(number)


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Name what differs between two stages' identities, such as "input vision" or "setting text.steps"."""
    found = []
    for kind in ("inputs", "code", "settings"):
        before, now = flat(one.get(kind, {})), flat(other.get(kind, {}))
        names = sorted(before.keys() | now.keys())
        found += [f"{kind.removesuffix('s')} {name}" for name in names if before.get(name) != now.get(name)]
    return found
