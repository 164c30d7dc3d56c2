"""The running box of the tests, started as a person starts it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import signal
    from pathlib import Path

RUN = [sys.executable, "-m", "edge_runtime.cli", "run", "--json"]


class Running:
    """The program in a process of its own; `events` are those that it has accepted so far."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._log = folder / f"stderr-{time.monotonic_ns()}"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*RUN, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.events: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.events.extend(json.loads(line) for line in lines if line.endswith("\n"))

    def end(self, number: signal.Signals | None = None, timeout_s: float = 60) -> tuple[int, str]:
        """Wait for the end, after a signal if one is given; returns exit status and stderr."""
        if number is not None:
            self.process.send_signal(number)
        try:
            self.process.wait(timeout_s)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join(10)
        return self.process.returncode, self._log.read_text()
