from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from edge_runtime.errors import SinkError
from edge_runtime.sinks.event_log import MOST_WAITING, EventLog
from edge_runtime.sinks.event_past import ALIVE_EVERY_S, Past
from edge_runtime.types import CLOCK_SET_AFTER, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOON = 1_795_435_200.0
DAY_S = 86_400.0


class Clock:
    """A wall clock that stands still until it is set."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "events.sqlite"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[..., EventLog]]:
    logs: list[EventLog] = []

    def make(clock: Clock | None = None, *, days: float = 30, mb: float = 64) -> EventLog:
        logs.append(EventLog(path, days, mb, clock or Clock()))
        return logs[-1]

    yield make
    for log in logs:
        if not log._closed.is_set():
            log.close(5.0)


def thing(change: str = "new", label: str = "person", ago: float = 0.0, source: str = "door") -> Event:
    after = {"id": "s-1", "label": label, "score": 0.9, "box": [0, 0, 1, 1], "seen_s": 2.5}
    data = {"type": change, "label": label, "before": None, "after": after}
    return Event("object", source, time.monotonic() - ago, data)


def sound(label: str = "dog") -> Event:
    return Event("sound", "hall", time.monotonic(), {"label": label, "score": 0.7})


@pytest.mark.parametrize(
    ("event", "kept"),
    [
        pytest.param(thing("new"), ("object", "person", 0.9), id="who came"),
        pytest.param(thing("end"), ("object", "person", 0.9), id="who went"),
        pytest.param(thing("update"), None, id="who is still there is no news"),
        pytest.param(sound(), ("sound", "dog", 0.7), id="a sound"),
        pytest.param(
            Event("zone", "door", 0.0, {"zone": "step", "type": "enter", "label": "cat", "track": "s-2"}),
            ("zone", "cat", None),
            id="a zone",
        ),
        pytest.param(
            Event("line", "door", 0.0, {"line": "gate", "direction": "left_to_right", "label": "car", "track": "s-2"}),
            ("line", "car", None),
            id="a line",
        ),
        pytest.param(
            Event("source_status", "door", 0.0, {"status": "lost", "reason": "no picture"}),
            ("source_status", None, None),
            id="a camera that is lost",
        ),
        pytest.param(
            Event("answered", "terminal", 0.0, {"question": "?", "text": "!", "confidence": 0.8, "origin": "local"}),
            ("answered", None, 0.8),
            id="an answer",
        ),
        pytest.param(Event("motion", "door", 0.0, {"active": True}), None, id="motion is no memory"),
        pytest.param(Event("count", "door", 0.0, {"label": "dog", "count": 2}), None, id="nor is a count"),
    ],
)
def test_what_is_worth_remembering(
    opened: Callable[..., EventLog], path: Path, event: Event, kept: tuple[Any, ...] | None
) -> None:
    log = opened()
    log.publish(event)
    log.close(5.0)
    found = [(one.kind, one.label, one.score) for one in Past(path).between(0, 2 * NOON)]
    assert found == ([] if kept is None else [kept])


def test_wall_time_kind_and_label_choose(opened: Callable[..., EventLog], path: Path) -> None:
    log = opened()
    for event in (thing(ago=3600, label="cat"), thing(ago=60), thing("end", ago=5), sound()):
        log.publish(event)
    log.close(5.0)
    past = Past(path)
    assert [round(NOON - one.wall) for one in past.between(0, NOON)] == [3600, 60, 5, 0]
    assert [one.label for one in past.between(NOON - 90, NOON - 1)] == ["person", "person"]
    assert [one.label for one in past.between(0, NOON, ("sound",))] == ["dog"]
    assert [one.label for one in past.between(0, NOON, (), ("cat", "dog"))] == ["cat", "dog"]
    assert past.counts(0, NOON, ("object",)) == {"cat": 1, "person": 2}


def test_a_recording_read_faster_than_it_was_made_lies_in_no_future(
    opened: Callable[..., EventLog], path: Path
) -> None:
    log = opened()
    log.publish(thing(ago=-500))
    log.close(5.0)
    assert [one.wall for one in Past(path).between(0, NOON)] == [NOON]


def test_what_came_before_the_clock_was_set_gets_its_time_then(opened: Callable[..., EventLog], path: Path) -> None:
    clock = Clock(30.0)
    log = opened(clock)
    log.publish(thing(ago=20, label="cat"))
    log.publish(thing(ago=10, label="dog"))
    log.flush()
    past = Past(path)
    assert past.between(0, 2 * NOON) == []
    assert past.watched(0, 2 * NOON) == []
    clock.now = NOON
    log.publish(thing(ago=0))
    log.close(5.0)
    assert [(one.label, round(NOON - one.wall)) for one in past.between(0, NOON)] == [
        ("cat", 20),
        ("dog", 10),
        ("person", 0),
    ]


def test_a_clock_that_is_never_set_leaves_events_marked(opened: Callable[..., EventLog], path: Path) -> None:
    opened(Clock(CLOCK_SET_AFTER - 1)).publish(thing())
    log = opened(Clock())
    log.publish(sound())
    log.close(5.0)
    assert [one.kind for one in Past(path).between(0, 2 * NOON)] == ["sound"]


def test_older_days_are_forgotten_at_the_next_start(opened: Callable[..., EventLog], path: Path) -> None:
    log = opened(days=2)
    for days in (3, 1):
        log.publish(thing(ago=days * DAY_S))
    log.close(5.0)
    opened(days=2).close(5.0)
    assert [round((NOON - one.wall) / DAY_S) for one in Past(path).between(0, NOON)] == [1]


def test_the_oldest_go_when_there_is_no_more_room(opened: Callable[..., EventLog], path: Path) -> None:
    log = opened(mb=0.2)
    for number in range(3000):
        log.publish(Event("answered", "terminal", time.monotonic(), {"question": f"{number:05d} " + "x" * 100}))
    log.close(5.0)
    opened(mb=0.2).close(5.0)
    left = sorted(int(one.data["question"][:5]) for one in Past(path).between(0, NOON))
    assert left == list(range(3000 - len(left), 3000))
    assert 100 < len(left) < 2000
    assert path.stat().st_size < 2_000_000


def test_a_damaged_file_is_moved_aside_and_said(
    opened: Callable[..., EventLog], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 100)
    with caplog.at_level(logging.ERROR):
        log = opened()
    log.publish(thing())
    log.close(5.0)
    assert "is damaged" in caplog.text
    assert path.with_name("events.sqlite.corrupt").is_file()
    assert len(Past(path).between(0, NOON)) == 1


def test_what_the_disk_does_not_take_waits_within_bounds_and_is_written_later(
    opened: Callable[..., EventLog], path: Path
) -> None:
    log = opened()
    with closing(sqlite3.connect(path)) as other:
        other.execute("ALTER TABLE events RENAME TO away")
        for number in range(MOST_WAITING + 7):
            log.publish(sound(f"{number:05d}"))
        with pytest.raises(SinkError, match="check the space on that disk"):
            log.flush()
        other.execute("ALTER TABLE away RENAME TO events")
    log.publish(sound("last"))
    log.close(5.0)
    labels = [str(one.label) for one in Past(path).between(0, 2 * NOON)]
    assert (len(labels), min(labels), max(labels)) == (MOST_WAITING + 1, "00007", "last")


def test_events_get_their_time_though_the_first_try_to_date_them_fails(
    opened: Callable[..., EventLog], path: Path
) -> None:
    clock = Clock(30.0)
    log = opened(clock)
    log.publish(thing(ago=20))
    log.flush()
    clock.now = NOON
    with closing(sqlite3.connect(path)) as other:
        other.execute("ALTER TABLE sessions RENAME TO away")
        with pytest.raises(SinkError):
            log.flush()
        other.execute("ALTER TABLE away RENAME TO sessions")
    log.close(5.0)
    assert [round(NOON - one.wall) for one in Past(path).between(0, NOON)] == [20]


def test_whoever_publishes_does_not_wait_for_the_disk(opened: Callable[..., EventLog], path: Path) -> None:
    log = opened()
    log.publish(sound("first"))
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = threading.Thread(target=log.flush)
        writing.start()
        deadline = time.monotonic() + 10
        while not log._writing.locked() and time.monotonic() < deadline:
            time.sleep(0.001)
        log.publish(sound("second"))
        assert log._writing.locked()
        other.rollback()
    writing.join(10)
    log.close(5.0)
    assert {one.label for one in Past(path).between(0, 2 * NOON)} == {"first", "second"}


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="check that the folder can be written"):
        EventLog(tmp_path / "file" / "events.sqlite", 30, 64)


def test_no_log_is_an_empty_past(path: Path) -> None:
    assert Past(path).between(0, NOON) == []
    assert Past(path).watched(0, NOON) == []


def test_a_past_that_cannot_be_read_is_said(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(SinkError, match="cannot be read"):
        Past(path).between(0, NOON)


def test_another_process_reads_what_the_box_writes_meanwhile(opened: Callable[..., EventLog], path: Path) -> None:
    log = opened()
    log.publish(thing())
    log.flush()
    reading = (
        "import sys; from pathlib import Path; from edge_runtime.sinks.event_past import Past; "
        "print(len(Past(Path(sys.argv[1])).between(0, 2e9)))"
    )
    done = subprocess.run([sys.executable, "-c", reading, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_stretches_in_which_a_box_ran_are_known(opened: Callable[..., EventLog], path: Path) -> None:
    for began, lasted in ((0.0, 100.0), (5000.0, 200.0)):
        clock = Clock(NOON + began)
        log = opened(clock)
        clock.now += lasted
        log.close(5.0)
    assert Past(path).watched(NOON - 50, NOON + 9999) == [(NOON, NOON + 100), (NOON + 5000, NOON + 5200)]
    assert Past(path).watched(NOON + 50, NOON + 60) == [(NOON + 50, NOON + 60)]


def test_after_kill_9_all_but_the_last_seconds_is_there(path: Path) -> None:
    writing = (
        "import sys, time; from pathlib import Path\n"
        "from edge_runtime.sinks.event_log import EventLog; from edge_runtime.types import Event\n"
        "log = EventLog(Path(sys.argv[1]), 30, 64)\n"
        "send = lambda n: log.publish(Event('sound', 'hall', time.monotonic(), {'label': 'dog', 'score': n}))\n"
        "send(1.0); send(0.5); log.flush(); send(0.2); print('ready', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", writing, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "ready"
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    child.stdout.close()
    now = time.time()
    assert [one.score for one in Past(path).between(0, now + 1)][:2] == [1.0, 0.5]
    # Nobody knows how long it lived, but no longer than it says so.
    began, ended = Past(path).watched(0, now + 10 * ALIVE_EVERY_S)[0]
    assert ended - began <= ALIVE_EVERY_S + 10
    log = EventLog(path, 30, 64)
    log.publish(thing())
    log.close(5.0)
    assert len(Past(path).between(0, now + 100)) >= 3


def test_few_events_make_few_writes(opened: Callable[..., EventLog], path: Path) -> None:
    log = opened()
    wal = path.with_name("events.sqlite-wal")
    before = wal.stat().st_size
    for _ in range(200):
        log.publish(thing())
    assert wal.stat().st_size == before
    log.flush()
    written = wal.stat().st_size - before
    assert 0 < written < 200 * 1024
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()
