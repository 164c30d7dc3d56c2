"""What do you see? Everything recognised, camera by camera."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from edge_runtime.decision.confidence import Reply
from edge_runtime.decision.scene import MISSED, LastLook, Scene, either
from edge_runtime.skills.nouns import Claim
from edge_runtime.skills.skill import view
from edge_runtime.skills.wording import counted, indefinite, listed, on_camera, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.skills.nouns import Noun, Nouns
    from edge_runtime.types import Question

NOTHING = "nothing that I know"


@dataclass(frozen=True, slots=True)
class Description:
    """Answers "what do you see?", "what is in the picture?"."""

    nouns: Nouns
    max_age_s: float = 15.0
    name: ClassVar[str] = "description"
    about_scene: ClassVar[bool] = True
    sentences: ClassVar[tuple[str, ...]] = (
        "what (do|can|did) you see [<place>]",
        "what can be seen [<place>]",
        "what (are you|is the camera) (looking at|seeing)",
        "what is (this|that)",
        "(what|which) {label} (do|can) you see [<place>]",
        "(what|which) {label} (is|are) (there|<place>|this|that|these|those|it)",
        "(is|are) there (anything|something) [<place>]",
        "do you see (anything|something) [<place>]",
        "(list|name) [all] [the] (objects|things|everything) [that] [you [can] see] [<place>]",
        "what (else|all) (do|can) you see [<place>]",
        "(tell me|describe|say) what you [can] see [<place>]",
        "what (is|are) <place>",
        "what is (visible|there|going on|happening) [<place>]",
        "what (objects|things) (are|do you see|can you see) [there] [<place>]",
        "what does [the|this|your] (picture|image|photo|camera) show",
        "describe (the|this|your) (picture|image|photo|scene|view|surroundings|room)",
        "describe <place>",
    )
    spoken: ClassVar[tuple[str, ...]] = ("what do you see [<place>]",)
    examples: ClassVar[tuple[str, ...]] = (
        "what do you see",
        "describe the scene",
        "what is in the picture",
        "what is going on here",
        "tell me what is visible",
        "give me a description of the image",
    )

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return what is recognised; the score is the probability that all of it is there."""
        kind = self.nouns.get(slots["label"]) if "label" in slots else None
        if "label" in slots and (kind is None or kind.claim is not Claim.KIND):
            return None
        seen = view(question, scene, slots.get("camera"), self.max_age_s)
        if isinstance(seen, Reply):
            return seen
        parts = [(look, *_recognised(look, kind)) for look in seen.looks]
        score = math.prod(chance for *_, chance in parts) * (0.5 ** len(seen.silent))
        if not seen.many:
            return Reply(f"I see {parts[0][1]}.{seen.caveat()}", score)
        told = " ".join(f"{on_camera(look.source).capitalize()} I see {text}." for look, text, _ in parts)
        return Reply(told + seen.caveat(), score)


def _recognised(look: LastLook, kind: Noun | None) -> tuple[str, float]:
    seen = [box.label for box in look.observation.detections if box.score >= 0.5]
    numbers = Counter(label for label in seen if kind is None or label in kind.labels)
    if not numbers:
        labels = kind.labels if kind else tuple(look.evidence)
        nothing = f"no {plural(kind.key)} that I know" if kind else NOTHING
        return nothing, 1.0 - (either(look.presence(label) for label in labels) if labels else MISSED)
    words = [indefinite(label) if n == 1 else counted(n, label) for label, n in numbers.most_common()]
    return listed(words), math.prod(look.presence(label) for label in numbers)
