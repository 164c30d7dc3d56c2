"""Is there one? Yes, no, and from which camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from edge_runtime.decision.confidence import Reply
from edge_runtime.decision.scene import Scene, either
from edge_runtime.skills.skill import View, asked, narrow, together, view
from edge_runtime.skills.wording import indefinite, listed, on_camera

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.skills.nouns import Noun, Nouns
    from edge_runtime.types import Question


@dataclass(frozen=True, slots=True)
class Presence:
    """Answers "is there a person?", "anyone at the door?", "do you see any dogs?"."""

    nouns: Nouns
    max_age_s: float = 15.0
    name: ClassVar[str] = "presence"
    about_scene: ClassVar[bool] = True
    sentences: ClassVar[tuple[str, ...]] = (
        "(is|are) there [<some>] {label} [<place>]",
        "there (is|are) [<some>] {label} [<place>]",
        "[(do|can|could) you] (see|spot|notice|detect|recognise|recognize) [<some>] {label} [<place>]",
        "[(look|check)] (for|if you see|if there (is|are)|whether there (is|are)) [<some>] {label} [<place>]",
        "(is|are) [<some>] {label} <place>",
        "(is|are) (it|this|that|these|those) [<some>] {label}",
        "(any|some) [other] {label} [<place>]",
        "{label} <place>",
        "does [the|this] (picture|image|photo|frame|video) (show|contain|have) [<some>] {label}",
    )
    spoken: ClassVar[tuple[str, ...]] = (
        "is there {one:label} [<place>]",
        "are there any {many:label} [<place>]",
        "do you see ({one:label}|any {many:label}) [<place>]",
        "is [there] {who:label} <place>",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "is there a thing",
        "are there any things here",
        "do you see a thing",
        "can you spot things in the picture",
        "is the thing still there",
        "does the image contain a thing",
        "has a thing turned up",
    )

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return yes or no, scored with the probability of the side it takes."""
        nouns = asked(self.nouns, slots)
        if not nouns:
            return None
        seen = view(question, scene, slots.get("camera"), self.max_age_s)
        if isinstance(seen, Reply):
            return seen
        return together([self._about(noun, seen, slots) for noun in nouns])

    @staticmethod
    def _about(noun: Noun, seen: View, slots: Mapping[str, str]) -> Reply:
        chances = {
            (look.source, label): chance
            for look in seen.looks
            for label in noun.labels
            if (chance := look.presence(label)) >= 0.5
        }
        if not chances:
            absent = listed([indefinite(label) for label in noun.labels], "or")
            where = f" {on_camera(slots['camera'])}" if "camera" in slots else ""
            return Reply(f"No, I do not see {absent}{where}.{seen.caveat()}", seen.absent(noun))
        found = listed([indefinite(label) for label in dict.fromkeys(label for _, label in chances)])
        where = seen.where(tuple(dict.fromkeys(source for source, _ in chances)))
        if finer := narrow(noun, slots):
            return Reply(f"I see {found}{where}, but I cannot tell whether it is {finer}.", 0.0)
        return Reply(f"Yes, I see {found}{where}.", either(chances.values()))
