"""What the HTTP API is handed: answers, vectors, ears and mouth of the box, each as little as it needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.api.page_services import PageServices
    from edge_runtime.api.services import Resampling
    from edge_runtime.metrics import Metrics
    from edge_runtime.types import Answer, AudioChunk, Image, Question, Sound, Vector


class Asks(Protocol):
    """Takes questions; never waits."""

    def __call__(
        self,
        question: Question,
        on_text: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] = bool,
    ) -> Future[Answer]:
        """Return the answer to come; raises BusyError where too many wait.

        Args:
            question: what is asked.
            on_text: gets what a bigger mind writes piece by piece, from another thread.
            cancelled: tells that nobody waits for the answer any more.
        """


class Speaks(Protocol):
    """Speaks texts."""

    def check(self, text: str, voice: str | None) -> None:
        """Raise InputError where there is nothing to say in `text`, or too much, or no such voice."""

    def pieces(self, text: str, voice: str | None, speed: float) -> Generator[Sound]:
        """Yield the speech piece by piece; closing it ends the speech.

        Args:
            text: what to say.
            voice: one of the synthesiser's own, None for that of the settings.
            speed: 2 is twice as fast as the settings say.

        Raises:
            SpeechError: the synthesiser failed.
        """


class Resamples(Protocol):
    """Makes what brings one stream of mono samples to another rate."""

    def __call__(self, rate_hz: int, to_hz: int = ...) -> Resampling:
        """Return it; both rates are in hertz, the second one 16 kHz unless given."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the box is.

    Attributes:
        ready: it answers.
        states: of its parts, "online" where all is well.
    """

    ready: bool
    states: Mapping[str, str]

    @property
    def status(self) -> Literal["ok", "degraded", "unavailable"]:
        """Return all of it in one word."""
        well = all(state == "online" for state in self.states.values())
        return "unavailable" if not self.ready else "ok" if well else "degraded"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the box can do; where it cannot, a string says why. All of it may be called from several threads at once.

    Attributes:
        version: of this program.
        bundle: name of the model.
        submit: takes questions.
        embed_text: unit vectors of texts, shape (n, d).
        embed_image: the unit vector of a picture, shape (d,).
        transcribe: the words in an utterance, empty where none were understood.
        speech: speaks.
        check_schema: raises InputError where a JSON schema cannot be used.
        resampler: brings sound to another rate.
        health: how the box is.
        metrics: what is counted.
        page: what the page shows and does; None where there is no page.
    """

    version: str
    bundle: str
    submit: Asks
    embed_text: Callable[[Sequence[str]], NDArray[np.float32]] | str
    embed_image: Callable[[Image], Vector] | str
    transcribe: Callable[[AudioChunk], str] | str
    speech: Speaks | str
    check_schema: Callable[[Mapping[str, object]], None]
    resampler: Resamples
    health: Callable[[], Health]
    metrics: Metrics
    page: PageServices | None = None
