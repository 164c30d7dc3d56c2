"""From question to answer: a skill replies, the gate decides, the cloud is asked or the box says it is not sure."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from edge_runtime.decision.confidence import ConfidenceGate, Reply, Route
from edge_runtime.errors import (
    BudgetExceededError,
    CloudAuthError,
    CloudError,
    CloudProtocolError,
    CloudRateLimitError,
    CloudUnavailableError,
)
from edge_runtime.types import Answer, Frame, Origin, Question

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge_runtime.decision.scene import Scene

logger = logging.getLogger(__name__)

WHY_NOT = (
    (CloudAuthError, "the cloud refused the key"),
    (CloudRateLimitError, "the cloud is too busy"),
    (CloudUnavailableError, "the cloud cannot be reached"),
    (CloudProtocolError, "the cloud gave a reply that cannot be understood"),
    (BudgetExceededError, "today's cloud budget is used up"),
    (CloudError, "the record of cloud spending cannot be kept"),
)

PICTURE_AGE_S = 30.0
SCENE_WORDS = re.compile(
    r"\b(see|look|looks|looking|picture|image|photo|camera|view|there|here|this|that|these|those|outside|door|room|"
    r"wearing|holding|doing|happening|colou?r)\b|^\s*(is|are) (the|it|he|she|they|any\w*|some\w*)\b",
    re.IGNORECASE,
)
"""What a question says when it is about what the cameras see; without one of these no picture goes to the cloud."""


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


class Cloud(Protocol):
    """Whoever is asked when the box is not sure."""

    @property
    def sees(self) -> bool:
        """Tell whether pictures may be sent."""

    def answer(self, question: Question) -> Answer:
        """Return an answer, abstained where the cloud does not know either; raises CloudError."""


class Answerer:
    """Answers every question, whoever asked it, and never claims more than it knows; safe across threads.

    Args:
        choose: finds the skill for a text.
        scene: what the cameras see.
        gate: calibrates and routes.
        look: looks at a picture that came with a question; returns a scene of that picture alone.
        cloud: who is asked when the box is not sure, or why nobody may be: the end of "I am not sure, and ...".
    """

    def __init__(
        self,
        choose: Callable[[str], Chosen | None],
        scene: Scene,
        gate: ConfidenceGate,
        look: Callable[[Frame], Scene],
        cloud: Cloud | str,
    ) -> None:
        self._choose = choose
        self._scene = scene
        self._gate = gate
        self._look = look
        self._cloud = cloud

    def answer(self, question: Question) -> Answer:
        """Return an answer whose origin says who gave it; a cloud failure becomes an abstention that says why."""
        start = time.monotonic()
        answer = self._answer(question)
        return replace(answer, elapsed_s=time.monotonic() - start)

    def _answer(self, question: Question) -> Answer:
        chosen = self._choose(question.text)
        question, scene = self._scene_of(question)
        reply = chosen.skill.answer(question, scene, chosen.slots) if chosen else None
        if chosen is None or reply is None:
            if scene is self._scene and SCENE_WORDS.search(question.text) is None:
                return self._ask_cloud(replace(question, frame=None), None)
            return self._ask_cloud(_with_picture(question, scene), None)
        if reply.blind:
            return Answer(reply.text, 0.0, Origin.ABSTAINED)
        confidence = self._gate.calibrate(chosen.skill.name, reply.score) * chosen.confidence
        guess = Answer(reply.text, confidence, Origin.LOCAL)
        if self._gate.route(confidence, cloud_allowed=not isinstance(self._cloud, str)) is Route.LOCAL:
            return guess
        if not chosen.skill.about_scene:
            return self._ask_cloud(replace(question, frame=None), guess)
        return self._ask_cloud(_with_picture(question, scene, chosen.slots.get("camera")), guess)

    def _scene_of(self, question: Question) -> tuple[Question, Scene]:
        """Return the scene to answer from: that of the cameras, or of a picture that none of them took."""
        frame = question.frame
        if frame is None or frame.source in self._scene.sources:
            return question, self._scene
        return replace(question, at=frame.at), self._look(frame)

    def _ask_cloud(self, question: Question, guess: Answer | None) -> Answer:
        if isinstance(self._cloud, str):
            return _abstained(self._cloud, guess)
        if guess is not None and question.frame is not None and not self._cloud.sees:
            return _abstained("pictures may not leave this box", guess)
        try:
            answer = self._cloud.answer(question)
        except CloudError as error:
            logger.info("the cloud did not answer: %s", error)
            return _abstained(next(why for kind, why in WHY_NOT if isinstance(error, kind)), guess)
        if answer.origin is Origin.CLOUD:
            return answer
        return replace(_abstained("the cloud is not sure either", guess), cost_usd=answer.cost_usd)


def _with_picture(question: Question, scene: Scene, camera: str | None = None) -> Question:
    """Return the question with the newest picture of `camera`, or of any, unless it is too old to mean now."""
    frame = question.frame or scene.latest_frame(camera)
    fresh = frame is not None and question.at - frame.at <= PICTURE_AGE_S
    return replace(question, frame=frame if fresh else None)


def _abstained(why: str, guess: Answer | None) -> Answer:
    if guess is None:
        return Answer(f"I cannot answer that by myself, and {why}.", 0.0, Origin.ABSTAINED)
    return Answer(f"I am not sure, and {why}. My best guess: {guess.text}", guess.confidence, Origin.ABSTAINED)
