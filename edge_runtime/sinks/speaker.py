"""The mouth of the box: texts wait in a short queue and are spoken one after the other until told to stop."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edge_runtime.errors import EdgeError, SinkError, SpeechError
from edge_runtime.sinks.playback import Playback
from edge_runtime.types import Sound

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from edge_runtime.sections import SpeechSettings

_log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 30.0
STALE_S = 15.0
"""In trouble, an answer this old is not worth saying any more."""
_CLOSE_S = 5.0
_TONE_HZ = 880
_TONE_S = 0.15
_TONE_RATE_HZ = 48_000


class Voice(Protocol):
    """Who turns texts into sound."""

    def check(self, text: str) -> None:
        """Raise InputError for a text that cannot be spoken."""

    def pieces(self, text: str) -> Iterator[Sound]:
        """Yield the speech piece by piece."""

    def warm(self) -> None:
        """Prepare for the next text."""

    def stop(self) -> None:
        """End the speech going on."""

    def close(self) -> None:
        """End everything."""


class Listener(Protocol):
    """Who needs to know when the box speaks; called from the speaker's thread, times are monotonic seconds."""

    def started(self, at: float, text: str) -> None:
        """Take note that `text` is being spoken from `at` on."""

    def ended(self, at: float) -> None:
        """Take note that the speech has ended."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    text: str | None
    """None is the tone."""
    at: float


class Speaker:
    """Says texts through a sound output, in a thread of its own; trouble with either is logged once and waited out.

    The speaker owns `voice` and closes it.

    Attributes:
        spoken: texts that were said to their end.
        dropped: texts never said, or not to their end for any reason but `stop`.
    """

    def __init__(self, settings: SpeechSettings, voice: Voice, listener: Listener | None = None) -> None:
        self.spoken = self.dropped = 0
        self._settings = settings
        self._voice = voice
        self._listener = listener
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._now: _Waiting | None = None
        self._round = 0
        self._closed = self._audible = self._troubled = False
        self._failures = 0
        self._retry_at = 0.0
        self._playback: Playback | None = None
        self._thread = threading.Thread(target=self._run, name="speaker", daemon=True)
        self._thread.start()

    @property
    def speaking(self) -> bool:
        """Return whether a text is being spoken."""
        return self._audible

    def say(self, text: str) -> None:
        """Say `text` after what waits already; beyond `max_queue` the oldest that waits is dropped.

        Raises:
            InputError: there is nothing to say in it, or it is too long.
        """
        self._voice.check(text)
        self._put(_Waiting(text, time.monotonic()))

    def tone(self) -> None:
        """Play a short tone after what waits already."""
        self._put(_Waiting(None, time.monotonic()))

    def stop(self) -> None:
        """Be silent at once and forget what waits; safe from any thread."""
        with self._changed:
            self._round += 1
            self._waiting.clear()
            playback = self._playback if self._now else None
        if playback is not None:
            playback.kill()
            self._voice.stop()

    def finish(self, timeout_s: float) -> bool:
        """Wait until all is said; False when `timeout_s` was not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._now or self._waiting), timeout_s)

    def close(self) -> None:
        """Be silent, end the thread and every program."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.stop()
        self._thread.join(_CLOSE_S)

    def _put(self, waiting: _Waiting) -> None:
        with self._changed:
            self._waiting.append(waiting)
            while len(self._waiting) > self._settings.max_queue:
                self._waiting.popleft()
                self.dropped += 1
            self._changed.notify_all()

    def _run(self) -> None:
        self._prepare()
        while (taken := self._next()) is not None:
            try:
                self._say(*taken)
            except EdgeError as error:
                self._close_playback()
                self._fail(error, *taken)
            else:
                self._succeed()
            self._prepare()
            with self._changed:
                self._now = None
                self._changed.notify_all()
        self._close_playback()
        self._voice.close()

    def _next(self) -> tuple[_Waiting, int] | None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                if self._waiting and now >= self._retry_at:
                    waiting = self._waiting.popleft()
                    if not self._failures or now - waiting.at < STALE_S:
                        self._now = waiting
                        return waiting, self._round
                    self.dropped += 1
                else:
                    self._changed.wait(self._retry_at - now if self._waiting else None)
            return None

    def _say(self, waiting: _Waiting, this_round: int) -> None:
        playback = self._prepared()

        def begun() -> None:
            # A tone is no speech: who talks on over it is heard.
            if waiting.text is not None:
                self._audible = True
                if self._listener is not None:
                    self._listener.started(time.monotonic(), waiting.text)

        try:
            with contextlib.closing(self._pieces(waiting.text, this_round)) as pieces:
                playback.play(pieces, self._settings.volume, begun)
        finally:
            if self._audible:
                self._audible = False
                if self._listener is not None:
                    self._listener.ended(time.monotonic())

    def _pieces(self, text: str | None, this_round: int) -> Generator[Sound]:
        for piece in [_tone()] if text is None else self._voice.pieces(text):
            if this_round != self._round:
                raise SpeechError("speech was stopped")
            yield piece

    def _prepare(self) -> None:
        """Have a program that plays and one that speaks ready, so that the first word comes quickly."""
        # Whatever is wrong shows when something is to be said.
        with contextlib.suppress(EdgeError):
            self._voice.warm()
            if not self._failures and not self._closed:
                self._prepared()

    def _prepared(self) -> Playback:
        playback = self._playback or Playback(self._settings.device)
        with self._changed:
            self._playback = playback
        return playback

    def _close_playback(self) -> None:
        with self._changed:
            playback, self._playback = self._playback, None
        if playback is not None:
            playback.close()

    def _succeed(self) -> None:
        self.spoken += 1
        if self._troubled:
            _log.info("the speaker works again")
        self._troubled, self._failures, self._retry_at = False, 0, 0.0

    def _fail(self, error: EdgeError, waiting: _Waiting, this_round: int) -> None:
        with self._changed:
            if this_round != self._round:
                return
            if not self._troubled:
                _log.error("%s; what cannot be said is dropped and counted, this is said once", error)
            self._troubled = True
            again = isinstance(error, SinkError) and len(self._waiting) < self._settings.max_queue
            if again:
                self._waiting.appendleft(waiting)
                wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self._failures)
                self._failures = min(self._failures + 1, 16)
                self._retry_at = time.monotonic() + wait_s
            else:
                self.dropped += 1


def _tone() -> Sound:
    at = np.arange(round(_TONE_S * _TONE_RATE_HZ)) / _TONE_RATE_HZ
    # Without a soft beginning and end it would click.
    loudness = 0.3 * np.minimum(1, np.minimum(at, _TONE_S - at) / 0.02)
    return Sound((loudness * np.sin(2 * np.pi * _TONE_HZ * at)).astype(np.float32), _TONE_RATE_HZ)
