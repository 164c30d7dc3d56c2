"""What the router knows of meaning: learned once from the skills' examples and a written list of other questions."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge_runtime.errors import InputError
from edge_runtime.skills.meaning import Examples, Meaning
from edge_runtime.skills.phrasing import normal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.skills.skill import Skill

logger = logging.getLogger(__name__)

OUTSIDE_SHARE = 0.4
"""How many questions to the box are taken to be for no skill."""
NOBODY = "none"
LAST_RESORT = "knowledge"
"""The owner's own texts may be about anything, so no examples tell what they are asked."""
SHIPPED = Path(__file__).with_name("learned.npz")
"""What a box with all skills and omni-nano would learn; `make router` writes it."""
SHARED = 3
"""How many skills use a word that belongs to none of them."""
_SLOT = re.compile(r"\bthing(s?)\b")


class Memory(NamedTuple):
    """Where what was learned is kept, and which text model it was learned with."""

    path: Path
    tower: str


class Meant(NamedTuple):
    """How probable it is that a question is for a skill, and the likeliest of the topics that it tells apart."""

    chance: float
    topic: str


class Lessons:
    """Ranks the skills that a question may be for; learns when it is first needed; safe across threads.

    Args:
        skills: the skills there are.
        embed_text: sentences to unit vectors.
        memory: where to keep what was learned; without it, it is learned anew by every process.
    """

    def __init__(
        self,
        skills: Sequence[Skill],
        embed_text: Callable[[Sequence[str]], NDArray[np.float32]],
        memory: Memory | None = None,
    ) -> None:
        self._embed_text = embed_text
        self._memory = memory
        self._lines = tuple(dict.fromkeys(lessons(skills)))
        self._learned: Meaning | None = None
        self._learning = threading.Lock()

    def words(self, name: str) -> frozenset[str]:
        """Return what questions for a skill are made of: the words of its sentences, and those that many share."""
        said: dict[str, set[str]] = {}
        for skill, text in self._lines:
            for word in text.split():
                said.setdefault(word, set()).add(skill.partition(":")[0])
        return frozenset(word for word, skills in said.items() if name in skills or len(skills) >= SHARED)

    def rank(self, sentence: str) -> dict[str, Meant]:
        """Return for each skill the probability that the question is for it, and about which of its topics."""
        found: dict[str, Meant] = {}
        for lesson, chance in self.meaning().rank(sentence, self._embed_text([sentence])[0]):
            name, _, topic = lesson.partition(":")
            before = found.get(name)
            found[name] = Meant(before.chance + chance, before.topic) if before else Meant(chance, topic)
        return found

    def meaning(self) -> Meaning:
        """Return what was learned; takes a few seconds the first time, a few milliseconds where it is kept on disk."""
        with self._learning:
            if self._learned is None:
                self._learned = self._recalled() or self._learn()
            return self._learned

    def _key(self) -> str:
        told = "\n".join(f"{name}\t{text}" for name, text in self._lines)
        return f"{self._memory.tower if self._memory else ''}:{hashlib.sha256(told.encode()).hexdigest()}"

    def _recalled(self) -> Meaning | None:
        """Return what was learned of these very lessons: by whoever shipped them, or by this box earlier."""
        if self._memory is None:
            return None
        for path in (SHIPPED, self._memory.path):
            try:
                kept = Meaning.load(path) if path.is_file() else None
            except InputError as error:
                logger.warning("%s; learning anew", error)
                continue
            if kept is not None and kept.tower == self._key():
                return kept
        return None

    def _learn(self) -> Meaning:
        names, texts = zip(*self._lines, strict=True)
        classes = [None if name == NOBODY else name for name in names]
        examples = Examples(texts, self._embed_text(texts), classes)
        made = Meaning.fit(examples, tower=self._key(), outside=OUTSIDE_SHARE)
        if self._memory is not None:
            try:
                made.save(self._memory.path)
            except OSError as error:
                logger.warning("what questions mean cannot be kept in %s: %s", self._memory.path, error.strerror)
        return made


def lessons(skills: Sequence[Skill]) -> Iterator[tuple[str, str]]:
    """Yield (skill or skill:topic, sentence in plain words); what is for a skill that is not there is nobody's."""
    there = {skill.name for skill in skills}
    written = list(_written())
    # Where topics are told apart, an example that does not name its own would be another.
    topical = {lesson.partition(":")[0] for lesson, _ in written if ":" in lesson}
    for skill in skills:
        for example in skill.examples if skill.name not in {LAST_RESORT, *topical} else ():
            yield from ((skill.name, text) for text in _spoken(example))
    for lesson, line in written:
        name = lesson if lesson.partition(":")[0] in there else NOBODY
        yield from ((name, text) for text in _spoken(line))


def _written() -> Iterator[tuple[str, str]]:
    section = NOBODY
    for line in files("edge_runtime.skills").joinpath("lessons.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            yield section, line


def _spoken(line: str) -> Iterable[str]:
    """Return the line in plain words, once with "thing" and once with a person in its place."""
    plain = normal(line)
    people = _SLOT.sub(lambda found: "people" if found[1] else "person", plain)
    return dict.fromkeys((plain, people))
