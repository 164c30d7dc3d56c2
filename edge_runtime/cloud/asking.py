"""A question as it is sent: through the egress gate, into the prompt's conversation, with its price known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edge_runtime.cloud.attempt import Asked
from edge_runtime.cloud.egress import Outgoing
from edge_runtime.errors import CloudProtocolError
from edge_runtime.types import Turn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.cloud.answer_format import AnswerFormat
    from edge_runtime.cloud.egress import EgressGate, Parcel
    from edge_runtime.prompts.book import Prompt
    from edge_runtime.types import Request

FRAMING_TOKENS = 16
"""More than the tokens that the chat format adds to each message."""


def parcel_of(request: Request, prompt: Prompt, gate: EgressGate) -> Parcel:
    """Return what may leave of a question's words, its earlier turns and its schema; raises EgressRefusedError."""
    question = request.question
    texts = [question.text, *(turn.text for turn in question.history)]
    if question.schema is not None:
        texts.append(json.dumps(question.schema, ensure_ascii=False))
    why = f"{request.skill} was not sure" if request.skill else "no skill understood it"
    # Half characters, as they come from file names and broken clients, cannot be sent.
    whole = tuple(text.encode("utf-8", "replace").decode() for text in texts)
    return gate.prepare(Outgoing(question.source, why, whole, mark=prompt.mark))


def asked_for(
    request: Request, prompt: Prompt, parcel: Parcel, expected: AnswerFormat | None, max_output_tokens: int
) -> Asked:
    """Return the question as it is sent; raises CloudProtocolError where the schema does not survive redaction."""
    question = request.question
    text, *rest = parcel.texts
    history = tuple(Turn(turn.role, said) for turn, said in zip(question.history, rest, strict=False))
    messages: list[dict[str, Any]] = list(prompt.messages(text, history))
    wire = None
    if expected is not None:
        wire = expected.wire(None if question.schema is None else _read(rest[-1]))
    tokens = token_bound(messages, wire)
    if parcel.picture_url:
        picture = {"type": "image_url", "image_url": {"url": parcel.picture_url, "detail": "low"}}
        messages[-1] = {"role": "user", "content": [{"type": "text", "text": text}, picture]}
    return Asked(parcel, messages, tokens, max_output_tokens, wire)


def repair_of(asked: Asked, reply: str, complaint: str, gate: EgressGate) -> Asked:
    """Return the question again, with the reply that was wrong and what is wrong with it."""
    parcel = gate.add(asked.parcel, reply, f"That is not valid: {complaint}. Send the corrected JSON alone.")
    wrong, order = parcel.texts[-2:]
    more = [{"role": "assistant", "content": wrong}, {"role": "user", "content": order}]
    tokens = asked.tokens + token_bound(more)
    return replace(asked, parcel=parcel, messages=[*asked.messages, *more], tokens=tokens)


def token_bound(messages: list[dict[str, Any]], wire: Mapping[str, Any] | None = None) -> int:
    """Return the most tokens that messages of text can be: none is shorter than a byte."""
    words = sum(len(str(message["content"]).encode()) + FRAMING_TOKENS for message in messages)
    return words + FRAMING_TOKENS + (len(json.dumps(wire).encode()) if wire else 0)


def _read(schema: str) -> dict[str, Any]:
    try:
        read = json.loads(schema)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise CloudProtocolError("the answer's schema holds something private, and is none without it")
    return read
