from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from edge_runtime import runtime as runtime_module
from edge_runtime.errors import SourceError
from edge_runtime.metrics import Metrics
from edge_runtime.runtime import ExitStatus, Runtime, Stage, Worker, notify_systemd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def crash(_worker: Worker) -> None:
    raise ZeroDivisionError


def work_for_ever(worker: Worker) -> None:
    while not worker.stopping.wait(0.01):
        worker.beat()


@pytest.mark.parametrize(
    ("work", "status"),
    [
        pytest.param(lambda _: None, ExitStatus.OK, id="ends-when-the-sources-have-ended"),
        pytest.param(crash, ExitStatus.WORKER_CRASHED, id="a-bug-stops-the-program-with-its-own-status"),
    ],
)
def test_run_once(work: Callable[[Worker], None], status: ExitStatus, metrics: Metrics) -> None:
    closed: list[str] = []
    stage = Stage([Worker("a", work, metrics)], lambda: closed.append("stage"))
    assert Runtime([stage], once=True, close=lambda: closed.append("all")).run() is status
    assert closed[-1] == "all", "the sinks are closed however it ends"


def test_stages_drain_in_order(metrics: Metrics) -> None:
    told: list[str] = []
    more = threading.Event()

    def second(_worker: Worker) -> None:
        more.wait(5)
        told.append("second")

    def close_first() -> None:
        told.append("first closed")
        more.set()

    stages = [
        Stage([Worker("a", lambda _: told.append("first"), metrics)], close_first),
        Stage([Worker("b", second, metrics)], lambda: told.append("second closed")),
    ]
    assert Runtime(stages, once=True, close=lambda: told.append("end")).run() is ExitStatus.OK
    assert told == ["first", "first closed", "second", "second closed", "end"]


def test_without_once_it_goes_on_until_told_to_stop(metrics: Metrics) -> None:
    stages = [Stage([Worker("ended", lambda _: None, metrics), Worker("live", work_for_ever, metrics)], lambda: None)]
    runtime = Runtime(stages, once=False, close=lambda: None)
    threading.Timer(0.4, runtime.stop).start()
    began = time.monotonic()
    assert runtime.run() is ExitStatus.OK
    assert 0.3 < time.monotonic() - began < 5


def test_a_worker_without_progress_is_found(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "WEDGED_AFTER_S", 0.2)
    release = threading.Event()

    def stuck(_worker: Worker) -> None:
        release.wait(10)

    stage = Stage([Worker("stuck", stuck, metrics)], lambda: None)
    assert Runtime([stage], once=True, close=lambda: None).run() is ExitStatus.WORKER_WEDGED
    release.set()


def test_a_source_error_is_waited_out_and_told_once(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "FIRST_WAIT_S", 0.01)
    told: list[tuple[str, str]] = []
    tries = iter(range(10))

    def flaky(worker: Worker) -> None:
        if next(tries) < 4:
            raise SourceError("camera door: no picture")
        worker.healthy()

    worker = Worker("door", flaky, metrics, lambda state, reason: told.append((state, reason)))
    worker.run()
    assert told == [("lost", "camera door: no picture"), ("online", "")]
    assert metrics.registry.get_sample_value("edge_worker_restarts_total", {"worker": "door"}) == 4
    assert metrics.registry.get_sample_value("edge_degraded", {"worker": "door"}) == 0


def test_back_off_is_bounded(metrics: Metrics) -> None:
    worker = Worker("door", lambda _: None, metrics)
    waits: list[float] = []
    worker.stopping.wait = waits.append  # type: ignore[assignment,method-assign]  # records instead of sleeping
    for _ in range(40):
        worker._wait_out(SourceError("gone"))
    assert max(waits) <= runtime_module.LONGEST_WAIT_S
    assert waits[0] < waits[5], "it grows first"
    assert len(set(waits)) > 30, "it is jittered"


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metrics: Metrics) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(address))
        server.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        Runtime(
            [Stage([Worker("a", lambda _: time.sleep(0.3), metrics)], lambda: None)], once=True, close=lambda: None
        ).run()
        told = [server.recv(64)]
        while told[-1] != b"STOPPING=1":
            told.append(server.recv(64))
    assert told[0] == b"READY=1"
    assert b"WATCHDOG=1" in told


def test_a_missing_service_manager_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/nonexistent/notify")
    notify_systemd("READY=1")


def test_the_death_of_any_thread_stops_the_program(metrics: Metrics) -> None:
    def start_a_bug(worker: Worker) -> None:
        threading.Thread(target=lambda: 1 // 0).start()
        work_for_ever(worker)

    runtime = Runtime([Stage([Worker("a", start_a_bug, metrics)], lambda: None)], once=False, close=lambda: None)
    assert runtime.run() is ExitStatus.WORKER_CRASHED
