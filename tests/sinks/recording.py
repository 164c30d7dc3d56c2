"""What a speaker of the tests' sound server plays, recorded."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
from brokers import wait_until

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pulse import SoundServer

RATE_HZ = 16_000
LOUD = 0.02


class Recorder:
    """Hears what a speaker plays; `loud` are the times at which it was no silence."""

    def __init__(self, server: SoundServer, name: str) -> None:
        self._process = subprocess.Popen(
            [
                *("parec", "--device", f"{name}.monitor", "--format=float32le", f"--rate={RATE_HZ}", "--channels=1"),
                "--latency-msec=10",
            ],
            stdout=subprocess.PIPE,
            env={**os.environ, **server.environment},
        )
        self.loud: list[float] = []
        self._blocks: list[NDArray[np.float32]] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        assert wait_until(lambda: len(self._blocks))

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while block := self._process.stdout.read(640):
            self._blocks.append(np.frombuffer(block, np.float32))
            if np.abs(self._blocks[-1]).max() > LOUD:
                self.loud.append(time.monotonic())

    @property
    def samples(self) -> NDArray[np.float32]:
        return np.concatenate(self._blocks)

    def stop(self) -> None:
        self._process.kill()
        self._thread.join()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
