"""What is said of an alert reaches whoever raised it, after a restart too, and is an event itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edge_runtime.errors import InputError
from edge_runtime.types import Event, Step
from edge_runtime.wiring.feedback import FILE, KEPT, Feedback

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.wiring.feedback import Alert


def alert(number: int = 0) -> Event:
    data = {"score": 3.5, "unusual": "picture"}
    return Event("anomaly", "yard", 10.0, data, id=f"{number:032x}", steps=(Step("threshold", {"score": 3.5}),))


def test_who_registered_gets_the_alert_and_an_event_tells_of_it() -> None:
    told: list[Event] = []
    taken: list[tuple[Alert, str]] = []
    feedback = Feedback(tell=told.append)
    feedback.register(lambda one, verdict: taken.append((one, verdict)))
    feedback.publish(alert(1))
    feedback.give(alert(1).id, "fine")
    assert [(one.source, one.kind, one.data["score"], verdict) for one, verdict in taken] == [
        ("yard", "anomaly", 3.5, "fine")
    ]
    assert [(event.kind, event.source, event.data) for event in told] == [
        ("feedback", "yard", {"event": alert(1).id, "alert": "anomaly", "verdict": "fine"})
    ]


def test_a_verdict_counts_once_however_often_it_is_given_and_after_a_restart_too(tmp_path: Path) -> None:
    told: list[Event] = []
    taken: list[str] = []

    def started() -> Feedback:
        feedback = Feedback(tmp_path, told.append)
        feedback.register(lambda _, verdict: taken.append(verdict))
        return feedback

    before = started()
    before.publish(alert(1))
    before.give(alert(1).id, "fine")
    before.give(alert(1).id, "fine")
    started().give(alert(1).id, "fine")
    assert taken == ["fine"]
    assert len(told) == 1
    started().give(alert(1).id, "right")
    assert taken == ["fine", "right"]


def test_an_event_that_is_no_alert_is_not_known() -> None:
    feedback = Feedback()
    feedback.publish(Event("motion", "yard", 1.0, {"active": True}, id="a" * 32))
    with pytest.raises(InputError, match="none of the last 100 alerts"):
        feedback.give("a" * 32, "fine")


def test_a_restart_forgets_no_alert_but_the_oldest_of_many(tmp_path: Path) -> None:
    before = Feedback(tmp_path)
    for number in range(KEPT + 5):
        before.publish(alert(number))
    after = Feedback(tmp_path)
    after.give(alert(KEPT).id, "right")
    with pytest.raises(InputError):
        after.give(alert(4).id, "right")


def test_the_file_stays_small_and_a_torn_line_costs_one_alert(tmp_path: Path) -> None:
    feedback = Feedback(tmp_path)
    for number in range(5 * KEPT):
        feedback.publish(alert(number))
    path = tmp_path / FILE
    assert len(path.read_text().splitlines()) <= 2 * KEPT
    path.write_text(path.read_text()[:-20])
    after = Feedback(tmp_path)
    after.give(alert(5 * KEPT - 2).id, "fine")
    with pytest.raises(InputError):
        after.give(alert(5 * KEPT - 1).id, "fine")


def test_a_disk_that_refuses_costs_no_feedback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    feedback = Feedback(in_the_way / "folder")
    feedback.publish(alert())
    feedback.give(alert().id, "fine")
    assert "cannot be kept" in caplog.text


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        pytest.param("fine", "is JSON such as", id="no JSON"),
        pytest.param("[1]", "is JSON such as", id="no object"),
        pytest.param("[" * 60_000, "is JSON such as", id="deeper than Python reads: its thread must live on"),
        pytest.param('{"verdict": "fine"}', "is JSON such as", id="no id"),
        pytest.param(json.dumps({"id": alert().id, "verdict": "bad"}), "neither fine nor right", id="unknown verdict"),
        pytest.param('{"id": "b"}', "none of the last", id="unknown event"),
    ],
)
def test_messages_that_say_nothing_are_answered_by_what_is_wrong(message: str, complaint: str) -> None:
    feedback = Feedback()
    feedback.publish(alert())
    with pytest.raises(InputError, match=complaint):
        feedback.read(message)


def test_a_message_with_an_id_alone_says_that_all_was_fine() -> None:
    said: list[str] = []
    feedback = Feedback()
    feedback.register(lambda _, verdict: said.append(verdict))
    feedback.publish(alert())
    assert feedback.read(json.dumps({"id": alert().id})) == {"id": alert().id, "verdict": "fine"}
    assert said == ["fine"]
