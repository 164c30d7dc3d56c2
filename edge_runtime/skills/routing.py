"""Which skill a question is for: sentence templates first, then its words, then its meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_runtime.skills.phrasing import ANY_PLACE, CUES, DETAILS, FILLERS, FRAME, normal
from edge_runtime.skills.sentences import PREFIX, camera_names
from edge_runtime.skills.skill import Reader

if TYPE_CHECKING:
    from edge_runtime.skills.nouns import Nouns
    from edge_runtime.skills.skill import Skill

EmbedText = Callable[[Sequence[str]], NDArray[np.float32]]
"""Sentences to unit vectors, shape (n, 384)."""

UNKNOWN_WORD = 0.6
"""Factor on the confidence for each word that neither the sentence frame nor the noun explains."""
SPOTTED = 0.95
READ = 0.9
"""A skill that reads a question by itself so surely gets it, whatever its words."""
OTHERS = (
    "what is the weather today",
    "what is on my calendar today",
    "what is in the news",
    "when does the shop open",
    "tell me a joke",
    "how old are you",
    "turn on the light",
    "set a timer",
    "play some music",
    "how old is the thing",
    "what do things eat",
    "what is a thing",
)
"""Questions that sound alike and that no skill answers."""
NEAR = 0.75
"""Cosine from which a question means the same as an example."""


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
    """A question's skill and slots; `confidence` is how surely the question was understood."""

    skill: Skill
    slots: Mapping[str, str] = field(default_factory=dict)
    confidence: float = 1.0


class Router:
    """Finds the skill for free text, robust to how people type and speak.

    Args:
        skills: the skills there are.
        nouns: the nouns that they know.
        match: matches a sentence against `question_sentences`.
        cameras: the cameras' names.
        embed_text: sentences to unit vectors; without it, only templates and words count.
    """

    def __init__(
        self,
        skills: Sequence[Skill],
        nouns: Nouns,
        match: Callable[[str], Matched | None],
        cameras: Sequence[str] = (),
        embed_text: EmbedText | None = None,
    ) -> None:
        self._skills = {skill.name: skill for skill in skills}
        self._readers = [skill for skill in skills if isinstance(skill, Reader)]
        self._nouns = nouns
        self._match = match
        self._cameras = {tuple(name.split()): camera for name, camera in camera_names(cameras)}
        self._one_camera = len(cameras) < 2
        self._embed_text = embed_text
        self._examples = [(skill.name, example) for skill in skills for example in skill.examples]
        self._examples += [("", example) for example in OTHERS]
        self._vectors: NDArray[np.float32] | None = None

    def __call__(self, text: str) -> Routed | None:
        """Return the skill for `text`, None where it is not one that the box can answer."""
        sentence = normal(text)
        if not sentence:
            return None
        found = self._match(sentence)
        if found is not None and found.intent.startswith(PREFIX):
            slots = {name: str(value) for name, value in found.slots.items()}
            return Routed(self._skills[found.intent.removeprefix(PREFIX)], slots)
        reader, surely = self._read(text)
        if reader is not None and surely >= READ:
            return Routed(reader)
        others = self._by_words(sentence)
        if reader is not None and (others is None or others.confidence < surely):
            return Routed(reader)
        return others

    def _read(self, text: str) -> tuple[Skill | None, float]:
        """Return the skill that reads `text` most surely, and how surely; the first that is sure is taken."""
        best: Skill | None = None
        most = 0.0
        for skill in self._readers:
            surely = skill.reads(text) if isinstance(skill, Reader) else 0.0
            if surely > most:
                best, most = skill, surely
            if most >= READ:
                break
        return best, most

    def _by_words(self, sentence: str) -> Routed | None:
        words = sentence.split()
        spotted = self._nouns.spot(words)
        if spotted is None:
            return self._by_meaning(sentence, {}, needs_noun=False)
        noun, rest = spotted
        slots = {"label": noun.key}
        second = self._nouns.spot(rest) if {"and", "or"} & set(rest) else None
        if second is not None:
            slots["other"], rest = second[0].key, second[1]
        rest = self._take_camera(rest, slots)
        strange = [word for word in FRAME.sub(" ", " ".join(rest)).split() if word not in FILLERS]
        if self._one_camera:
            strange = [word for word in strange if word not in ANY_PLACE]
        details = [word for word in strange if word in DETAILS]
        if details:
            slots["detail"] = " ".join(details)
        doubt = UNKNOWN_WORD ** (len(strange) - len(details))
        cued = next((name for name, cue in CUES if name in self._skills and cue.search(sentence)), None)
        if cued is not None:
            return Routed(self._skills[cued], slots, SPOTTED * doubt)
        masked = " ".join(["thing" if word in noun.words else word for word in words])
        meant = self._by_meaning(masked, slots, needs_noun=True)
        return None if meant is None else Routed(meant.skill, slots, meant.confidence * doubt)

    def _take_camera(self, words: Sequence[str], slots: dict[str, str]) -> Sequence[str]:
        for spoken, camera in self._cameras.items():
            for start in range(len(words) - len(spoken) + 1):
                after = [*words[start + len(spoken) :]]
                if tuple(words[start : start + len(spoken)]) == spoken and after[:1] != ["of"]:
                    slots["camera"] = camera
                    return [*words[:start], *after]
        return words

    def _by_meaning(self, sentence: str, slots: Mapping[str, str], *, needs_noun: bool) -> Routed | None:
        if self._embed_text is None:
            return None
        if self._vectors is None:
            self._vectors = self._embed_text([example for _, example in self._examples])
        nearness = self._vectors @ self._embed_text([sentence])[0]
        best = int(nearness.argmax())
        name, example = self._examples[best]
        if name not in self._skills or nearness[best] < NEAR or ("thing" in example) is not needs_noun:
            return None
        return Routed(self._skills[name], slots, float(min(nearness[best], 1.0)))
