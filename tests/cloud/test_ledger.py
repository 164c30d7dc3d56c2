from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from edge_runtime.cloud.chain import seal
from edge_runtime.cloud.ledger import Ledger, read_head
from edge_runtime.cloud.ledger_check import check, entries
from edge_runtime.errors import CloudError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AT = "2026-11-23T12:00:00.000Z"


def written(folder: Path, count: int = 6, file_bytes: int = 1_000_000) -> Ledger:
    ledger = Ledger(folder, file_bytes)
    for number in range(count):
        ledger.append({"kind": "send", "at": AT, "texts": [f"question {number}"]})
    return ledger


def lines(folder: Path, number: int = 1) -> list[str]:
    return (folder / f"ledger-{number:06d}.jsonl").read_text(encoding="ascii").splitlines()


def put(folder: Path, new: list[str], number: int = 1) -> None:
    (folder / f"ledger-{number:06d}.jsonl").write_text("".join(f"{line}\n" for line in new), encoding="ascii")


def test_what_was_written_is_there_in_order_and_whole(tmp_path: Path) -> None:
    written(tmp_path)
    assert [entry["texts"] for entry in entries(tmp_path)] == [[f"question {number}"] for number in range(6)]
    assert [entry["seq"] for entry in entries(tmp_path)] == [1, 2, 3, 4, 5, 6]
    assert check(tmp_path) == []
    assert read_head(tmp_path).seq == 6


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    written(folder, 1)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "ledger-000001.jsonl").stat().st_mode) == 0o600


def change(folder: Path) -> None:
    put(folder, [line.replace("question 2", "question 9") for line in lines(folder)])


def change_and_seal(folder: Path) -> None:
    """Change an entry and make its own hash right again: the next line still knows better."""
    old = lines(folder)
    entry = json.loads(old[2])
    before = json.loads(old[1])
    fields = {key: value for key, value in entry.items() if key not in {"seq", "prev", "hash"}}
    sealed, _ = seal({**fields, "texts": ["nothing"]}, read_link(before))
    put(folder, [*old[:2], sealed.decode(), *old[3:]])


def read_link(entry: dict[str, Any]) -> Any:
    from edge_runtime.cloud.chain import Link  # noqa: PLC0415

    return Link(entry["seq"], entry["hash"])


def change_last_and_seal(folder: Path) -> None:
    old = lines(folder)
    entry = json.loads(old[-1])
    fields = {key: value for key, value in entry.items() if key not in {"seq", "prev", "hash"}}
    sealed, _ = seal({**fields, "texts": ["nothing"]}, read_link(json.loads(old[-2])))
    put(folder, [*old[:-1], sealed.decode()])


def remove(folder: Path) -> None:
    put(folder, lines(folder)[:2] + lines(folder)[3:])


def swap(folder: Path) -> None:
    old = lines(folder)
    put(folder, [*old[:2], old[3], old[2], *old[4:]])


def add(folder: Path) -> None:
    old = lines(folder)
    put(folder, [*old[:3], old[2], *old[3:]])


def cut(folder: Path) -> None:
    put(folder, lines(folder)[:4])


def garble(folder: Path) -> None:
    put(folder, [*lines(folder)[:2], "garbage", *lines(folder)[3:]])


def lose_head(folder: Path) -> None:
    (folder / "head.json").unlink()


def lose_everything(folder: Path) -> None:
    (folder / "ledger-000001.jsonl").unlink()


@pytest.mark.parametrize(
    ("spoil", "place", "what"),
    [
        pytest.param(change, "ledger-000001.jsonl, line 3", "was changed", id="changed"),
        pytest.param(change_and_seal, "ledger-000001.jsonl, line 4", "does not follow", id="changed and sealed again"),
        pytest.param(change_last_and_seal, "head.json", "another entry 6", id="the last changed and sealed again"),
        pytest.param(remove, "ledger-000001.jsonl, line 3", "entries 3 to 3 are missing", id="removed"),
        pytest.param(swap, "ledger-000001.jsonl, line 3", "entries 3 to 3 are missing", id="in another order"),
        pytest.param(add, "ledger-000001.jsonl, line 4", "out of order", id="written twice"),
        pytest.param(cut, "ledger-000001.jsonl, line 4", "the end is cut off: entries 5 to 6", id="end cut off"),
        pytest.param(garble, "ledger-000001.jsonl, line 3", "no entry any more", id="overwritten"),
        pytest.param(lose_head, "head.json", "missing or damaged", id="without its head"),
        pytest.param(lose_everything, "ledger-000001.jsonl", "is missing", id="the file is gone"),
    ],
)
def test_what_was_done_to_it_is_named_with_its_place(
    tmp_path: Path, spoil: Callable[[Path], None], place: str, what: str
) -> None:
    written(tmp_path)
    spoil(tmp_path)
    faults = [str(fault) for fault in check(tmp_path)]
    assert faults
    assert faults[0].startswith(place)
    assert what in faults[0]


