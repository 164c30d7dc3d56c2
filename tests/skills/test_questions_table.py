"""The whole box's routing on questions that were written apart from its examples.

The lessons were written with an eye on what goes wrong in the first table; the second was written after them, and
measured once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_runtime.config import Settings
from edge_runtime.skills.lessons import lessons
from edge_runtime.skills.phrasing import normal
from edge_runtime.wiring.answers import make_router
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from edge_runtime.skills.routing import Router

TABLES = {
    name: [json.loads(line) for line in Path(__file__).with_name(f"{name}.jsonl").read_text("utf-8").splitlines()]
    for name in ("questions", "questions_unseen")
}
ROWS = [row for rows in TABLES.values() for row in rows]
SURE = 0.8
VERY_SURE = 0.95


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Router:
    plain = Settings()
    device = plain.device.model_copy(update={"data_dir": tmp_path_factory.mktemp("data")})
    settings = plain.model_copy(update={"device": device})
    return make_router(settings, Models.of(settings))[0]


def test_the_table_is_large_and_asks_each_question_once() -> None:
    texts = [normal(row["text"]) for row in ROWS]
    assert len(texts) == len(set(texts))
    assert len(texts) >= 300
    assert sum(row["skill"] is None for row in ROWS) >= 100


def test_hardly_a_question_of_the_tables_was_learned_from(box: Router) -> None:
    assert len(new(box, ROWS)) / len(ROWS) > 0.97


def new(box: Router, rows: list[dict[str, str | None]]) -> list[tuple[str, list[str]]]:
    """Return the texts, and the skills that fit, of those rows that are no skill's example by now."""
    learned = {text for _, text in lessons(box.skills)}
    return [
        (text, (row["skill"] or "").split("|"))
        for row in rows
        if (text := row["text"]) is not None and normal(text) not in learned
    ]


@pytest.mark.parametrize(("table", "least", "least_sure"), [("questions", 0.87, 0.77), ("questions_unseen", 0.92, 0.8)])
def test_questions_reach_their_skill(box: Router, table: str, least: float, least_sure: float) -> None:
    there = {skill.name for skill in box.skills}
    ours = [(text, names) for text, names in new(box, TABLES[table]) if there & set(names)]
    found = [(text, names, box(text)) for text, names in ours]
    right = [routed for _, names, routed in found if routed and routed.skill.name in names]
    wrong = [text for text, names, routed in found if not routed or routed.skill.name not in names]
    assert len(right) / len(ours) >= least, wrong
    assert sum(routed.confidence >= SURE for routed in right) / len(ours) >= least_sure


@pytest.mark.parametrize("table", TABLES)
def test_questions_for_nobody_are_seldom_claimed(box: Router, table: str) -> None:
    nobodys = [row["text"] for row in TABLES[table] if row["skill"] is None]
    claimed = [(text, routed.skill.name) for text in nobodys if (routed := box(text)) and routed.confidence >= SURE]
    assert len(claimed) / len(nobodys) <= 0.06, claimed


def test_who_is_said_to_be_meant_for_sure_is_meant(box: Router) -> None:
    there = {skill.name for skill in box.skills}
    ours = [(text, names) for text, names in new(box, ROWS) if names == [""] or there & set(names)]
    sure = [(names, routed) for text, names in ours if (routed := box(text)) and routed.confidence >= VERY_SURE]
    assert len(sure) > 200
    assert sum(routed.skill.name in names for names, routed in sure) / len(sure) >= 0.97


@pytest.mark.parametrize(
    "text",
    [
        "is the light on?",
        "are the blinds closed?",
        "who turned on the light?",
        "how do I turn on the light?",
        "did you lock the door?",
        "why is the heating on?",
        "when does the light turn off?",
        "should I close the window?",
    ],
)
def test_a_question_carries_out_no_command(box: Router, text: str) -> None:
    routed = box(text)
    while routed is not None:
        assert routed.skill.name != "commands"
        routed = routed.then


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("does your chip run hot at the moment", "temperature"),
        ("for how long have you been up", "uptime"),
        ("is there still room on your disk", "disk"),
        ("what did you pay the cloud today", "cost"),
    ],
)
def test_what_a_question_to_the_box_is_about_is_told_by_its_meaning(box: Router, text: str, topic: str) -> None:
    routed = box(text)
    assert routed is not None
    assert routed.skill.name == "status"
    assert routed.slots.get("topic", topic) == topic
