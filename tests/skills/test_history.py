from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from edge_runtime.decision.intents import IntentMatcher
from edge_runtime.decision.scene import Scene
from edge_runtime.errors import SinkError
from edge_runtime.sinks.event_log import EventLog
from edge_runtime.sinks.event_past import Past
from edge_runtime.skills.builtin import Means, builtin_skills
from edge_runtime.skills.nouns import Nouns
from edge_runtime.skills.routing import Router
from edge_runtime.skills.sentences import question_sentences
from edge_runtime.types import Detection, Event, Observation, Question

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.decision.confidence import Reply

NOW = datetime(2026, 11, 23, 15, 10, tzinfo=ZoneInfo("Europe/Berlin"))
LABELS = ("person", "car", "dog", "cat")
SOUNDS = ("dog", "doorbell", "glass breaking", "smoke or fire alarm", "siren")
SURE = 0.8


class Diary:
    """A record of events written as the box writes it, at any time of the past."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._now = 0.0
        self._number = 0
        self._started = time.monotonic()
        self._log: EventLog | None = None

    def on(self, at: str) -> None:
        """Start a box; `at` is "[day ]hh:mm"."""
        self._set(at)
        self._log = EventLog(self.path, 30, 64, lambda: self._now)

    def off(self, at: str) -> None:
        self._set(at)
        assert self._log is not None
        self._log.close(5.0)

    def visit(
        self, came: str, went: str | None, label: str = "person", source: str = "door", score: float = 0.95
    ) -> None:
        self._number += 1
        start = _at(came).timestamp()
        seen_s = (_at(went).timestamp() - start) if went else 0.0
        for change, then, seen in (("new", came, 0.0), ("end", went, seen_s)):
            if then:
                after = {"id": f"s-{self._number}", "label": label, "score": score, "box": [0, 0, 1, 1], "seen_s": seen}
                self._tell(
                    then, Event("object", source, 0.0, {"type": change, "label": label, "before": None, "after": after})
                )

    def sound(self, at: str, label: str, score: float = 0.9) -> None:
        self._tell(at, Event("sound", "hall", 0.0, {"label": label, "score": score}))

    def status(self, at: str, status: str, source: str = "door") -> None:
        self._tell(at, Event("source_status", source, 0.0, {"status": status, "reason": ""}))

    def _tell(self, at: str, event: Event) -> None:
        self._set(at)
        assert self._log is not None
        # As a recording that is read fast: its own seconds run ahead.
        own = self._started + self._now - _at("01 00:00").timestamp()
        self._log.publish(Event(event.kind, event.source, own, event.data))
        self._log.flush()

    def _set(self, at: str) -> None:
        self._now = _at(at).timestamp()


def _at(text: str) -> datetime:
    *day, clock = text.split()
    hour, minute = map(int, clock.split(":"))
    return NOW.replace(day=int(day[0]) if day else NOW.day, hour=hour, minute=minute)


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path / "events.sqlite")


def ask(diary: Diary, text: str, now: datetime = NOW, scene: Scene | None = None) -> tuple[str, Reply]:
    means = Means(Nouns(LABELS), lambda: now, past=Past(diary.path), sounds=SOUNDS)
    skills = builtin_skills(means)
    cameras = ("door", "garden")
    matcher = IntentMatcher([question_sentences(skills, means.nouns, cameras)])
    routed = Router(skills, means.nouns, matcher.match, cameras)(text)
    assert routed is not None, text
    reply = routed.skill.answer(Question(text, "terminal", 10.0), scene or Scene(), routed.slots)
    assert reply is not None, text
    return routed.skill.name, reply


@pytest.fixture
def lively(diary: Diary) -> Diary:
    """Return two days with visits at two cameras."""
    diary.on("21 12:00")
    diary.visit("22 21:30", "22 21:31")
    diary.sound("22 23:40", "glass breaking")
    diary.visit("08:05", "08:06", source="garden")
    diary.sound("08:30", "dog")
    diary.sound("08:31", "dog")
    diary.visit("09:10", "09:12", label="dog", source="garden")
    diary.visit("13:05", "13:06")
    diary.visit("14:00", "14:30", label="car", source="garden")
    diary.visit("14:40", "14:42", source="garden")
    diary.sound("14:55", "doorbell")
    diary.off("15:10")
    return diary


AT_GARDEN = "on the garden camera"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (
            "who came since lunch?",
            f"Since 12:30 I saw two people: one at 13:05 on the door camera and one at 14:40 {AT_GARDEN}.",
        ),
        ("who was at the door since lunch?", "Since 12:30 I saw a person at 13:05 on the door camera."),
        (
            "how many people came before 2 pm today?",
            (
                f"Before 14:00 I saw two people: one at 08:05 {AT_GARDEN} and one at 13:05 on the door camera."
                " One that came twice counts twice."
            ),
        ),
        ("was anyone at the door last night?", "Yes. Last night I saw a person at 21:30 on the door camera."),
        ("was anyone in the garden last night?", f"Last night I saw nobody {AT_GARDEN}."),
        ("any visitors since 1 pm at the door?", "Yes. Since 13:00 I saw a person at 13:05 on the door camera."),
        ("did the dog go out this afternoon?", "This afternoon I saw no dog."),
        ("did the dog go out this morning?", f"Yes. This morning I saw a dog at 09:10 {AT_GARDEN}."),
        ("when did the last car leave?", f"The last car left at 14:30 {AT_GARDEN}."),
        ("when did the first person come today?", f"The first person came at 08:05 {AT_GARDEN}."),
        ("when was the door last empty?", "Nobody has been on the door camera since 13:06."),
        (
            "has anyone been here between 2 and 3 pm?",
            f"Yes. Between 14:00 and 15:00 I saw a person at 14:40 {AT_GARDEN}.",
        ),
        (
            "what happened this morning?",
            (
                f"This morning I saw a person at 08:05 {AT_GARDEN} and a dog at 09:10 {AT_GARDEN}."
                " I heard a dog twice, last at 08:31."
            ),
        ),
        (
            "what happened on Saturday?",
            "On Saturday I noticed nothing. My record begins on Saturday 21 November at 12:00.",
        ),
        ("did a car pass by around 14:15?", f"Yes. Around 14:15 I saw a car at 14:00 {AT_GARDEN}."),
    ],
)
def test_the_past_is_told(lively: Diary, text: str, answer: str) -> None:
    skill, reply = ask(lively, text)
    assert skill == "history"
    assert reply.text == answer
    assert not reply.blind


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("what did you hear in the last half hour?", "In the last 30 minutes I heard a doorbell at 14:55."),
        ("did the dog bark?", "Yes. Today I heard a dog twice, last at 08:31."),
        ("has anyone rung in the last hour?", "Yes. In the last hour I heard a doorbell at 14:55."),
        ("did glass break last night?", "Yes. Last night I heard glass breaking at 23:40."),
        ("was there an alarm in the last hour?", "No, in the last hour I did not hear a smoke or fire alarm."),
        ("what did you hear just now?", "In the last 10 minutes I did not hear anything of note."),
        ("when did the dog last bark?", "I last heard a dog at 08:31."),
        ("did you hear a train today", None),
    ],
)
def test_what_was_heard_is_told(lively: Diary, text: str, answer: str | None) -> None:
    skill, reply = ask(lively, text)
    assert skill == "sounds_heard"
    assert answer is None or reply.text == answer


def test_a_box_without_a_microphone_says_so(lively: Diary) -> None:
    means = Means(Nouns(LABELS), lambda: NOW, past=Past(lively.path))
    skill = next(skill for skill in builtin_skills(means) if skill.name == "sounds_heard")
    reply = skill.answer(Question("did a siren sound today", "terminal", 1.0), Scene(), {})
    assert reply is not None
    assert (reply.text, reply.blind) == ("I have no microphone that listens for sounds.", True)


@pytest.mark.parametrize(
    ("on", "off", "lost", "said", "sure"),
    [
        pytest.param("00:00", "15:10", (), "", True, id="watched all the time"),
        pytest.param("14:00", "15:10", (), " My record begins at 14:00.", False, id="the record begins late"),
        pytest.param("08:00", "10:00", (), " I was watching for only 2 hours of that time.", False, id="switched off"),
        pytest.param(
            "00:00",
            "15:10",
            ("02:00", "12:00"),
            " I had no good picture on the door camera for some of that time.",
            False,
            id="the camera was lost",
        ),
    ],
)
def test_what_was_not_watched_is_said_and_makes_unsure(
    diary: Diary, on: str, off: str, lost: tuple[str, ...], said: str, *, sure: bool
) -> None:
    diary.on(on)
    if lost:
        diary.status(lost[0], "lost")
        diary.status(lost[1], "online")
    diary.off(off)
    scene = Scene()
    scene.observe(Observation("door", 1.0, ()))
    _, reply = ask(diary, "did anyone come today at all since midnight?", scene=scene)
    assert reply.text == f"Since 00:00 I saw nobody.{said}"
    assert (reply.score >= SURE) is sure


def test_where_nothing_was_watched_nothing_is_known(diary: Diary) -> None:
    diary.on("14:00")
    diary.off("15:10")
    _, reply = ask(diary, "who came yesterday?")
    assert reply.blind
    assert reply.text == "I was not watching yesterday, so I cannot tell."


def test_doubtful_visits_make_a_doubtful_list_but_a_sure_yes(diary: Diary) -> None:
    diary.on("00:00")
    for hour in range(8, 12):
        diary.visit(f"{hour}:00", f"{hour}:01", score=0.6)
    diary.off("15:10")
    assert ask(diary, "who came this morning?")[1].score < SURE
    assert ask(diary, "was anyone here this morning?")[1].score >= 0.95


def test_who_is_still_there(diary: Diary) -> None:
    diary.on("00:00")
    diary.visit("13:00", None, label="car")
    diary.off("15:10")
    assert ask(diary, "when did the last car leave?")[1].text == "The last car has not left yet; it came at 13:00."


def test_who_can_be_told_only_as_a_person_is_told_so(lively: Diary) -> None:
    _, reply = ask(lively, "when did the postman come today?")
    assert reply.text.endswith("I cannot tell whether it was a postman.")
    assert reply.score == 0.0


def test_a_clock_that_is_not_set_is_said(lively: Diary) -> None:
    _, reply = ask(lively, "who came since lunch?", NOW.replace(year=1970))
    assert reply.blind
    assert "clock is not set" in reply.text


def test_a_record_that_cannot_be_read_is_said(diary: Diary) -> None:
    diary.path.write_bytes(b"no database" * 200)
    with pytest.raises(SinkError):
        Past(diary.path).between(0, 1)
    assert ask(diary, "who came since lunch?")[1].text == "My record of the past cannot be read; the log says why."


@pytest.mark.parametrize(
    ("seen_now", "answer"),
    [
        pytest.param(
            False,
            "I last saw a car 40 minutes ago, at 14:30, on the garden camera.",
            id="the record, after a restart",
        ),
        pytest.param(True, "I see a car right now, on the door camera.", id="what is seen now comes first"),
    ],
)
def test_last_seen_knows_what_was_before_this_start(lively: Diary, answer: str, *, seen_now: bool) -> None:
    scene = Scene()
    found = (Detection("car", 0.9, (0.0, 0.0, 1.0, 1.0)),) if seen_now else ()
    scene.observe(Observation("door", 10.0, found))
    skill, reply = ask(lively, "when did you last see a car?", scene=scene)
    assert (skill, reply.text) == ("last_seen", answer)


@pytest.mark.parametrize(
    "text",
    [
        "is there a person at the door?",
        "how many people are there?",
        "what do you see?",
        "what time is it?",
        "what's happening outside right now?",
        "do you see a dog",
        "what is 2 to the power of 3",
        "set a timer for 5 minutes",
        "who won the world cup last year?",
        "what time is it in the morning in Tokyo",
        "did Germany win on Monday?",
        "who is the president?",
        "how many people live in France?",
    ],
)
def test_other_questions_are_left_to_others(lively: Diary, text: str) -> None:
    means = Means(Nouns(LABELS), lambda: NOW, past=Past(lively.path), sounds=SOUNDS)
    for skill in builtin_skills(means):
        if skill.name in {"history", "sounds_heard"}:
            assert skill.reads(text) < 0.9, skill.name  # type: ignore[attr-defined]


def test_broken_tracks_are_one_visit_and_others_are_not(diary: Diary) -> None:
    diary.on("00:00")
    diary.visit("09:00", "09:01")
    diary.visit("09:01", "09:02")
    diary.visit("09:01", "09:02", source="garden")
    diary.visit("09:30", "09:31")
    diary.off("15:10")
    text = ask(diary, "how many people came this morning?")[1].text
    assert "three people" in text


def test_days_later_the_day_is_said(diary: Diary) -> None:
    diary.on("20 00:00")
    diary.visit("20 10:00", "20 10:05", label="dog")
    diary.off("15:10")
    assert ask(diary, "did you see a dog last week?")[1].text.startswith(
        "Yes. Last week I saw a dog on Friday 20 November at 10:00."
    )
    assert NOW - timedelta(days=3) > _at("20 00:00")
