from __future__ import annotations

import threading
import time

from edge_runtime.channels import MOST, Latest


def test_newest_wins_and_the_overwritten_are_counted() -> None:
    latest: Latest[int] = Latest()
    for number in range(5):
        latest.put("door", number)
    assert latest.get(0) == 4
    assert latest.get(0) is None
    assert latest.dropped == {"door": 4}


def test_sources_take_turns_however_fast_one_of_them_is() -> None:
    latest: Latest[str] = Latest()
    taken = []
    for _ in range(6):
        for _ in range(10):
            latest.put("fast", "fast")
        latest.put("slow", "slow")
        taken.append(latest.get(0))
    assert taken.count("slow") == 3


def test_a_waiting_put_loses_nothing() -> None:
    latest: Latest[int] = Latest()
    taken: list[int | None] = []
    reader = threading.Thread(target=lambda: taken.extend(latest.get(1) for _ in range(50)))
    reader.start()
    for number in range(50):
        latest.put("file", number, wait_s=5)
    reader.join(5)
    assert taken == list(range(50))
    assert not latest.dropped


def test_close_wakes_the_reader_and_keeps_what_is_there() -> None:
    latest: Latest[int] = Latest()
    latest.put("door", 1)
    threading.Timer(0.05, latest.close).start()
    assert latest.get(5) == 1
    began = time.monotonic()
    assert latest.get(5) is None
    assert latest.closed
    assert time.monotonic() - began < 2


def test_nothing_is_overtaken_before_its_time() -> None:
    latest: Latest[int] = Latest(patience_s=60)
    for number in range(MOST + 2):
        latest.put("door", number)
    latest.put("yard", 9)
    taken = [latest.get(0) for _ in range(MOST + 1)]
    assert taken == [2, 9, 3, 4, 5], "the newest few in their order, other sources between them"
    assert latest.dropped == {"door": 2}
