"""Does anything look unusual? The present against what each camera usually sees."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from edge_runtime.decision.confidence import Reply
from edge_runtime.decision.usual import ENOUGH, SEEN
from edge_runtime.skills.clock_words import plain
from edge_runtime.skills.skill import together, view
from edge_runtime.skills.wording import duration, indefinite, listed, on_camera

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.decision.scene import LastLook, Scene
    from edge_runtime.types import Question

RARE = 0.05
"""Share of looks below which a thing, or a look as a whole, is unusual."""
ALWAYS = 0.95
AS_USUAL, AS_STRANGE_AS_ANY = 0.95, 0.5
"""Score of "as usual" for a look like most others, and for one that is nearly strange: a prior, not measured."""
_WORDS = re.compile(
    r"\b(unusual|strange|odd|weird|suspicious|out of the ordinary|out of place|abnormal|anomal\w+|as usual|normal|"
    r"in order|all right|alright|everything ok(ay)?|different (than|from|to) (usual|normal)|changed|wrong)\b"
)
_SCENE = re.compile(
    r"\b(anything|something|everything|all|it|things|here|there|outside|camera|cameras|picture|scene|room|house|garden|"
    r"street|door|driveway|look|looks|see|notice)\b"
)
_ASKS = re.compile(
    r"^(hey |ok |so |and |please |tell me )*(is|are|does|do|did|has|have|anything|something|what|everything|any)\b"
)


@dataclass(frozen=True, slots=True)
class Unusual:
    """Answers "does anything look unusual?", "is everything as usual?"."""

    max_age_s: float = 15.0
    name: ClassVar[str] = "unusual"
    about_scene: ClassVar[bool] = True
    sentences: ClassVar[tuple[str, ...]] = (
        "(is|does) (anything|something) [(look|looking|seem)] (unusual|strange|odd|weird|suspicious) [<place>]",
        "(is|does) (anything|something) [(look|looking|seem)] (out of place|wrong) [<place>]",
        "(is|are) (everything|things|all) (as usual|normal|in order|all right|alright|okay|ok) [<place>]",
        "does everything look (as usual|normal|all right|okay|ok) [<place>]",
        "do you (see|notice) (anything|something) (unusual|strange|odd|weird|suspicious|out of the ordinary) [<place>]",
        "is there (anything|something) (unusual|strange|odd|weird|suspicious|out of the ordinary) [<place>]",
        "(anything|something) (unusual|strange|odd|weird|suspicious) [<place>]",
    )
    spoken: ClassVar[tuple[str, ...]] = ("is everything as usual", "does anything look (unusual|strange)")
    examples: ClassVar[tuple[str, ...]] = (
        "does anything look unusual",
        "is everything as usual",
        "is everything normal outside",
        "do you notice anything strange",
        "is something out of place",
        "anything suspicious at the door",
        "has anything changed in the room",
        "is all in order there",
        "does it look different from normal",
    )

    def reads(self, text: str) -> float:
        """Return how surely a question asks whether what is seen is as usual."""
        said = plain(text)
        return 0.85 if _ASKS.match(said) and _WORDS.search(said) and _SCENE.search(said) else 0.0

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return what is unusual on each camera; the score follows from how rare it is."""
        seen = view(question, scene, slots.get("camera"), self.max_age_s)
        if isinstance(seen, Reply):
            return seen
        replies = [
            _of_look(look, scene, where=f" {on_camera(look.source)}" if seen.many else "") for look in seen.looks
        ]
        quiet = [reply for reply in replies if reply.text.startswith("Everything")]
        if len(quiet) == len(replies):
            return Reply(f"Everything looks as usual.{seen.caveat()}", together(quiet).score * 0.5 ** len(seen.silent))
        told = together([reply for reply in replies if reply not in quiet])
        return Reply(told.text + seen.caveat(), told.score)


def _of_look(look: LastLook, scene: Scene, where: str) -> Reply:
    found = scene.usual.compare(look.observation)
    if found.looks < ENOUGH:
        watched = duration(found.watched_s) if found.watched_s >= 1.0 else "a moment"
        return Reply(f"I have watched{where} for only {watched}, which is too short to know what is usual.", 0.0)
    hour = " at this hour" if found.same_hour else ""
    best = {box.label: box.score for box in reversed(look.observation.detections) if box.score >= SEEN}
    rare = [label for label in best if found.labels.get(label, 0.0) < RARE]
    gone = [label for label, share in found.labels.items() if share >= ALWAYS and label not in best]
    strange = found.whole is not None and found.whole <= RARE
    parts, chance = [], 1.0
    if rare:
        parts.append(f"I see {listed([indefinite(label) for label in rare])}, which I rarely see")
        chance *= min(best[label] * (1.0 - found.labels.get(label, 0.0)) for label in rare)
    if gone:
        parts.append(f"I do not see {listed([indefinite(label) for label in gone], 'or')}, which I nearly always see")
        chance *= min(1.0 - look.presence(label) for label in gone)
    if parts:
        return Reply(f"Yes: {' and '.join(parts)}{where}{hour}.", chance)
    if strange and found.whole is not None:
        return Reply(f"The picture{where} as a whole looks unlike what I usually see.", 1.0 - found.whole)
    likeness = 1.0 if found.whole is None else min(found.whole / 0.5, 1.0)
    return Reply(f"Everything looks as usual{where}.", AS_STRANGE_AS_ANY + (AS_USUAL - AS_STRANGE_AS_ANY) * likeness)
