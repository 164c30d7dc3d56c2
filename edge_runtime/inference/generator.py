"""A language model of a bundle that writes replies, token by token."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import psutil

from edge_runtime.bundles.parts import GeneratorPart
from edge_runtime.errors import BundleError, InputError
from edge_runtime.inference.chat_template import ChatTemplate
from edge_runtime.inference.detokenising import TextStream
from edge_runtime.inference.memory import Memory, bytes_of, names
from edge_runtime.inference.preprocess import read_tokenizer
from edge_runtime.inference.sampling import Sampler
from edge_runtime.inference.session import OnnxSession
from edge_runtime.inference.transcript import without_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.inference.chat_template import Message

    Finish = Literal["stop", "length", "loop", "cancelled", "deadline"]

MOST_ROOM = 2048
"""Tokens that are remembered at most where nothing else is asked for: prompt, earlier turns and reply."""

_LOADED_SHARE = 2.2
"""Memory that a model takes while it is loaded, as a share of its file; `bench/generator.py` measures it."""

_ROOM_FOR_OTHERS = 64 * 2**20
_WAIT_S = 0.1
_SHORTEST_LOOP = 24


@dataclass(frozen=True, slots=True)
class Wish:
    """How a reply is to be written.

    Attributes:
        max_output_tokens: the longest reply.
        temperature: 0 always takes the likeliest token.
        top_p: share of the probability that tokens are drawn from, where the temperature is more.
        seed: of the drawing.
        guard: a reply that goes round in circles is cut.
    """

    max_output_tokens: int = 120
    temperature: float = 0.0
    top_p: float = 0.95
    seed: int = 0
    guard: bool = True


USUAL = Wish()


@dataclass(frozen=True, slots=True)
class Generation:
    """What was written.

    Attributes:
        text: without the token that ends it.
        tokens: with the one that ends it, if it was written.
        mean_log_prob: mean logarithm of the probabilities that the model gave its tokens, -inf where there is none.
        finish_reason: why it ends: by itself, at the longest reply, in circles, because nobody waits, or out of time.
        prompt_tokens: tokens of the prompt, `known_tokens` of them remembered from the reply before.
    """

    text: str
    tokens: tuple[int, ...]
    mean_log_prob: float
    finish_reason: Finish
    prompt_tokens: int = 0
    known_tokens: int = 0


class Generator:
    """Writes replies; safe across threads, one reply at a time.

    What two prompts have in common from their beginning is read once, so that the system prompt and its examples cost
    nothing from the second question on.

    Args:
        manifest: of the bundle.
        threads: processor threads of one run.
        room: tokens that are remembered at most, `MOST_ROOM` or what the model was made for where not given.
        free_bytes: memory that may be taken, what the system has to spare where not given.

    Raises:
        BundleError: the bundle has no language model, its files are not what the manifest says, or it does not fit into
            the memory.
    """

    def __init__(
        self, manifest: Manifest, *, threads: int = 2, room: int | None = None, free_bytes: int | None = None
    ) -> None:
        part = self._part = manifest.part(GeneratorPart)
        self.name = manifest.name
        room = min(part.context, room or MOST_ROOM)
        path = manifest.path(part.decoder)
        _check_fits(manifest.name, path, bytes_of(part, room), free_bytes)
        self._tokenizer = read_tokenizer(manifest.path(part.tokenizer))
        template = None if part.template is None else manifest.path(part.template)
        self._template = ChatTemplate.read(template, part.special)
        self._specials = sorted(
            (token.content for token in self._tokenizer.get_added_tokens_decoder().values() if token.special),
            key=len,
            reverse=True,
        )
        decoder = OnnxSession(path, threads=threads)
        decoder.expect(["input_ids", "places", "total", *names(part, "past")], ["logits", *names(part, "present")])
        self._memory = Memory(decoder, part, room)
        self._lock = threading.Lock()

    def generate(
        self,
        messages: Sequence[Message],
        wish: Wish = USUAL,
        *,
        on_text: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] = bool,
        deadline: float = math.inf,
    ) -> Generation:
        """Return the reply to the last of `messages`.

        Args:
            messages: the conversation, oldest first. Where it is longer than there is room for, the oldest turns behind
                the system prompt are forgotten, never that prompt and never the last message.
            wish: how to write.
            on_text: gets the reply piece by piece.
            cancelled: tells that nobody waits any more; asked before each token.
            deadline: monotonic seconds at which writing stops, or waiting for another's reply.

        Raises:
            InputError: the system prompt and the last message alone are too long.
            BundleError: the bundle's chat template cannot be followed.
        """
        stop = _Stop(cancelled, deadline)
        while not self._lock.acquire(timeout=max(0.0, min(_WAIT_S, deadline - time.monotonic()))):
            if stop():
                return Generation("", (), -math.inf, stop.reason)
        try:
            return self._write(self._fitting(messages, wish), wish, on_text or _nobody, stop)
        finally:
            self._lock.release()

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """Return the prompt of a conversation as the model reads it.

        Raises:
            BundleError: the bundle's chat template cannot be followed.
        """
        harmless = [{**message, "content": self._harmless(message["content"])} for message in messages]
        text = self._template.render(harmless)
        found: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return found

    def _harmless(self, text: str) -> str:
        """Return a text without what would begin or end a turn: nobody but the template gives such orders."""
        while found := next((token for token in self._specials if token in text), None):
            text = text.replace(found, "")
        return text

    def _fitting(self, messages: Sequence[Message], wish: Wish) -> list[int]:
        room = self._memory.room
        most = room - min(wish.max_output_tokens, room // 2)
        for kept in _shorter(messages):
            tokens = self.tokens(kept)
            if len(tokens) <= most:
                return tokens
        raise InputError(
            f"the question takes {len(tokens)} tokens with its system prompt, and {self.name} has room for {most}; ask "
            "in fewer words"
        )

    def _write(self, prompt: list[int], wish: Wish, on_text: Callable[[str], None], stop: _Stop) -> Generation:
        known = self._memory.known(prompt)
        reply = _Reply(TextStream(self._tokenizer), self._part.stop_text, on_text)
        sampler = Sampler(wish.temperature, wish.top_p, wish.seed)
        logits = self._memory.read(prompt, stop)
        most = min(wish.max_output_tokens, self._memory.room - len(prompt))
        finish: Finish = "length"
        while not stop.reason_known and len(reply.tokens) < most:
            if reply.add(*sampler.pick(logits), ends=self._part.stop_ids):
                finish = "stop"
                break
            if wish.guard and len(reply.tokens) >= _SHORTEST_LOOP and without_loop(reply.tokens) is not None:
                finish = "loop"
                break
            if stop() or len(reply.tokens) == most:
                break
            logits = self._memory.follow(reply.tokens[-1])
        if stop.reason_known and finish == "length":
            finish = stop.reason
        return Generation(reply.text(), tuple(reply.tokens), reply.mean, finish, len(prompt), known)


class _Stop:
    """Says whether to stop, and why; it never changes its mind."""

    def __init__(self, cancelled: Callable[[], bool], deadline: float) -> None:
        self._cancelled, self._deadline = cancelled, deadline
        self.reason_known = False
        self.reason: Finish = "deadline"

    def __call__(self) -> bool:
        if not self.reason_known:
            late = time.monotonic() >= self._deadline
            self.reason_known = late or self._cancelled()
            self.reason = "deadline" if late else "cancelled"
        return self.reason_known


class _Reply:
    """A reply as it grows."""

    def __init__(self, stream: TextStream, stop_text: str | None, on_text: Callable[[str], None]) -> None:
        self._stream, self._stop_text, self._on_text = stream, stop_text, on_text
        self._pieces: list[str] = []
        self._logs: list[float] = []
        self._ended = False
        self.tokens: list[int] = []

    @property
    def mean(self) -> float:
        return float(np.mean(self._logs)) if self._logs else -math.inf

    def add(self, token: int, log_prob: float, ends: Sequence[int]) -> bool:
        """Take a token with its probability's logarithm and say whether the reply ends with it."""
        self.tokens.append(token)
        self._logs.append(log_prob)
        if token not in ends:
            self._say(self._stream.push(token))
            return self._ended
        return True

    def text(self) -> str:
        self._say(self._stream.end())
        return "".join(self._pieces).rstrip()

    def _say(self, piece: str) -> None:
        if not self._pieces:
            piece = piece.lstrip()
        if self._stop_text is not None and self._stop_text in piece:
            piece = piece.split(self._stop_text)[0]
            self._say_now(piece)
            self._ended = True
            return
        self._say_now(piece)

    def _say_now(self, piece: str) -> None:
        if piece and not self._ended:
            self._pieces.append(piece)
            self._on_text(piece)


def _nobody(_: str) -> None:
    """Show nothing."""


def _shorter(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """Yield a conversation, then the same without its oldest turns, at last without any but the last message."""
    first = 1 if messages and messages[0]["role"] == "system" else 0
    kept = list(messages)
    yield kept
    while len(kept) > first + 1:
        # What is left begins with a question again, as templates want it.
        del kept[first]
        while len(kept) > first + 1 and kept[first]["role"] != "user":
            del kept[first]
        yield list(kept)


def _check_fits(name: str, path: Path, remembered: int, free: int | None) -> None:
    try:
        model = path.stat().st_size
    except OSError:
        # The session says so better.
        return
    needed = int(model * _LOADED_SHARE) + remembered + _ROOM_FOR_OTHERS
    free = _free_bytes() if free is None else free
    if needed > free:
        raise BundleError(
            f"bundle {name} needs about {needed / 1e6:.0f} MB of memory, and {free / 1e6:.0f} MB are free; make a "
            "smaller one, with --int4, or free some"
        )


def _free_bytes() -> int:
    """Return what the system has to spare, in bytes."""
    return int(psutil.virtual_memory().available)
