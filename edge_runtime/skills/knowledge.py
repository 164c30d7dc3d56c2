"""What the owner's own texts say: lists of questions with their answers, and documents, quoted with their source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from edge_runtime.decision.confidence import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.decision.scene import Scene
    from edge_runtime.types import Question

LEAST = 0.5
"""What is less likely than this to be an answer is not worth a guess."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What a text says.

    Attributes:
        text: the words.
        source: the file.
        place: where in it: a heading, or the line of a list; empty where there is none.
        score: the probability that it answers the question.
        verbatim: it is the answer that the owner wrote for such a question.
    """

    text: str
    source: str
    place: str
    score: float
    verbatim: bool = False


class Library(Protocol):
    """Finds quotes."""

    def quote(self, text: str) -> Quote | None:
        """Return what answers a question best, None where there is nothing at all."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Answers from the owner's texts."""

    library: Library
    name: ClassVar[str] = "knowledge"
    about_scene: ClassVar[bool] = False
    sentences: ClassVar[tuple[str, ...]] = ()
    spoken: ClassVar[tuple[str, ...]] = ()
    examples: ClassVar[tuple[str, ...]] = (
        "how do I bleed the radiators",
        "what is the code of the alarm system",
        "when is the rubbish collected",
        "what does the manual say about the filter",
        "how often must the boiler be serviced",
        "who do I call when the heating fails",
        "what is the password of the guest network",
        "how do I reset the dishwasher",
    )

    def reads(self, text: str) -> float:
        """Return the probability that the texts answer it, 0 where that is not worth a guess."""
        found = self.library.quote(text)
        return found.score if found and found.score >= LEAST else 0.0

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return the quotation with its source, None where there is none worth a guess."""
        del scene, slots
        found = self.library.quote(question.text)
        if found is None or found.score < LEAST:
            return None
        sources = (f"{found.source}#{found.place}" if found.place else found.source,)
        if found.verbatim:
            return Reply(found.text, found.score, sources=sources)
        where = f"{found.source}, {found.place}" if found.place else found.source
        return Reply(f"According to {where}: {_sentence(found.text)}", found.score, sources=sources)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."
