"""What counts while the box speaks: it hears itself, so only the words that silence it do."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEPT = 8
_PRE_ROLL_S = 0.3
"""An utterance begins this long before its first sound."""
_ENDLESS = float("inf")


class Verdict(enum.Enum):
    """What to do with something heard."""

    NORMAL = "normal"
    IGNORE = "ignore"
    STOP_TALKING = "stop talking"


@dataclass(frozen=True, slots=True)
class _Speech:
    """One stretch in which the box speaks `words`, in monotonic seconds."""

    start: float
    end: float
    words: str


class BargeIn:
    """A half-duplex guard: without an echo canceller, what is heard while the box speaks may be the box itself.

    An utterance counts as heard during speech if the two overlap. Of those, one that ends with a stop phrase, or is a
    wake word, ends the speech, and everything else is ignored. A stop phrase or wake word that is in the text being
    spoken is ignored too: that is most probably the box.

    Args:
        stop_phrases: what silences the box, in words.
        tail_s: seconds that a room, a sound card and the end of an utterance take after the speech itself.
    """

    def __init__(self, stop_phrases: Sequence[str], tail_s: float = 0.9) -> None:
        self._stop_phrases = tuple(filter(None, map(_plain, stop_phrases)))
        self._tail_s = tail_s
        self._speeches: tuple[_Speech, ...] = ()

    def started(self, at: float, text: str) -> None:
        """Take note that the box speaks `text` from `at` on."""
        self._speeches = (*self._speeches, _Speech(at, _ENDLESS, _plain(text)))[-_KEPT:]

    def ended(self, at: float) -> None:
        """Take note that it fell silent."""
        *before, last = self._speeches
        self._speeches = (*before, _Speech(last.start, min(last.end, at), last.words))

    def heard(self, text: str, ended_at: float, began_at: float | None = None) -> Verdict:
        """Return what to do with an utterance that ended at `ended_at`.

        Args:
            text: the words understood, empty where there were none.
            ended_at: monotonic seconds of its last sample, the silence that ended it included.
            began_at: of its first sample; where it is not known, an utterance that ends more than `tail_s` after the
                speech is taken for one that began after it.
        """
        speech = self._during(ended_at, began_at)
        if speech is None:
            return Verdict.NORMAL
        said = _plain(text)
        silences = any(said.endswith(phrase) and phrase not in speech.words for phrase in self._stop_phrases)
        return Verdict.STOP_TALKING if silences else Verdict.IGNORE

    def woken(self, word: str, at: float) -> Verdict:
        """Return what to do with the wake word `word`, spotted at `at`."""
        speech = self._during(at, at)
        if speech is None:
            return Verdict.NORMAL
        return Verdict.IGNORE if _plain(word) in speech.words else Verdict.STOP_TALKING

    def _during(self, ended_at: float, began_at: float | None) -> _Speech | None:
        for speech in reversed(self._speeches):
            if began_at is None:
                overlaps = speech.start < ended_at <= speech.end + self._tail_s
            else:
                overlaps = speech.start < ended_at and began_at + _PRE_ROLL_S < speech.end
            if overlaps:
                return speech
        return None


def _plain(text: str) -> str:
    """Return the words alone, each between spaces, so that "stop" is not in "nonstop"."""
    words = re.findall(r"\w+", text.lower().replace("'", ""))
    return f" {' '.join(words)} " if words else ""
