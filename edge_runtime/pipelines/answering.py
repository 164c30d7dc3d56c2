"""From question to answer: a skill replies, the gate decides, a bigger mind is asked or the box says it is not sure."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from edge_runtime.errors import EdgeError
from edge_runtime.pipelines.minds import abstained
from edge_runtime.types import Answer, Box, Frame, Origin, Question, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_runtime.decision.confidence import ConfidenceGate, Reply
    from edge_runtime.decision.scene import Scene
    from edge_runtime.pipelines.minds import Minds

logger = logging.getLogger(__name__)

PICTURE_AGE_S = 30.0
SCENE_WORDS = re.compile(
    r"\b(see|look|looks|looking|picture|image|photo|camera|view|there|here|this|that|these|those|outside|door|room|"
    r"wearing|holding|doing|happening|colou?r)\b|^\s*(is|are) (the|it|he|she|they|any\w*|some\w*)\b",
    re.IGNORECASE,
)
"""What a question says when it is about what the cameras see; without one of these no picture goes to a bigger mind."""


class Answering(Protocol):
    """A skill, as far as an answer needs it."""

    @property
    def name(self) -> str:
        """Return the name its calibration is kept under."""

    @property
    def about_scene(self) -> bool:
        """Tell whether whoever answers instead needs the picture."""

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return a reply with a raw score, None where the skill cannot know."""


class Chosen(Protocol):
    """A question's skill and slots, and how surely the question was understood."""

    @property
    def skill(self) -> Answering:
        """Return the skill."""

    @property
    def slots(self) -> Mapping[str, str]:
        """Return what the question names."""

    @property
    def confidence(self) -> float:
        """Return the probability that the question means this."""

    @property
    def then(self) -> Chosen | None:
        """Return the next best, to be tried where this skill cannot know."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A question that the box's skills leave to a bigger mind.

    Attributes:
        request: what the mind is asked.
        guess: the skill's own answer, which was not sure enough.
        scene_bound: the question cannot be answered without its picture.
    """

    request: Request
    guess: Answer | None = None
    scene_bound: bool = False


class Answerer:
    """Answers every question, whoever asked it, and never claims more than it knows; safe across threads.

    Args:
        choose: finds the skill for a text.
        scene: what the cameras see.
        gate: says how sure a reply is, and whether that is enough.
        look: looks at a picture that came with a question; returns a scene of that picture alone.
        minds: who is asked when the skills are not sure.
        model: name of the bundle that skills answer with.
    """

    def __init__(
        self,
        choose: Callable[[str], Chosen | None],
        scene: Scene,
        gate: ConfidenceGate,
        look: Callable[[Frame], Scene],
        minds: Minds,
        model: str | None = None,
    ) -> None:
        self._model = model
        self._choose = choose
        self._scene = scene
        self._gate = gate
        self._look = look
        self._minds = minds

    def close(self) -> None:
        """Give back what bigger minds have open."""
        self._minds.close()

    def answer(self, question: Question, on_text: Callable[[str], None] | None = None) -> Answer:
        """Return an answer whose origin says who gave it, by the question's deadline; failures become abstentions.

        Args:
            question: what is asked.
            on_text: gets what a bigger mind writes as it is written.
        """
        start = time.monotonic()
        found = self.begin(question)
        return found if isinstance(found, Answer) else self.finish(found, start, on_text)

    def begin(self, question: Question) -> Answer | Pending:
        """Return what the skills answer, within milliseconds, or what is left to a bigger mind."""
        start = time.monotonic()
        found = self._by_skill(question, start + self._minds.patience_s(question))
        return replace(found, elapsed_s=time.monotonic() - start) if isinstance(found, Answer) else found

    def finish(self, pending: Pending, start: float, on_text: Callable[[str], None] | None = None) -> Answer:
        """Return a bigger mind's answer to a question that was asked at `start`, or an abstention that says why."""
        request = replace(pending.request, on_text=on_text) if on_text else pending.request
        answer = self._minds.answer(replace(pending, request=request))
        return replace(answer, elapsed_s=time.monotonic() - start)

    def give_up(self, pending: Pending, why: str) -> Answer:
        """Return the abstention for a question that nobody has time for."""
        return abstained(why, pending.guess, self._minds.mark(pending.request.skill))

    def _by_skill(self, question: Question, deadline: float) -> Answer | Pending:
        chosen = first = self._choose(question.text)
        question, scene = self._scene_of(question)
        reply = None
        while chosen is not None and (reply := chosen.skill.answer(question, scene, chosen.slots)) is None:
            chosen = chosen.then
        named = chosen or first
        skill = named.skill.name if named else None
        if chosen is None or reply is None:
            if scene is self._scene and SCENE_WORDS.search(question.text) is None:
                return Pending(Request(replace(question, frame=None), skill, deadline))
            return Pending(Request(_with_picture(question, scene), skill, deadline))
        mark = self._minds.mark(skill)
        if reply.blind:
            return Answer(reply.text, 0.0, Origin.ABSTAINED, skill=skill, prompt=mark)
        judged = self._gate.judge(chosen.skill.name, reply.score, question.text, chosen.confidence)
        guess = Answer(
            reply.text, judged.confidence, Origin.LOCAL, skill=skill, model=self._model, prompt=mark,
            sources=reply.sources, events=reply.events,
        )  # fmt: skip
        if judged.local and question.schema is None:
            return _done(guess, reply)
        if not chosen.skill.about_scene:
            return Pending(Request(replace(question, frame=None), skill, deadline), guess)
        shown = _with_picture(question, scene, chosen.slots.get("camera"))
        subject = _subject(scene, shown.frame, chosen.slots.get("label"))
        return Pending(Request(shown, skill, deadline, subject), guess, scene_bound=True)

    def _scene_of(self, question: Question) -> tuple[Question, Scene]:
        """Return the scene to answer from: that of the cameras, or of a picture that none of them took."""
        frame = question.frame
        if frame is None or frame.source in self._scene.sources:
            return question, self._scene
        return replace(question, at=frame.at), self._look(frame)


def _done(answer: Answer, reply: Reply) -> Answer:
    """Return the answer once what it says is done, or why it could not be."""
    try:
        if reply.then is not None:
            reply.then()
    except EdgeError as error:
        text = f"I could not do that: {error}."
        return replace(answer, text=text, confidence=0.0, origin=Origin.ABSTAINED, events=())
    return answer


def _with_picture(question: Question, scene: Scene, camera: str | None = None) -> Question:
    """Return the question with the newest picture of `camera`, or of any, unless it is too old to mean now."""
    frame = question.frame or scene.latest_frame(camera)
    fresh = frame is not None and question.at - frame.at <= PICTURE_AGE_S
    return replace(question, frame=frame if fresh else None)


def _subject(scene: Scene, frame: Frame | None, label: str | None) -> Box | None:
    """Return the box around everything in `frame` that the question names, None where nothing of it was found."""
    if frame is None or label is None:
        return None
    seen = scene.latest(frame.source)
    boxes = [found.box for found in seen.detections if found.label == label] if seen else []
    if not boxes:
        return None
    lows, highs = zip(*((box[:2], box[2:]) for box in boxes), strict=True)
    return (min(x for x, _ in lows), min(y for _, y in lows), max(x for x, _ in highs), max(y for _, y in highs))