@pytest.mark.parametrize("spoil", [change, remove, swap, cut, garble, lose_everything])
def test_going_on_writing_hides_nothing(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    ledger = written(tmp_path)
    spoil(tmp_path)
    for _ in range(3):
        ledger.append({"kind": "send", "at": AT, "texts": ["later"]})
    assert check(tmp_path)


def test_a_full_file_is_followed_by_another_in_the_same_chain(tmp_path: Path) -> None:
    written(tmp_path, 12, file_bytes=800)
    files = sorted(path.name for path in tmp_path.glob("*.jsonl"))
    assert len(files) > 3
    first = json.loads(lines(tmp_path, 2)[0])
    assert (first["kind"], first["after"]) == ("begin", "ledger-000001.jsonl")
    assert first["prev"] == json.loads(lines(tmp_path, 1)[-1])["hash"]
    assert check(tmp_path) == []
    (tmp_path / files[1]).unlink()
    assert "ledger-000002.jsonl: is missing" in [str(fault) for fault in check(tmp_path)]


@pytest.mark.parametrize("kept", [1, 40, -1], ids=["a byte", "half", "all but the line break"])
def test_a_line_cut_short_is_put_aside_and_the_chain_goes_on(tmp_path: Path, kept: int) -> None:
    ledger = written(tmp_path, 3)
    line, _ = seal({"kind": "send", "at": AT, "texts": ["never sent"]}, read_head(tmp_path))
    torn = (line + b"\n")[:kept]
    with (tmp_path / "ledger-000001.jsonl").open("ab") as file:
        file.write(torn)
    assert check(tmp_path) == [], "a crash is no tampering"
    ledger.append({"kind": "send", "at": AT, "texts": ["after"]})
    told = list(entries(tmp_path))
    assert [entry["kind"] for entry in told] == ["send", "send", "send", "repair", "send"]
    assert told[3]["torn_bytes"] == len(torn)
    assert (tmp_path / told[3]["torn"]).read_bytes() == torn
    assert "lost" not in told[3]
    assert check(tmp_path) == []
    (tmp_path / told[3]["torn"]).write_bytes(b"something else")
    assert "was changed" in str(check(tmp_path)[0])


APPEND = """
    import sys
    from pathlib import Path
    from edge_runtime.cloud.ledger import Ledger
    ledger = Ledger(Path(sys.argv[1]), 3000)
    for number in range(int(sys.argv[3])):
        ledger.append({"kind": "send", "at": "2026-11-23T12:00:00.000Z", "who": sys.argv[2], "n": number})
        print(number, flush=True)
"""


def appending(folder: Path, who: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(APPEND), str(folder), who, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_several_processes_and_threads_write_one_chain(tmp_path: Path) -> None:
    others = [appending(tmp_path, who, 25) for who in "ab"]
    ledger = Ledger(tmp_path, 3000)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: ledger.append({"kind": "send", "at": AT, "who": "c", "n": n}), range(25)))
    for other in others:
        other.communicate(timeout=60)
        assert other.returncode == 0
    assert check(tmp_path) == []
    sent = [(entry["who"], entry["n"]) for entry in entries(tmp_path) if entry["kind"] == "send"]
    assert sorted(sent) == [(who, n) for who in "abc" for n in range(25)]


def test_killed_at_any_moment_what_was_told_is_in_the_chain(tmp_path: Path) -> None:
    for _ in range(4):
        process = appending(tmp_path, "killed", 10_000)
        assert process.stdout
        told = [process.stdout.readline() for _ in range(5)]
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        process.stdout.close()
        assert told[-1].strip() == "4"
        Ledger(tmp_path, 3000).append({"kind": "send", "at": AT, "who": "after"})
        assert check(tmp_path) == []
    assert sum(entry.get("n") == 4 for entry in entries(tmp_path)) == 4


def file_in_the_way(folder: Path) -> None:
    folder.write_text("a file")


def unreadable_end(folder: Path) -> None:
    folder.mkdir()
    (folder / "ledger-000001.jsonl").mkdir()


def full(folder: Path) -> None:
    folder.mkdir()
    (folder / "ledger-000001.jsonl").symlink_to("/dev/full")


