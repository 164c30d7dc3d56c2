from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edge_runtime.config import Settings
from edge_runtime.errors import BundleError, ConfigError
from edge_runtime.inference.generator import Generation, Generator
from edge_runtime.pipelines.minds import Minds
from edge_runtime.prompts.book import PromptBook
from edge_runtime.types import Question, Request, Turn
from edge_runtime.wiring import mind
from edge_runtime.wiring.mind import LocalMind, make_mind, spoken

if TYPE_CHECKING:
    from edge_runtime.inference.generator import Finish

TINY = Path(__file__).parents[1] / "inference" / "tiny_writer"
BOOK = PromptBook(None)


def settings(bundle: Path | None, **how: Any) -> Settings:
    return Settings.model_validate({"mind": {"bundle": bundle, **how}, "device": {"threads": 1}})


def request(text: str = "What is the capital of France?", **how: Any) -> Request:
    question = Question(text, "terminal", 0.0, history=how.pop("history", ()), schema=how.pop("schema", None))
    return replace(Request(question, None, time.monotonic() + 60), **how)


def thinking(monkeypatch: pytest.MonkeyPatch, text: str, finish: Finish = "stop", mean: float = -0.5) -> LocalMind:
    """Return the mind of a bundle whose model writes what a test says."""
    found = make_mind(settings(TINY), BOOK)
    assert found is not None
    monkeypatch.setattr(Generator, "generate", lambda *_, **__: Generation(text, (1, 2), mean, finish))
    return found


def test_a_box_without_a_bundle_has_no_mind() -> None:
    assert make_mind(settings(None), BOOK) is None


def test_a_real_bundle_answers_within_its_bounds() -> None:
    found = make_mind(settings(TINY, max_output_tokens=8), BOOK)
    assert found is not None
    assert (found.name, found.sees) == ("tiny_writer", False)
    # What random weights write is cut before its first sentence ends, or is one by chance.
    reply = found.answer(request())
    assert reply is None or 0 < reply.score < 1
    minds = Minds("nobody else", found)
    assert minds.patience_s(request().question) > 0


def test_it_is_told_what_the_book_says(monkeypatch: pytest.MonkeyPatch) -> None:
    found = thinking(monkeypatch, "Paris.")
    told: dict[str, Any] = {}

    def kept(_: Generator, messages: list[dict[str, str]], wish: Any, **how: Any) -> Generation:
        told.update(messages=messages, wish=wish, how=how)
        return Generation("Paris.", (1,), 0.0, "stop")

    monkeypatch.setattr(Generator, "generate", kept)
    asked = request("And of Italy?", history=(Turn("user", "Of France?"), Turn("assistant", "Paris.")), deadline=7.0)
    assert found.answer(asked) is not None
    assert told["messages"] == BOOK.of(None).messages("And of Italy?", asked.question.history)
    assert (told["wish"].max_output_tokens, told["wish"].temperature) == (120, 0.0)
    assert told["how"] == {"on_text": None, "cancelled": asked.cancelled, "deadline": 7.0}


@pytest.mark.parametrize(
    ("text", "finish", "said"),
    [
        pytest.param(" Paris. ", "stop", "Paris.", id="an answer"),
        pytest.param("UNSURE", "stop", None, id="not sure"),
        pytest.param("**Unsure.**", "stop", None, id="not sure, in its own way"),
        pytest.param("", "stop", None, id="nothing"),
        pytest.param("It is Paris. It has many", "length", "It is Paris.", id="the last whole sentence"),
        pytest.param("It costs 3.5 francs and", "length", None, id="a point is no end"),
        pytest.param("It is Paris.", "loop", None, id="in circles"),
        pytest.param("It is Paris.", "cancelled", None, id="nobody waits"),
        pytest.param("It is Paris.", "deadline", None, id="too late"),
    ],
)
def test_what_counts_as_an_answer(monkeypatch: pytest.MonkeyPatch, text: str, finish: Finish, said: str | None) -> None:
    reply = thinking(monkeypatch, text, finish).answer(request())
    assert (None if reply is None else reply.text) == said
    if reply is not None:
        assert reply.score == pytest.approx(math.exp(-0.5))


def test_json_is_left_to_those_who_check_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert thinking(monkeypatch, '{"a": 1}').answer(request(schema={"type": "object"})) is None


def test_a_question_that_is_too_long_is_not_answered() -> None:
    found = make_mind(settings(TINY), BOOK)
    assert found is not None
    assert found.answer(request("dog " * 3000)) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("## Paris\n\nIt is **Paris**, _really_.", "Paris It is Paris, really.", id="headings and stress"),
        pytest.param("- red\n* green\n+ blue", "red green blue", id="lists"),
        pytest.param("See [the page](https://example.org/a_b) and `code`.", "See the page and code.", id="links, code"),
        pytest.param("```python\nprint(1)\n```", "print(1)", id="fences"),
        pytest.param("2 * 3 = 6 and a_b stays, 5 - 3 too", "2 * 3 = 6 and a_b stays, 5 - 3 too", id="sums stay"),
        pytest.param("* " * 50_000, "*", id="no end of marks"),
    ],
)
def test_answers_are_for_the_ear(text: str, said: str) -> None:
    assert spoken(text)[: len(said)] == said


@pytest.mark.parametrize(
    ("bundle", "error", "reason"),
    [
        pytest.param(TINY / "nowhere", ConfigError, "mind.bundle is .*nowhere', which is no folder", id="no folder"),
        pytest.param(TINY.parent, BundleError, "has no readable manifest.json", id="no bundle"),
        pytest.param(TINY.with_name("tiny_whisper"), BundleError, "has no language model", id="of another kind"),
    ],
)
def test_a_bundle_that_cannot_be_used_is_told(bundle: Path, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        make_mind(settings(bundle), BOOK)


def test_a_bundle_that_was_changed_is_told(tmp_path: Path) -> None:
    for name in json.loads((TINY / "manifest.json").read_text())["files"]:
        (tmp_path / name).write_bytes((TINY / name).read_bytes())
    (tmp_path / "manifest.json").write_bytes((TINY / "manifest.json").read_bytes())
    (tmp_path / "chat_template.jinja").write_text("{{ 1 }}")
    with pytest.raises(BundleError, match=r"chat_template\.jinja has sha256"):
        make_mind(settings(tmp_path), BOOK)


def test_nothing_of_a_model_is_loaded_for_boxes_without_one() -> None:
    assert "Generator" not in vars(mind)
