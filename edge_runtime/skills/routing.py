"""Which skill a question is for: sentence templates first, then skills that read by themselves, then its meaning."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_runtime.skills.lessons import LAST_RESORT, Lessons, Meant, Memory
from edge_runtime.skills.phrasing import CUES, normal
from edge_runtime.skills.sentences import PREFIX
from edge_runtime.skills.skill import Reader
from edge_runtime.skills.spotting import Spotted, Spotter

if TYPE_CHECKING:
    from edge_runtime.skills.nouns import Nouns
    from edge_runtime.skills.skill import Skill

EmbedText = Callable[[Sequence[str]], NDArray[np.float32]]
"""Sentences to unit vectors, shape (n, 384)."""

UNKNOWN_WORD = 0.6
"""Factor on the confidence for each word that neither the sentence frame nor the noun explains."""
STRANGE_ODDS = (0.5, -0.4, -1.8)
"""What no, one and more words that a skill's sentences do not know say of its log odds; measured on 500 questions."""
SPOTTED = 0.95
READ = 0.9
"""A skill that reads a question by itself so surely, its meaning considered, gets it."""
CERTAIN = 1.0
"""What a skill says that understood every word; the meaning of the whole is not asked then."""
EDGE = 1e-3
LEAST = 0.3
"""Probability from which a skill is tried."""
MOST_TRIED = 3
TOPIC = "topic"
"""The slot that tells a skill what a question is about, where the meaning alone does."""


class Matched(Protocol):
    """What a sentence matcher understood."""

    @property
    def intent(self) -> str:
        """Return the intent's name."""

    @property
    def slots(self) -> Mapping[str, Any]:
        """Return the values of its slots."""


@dataclass(frozen=True, slots=True)
class Routed:
    """A question's skill and slots; `confidence` is how surely the question was understood.

    Attributes:
        then: the next best, for when the skill finds that it cannot know.
    """

    skill: Skill
    slots: Mapping[str, str] = field(default_factory=dict)
    confidence: float = 1.0
    then: Routed | None = None