@pytest.mark.parametrize("spoil", [file_in_the_way, unreadable_end, full])
def test_what_cannot_be_written_down_is_an_error(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(tmp_path / "ledger")
    with pytest.raises(CloudError, match="nothing is sent"):
        Ledger(tmp_path / "ledger").append({"kind": "send", "at": AT})


def test_a_disk_that_fills_up_in_the_middle_of_a_line_leaves_a_whole_chain(tmp_path: Path) -> None:
    ledger = written(tmp_path, 3)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "ledger-000001.jsonl").stat().st_size + 20, before[1]))
    try:
        with pytest.raises(CloudError, match="nothing is sent"):
            ledger.append({"kind": "send", "at": AT})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    ledger.append({"kind": "send", "at": AT})
    assert [entry["kind"] for entry in entries(tmp_path)] == ["send", "send", "send", "repair", "send"]
    assert check(tmp_path) == []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Settings whose ledger holds two sendings, one with an outcome."""
    ledger = Ledger(tmp_path / "data" / "ledger")
    to = {"provider": "first", "host": "api.example.org", "model": "m"}
    sent: dict[str, Any] = {"kind": "send", "source": "door", "why": "no skill understood it", "policy": "text"}
    sent.update(to=to, prompt="p", masked={"email": 1}, picture=None, worst_case_usd=0.002)
    ledger.append({**sent, "id": "a", "at": "2026-11-20T10:00:00.000Z", "texts": ["who is [email]?"]})
    ledger.append(
        {"kind": "settle", "of": "a", "at": "2026-11-20T10:00:01.000Z", "cost_usd": 0.0005, "outcome": "answered"}
    )
    picture = {"sha256": "0" * 64, "bytes": 900, "width": 512, "height": 384, "hidden": {"face": 2}}
    ledger.append({**sent, "id": "b", "at": "2026-11-22T10:00:00.000Z", "texts": ["and now?"], "picture": picture})
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"device: {{data_dir: {tmp_path / 'data'}}}\n", encoding="utf-8")
    return settings


def test_the_verb_says_what_left_to_whom_and_at_what_price(home: Path, command_line: Callable[..., Any]) -> None:
    status, out, _ = command_line("ledger", "--config", str(home), "--verify")
    assert status == 0
    for said in (
        "2026-11-20 10:00:00.000Z  door -> first/m at api.example.org: 0.000500 USD, answered",
        "no skill understood it; policy text; taken out: 1 email",
        "> who is [email]?", "at most 0.002000 USD, no outcome",
        "picture 512 x 384, 900 bytes; blurred: 2 face",
        "2 sent, 1 with a picture, 0.000500 USD, and 1 without an outcome",
        "every one of 3 entries is as it was written",
    ):  # fmt: skip
        assert said in out


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        pytest.param((), ["who is [email]?", "and now?"], id="all"),
        pytest.param(("--since", "2026-11-21"), ["and now?"], id="since a day"),
        pytest.param(("--last", "1"), ["and now?"], id="the last one"),
        pytest.param(("--since", "2026-11-23T00:00:00+00:00"), [], id="since a later time"),
    ],
)
def test_the_verb_shows_what_is_asked_for(
    home: Path, command_line: Callable[..., Any], arguments: tuple[str, ...], texts: list[str]
) -> None:
    _, out, _ = command_line("ledger", "--config", str(home), "--json", *arguments)
    *records, last = map(json.loads, out.splitlines())
    assert [record["texts"][0] for record in records] == texts
    assert last["summary"]["whole"] is None


def test_the_verb_names_what_is_wrong_and_fails(home: Path, command_line: Callable[..., Any]) -> None:
    folder = home.parent / "data" / "ledger"
    put(folder, [line.replace("and now?", "and then?") for line in lines(folder)])
    status, out, _ = command_line("ledger", "--config", str(home), "--verify")
    assert status == 1
    assert "ledger-000001.jsonl, line 3: was changed" in out


def test_the_verb_says_so_where_nothing_left(tmp_path: Path, command_line: Callable[..., Any]) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"device: {{data_dir: {tmp_path}}}\n", encoding="utf-8")
    status, out, _ = command_line("ledger", "--config", str(settings), "--verify")
    assert (status, out.startswith("nothing has left this box")) == (0, True)
    status, _, err = command_line("ledger", "--config", str(settings), "--since", "long ago")
    assert (status, "--since 'long ago' is no time" in err) == (2, True)


def test_an_entry_is_on_disk_before_append_returns(tmp_path: Path) -> None:
    """Read through another file description while the writer still lives."""
    ledger = Ledger(tmp_path)
    start = time.monotonic()
    place = ledger.append({"kind": "send", "at": AT})
    descriptor = os.open(tmp_path / "ledger-000001.jsonl", os.O_RDONLY)
    kept = os.read(descriptor, 10_000)
    os.close(descriptor)
    assert place.hash.encode() in kept
    assert time.monotonic() - start < 60
