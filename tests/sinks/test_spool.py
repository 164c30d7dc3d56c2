from __future__ import annotations

import logging
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import SinkError
from edge_runtime.sinks.spool import Message, Spool

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 1_000_000


def message(number: int = 0, size: int = 20) -> Message:
    return Message("edge/box/events", str(number).encode().rjust(size), {"id": str(number)}, at=1.7e9 + number)


def payloads(spool: Spool) -> list[int]:
    return [int(row.payload) for _, row in spool.batch(0, MANY)]


def test_rows_come_back_whole_in_order_and_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "new" / "spool.db", MANY, 10)
    kept = [message(number) for number in range(5)]
    seqs = [spool.append(row) for row in kept[:3]] + [spool.append(*kept[3:])]
    assert [row for _, row in spool.batch(0, 10)] == kept
    assert [row for _, row in spool.batch(seqs[0], 2)] == kept[1:3]
    spool.close()
    again = Spool(tmp_path / "new" / "spool.db", MANY, 10)
    assert [row for _, row in again.batch(0, 10)] == kept
    assert again.append(message()) > seqs[-1]
    again.close()


@pytest.mark.parametrize(
    ("max_events", "max_mb", "size", "count", "left"),
    [
        pytest.param(10, 10, 20, 25, 10, id="by rows"),
        pytest.param(MANY, 1, 100_000, 20, 9, id="by bytes on the disk"),
        pytest.param(1, 1, 250_000, 3, 1, id="the newest stays even alone"),
    ],
)
def test_oldest_are_dropped_and_counted(
    tmp_path: Path, max_events: int, max_mb: int, size: int, count: int, left: int
) -> None:
    spool = Spool(tmp_path / "spool.db", max_events, max_mb)
    for number in range(count):
        spool.append(message(number, size))
    assert payloads(spool) == list(range(count - left, count))
    assert (spool.depth, spool.dropped) == (left, count - left)
    spool.close()


@pytest.mark.parametrize("size", [pytest.param(40, id="many small"), pytest.param(1100, id="awkward for a page")])
def test_files_stay_within_the_space_given(tmp_path: Path, size: int) -> None:
    spool = Spool(tmp_path / "spool.db", MANY, 1)
    for number in range(30):
        spool.append(*[message(number, size) for _ in range(3_000_000 // 30 // (size + 100))])
    assert spool.dropped > 0
    log = (tmp_path / "spool.db-wal").stat().st_size
    spool.close()
    assert 800_000 <= (tmp_path / "spool.db").stat().st_size <= 1_200_000
    assert log <= 1_300_000


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 3)),
            st.tuples(st.just("delete"), st.integers(0, 12)),
            st.tuples(st.just("reopen"), st.just(0)),
        ),
        max_size=25,
    ),
    max_events=st.integers(3, 8),
)
@settings(max_examples=40, deadline=None)
def test_is_a_bounded_queue_whatever_the_order_of_calls(steps: list[tuple[str, int]], max_events: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder, "spool.db"), max_events, 1)
        model: list[tuple[int, int]] = []
        number = 0
        for step, value in steps:
            if step == "append":
                rows = [message(number + offset) for offset in range(value)]
                last = spool.append(*rows)
                model += [(last - value + 1 + offset, number + offset) for offset in range(value)]
                number += value
                model = model[-max_events:]
            elif step == "delete":
                doomed = [seq for seq, _ in model[:value]]
                spool.delete([*doomed, 10_000])
                model = model[value:]
            else:
                spool.close()
                spool = Spool(Path(folder, "spool.db"), max_events, 1)
            assert [(seq, int(row.payload)) for seq, row in spool.batch(0, MANY)] == model
            assert spool.depth == len(model)
        spool.close()


def test_a_number_is_not_given_twice_in_one_life(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", MANY, 10)
    first = spool.append(message())
    spool.delete([first])
    assert spool.append(message()) > first
    spool.close()


def garble(data: bytes) -> bytes:
    return data[:4096] + b"\xff" * (len(data) - 4096)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _data: b"not a database, " * 400, id="other file"),
        pytest.param(garble, id="garbage after the first page"),
        pytest.param(lambda data: data[: len(data) // 2], id="cut in half by a dying card"),
    ],
)
def test_damaged_file_is_set_aside_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "spool.db"
    spool = Spool(path, MANY, 10)
    for number in range(50):
        spool.append(message(number, 2000))
    spool.close()
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.ERROR):
        spool = Spool(path, MANY, 10)
    spool.append(message(7))
    assert payloads(spool) == [7]
    spool.close()
    assert (tmp_path / "spool.db.corrupt").exists()
    assert [str(path) in record.getMessage() for record in caplog.records] == [True]


def test_damage_while_running_is_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "spool.db"
    spool = Spool(path, MANY, 10)
    for number in range(20):
        spool.append(*[message(number, 50_000) for _ in range(5)])
    last = spool.append(message(1))
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 4_000_000)
    assert payloads(spool) == []
    assert spool.append(message(2)) > last
    assert payloads(spool) == [2]
    spool.close()
    assert "damaged" in caplog.text


def test_second_process_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    spool = Spool(path, MANY, 10)
    program = (
        "import sys, pathlib; from edge_runtime.errors import SinkError; from edge_runtime.sinks.spool import Spool\n"
        "try: Spool(pathlib.Path(sys.argv[1]), 10, 1)\n"
        "except SinkError as error: print(error)"
    )
    second = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=30, check=True
    )
    assert second.stdout.strip() == (
        f"event spool {path} is in use by another process; stop it or set another device.data_dir"
    )
    spool.append(message())
    spool.close()
    Spool(path, MANY, 10).close()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match=r"cannot be opened: .*; check that the folder can be written"):
        Spool(tmp_path / "file" / "spool.db", 10, 1)


def test_full_disk_is_an_error_that_passes(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", MANY, 10)
    spool.append(message(0))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        for number in range(1, 4):
            spool.append(message(number, 10_000))
        stored = spool.depth
        with pytest.raises(SinkError, match="check the space"):
            spool.append(message(4, 50_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    spool.append(message(99))
    assert payloads(spool) == [*range(stored), 99]
    spool.close()


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda spool: spool.append(message(0, 300_000)), id="message larger than any event"),
        pytest.param(lambda spool: (spool.close(), spool.append(message())), id="append after close"),
        pytest.param(lambda spool: (spool.close(), spool.batch(0, 1)), id="batch after close"),
    ],
)
def test_misuse_is_a_sink_error(tmp_path: Path, use: Callable[[Spool], object]) -> None:
    spool = Spool(tmp_path / "spool.db", MANY, 10)
    with pytest.raises(SinkError):
        use(spool)
    spool.close()


def test_threads_may_share_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", MANY, 10)

    def work(start: int) -> None:
        for number in range(start, start + 50):
            seq = spool.append(message(number))
            spool.batch(0, 5)
            if number % 2:
                spool.delete([seq])

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 50, 100, 150)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(payloads(spool)) == list(range(0, 200, 2))
    spool.close()
