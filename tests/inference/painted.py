"""Speech whose samples say outright which phone is spoken, for tests of what is done with phones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PHONES = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
HOP = 384
SAID = {
    "hey": "HH EY", "pixel": "P IH K S AH L", "jarvis": "JH AA R V AH S", "computer": "K AH M P Y UW T ER",
    "turn": "T ER N", "on": "AA N", "the": "DH AH", "lamp": "L AE M P", "alexa": "AH L EH K S AH", "no": "N OW",
    "alexander": "AE L AH G Z AE N D ER", "a": "AH", "tv": "T IY V IY",
}  # fmt: skip
_LEVELS = 64


class PaintedModel:
    """Gives the phones that `say` has painted into the samples, `sure` of them, the rest shared by all others."""

    def __init__(self, sure: float = 0.9) -> None:
        self.phones: Sequence[str] = PHONES
        self.hop = HOP
        self.runs = 0
        self._sure = sure

    def log_probs(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        self.runs += 1
        frames = max(1, len(samples) // HOP)
        middles = np.pad(samples, (0, HOP))[HOP // 2 :: HOP][:frames]
        channels = np.rint(middles * _LEVELS).astype(int)
        width = 1 + len(PHONES)
        probs = np.full((frames, width), (1 - self._sure) / (width - 1))
        probs[np.arange(frames), channels] = self._sure
        found: NDArray[np.float32] = np.log(probs).astype(np.float32)
        return found


class PaintedWords:
    """How the few words of these tests are said."""

    @property
    def common(self) -> dict[str, tuple[tuple[str, ...], ...]]:
        return {word: self.pronunciations(word) for word in SAID}

    def pronunciations(self, word: str) -> tuple[tuple[str, ...], ...]:
        return (tuple(SAID[word].split()),) if word in SAID else ()


def say(text: str, *, frames_each: int = 4, quiet_s: float = 0.5) -> NDArray[np.float32]:
    """Return painted samples of words, or of single phones in capitals, with silence around them."""
    phones = [phone for word in text.split() for phone in SAID.get(word, word).split()]
    channels = [channel for phone in phones for channel in (1 + PHONES.index(phone), *[0] * (frames_each - 1))]
    quiet = np.zeros(round(quiet_s * 16_000 / HOP) * HOP, np.float32)
    painted = np.repeat(np.asarray(channels, np.float32) / _LEVELS, HOP)
    return np.concatenate([quiet, painted.astype(np.float32), quiet])
