"""The bigger local mind put together: a bundle's language model, asked with the prompts of the book."""

from __future__ import annotations

import logging
import math
import re
from typing import TYPE_CHECKING

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.decision.confidence import Reply
from edge_runtime.errors import ConfigError, EdgeError
from edge_runtime.prompts.book import UNSURE

if TYPE_CHECKING:
    from edge_runtime.answer_sections import MindSettings
    from edge_runtime.config import Settings
    from edge_runtime.inference.generator import Generation, Generator
    from edge_runtime.prompts.book import PromptBook
    from edge_runtime.types import Request

logger = logging.getLogger(__name__)

_SENTENCE = re.compile(r".*[.!?](?=\s|$)", re.DOTALL)

# What is written for the eye and not for the ear, and what stays of it.
_FOR_THE_EYE = (
    (re.compile(r"```[^\n`]*\n?|`"), ""),
    (re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*\)"), r"\1"),
    (re.compile(r"^[ \t]*(?:#{1,6}|[-*+>•])[ \t]+", re.MULTILINE), ""),
    (re.compile(r"\*\*|__|(?<!\w)[*_](?=\w)|(?<=[\w.,!?])[*_](?!\w)"), ""),
)
_LONGEST_READ = 20_000


def make_mind(settings: Settings, book: PromptBook) -> LocalMind | None:
    """Return the bigger local mind of the settings, None where they name none.

    Raises:
        ConfigError: mind.bundle is no folder.
        BundleError: it holds no language model, is not whole, or does not fit into the memory.
    """
    folder = settings.mind.bundle
    if folder is None:
        return None
    if not folder.is_dir():
        raise ConfigError(f"mind.bundle is {str(folder)!r}, which is no folder; give one that `bundle make` made")
    from edge_runtime.inference.generator import Generator  # noqa: PLC0415 - not needed by most boxes

    manifest = Manifest.load(folder)
    manifest.verify()
    return LocalMind(Generator(manifest, threads=settings.device.threads), book, settings.mind)


class LocalMind:
    """Answers questions with a language model of this box; safe across threads, one answer at a time.

    The raw score is the geometric mean of the probabilities of the answer's tokens. It says how sure the model was of
    its words, which is not how right they are: the gate learns what it is worth.

    Args:
        generator: the model.
        book: the prompts.
        settings: how long an answer may be, and how adventurous.
    """

    sees = False
    """It reads words alone."""

    def __init__(self, generator: Generator, book: PromptBook, settings: MindSettings) -> None:
        self._generator, self._book, self._settings = generator, book, settings
        self.name = generator.name

    def answer(self, request: Request) -> Reply | None:
        """Return what it writes with a raw score, None where it does not know, was cancelled or came too late.

        Questions that want JSON are left to the cloud, where answers are checked against their schema. An answer that
        reached its longest ends with its last whole sentence.
        """
        question = request.question
        prompt = self._book.of(request.skill)
        if question.schema is not None or prompt.output is not None:
            return None
        try:
            found = self._written(request, prompt.messages(question.text, question.history))
        except EdgeError as error:
            logger.warning("the local mind does not answer: %s", error)
            return None
        text = spoken(found.text)
        if found.finish_reason == "length":
            whole = _SENTENCE.match(text)
            text = whole[0] if whole else ""
        elif found.finish_reason != "stop":
            logger.info("the local mind does not answer: %s after %d tokens", found.finish_reason, len(found.tokens))
            return None
        if not text or text.strip(" .!\"'").upper() == UNSURE:
            return None
        return Reply(text, math.exp(found.mean_log_prob))

    def _written(self, request: Request, messages: list[dict[str, str]]) -> Generation:
        from edge_runtime.inference.generator import Wish  # noqa: PLC0415 - loaded by make_mind

        wish = Wish(self._settings.max_output_tokens, self._settings.temperature)
        return self._generator.generate(
            messages, wish, on_text=request.on_text, cancelled=request.cancelled, deadline=request.deadline
        )


def spoken(text: str) -> str:
    """Return a text as it can be said aloud: without the marks of markdown, in one paragraph."""
    text = text[:_LONGEST_READ]
    for pattern, instead in _FOR_THE_EYE:
        text = pattern.sub(instead, text)
    return " ".join(text.split())
