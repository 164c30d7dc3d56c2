"""A small edge-runtime that publishes until it is killed, and prints the id of each event once it was accepted."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from edge_runtime.config import MqttSettings
from edge_runtime.sinks.fanout import FanOut
from edge_runtime.sinks.mqtt import MqttSink
from edge_runtime.sinks.spool import Spool
from edge_runtime.types import Event


def main(folder: str, port: str, inflight: str, count: str) -> None:
    settings = MqttSettings(port=int(port), inflight=int(inflight))
    sink = MqttSink(settings, "box", Spool(Path(folder, "spool.db"), 100_000, 64))
    sink.start()
    fanout = FanOut([sink])
    for number in range(int(count)):
        event = Event("zone", "door", time.monotonic(), {"zone": "bed", "number": number})
        assert fanout.publish(event)
        sys.stdout.write(f"{event.id}\n")
        sys.stdout.flush()
        time.sleep(0.0005)
    assert sink.flush(20.0)
    fanout.close(5.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
