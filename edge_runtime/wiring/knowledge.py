"""The owner's own texts: read from files, embedded once, found again, and read anew when they change."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edge_runtime.decision.retrieval import Index, likelihood
from edge_runtime.errors import ConfigError
from edge_runtime.skills.knowledge import Quote
from edge_runtime.whole_files import packed, unpacked, write_whole
from edge_runtime.wiring.knowledge_files import State, found_in, read_passages, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.config import Settings
    from edge_runtime.decision.passages import Passage
    from edge_runtime.wiring.assembly import Models

log = logging.getLogger(__name__)

CHECK_S = 3.0
_BATCH = 32


class EmbedText(Protocol):
    """Turns texts into unit vectors."""

    def __call__(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Return shape (texts, d)."""


def make_library(settings: Settings, models: Models) -> Library | None:
    """Return what the owner's texts are found with, None where there are none.

    Raises:
        ConfigError: a file cannot be used; names it and the line.
    """
    knowledge = settings.knowledge
    if not knowledge.paths:
        return None
    if not models.manifest.text:
        raise ConfigError(
            f"knowledge.paths is set, but bundle {models.manifest.name} cannot embed text; choose another bundle"
        )
    files = models.manifest.files
    tower = files[models.manifest.text.file].sha256[:16]
    cache = VectorCache(settings.device.data_dir.expanduser() / "knowledge" / f"{tower}.npz")

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        # The tower is loaded by the first question.
        return models.embedder.embed_text(texts)

    return Library(knowledge.paths, embed, cache, knowledge.mb)


class VectorCache:
    """Vectors of texts on disk, by the texts' hashes; a file that cannot be used is made anew."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def embedded(self, texts: Sequence[str], embed: EmbedText) -> NDArray[np.float16]:
        """Return the vectors of `texts`, shape (n, d), embedding only those that are new; the others are forgotten."""
        keys = [hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for text in texts]
        known = self._read()
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if new:
            started = time.monotonic()
            order = sorted(new, key=lambda key: len(new[key]))
            for at in range(0, len(order), _BATCH):
                some = order[at : at + _BATCH]
                known.update(zip(some, np.asarray(embed([new[key] for key in some]), np.float16), strict=True))
            log.info("knowledge: embedded %d texts in %.1f s", len(new), time.monotonic() - started)
        if new or len(set(keys)) < len(known):
            self._write({key: known[key] for key in dict.fromkeys(keys)})
        return np.array([known[key] for key in keys], dtype=np.float16)

    def _read(self) -> dict[str, NDArray[np.float16]]:
        try:
            kept, _ = unpacked(self._path.read_bytes())
            return dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError) as error:
            log.warning("%s cannot be used (%s); the texts are embedded again", self._path, error)
            return {}

    def _write(self, known: dict[str, NDArray[np.float16]]) -> None:
        arrays = {"keys": np.array(list(known)), "vectors": np.array(list(known.values()))}
        try:
            write_whole(self._path, packed(arrays))
        except OSError as error:
            log.warning("%s cannot be written (%s); the texts are embedded again next time", self._path, error)


class Library:
    """Finds what the owner's texts say; safe across threads.

    Args:
        paths: files and folders.
        embed: texts to unit vectors.
        cache: keeps the vectors.
        mb: text read at most.
        now: monotonic seconds.

    Raises:
        ConfigError: a file cannot be used; names it and the line.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        embed: EmbedText,
        cache: VectorCache,
        mb: float = 16.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths = tuple(paths)
        self._embed = embed
        self._cache = cache
        self._mb = mb
        self._now = now
        self._lock = threading.Lock()
        self._index: Index | None = None
        self._checked_at = now()
        self._state, self._passages = self._read()
        self._last: tuple[str, Quote | None] = ("", None)

    def quote(self, text: str) -> Quote | None:
        """Return what answers `text` best with the probability that it does; None where there is nothing at all."""
        with self._lock:
            self._look_again()
            if self._last[0] != text:
                self._last = (text, self._found(text))
            return self._last[1]

    def _found(self, text: str) -> Quote | None:
        if self._index is None:
            self._index = self._made(self._passages)
        hits = self._index.search(text, self._embed([text])[0])
        if not hits:
            return None
        best = max(hits, key=lambda hit: likelihood(hit, text))
        passage, score = best.passage, likelihood(best, text)
        if passage.answer is not None:
            return Quote(passage.answer, passage.source, passage.place, score, verbatim=True)
        return Quote(best.quote, passage.source, passage.place, score)

    def _made(self, passages: Sequence[Passage]) -> Index:
        texts = [passage.text for passage in passages] + [part for passage in passages for part in passage.parts]
        vectors = self._cache.embedded(texts, self._embed)
        return Index(passages, vectors[: len(passages)], vectors[len(passages) :])

    def _read(self) -> tuple[State, list[Passage]]:
        files = found_in(self._paths)
        return state_of(files), read_passages(files, self._mb)

    def _look_again(self) -> None:
        """Read the files anew where one has changed; while they cannot be used, what was known stays."""
        now = self._now()
        if now - self._checked_at < CHECK_S:
            return
        self._checked_at = now
        try:
            if state_of(found_in(self._paths)) == self._state:
                return
            self._state, self._passages = self._read()
        except ConfigError as error:
            log.warning("%s; what was known before stays", error)
            return
        self._index, self._last = None, ("", None)
