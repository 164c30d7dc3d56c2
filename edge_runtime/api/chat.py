"""A conversation in OpenAI's words becomes a question, and an answer a completion: pure, nothing is asked here."""

from __future__ import annotations

import json
import math
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge_runtime.api.cutting import Cut, tokens
from edge_runtime.api.refusal import RequestError
from edge_runtime.types import Frame, Origin, Question, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.api.bodies import ChatBody
    from edge_runtime.types import Answer, Image

MOST_CHARACTERS = 100_000
MOST_ASKED = 20_000
DEEPEST = 32
LARGEST_SCHEMA = 64 * 1024
SOURCE = "http"
_ABOUT_A_PICTURE = "Describe this picture."
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class Said:
    """One message with its sounds written down and its pictures decoded."""

    role: str
    text: str
    pictures: tuple[Image, ...] = ()


def question_of(body: ChatBody, said: Sequence[Said], wait_s: float | None = None) -> Question:
    """Return what a conversation asks; the newest picture in it counts.

    Raises:
        RequestError: there is no question in it, or it is too long.
    """
    *before, last = said
    where = f"messages[{len(before)}]"
    if last.role != "user":
        why = f"the last message is of role {last.role!r}; end with the user's question"
        raise RequestError(why, param=f"{where}.role", code="invalid_value")
    text = last.text.strip() or (_ABOUT_A_PICTURE if last.pictures else "")
    if not text:
        raise RequestError("the question is empty; ask something", param=f"{where}.content", code="empty_question")
    _check_length("question", len(text), MOST_ASKED)
    _check_length("conversation", sum(len(one.text) for one in said), MOST_CHARACTERS)
    at = time.monotonic()
    picture = next((one.pictures[0] for one in reversed(said) if one.pictures), None)
    return Question(
        text, SOURCE, at,
        frame=None if picture is None else Frame(SOURCE, at, picture),
        history=tuple(Turn(_ROLES[one.role], one.text) for one in before if one.text),  # type: ignore[arg-type]
        schema=_schema(body), wait_s=wait_s, local_only=body.model == "local",
    )  # fmt: skip


def _check_length(what: str, length: int, most: int) -> None:
    if length > most:
        why = f"the {what} has {length} characters; {most} can be read"
        raise RequestError(why, param="messages", code="context_length_exceeded")


def _schema(body: ChatBody) -> dict[str, Any] | None:
    schema = body.schema_wanted
    if schema is None:
        return None
    if not _flat(schema) or len(json.dumps(schema)) > LARGEST_SCHEMA:
        why = (
            f"the schema is larger than {LARGEST_SCHEMA} bytes, deeper than {DEEPEST} levels or holds a number that "
            "JSON does not know; make it smaller"
        )
        raise RequestError(why, param="response_format.json_schema.schema", code="schema_too_large")
    return schema


def _flat(value: object, levels: int = DEEPEST) -> bool:
    if isinstance(value, dict):
        return levels > 0 and all(_flat(inner, levels - 1) for inner in value.values())
    if isinstance(value, list):
        return levels > 0 and all(_flat(inner, levels - 1) for inner in value)
    return not isinstance(value, float) or math.isfinite(value)


def edge_of(answer: Answer) -> dict[str, Any]:
    """Return who answered, how sure, and at what price."""
    return {
        "origin": answer.origin.value,
        "confidence": round(min(max(answer.confidence, 0.0), 1.0), 4),
        "cost_usd": round(answer.cost_usd, 8),
        "skill": answer.skill,
        "model": answer.model,
        "prompt": answer.prompt,
        "cached": answer.cached,
        "sources": list(answer.sources),
        "elapsed_s": round(answer.elapsed_s, 4),
    }


def headers_of(answer: Answer) -> dict[str, str]:
    """Return the same in headers."""
    headers = {
        "X-Edge-Origin": answer.origin.value,
        "X-Edge-Confidence": f"{answer.confidence:.4f}",
        "X-Edge-Cost-USD": f"{answer.cost_usd:.8f}",
    }
    if answer.model:
        # A cloud's model may have any name; a header holds ASCII alone.
        headers["X-Edge-Model"] = "".join(char if " " <= char <= "~" else "?" for char in answer.model)
    return headers


@dataclass(slots=True)
class Completion:
    """One answer on its way to the client, whole or piece by piece."""

    body: ChatBody
    asked_tokens: int
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))
    _cut: Cut = field(init=False)
    _given: str = field(default="", init=False)
    _written: str = field(default="", init=False)

    def __post_init__(self) -> None:
        """Begin to count."""
        self._cut = Cut(self.body.stops, self.body.most_tokens)

    def whole(self, answer: Answer) -> dict[str, Any]:
        """Return the answer in one piece; a box that abstains from writing JSON refuses."""
        self._given = self._cut.feed(answer.text, last=True)
        words = {"content": self._given, "refusal": None}
        if self._refuses(answer):
            words = {"content": None, "refusal": self._given}
        message = {"role": "assistant", **words}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._cut.reason}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage(), "edge": edge_of(answer)}

    def first(self) -> dict[str, Any]:
        """Return the chunk that opens a stream."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def piece(self, text: str) -> list[dict[str, Any]]:
        """Return the chunks for a piece of text that a bigger mind wrote."""
        self._written += text
        return self._pass_on(self._cut.feed(text), "content")

    def rest(self, answer: Answer) -> list[dict[str, Any]] | None:
        """Return the last chunks, None where what was sent is not how the answer begins: the stream broke."""
        if not answer.text.startswith(self._written) or (self._written and answer.origin is Origin.ABSTAINED):
            return None
        kind = "refusal" if self._refuses(answer) else "content"
        chunks = self._pass_on(self._cut.feed(answer.text[len(self._written) :], last=True), kind)
        chunks.append({**self._chunk({}, self._cut.reason), "edge": edge_of(answer)})
        if self.body.stream_options and self.body.stream_options.include_usage:
            head = self._head("chat.completion.chunk")
            chunks.append({**head, "choices": [], "usage": self._usage(), "edge": edge_of(answer)})
        return chunks

    def _refuses(self, answer: Answer) -> bool:
        return self.body.schema_wanted is not None and answer.origin is Origin.ABSTAINED

    def _pass_on(self, text: str, kind: str) -> list[dict[str, Any]]:
        self._given += text
        return [self._chunk({kind: text})] if text else []

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.body.model}

    def _usage(self) -> dict[str, int]:
        given = tokens(self._given)
        total = self.asked_tokens + given
        return {"prompt_tokens": self.asked_tokens, "completion_tokens": given, "total_tokens": total}
