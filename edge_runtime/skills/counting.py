"""How many are there? The likeliest number, scored by how likely it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from edge_runtime.decision.confidence import Reply
from edge_runtime.decision.scene import either
from edge_runtime.skills.nouns import Claim, Noun, Nouns
from edge_runtime.skills.skill import View, asked, narrow, together, view
from edge_runtime.skills.wording import amount, counted, listed, on_camera

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge_runtime.decision.scene import LastLook, Scene
    from edge_runtime.types import Question


@dataclass(frozen=True, slots=True)
class Counting:
    """Answers "how many people are there?", "count the cars"."""

    nouns: Nouns
    max_age_s: float = 15.0
    name: ClassVar[str] = "counting"
    about_scene: ClassVar[bool] = True
    sentences: ClassVar[tuple[str, ...]] = (
        "how many {label} [(are|is) [there]] [<place>]",
        "how many {label} (do|can) you (see|count|spot) [<place>]",
        "count [all] [(the|these|those|my)] {label} [<place>]",
        "[(what is|tell me)] [the] (number|count) of {label} [<place>]",
    )
    spoken: ClassVar[tuple[str, ...]] = ("how many {many:label} (are there|do you see) [<place>]",)
    examples: ClassVar[tuple[str, ...]] = (
        "how many things are there",
        "how many things do you see",
        "count the things",
        "what is the number of things",
        "how many of the things are left",
    )

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return the likeliest count over the cameras asked for."""
        nouns = asked(self.nouns, slots)
        if not nouns:
            return None
        seen = view(question, scene, slots.get("camera"), self.max_age_s)
        if isinstance(seen, Reply):
            return seen
        return together([self._about(noun, seen, slots) for noun in nouns])

    @staticmethod
    def _about(noun: Noun, seen: View, slots: Mapping[str, str]) -> Reply:
        word = noun.key if noun.claim is Claim.KIND else noun.labels[0]
        counts = {look.source: _count(look, noun) for look in seen.looks}
        total = sum(number for number, _ in counts.values())
        if total == 0:
            return Reply(f"I see {counted(0, word)}.{seen.caveat()}", seen.absent(noun))
        if finer := narrow(noun, slots):
            return Reply(f"I see {counted(total, word)}, but I cannot tell whether that is {finer}.", 0.0)
        score = math.prod(chance for _, chance in counts.values()) * (0.5 ** len(seen.silent))
        return Reply(f"I see {counted(total, word)}{_split(counts) if seen.many else ''}.{seen.caveat()}", score)


def _split(counts: Mapping[str, tuple[int, float]]) -> str:
    return ": " + listed([f"{amount(n)} {on_camera(source)}" for source, (n, _) in counts.items() if n])


def _count(look: LastLook, noun: Noun) -> tuple[int, float]:
    chances = chances_of_count(score for label in noun.labels for score in look.boxes(label))
    number = max(range(len(chances)), key=chances.__getitem__)
    return number, chances[number] if number else 1.0 - either(look.presence(label) for label in noun.labels)


def chances_of_count(scores: Iterable[float]) -> list[float]:
    """Return the probability of 0, 1, 2, ... of independent boxes being real (the Poisson binomial distribution)."""
    chances = [1.0]
    for score in scores:
        fewer, same = [0.0, *chances], [*chances, 0.0]
        chances = [a * score + b * (1.0 - score) for a, b in zip(fewer, same, strict=True)]
    return chances
