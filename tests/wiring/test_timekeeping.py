from __future__ import annotations

import multiprocessing
import threading
import time
from typing import TYPE_CHECKING

import pytest

from edge_runtime.decision.timers import Moment, after, at, left_s
from edge_runtime.errors import SinkError
from edge_runtime.wiring.timekeeping import Timers, clocks

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.types import Event

WALL = 1_800_000_000.0


class Now:
    """Clocks that are moved by hand."""

    def __init__(self) -> None:
        self.moment = Moment(WALL, 100.0, "first")

    def __call__(self) -> Moment:
        return self.moment

    def later(self, seconds: float) -> None:
        self.moment = Moment(self.moment.wall + seconds, self.moment.elapsed + seconds, self.moment.boot)


class Told(list[tuple[str, str]]):
    def __call__(self, event: Event, said: str) -> None:
        self.append((event.id, said))


def test_timers_are_read_by_another_process_and_told_once(tmp_path: Path) -> None:
    now, told = Now(), Told()
    asker, box = Timers(tmp_path, now), Timers(tmp_path, now)
    assert box.all() == ()
    asker.change(lambda _: [after(300.0, now(), new_id="a", name="pasta"), after(60.0, now(), new_id="b")])
    assert [timer.id for timer in box.all()] == ["b", "a"], "the next one first"
    now.later(59.0)
    box.tell_ended(told)
    assert told == []
    now.later(2.0)
    box.tell_ended(told)
    box.tell_ended(told)
    assert told == [("b", "Your 1 minute timer is done.")]
    assert [timer.id for timer in asker.all()] == ["a"]


def test_a_reboot_loses_no_timer(tmp_path: Path) -> None:
    now, told = Now(), Told()
    Timers(tmp_path, now).change(
        lambda _: [after(300.0, now(), new_id="a", name="pasta"), at(WALL + 60.0, now(), new_id="b")]
    )
    now.moment = Moment(WALL + 240.0, 7.0, "second")
    box = Timers(tmp_path, now)
    box.tell_ended(told)
    assert told == [("b", "Time to wake up. This is your alarm. That was due 3 minutes ago, while I was off.")]
    assert left_s(box.all()[0], now()) == pytest.approx(60.0)
    assert box.all()[0].boot == "second", "it goes on by this boot's clock"
    now.later(61.0)
    box.tell_ended(told)
    assert told[1] == ("a", "Your pasta timer is done.")


def test_a_running_box_tells_and_is_known_to_run(tmp_path: Path) -> None:
    told, stopping = Told(), threading.Event()
    timers, asker = Timers(tmp_path), Timers(tmp_path)
    assert not asker.watched
    worker = threading.Thread(target=timers.serve, args=(told, stopping, lambda: None))
    worker.start()
    try:
        wait_for(lambda: asker.watched)
        asker.change(lambda _: [after(0.05, clocks(), new_id="a")])
        wait_for(lambda: bool(told))
    finally:
        stopping.set()
        worker.join(10)
    assert told[0][0] == "a"
    assert asker.all() == ()
    assert not asker.watched


def test_two_boxes_tell_a_timer_once(tmp_path: Path) -> None:
    told, stopping = Told(), threading.Event()
    workers = [threading.Thread(target=Timers(tmp_path).serve, args=(told, stopping, lambda: None)) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        wait_for(lambda: Timers(tmp_path).watched)
        Timers(tmp_path).change(lambda _: [after(0.05, clocks(), new_id="a")])
        wait_for(lambda: Timers(tmp_path).all() == ())
    finally:
        stopping.set()
        for worker in workers:
            worker.join(10)
    assert len(told) == 1


def add_many(folder: Path, first: int) -> None:
    for number in range(first, first + 10):
        timer = after(1000.0 + number, clocks(), new_id=str(number))
        Timers(folder).change(lambda before, timer=timer: [*before, timer])  # type: ignore[misc]


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=add_many, args=(tmp_path, 100 * number)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(Timers(tmp_path).all()) == 40


@pytest.mark.parametrize("content", ["", "[", "{}", '[{"id": 1}]', "[[]]", "null", '"x"', "\udcff"])
def test_a_broken_file_is_put_aside(tmp_path: Path, content: str) -> None:
    path = tmp_path / "timers.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    timers = Timers(tmp_path)
    assert timers.all() == ()
    timers.change(lambda before: [*before, after(60.0, clocks(), new_id="a")])
    assert len(timers.all()) == 1


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="timers cannot be kept"):
        Timers(tmp_path / "file").change(lambda before: before)


def wait_for(what: object) -> None:
    deadline = time.monotonic() + 10
    while not what():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
