"""What the doors are handed: the box's ears, mouth and answers, each as little as they need to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.types import Answer, AudioChunk, Question, Sound, Wake

Samples: TypeAlias = NDArray[np.float32]


class Spotter(Protocol):
    """Listens to one stream for wake words."""

    def process(self, chunk: AudioChunk) -> Wake | None:
        """Take the next 512 samples; return the wake word that was heard, if any."""

    def flush(self) -> Wake | None:
        """End the stream; return the wake word at its very end, if any."""

    def reset(self) -> None:
        """Forget the stream."""


class Meaning(Protocol):
    """A sentence that was understood."""

    @property
    def intent(self) -> str:
        """Return what is to be done."""

    @property
    def slots(self) -> Mapping[str, Any]:
        """Return with what, by name."""


class Resampling(Protocol):
    """Brings one stream of mono samples to 16 kHz."""

    def feed(self, samples: Samples, *, last: bool = False) -> Samples:
        """Return what is ready, all that is left with `last`."""


class Speaker(Protocol):
    """Plays sound, one piece after the other."""

    def play(self, sound: Sound) -> None:
        """Play it; return when it has been heard or `stop` was called."""

    def stop(self) -> None:
        """Fall silent at once; safe from any thread."""


@dataclass(frozen=True, slots=True)
class Made:
    """Who made a model, as a client is told it.

    Attributes:
        name: of the model.
        by: its maker.
        url: where it comes from, empty for this program itself.
        version: as its maker counts.
        languages: which it knows, "en" for example.
    """

    name: str
    by: str
    url: str
    version: str | None = None
    languages: tuple[str, ...] = ("en",)


@dataclass(frozen=True, slots=True)
class Services:
    """What is offered: a service that is None is not. All of them may be called from several threads at once.

    Attributes:
        version: of this program.
        resampler: returns what brings one stream from a rate in hertz to 16 kHz.
        transcribe: returns the sentence in an utterance, empty where none was understood.
        match: returns what a sentence means.
        answer: answers a question, whatever it is.
        spotter: returns what listens for some of `wake_words`, one for each stream.
        say: speaks a text.
        wake_words: as the settings spell them.
        made: who made the model behind "asr", "intent", "handle", "wake", "tts".
    """

    version: str
    resampler: Callable[[int], Resampling]
    transcribe: Callable[[AudioChunk], str] | None = None
    match: Callable[[str], Meaning | None] | None = None
    answer: Callable[[Question], Answer] | None = None
    spotter: Callable[[Sequence[str]], Spotter] | None = None
    say: Callable[[str], Sound] | None = None
    wake_words: tuple[str, ...] = ()
    made: Mapping[str, Made] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SatelliteParts:
    """What a satellite is made of.

    Attributes:
        name: of the box.
        area: room it stands in.
        version: of this program.
        always: stream all the time; else what follows a wake word alone.
        speaker: plays what is sent back, None where there is none.
        wake_words: as the settings spell them.
    """

    name: str
    area: str | None
    version: str
    always: bool = False
    speaker: Speaker | None = None
    wake_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the box one client may take.

    Attributes:
        clients: connected at once at one door.
        audio_s: longest utterance.
        play_s: most sound that waits to be played.
        idle_s: a client that says nothing for so long is sent away.
        send_s: a client that does not take what it is sent for so long is sent away.
        ping_s: between two signs of life asked of the server of a satellite.
        dead_s: without any sign of life from it, its connection is lost.
        stream_s: most sound that a satellite sends after one wake word.
        stop_s: wait this long for work that is going on as the doors close.
    """

    clients: int = 20
    audio_s: float = 60.0
    play_s: float = 120.0
    idle_s: float = 60.0
    send_s: float = 10.0
    ping_s: float = 5.0
    dead_s: float = 15.0
    stream_s: float = 20.0
    stop_s: float = 5.0
