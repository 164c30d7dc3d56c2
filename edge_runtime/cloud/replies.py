"""What endpoints send back, read within bounds: a whole completion or a stream of its pieces, as text fit to show."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import CloudProtocolError, CloudUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LARGEST_REPLY = 1_000_000
LONGEST_TEXT = 4_000
MOST_CHARACTERS_PER_TOKEN = 8
MOST_TOKENS = 100_000_000
DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class Completion:
    """A reply; a token count is None where the endpoint did not give it."""

    text: str
    input_tokens: int | None
    output_tokens: int | None


class Folding:
    """Makes text fit for terminals and speech as it comes: one line, no control characters, no endless text.

    Args:
        longest: characters at most.
    """

    def __init__(self, longest: int = LONGEST_TEXT) -> None:
        self._left = longest
        self._begun = False
        self._gap = False

    def fold(self, text: str) -> str:
        """Return what the next piece adds; white space waits until something follows it."""
        out = []
        for c in text:
            if not c.isprintable() or c == " ":
                self._gap = True
                continue
            if self._gap and self._begun:
                out.append(" ")
            out.append(c)
            self._begun, self._gap = True, False
        folded = "".join(out)[: self._left]
        self._left -= len(folded)
        return folded


def parse(body: bytes, sender: str, max_output_tokens: int = 0, *, verbatim: bool = False) -> Completion:
    """Return the completion in a response body.

    Args:
        body: what was received.
        sender: who sent it, for errors.
        max_output_tokens: how long the text was allowed to be.
        verbatim: keep the text as it is; else it becomes one line fit to show.

    Raises:
        CloudProtocolError: it is no completion, or one without text.
    """
    try:
        reply = json.loads(body)
        message = reply["choices"][0]["message"]
        text = message["content"] or message["refusal"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise CloudProtocolError(f"{sender} sent a body that is no chat completion ({type(error).__name__})") from None
    text = text if isinstance(text, str) else ""
    longest = longest_text(max_output_tokens)
    if verbatim and len(text) > longest:
        raise CloudProtocolError(
            f"{sender} sent {len(text)} characters where {longest} can be {max_output_tokens} tokens"
        )
    # Half characters cannot be sent on.
    text = text.encode("utf-8", "replace").decode().strip() if verbatim else Folding(longest).fold(text)
    if not text:
        raise CloudProtocolError(f"{sender} sent a completion without text")
    return Completion(text, *_usage(reply))


class StreamReader:
    """Reads a completion that comes as server-sent events, and hands its text on as it comes.

    Args:
        sender: who sends it, for errors.
        max_output_tokens: how long the text may be.
        on_text: gets each piece of text, folded to one line.
    """

    def __init__(self, sender: str, max_output_tokens: int, on_text: Callable[[str], None]) -> None:
        self._sender = sender
        self._on_text = on_text
        self._folding = Folding(longest_text(max_output_tokens))
        self._text: list[str] = []
        self._usage: tuple[int | None, int | None] = (None, None)
        self._finished = False

    def read(self, body: Iterable[bytes]) -> Completion:
        """Return the whole completion once the stream has ended.

        Raises:
            CloudProtocolError: it is no stream of a completion, or one without text.
            CloudUnavailableError: it broke off.
        """
        for event in _events(body):
            if event == DONE:
                self._finished = True
                break
            self._take(event)
        # Some endpoints leave [DONE] out, but all say why they stop.
        if not self._finished:
            raise CloudUnavailableError(f"{self._sender} broke its reply off half-way")
        text = "".join(self._text)
        if not text:
            raise CloudProtocolError(f"{self._sender} sent a completion without text")
        return Completion(text, *self._usage)

    def _take(self, event: str) -> None:
        try:
            chunk = json.loads(event)
            if chunk.get("error"):
                raise CloudUnavailableError(f"{self._sender} reported an error in the middle of its reply")
            choices = chunk.get("choices") or []
            delta: dict[str, Any] = (choices[0].get("delta") or {}) if choices else {}
            text = delta.get("content") or delta.get("refusal") or ""
            self._finished = self._finished or bool(choices and choices[0].get("finish_reason"))
        except (ValueError, AttributeError, IndexError, KeyError, TypeError, RecursionError) as error:
            raise CloudProtocolError(f"{self._sender} sent no chat completion ({type(error).__name__})") from None
        if chunk.get("usage"):
            # Some tell it again and again, or one number at a time; what was once used stays used.
            self._usage = _larger(self._usage[0], _usage(chunk)[0]), _larger(self._usage[1], _usage(chunk)[1])
        piece = self._folding.fold(text) if isinstance(text, str) else ""
        if piece:
            self._text.append(piece)
            self._on_text(piece)


def longest_text(max_output_tokens: int) -> int:
    """Return the characters that a reply of so many tokens may have."""
    return max(LONGEST_TEXT, MOST_CHARACTERS_PER_TOKEN * max_output_tokens)


def _events(body: Iterable[bytes]) -> Iterator[str]:
    """Yield the data of each event; only what the format's clients need of it is read."""
    rest = b""
    for part in body:
        *lines, rest = (rest + part).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].decode("utf-8", "replace").strip()
    if rest.startswith(b"data:"):
        yield rest[5:].decode("utf-8", "replace").strip()


def error_code(body: bytes) -> str | None:
    """Return the code in a body in OpenAI's error shape; nothing else of it is believed, for it may quote the key."""
    try:
        code = json.loads(body)["error"]["code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return code[:40] if isinstance(code, str) and code.replace("_", "").isalnum() and code.isascii() else None


def _usage(reply: dict[str, Any]) -> tuple[int | None, int | None]:
    usage = reply.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return _tokens(counts.get("prompt_tokens")), _tokens(counts.get("completion_tokens"))


def _tokens(value: object) -> int | None:
    """Return a count that can be true; no words are no tokens."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_TOKENS else None


def _larger(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else max(one, other)
