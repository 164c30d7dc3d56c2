from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import pytest
from brokers import make_event, wait_until

from edge_runtime.errors import SinkError
from edge_runtime.sinks.fanout import FanOut, SinkCounts

if TYPE_CHECKING:
    from edge_runtime.types import Event


class Memory:
    """A sink that remembers, fails with what it is told to, and waits at its gate."""

    def __init__(self, name: str, *, durable: bool = False, error: Exception | None = None) -> None:
        self.name = name
        self.durable = durable
        self.error = error
        self.gate = threading.Event()
        self.gate.set()
        self.got: list[Event] = []
        self.closed = False

    def publish(self, event: Event) -> None:
        self.gate.wait(10.0)
        if self.error is not None:
            raise self.error
        self.got.append(event)

    def close(self, timeout_s: float) -> None:
        assert timeout_s > 0
        self.closed = True


def test_every_sink_gets_every_event_in_order() -> None:
    sinks = [Memory("a"), Memory("b"), Memory("disk", durable=True)]
    fanout = FanOut(sinks)
    events = [make_event() for _ in range(100)]
    assert all(fanout.publish(event) for event in events)
    assert sinks[2].got == events
    fanout.close(5.0)
    assert [sink.got for sink in sinks] == [events] * 3
    assert all(sink.closed for sink in sinks)


@pytest.mark.parametrize(
    ("error", "traced"),
    [
        pytest.param(SinkError("disk full"), False, id="expected failure: one line"),
        pytest.param(ZeroDivisionError("bug"), True, id="bug: with its trace"),
    ],
)
@pytest.mark.parametrize("durable", [pytest.param(True, id="durable"), pytest.param(False, id="queued")])
def test_one_failing_sink_stops_no_other_and_does_not_flood_the_log(
    caplog: pytest.LogCaptureFixture, error: Exception, *, traced: bool, durable: bool
) -> None:
    bad, good = Memory("bad", durable=durable, error=error), Memory("good", durable=True)
    fanout = FanOut([bad, good])
    with caplog.at_level(logging.ERROR):
        kept = {fanout.publish(make_event()) for _ in range(50)}
        fanout.close(5.0)
    assert kept == {not durable}
    assert len(good.got) == 50
    assert fanout.counts["bad"] == SinkCounts(published=0, failed=50, dropped=0)
    assert [(bool(record.exc_info), "bad" in record.getMessage()) for record in caplog.records] == [(traced, True)]


def test_slow_sink_drops_its_oldest_and_delays_nobody() -> None:
    slow, good = Memory("slow"), Memory("good", durable=True)
    slow.gate.clear()
    fanout = FanOut([slow, good])
    events = [make_event() for _ in range(1000)]
    started = time.monotonic()
    for event in events:
        fanout.publish(event)
    assert time.monotonic() - started < 1.0
    assert len(good.got) == 1000
    slow.gate.set()
    assert wait_until(lambda: slow.got and slow.got[-1] is events[-1])
    assert fanout.counts["slow"].dropped == 1000 - len(slow.got)
    assert len(slow.got) <= 257
    fanout.close(5.0)


def test_hanging_sink_does_not_hold_up_the_end() -> None:
    hanging, good = Memory("hanging"), Memory("good")
    hanging.gate.clear()
    fanout = FanOut([hanging, good])
    fanout.publish(make_event())
    started = time.monotonic()
    fanout.close(0.3)
    assert time.monotonic() - started < 1.0
    assert good.closed
    hanging.gate.set()
