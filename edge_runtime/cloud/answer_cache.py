"""Answers that were bought earlier, on disk: given again to the same question, or to the same in other words."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from edge_runtime.cloud.nearness import Nearness
from edge_runtime.cloud.paraphrase import is_lasting, normalised, same_facts
from edge_runtime.types import Answer, Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.answer_sections import CacheSettings
    from edge_runtime.cloud.egress import Parcel
    from edge_runtime.prompts.book import Prompt
    from edge_runtime.types import Frame, Request

logger = logging.getLogger(__name__)

BUSY_S = 0.2
"""Nobody waits long for an answer that can also be bought."""
MOST_COMPARED = 20
"""Near questions that are compared word by word."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    family TEXT NOT NULL,
    at REAL NOT NULL,
    question TEXT NOT NULL,
    answer TEXT NOT NULL,
    confidence REAL NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    vector BLOB
)"""
EXACT = "SELECT question, answer, confidence, model, prompt FROM answers WHERE key = ? AND at BETWEEN ? AND ?"
BY_ID = "SELECT question, answer, confidence, model, prompt FROM answers WHERE id = ? AND at BETWEEN ? AND ?"
INSERT = (
    "INSERT OR REPLACE INTO answers (key, family, at, question, answer, confidence, model, prompt, vector) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

Row: TypeAlias = tuple[str, str, float, str, str]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Known:
    """What an answer is kept under.

    Attributes:
        key: hash of everything that decides the answer.
        family: hash of everything but the words; None where only the same words count.
        question: the question as it may leave the box.
    """

    key: str
    family: str | None
    question: str


class AnswerCache:
    """Answers on disk, bounded in age and number; safe across threads and processes.

    A file that cannot be used costs the answers in it and nothing else.

    Args:
        path: SQLite file, made when missing.
        settings: how old and how many, and how alike questions in other words must be.
        scope: who would be asked, and by which model sentences are embedded.
        embed: puts sentences into one space as unit vectors, shape (n, d); None where nothing can.
        now: seconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        settings: CacheSettings,
        scope: str,
        embed: Callable[[Sequence[str]], NDArray[np.float32]] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._settings = settings
        self._scope = scope
        self._embed = embed if settings.similarity < 1 else None
        self._now = now
        self._lock = threading.Lock()
        self._near = Nearness(settings.max_entries)
        self._db: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._drop()

    def key(self, request: Request, prompt: Prompt, parcel: Parcel, frame: Frame | None) -> Known | None:
        """Return what the answer to a question is kept under, None where it must not be kept.

        Args:
            request: who asks what.
            prompt: by which it is answered.
            parcel: what of it may leave; nothing else of its words is kept.
            frame: the picture that is sent with it; only the very same one counts.
        """
        question = request.question
        text = parcel.texts[0]
        if frame is None and not is_lasting(text):
            return None
        family = json.dumps([self._scope, prompt.mark])
        seen = _picture_hash(frame) if frame is not None else None
        turns = [turn.role for turn in question.history]
        shaped = question.schema is not None
        rest = [normalised(text), turns, parcel.texts[1:], shaped, seen, request.subject, parcel.policy]
        alone = frame is None and not question.history and not shaped
        key = hashlib.sha256(json.dumps([family, rest]).encode()).hexdigest()
        return Known(key, hashlib.sha256(family.encode()).hexdigest() if alone else None, text)

    def find(self, known: Known) -> Answer | None:
        """Return an answer that was kept, at no cost."""
        row = self._tried(lambda db: self._row(db, known))
        if row is None:
            return None
        _, text, confidence, model, prompt = row
        return Answer(text, confidence, Origin.CLOUD, model=model, prompt=prompt, cached=True)

    def keep(self, known: Known, answer: Answer) -> None:
        """Keep an answer of the cloud; one that abstains is never kept."""
        if answer.origin is not Origin.CLOUD:
            return
        vector = self._vector(known.question) if known.family is not None else None
        row = (
            known.key, known.family or "", self._now(), known.question, answer.text, answer.confidence,
            answer.model or "", answer.prompt or "", None if vector is None else vector.tobytes(),
        )  # fmt: skip
        self._tried(lambda db: self._insert(db, row))

    def _insert(self, db: sqlite3.Connection, row: tuple[object, ...]) -> None:
        now = self._now()
        db.execute(INSERT, row)
        # A clock that was set back leaves answers from the future.
        db.execute("DELETE FROM answers WHERE at NOT BETWEEN ? AND ?", (now - self._settings.max_age_s, now))
        newest = "SELECT id FROM answers ORDER BY id DESC LIMIT ?"
        db.execute(f"DELETE FROM answers WHERE id NOT IN ({newest})", (self._settings.max_entries,))  # noqa: S608

    def _row(self, db: sqlite3.Connection, known: Known) -> Row | None:
        oldest = self._now() - self._settings.max_age_s
        row: Row | None = db.execute(EXACT, (known.key, oldest, self._now())).fetchone()
        if row is None and known.family is not None and self._embed is not None:
            return self._alike(db, known, oldest)
        return row

    def _alike(self, db: sqlite3.Connection, known: Known, oldest: float) -> Row | None:
        """Return the row of the nearest question that asks the same in other words."""
        vector = self._vector(known.question)
        if vector is None:
            return None
        self._near.learn(db)
        near = self._near.nearest(known.family or "", vector, self._settings.similarity)
        for place in islice(near, MOST_COMPARED):
            row: Row | None = db.execute(BY_ID, (place, oldest, self._now())).fetchone()
            if row is not None and same_facts(known.question, row[0]):
                return row
        return None

    def _vector(self, text: str) -> NDArray[np.float32] | None:
        return None if self._embed is None else np.ascontiguousarray(self._embed([text])[0], np.float32)

    def _tried(self, work: Callable[[sqlite3.Connection], Result]) -> Result | None:
        """Return what `work` finds, None where the file cannot be used."""
        with self._lock:
            try:
                db = self._opened()
                db.execute("BEGIN")
                result = work(db)
                db.execute("COMMIT")
            except (sqlite3.Error, OSError, ValueError) as error:
                self._drop()
                logger.warning("answers in %s cannot be used: %s", self._path, error)
                return None
            return result

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # What was asked at home is nobody else's business.
            self._path.touch(mode=0o600)
            self._db = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            with suppress(sqlite3.OperationalError):
                self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(SCHEMA)
        return self._db

    def _drop(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None
        self._near.forget()


def _picture_hash(frame: Frame) -> str:
    return hashlib.sha256(repr(frame.image.shape).encode() + frame.image.tobytes()).hexdigest()
