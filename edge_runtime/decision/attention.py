"""Whether an utterance is meant for this box: it follows a wake word, or holds one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_runtime.types import Wake

_LEAST_COMMAND_S = 0.45
"""What is left of an utterance after its wake word is a command only if it is longer than this: the last sound of a
wake word fades, and the voice detector notices a pause late, 0.2 s in the middle and 0.34 s at most together."""
_FADES_S = 0.04
"""A command begins no sooner than this after the wake word's last sound was at its surest."""


class Attention:
    """Holds who is spoken to: after a wake word one command counts, in the same breath or within `window_s`.

    All times are those of the chunks. Without wake words every utterance counts.

    Args:
        window_s: seconds after the wake word (and after the utterance that holds it) in which a command may begin.
        always: no wake word is set, so everything that is said counts.
    """

    def __init__(self, window_s: float, *, always: bool = False) -> None:
        self._window_s = window_s
        self._always = always
        self._wake: Wake | None = None
        self._until = 0.0

    def woken(self, wake: Wake) -> None:
        """Take a wake word that was heard; a later one begins the window anew."""
        self._wake = wake
        self._until = max(self._until, wake.end + self._window_s)

    def command_start(self, start: float, end: float) -> float | None:
        """Return where the command begins in an utterance from `start` to `end`, or None if it does not count.

        An utterance that is the wake word alone does not count, but the window lasts on from its end.
        """
        if self._always:
            return start
        wake = self._wake
        if wake is None or end <= wake.start or start > self._until:
            return None
        if start >= wake.end:
            return start
        if end - wake.end < _LEAST_COMMAND_S:
            self._until = max(self._until, end + self._window_s)
            return None
        return wake.end + _FADES_S

    def understood(self) -> None:
        """The command was understood; the next one needs the wake word again."""
        self._wake = None
        self._until = 0.0

    def in_vain(self, now: float, *, speaking: bool = False) -> Wake | None:
        """Return, once, the wake word after which no command came: probably it was never said.

        Args:
            now: time of the newest chunk.
            speaking: an utterance is going on, which may have begun within the window.
        """
        if self._wake is None or speaking or now <= self._until:
            return None
        wake, self._wake = self._wake, None
        return wake

    @property
    def awake(self) -> bool:
        """A wake word was heard and its command is still awaited; always true without wake words."""
        return self._always or self._wake is not None
