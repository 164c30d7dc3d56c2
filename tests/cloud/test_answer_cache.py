from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cloud_rig import ANSWERS, Rig, asked
from openai_server import Endpoint, completion, serving

from edge_runtime.answer_sections import CacheSettings, EgressSettings
from edge_runtime.types import Answer, Origin, Request, Turn

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.cloud.responder import CloudResponder

Make = Callable[[], Request]
CAPITAL = "what is the capital of France?"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as made:
        made.script = [completion("Paris."), completion("Another answer.")]
        yield made


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.egress = EgressSettings(default="picture")
    made.embed = by_letters
    yield made
    made.close()


def by_letters(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return unit vectors of how often each letter occurs: questions in nearly the same words are near."""
    counts = np.array([[text.lower().count(chr(97 + place)) for place in range(26)] for text in texts], np.float32)
    unit: NDArray[np.float32] = counts / np.linalg.norm(counts, axis=1, keepdims=True)
    return unit


def twice(responder: CloudResponder, one: Request, other: Request) -> tuple[Answer, Answer]:
    return responder.answer(one), responder.answer(other)


SAME = {
    "the same words": (partial(asked, CAPITAL), partial(asked, CAPITAL)),
    "the same but for case and marks": (partial(asked, CAPITAL), partial(asked, "What is the capital of  france")),
    "nearly the same words": (partial(asked, CAPITAL), partial(asked, "what's the capital of France")),
    "the same picture": (partial(asked, picture=True), partial(asked, picture=True)),
    "the same turns before": (
        partial(asked, "where does it stand?", history=(Turn("user", "the oldest tree?"),)),
        partial(asked, "where does it stand?", history=(Turn("user", "the oldest tree?"),)),
    ),
    "what differs stays in the box": (
        partial(asked, "who is ann@example.org?"),
        partial(asked, "who is bob@example.org?"),
    ),
}


def test_an_answer_to_what_all_may_see_is_not_given_where_faces_are_hidden(rig: Rig, endpoint: Endpoint) -> None:
    rig.egress = EgressSettings(default="picture", sources={"door": "redacted_picture"})
    shown = asked(picture=True)
    assert shown.question.frame is not None
    open_frame = replace(shown.question.frame, source="garden")
    open_request = replace(shown, question=replace(shown.question, frame=open_frame))
    first, second = twice(rig.make(endpoint.url, cached=True), open_request, shown)
    assert (first.text, second.text) == ("Paris.", "Another answer.")
    assert not second.cached


def other_picture(request: Request) -> Request:
    assert request.question.frame is not None
    request.question.frame.image[0, 0] = 9
    return request


DIFFERENT = {
    "another name": (partial(asked, CAPITAL), partial(asked, "what is the capital of Frances")),
    "the order": (partial(asked, "is a dog bigger than a cat"), partial(asked, "is a cat bigger than a dog")),
    "another skill's prompt": (partial(asked, CAPITAL), partial(asked, CAPITAL, skill="presence")),
    "a schema": (partial(asked, CAPITAL), partial(asked, CAPITAL, schema={"type": "string"})),
    "other turns before": (
        partial(asked, "where does it stand?", history=(Turn("user", "the oldest tree?"),)),
        partial(asked, "where does it stand?", history=(Turn("user", "the oldest house?"),)),
    ),
    "turns before": (partial(asked, CAPITAL), partial(asked, CAPITAL, history=(Turn("user", "hello"),))),
    "another picture": (partial(asked, picture=True), lambda: other_picture(asked(picture=True))),
    "another subject in the picture": (
        partial(asked, picture=True),
        partial(asked, picture=True, subject=(0.0, 0.0, 0.5, 0.5)),
    ),
    "no picture": (partial(asked, "what thing is it?", picture=True), partial(asked, "what thing is it?")),
    "about now": (partial(asked, "what is the weather?"), partial(asked, "what is the weather?")),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME.keys())
def test_what_was_bought_is_given_again(rig: Rig, endpoint: Endpoint, one: Make, other: Make) -> None:
    first, again = twice(rig.make(endpoint.url, cached=True), one(), other())
    assert len(endpoint.requests) == 1
    assert (first.cached, again.cached) == (False, True)
    assert first.cost_usd > 0
    assert again.cost_usd == 0
    assert (again.text, again.origin, again.confidence, again.model, again.prompt) == (
        first.text, first.origin, first.confidence, first.model, first.prompt,
    )  # fmt: skip
    assert sum(entry["kind"] == "send" for entry in rig.ledger) == 1, "nothing leaves the second time"


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_another_question_is_asked(rig: Rig, endpoint: Endpoint, one: Make, other: Make) -> None:
    endpoint.script = [completion('"Paris."'), completion('"Another answer."')]
    _, again = twice(rig.make(endpoint.url, cached=True), one(), other())
    assert len(endpoint.requests) == 2
    assert not again.cached


def test_a_cached_answer_is_heard_too(rig: Rig, endpoint: Endpoint) -> None:
    responder = rig.make(endpoint.url, cached=True)
    heard: list[str] = []
    twice(responder, asked(CAPITAL), asked(CAPITAL, on_text=heard.append))
    assert heard == ["Paris."]


def test_not_to_know_is_not_kept(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [completion("UNSURE"), completion("Paris.")]
    _, again = twice(rig.make(endpoint.url, cached=True), asked(CAPITAL), asked(CAPITAL))
    assert (again.text, again.origin, again.cached) == ("Paris.", Origin.CLOUD, False)


def test_a_source_that_may_not_ask_gets_no_old_answers_either(rig: Rig, endpoint: Endpoint) -> None:
    rig.make(endpoint.url, cached=True).answer(asked(CAPITAL))
    rig.egress = EgressSettings(default="nothing")
    with pytest.raises(Exception, match="nothing may leave"):
        rig.make(endpoint.url, cached=True).answer(asked(CAPITAL))


def test_answers_outlive_the_program(rig: Rig, endpoint: Endpoint) -> None:
    rig.make(endpoint.url, cached=True).answer(asked(CAPITAL))
    assert rig.make(endpoint.url, cached=True).answer(asked(CAPITAL)).cached


def test_answers_that_another_process_bought_are_found_by_other_words(rig: Rig, endpoint: Endpoint) -> None:
    one, other = (rig.make(endpoint.url, cached=True) for _ in range(2))
    other.answer(asked("how do I boil an egg?"))
    one.answer(asked(CAPITAL))
    assert other.answer(asked("what's the capital of France")).cached


def test_other_words_for_what_has_gone_are_asked(rig: Rig, endpoint: Endpoint) -> None:
    responder = rig.make(endpoint.url, cached=True, cache=CacheSettings(max_entries=1))
    for question in (CAPITAL, "what's the capital of France?", "how do I boil an egg?", "what's the capital of France"):
        answer = responder.answer(asked(question))
    assert not answer.cached
    assert len(endpoint.requests) == 3


def test_only_what_may_leave_is_on_disk_and_for_nobody_else(rig: Rig, endpoint: Endpoint) -> None:
    rig.make(endpoint.url, cached=True).answer(asked("who is ann@example.org?"))
    path = rig.folder / ANSWERS
    assert all(b"ann@" not in file.read_bytes() for file in rig.folder.glob(f"{ANSWERS}*"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({"similarity": 1.0}, False, id="the same words alone"),
        pytest.param({"similarity": 0.9}, True, id="nearly the same words"),
    ],
)
def test_how_alike_is_the_owners_choice(rig: Rig, endpoint: Endpoint, settings: dict[str, Any], expected: bool) -> None:
    responder = rig.make(endpoint.url, cached=True, cache=CacheSettings(**settings))
    _, again = twice(responder, asked(CAPITAL), asked("what's the capital of France"))
    assert again.cached is expected


def test_old_answers_and_those_of_the_future_count_no_more(rig: Rig, endpoint: Endpoint) -> None:
    responder = rig.make(endpoint.url, cached=True, cache=CacheSettings(max_age_s=100.0))
    cache = responder._cache
    assert cache is not None
    clock = [1e9]
    cache._now = lambda: clock[0]
    responder.answer(asked(CAPITAL))
    clock[0] += 99
    assert responder.answer(asked(CAPITAL)).cached
    clock[0] += 2
    assert not responder.answer(asked(CAPITAL)).cached
    clock[0] -= 50
    assert not responder.answer(asked(CAPITAL)).cached


def test_the_oldest_go_beyond_the_bound(rig: Rig, endpoint: Endpoint) -> None:
    responder = rig.make(endpoint.url, cached=True, cache=CacheSettings(max_entries=3))
    names = ("Peru", "Chad", "Oman", "Fiji", "Cuba")
    for name in names:
        responder.answer(asked(f"what is the capital of {name}?"))
    with sqlite3.connect(rig.folder / ANSWERS) as db:
        kept = [row[0] for row in db.execute("SELECT question FROM answers ORDER BY id")]
    db.close()
    assert kept == [f"what is the capital of {name}?" for name in names[2:]]


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)


def folder(path: Path) -> None:
    path.mkdir()


def other_table(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE answers (x)")
    db.close()


@pytest.mark.parametrize("break_it", [garbage, folder, other_table])
def test_a_broken_file_costs_its_answers_and_nothing_else(rig: Rig, endpoint: Endpoint, break_it: Any) -> None:
    break_it(rig.folder / ANSWERS)
    responder = rig.make(endpoint.url, cached=True)
    assert [responder.answer(asked(CAPITAL)).text for _ in range(2)] == ["Paris.", "Another answer."]