class Router:
    """Finds the skill for free text, robust to how people type and speak.

    Args:
        skills: the skills there are.
        nouns: the nouns that they know.
        match: matches a sentence against `question_sentences`.
        cameras: the cameras' names.
        embed_text: sentences to unit vectors; without it, only templates and words count.
        memory: where to keep what was learned of the skills' examples.
    """

    def __init__(
        self,
        skills: Sequence[Skill],
        nouns: Nouns,
        match: Callable[[str], Matched | None],
        cameras: Sequence[str] = (),
        embed_text: EmbedText | None = None,
        memory: Memory | None = None,
    ) -> None:
        self._skills = {skill.name: skill for skill in skills}
        # Asked once: telling a reader by its methods takes longer than all the rest of a question.
        readers = [skill for skill in skills if isinstance(skill, Reader)]
        self._readers = {skill.name: skill.reads for skill in readers if skill.name != LAST_RESORT}
        # These answer, or do, only what they have read themselves: nothing is switched on by likeness.
        self._must_read = {skill.name for skill in skills if isinstance(skill, Reader) and not skill.sentences}
        self._reading = {skill.name for skill in readers}
        self._needs_noun = {skill.name for skill in skills if _about_nouns(skill)}
        self._match = match
        self._spotter = Spotter(nouns, cameras)
        self._lessons = Lessons(skills, embed_text, memory) if embed_text else None
        self._words = {name: self._lessons.words(name) for name in self._skills} if self._lessons else {}

    def __call__(self, text: str) -> Routed | None:
        """Return the skill for `text` and the next best ones, None where the box has none that could answer."""
        sentence = normal(text)
        if not sentence:
            return None
        found = self._match(sentence)
        if found is not None and found.intent.startswith(PREFIX):
            slots = {name: str(value) for name, value in found.slots.items()}
            return self._linked([Routed(self._skills[found.intent.removeprefix(PREFIX)], slots)])
        spotted = self._spotter.spot(sentence)
        read = self._read(text, spotted)
        if read and read[0].confidence >= CERTAIN:
            return self._linked(read[:1])
        meant = self._meant(spotted)
        read = [routed for one in read if (routed := _considered(one, meant)).confidence >= LEAST]
        read.sort(key=lambda one: -one.confidence)
        cued = None
        if "label" in spotted.slots:
            cued = next((name for name, cue in CUES if name in self._skills and cue.search(sentence)), None)
        others = self._by_words(spotted, cued, meant)
        if read and read[0].confidence >= READ:
            # Sorting leaves the reader first among equals.
            others = [replace(one, confidence=min(one.confidence, read[0].confidence)) for one in others]
        return self._linked([*read, *others])

    @property
    def skills(self) -> tuple[Skill, ...]:
        """Return the skills there are."""
        return tuple(self._skills.values())

    def prepare(self) -> None:
        """Learn, or recall, what the skills' examples mean, so that the first question need not wait for it."""
        if self._lessons is not None:
            self._lessons.meaning()

    def _linked(self, found: list[Routed]) -> Routed | None:
        """Return the candidates as a chain, the surest first, each skill once, the last resort at the end."""
        best: dict[str, Routed] = {}
        for routed in sorted(found, key=lambda one: -one.confidence):
            best.setdefault(routed.skill.name, routed)
        chain = list(best.values())[:MOST_TRIED]
        if LAST_RESORT in self._skills and LAST_RESORT not in best:
            chain.append(Routed(self._skills[LAST_RESORT]))
        following: Routed | None = None
        for routed in reversed(chain):
            following = replace(routed, then=following)
        return following

    def _read(self, text: str, spotted: Spotted) -> list[Routed]:
        """Return the skills that read `text` by themselves, the surest first."""
        slots = {name: value for name, value in spotted.slots.items() if name == "camera"}
        found = []
        for name, reads in self._readers.items():
            surely = reads(text)
            if surely >= CERTAIN:
                return [Routed(self._skills[name], slots)]
            if surely:
                found.append(Routed(self._skills[name], slots, surely))
        return sorted(found, key=lambda one: -one.confidence)

    def _by_words(self, spotted: Spotted, cued: str | None, meant: Mapping[str, Meant]) -> list[Routed]:
        if self._lessons is None:
            doubt = UNKNOWN_WORD ** len(spotted.strange)
            return [Routed(self._skills[cued], spotted.slots, SPOTTED * doubt)] if cued else []
        found = []
        for name, (chance, topic) in meant.items():
            skill, sure = self._skills[name], chance
            if name == cued and not spotted.strange and "detail" not in spotted.slots:
                sure = max(sure, _agreed(SPOTTED, chance))
            able = "label" in spotted.slots if name in self._needs_noun else topic or name not in self._must_read
            if able and sure >= LEAST:
                slots = {**spotted.slots, TOPIC: topic} if topic else spotted.slots
                found.append(Routed(skill, slots, sure))
        return found

    def _meant(self, spotted: Spotted) -> dict[str, Meant]:
        """Return the probability of each skill that it is meant, and that it knows what the question names."""
        if self._lessons is None:
            return {}
        named = "label" in spotted.slots
        return {
            name: Meant(self._sure(self._skills[name], chance, spotted.strange, named=named), topic)
            for name, (chance, topic) in self._lessons.rank(spotted.masked).items()
        }

    def _sure(self, skill: Skill, chance: float, words: Sequence[str], *, named: bool) -> float:
        strange = sum(word not in self._words[skill.name] and not word.isdigit() for word in words)
        if skill.name not in self._reading and (named or skill.about_scene):
            return chance * float(UNKNOWN_WORD**strange)
        return _shifted(chance, STRANGE_ODDS[min(strange, len(STRANGE_ODDS) - 1)])


def _considered(read: Routed, meant: Mapping[str, Meant]) -> Routed:
    """Return what a skill has read, as sure as its reading and the meaning of the whole are together."""
    known = meant.get(read.skill.name)
    return replace(read, confidence=_agreed(read.confidence, known.chance)) if known else read


def _agreed(surely: float, chance: float) -> float:
    """Return one probability of two opinions: the mean of their log odds."""
    return _chance((_odds(surely) + _odds(chance)) / 2.0)


def _shifted(chance: float, by: float) -> float:
    return _chance(_odds(chance) + by)


def _odds(chance: float) -> float:
    inside = min(max(chance, EDGE), 1.0 - EDGE)
    return math.log(inside / (1.0 - inside))


def _chance(odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-odds))


def _about_nouns(skill: Skill) -> bool:
    return bool(skill.sentences) and all("{label}" in sentence for sentence in skill.sentences)
