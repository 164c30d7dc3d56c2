"""A small MQTT broker in a child process, for a first run on a machine that has none."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from edge_runtime.errors import SinkError

LOOPBACK = "127.0.0.1"

_CONFIG = """\
listeners:
  default:
    type: tcp
    bind: {host}:{port}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin:
    allow_anonymous: true
"""


def answers(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Return whether something accepts connections at `host`:`port`."""
    try:
        with socket.create_connection((host, port), timeout_s):
            return True
    except OSError:
        return False


class EmbeddedBroker:
    """amqtt on loopback alone, without passwords, speaking MQTT 3.1.1; it ends when this process does.

    Args:
        port: port to listen on; another one is found where it is taken, and for 0.
    """

    host = LOOPBACK

    def __init__(self, port: int = 0) -> None:
        self.port = _free_port(port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout_s: float = 15.0) -> None:
        """Start the broker and wait until it answers.

        Raises:
            SinkError: amqtt is not installed, or the broker did not start in time.
        """
        if importlib.util.find_spec("amqtt") is None:
            raise SinkError("the embedded broker needs amqtt; install it with: pip install 'edge-runtime[demo]'")
        with tempfile.TemporaryDirectory(prefix="edge-broker-") as folder:
            config = Path(folder, "broker.yaml")
            config.write_text(_CONFIG.format(host=self.host, port=self.port))
            log = Path(folder, "broker.log")
            with log.open("wb") as output:
                self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                    [sys.executable, "-m", __name__, str(config)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    # Ctrl-C is for the parent, which still has events to deliver.
                    start_new_session=True,
                )
            self._await_answer(time.monotonic() + timeout_s, log)

    def close(self) -> None:
        """Stop the broker."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()

    def _await_answer(self, deadline: float, log: Path) -> None:
        while not answers(self.host, self.port):
            status = self._process.poll() if self._process else None
            if status is None and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            self.close()
            lines = log.read_text(errors="replace").split("\n")
            said = next((line for line in reversed(lines) if line.strip()), "it did not answer in time")
            raise SinkError(f"the embedded broker on {self.host}:{self.port} did not start: {said.strip()}")


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
            return int(probe.getsockname()[1])
    raise SinkError(f"no free port on {LOOPBACK} for the embedded broker")


def _end_with_parent() -> None:
    """Wait for the parent's end of standard input to close, however the parent ended, and end at once."""
    sys.stdin.buffer.read()
    os._exit(0)


def _run(config: str) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.disable(logging.INFO)
    sys.argv = ["amqtt", "-c", config]
    runpy.run_module("amqtt.scripts.broker_script", run_name="__main__")


if __name__ == "__main__":
    _run(sys.argv[1])
