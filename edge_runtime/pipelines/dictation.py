"""Free speech becomes a question; whoever answers writes it down first, so that listening never waits for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from edge_runtime.types import AudioChunk, Question


class Dictation(Protocol):
    """Writes down any speech, not only a home's sentences: Whisper, Moonshine or vosk."""

    def transcribe(self, chunk: AudioChunk) -> str:
        """Return the words of `chunk`, empty where there were none; this may take seconds."""


def unwritten(question: Question) -> bool:
    """Say whether a question is still sound alone: its `text` is empty and its `chunk` is what was said."""
    return not question.text and question.chunk is not None


def written(question: Question, dictation: Dictation) -> Question:
    """Return a question with the words of its sound; the text stays empty where nothing was said."""
    return question if question.chunk is None else replace(question, text=dictation.transcribe(question.chunk))
