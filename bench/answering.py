"""How long the box takes to understand a question and answer it from what it sees."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from datetime import UTC, datetime

import numpy as np

from edge_runtime.decision.confidence import ConfidenceGate
from edge_runtime.decision.intents import IntentMatcher
from edge_runtime.decision.scene import Scene
from edge_runtime.pipelines.answering import Answerer
from edge_runtime.pipelines.minds import Minds
from edge_runtime.skills.builtin import Means, builtin_skills
from edge_runtime.skills.nouns import Nouns
from edge_runtime.skills.routing import Router
from edge_runtime.skills.sentences import question_sentences
from edge_runtime.types import Detection, Frame, Observation, Question

LABELS = (
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "bus",
    "truck",
    "bird",
    "cat",
    "dog",
    "chair",
    "couch",
    "tv",
    "book",
)
QUESTIONS = {
    "template": "is there a person at the door?",
    "free words": "was there by any chance a dog around the house yesterday",
    "count": "how many people are there?",
    "description": "what do you see?",
    "clock": "what time is it?",
    "unknown": "what is the capital of France?",
}


def make_answerer(cameras: int) -> tuple[Answerer, float]:
    """Return an answerer for some cameras that each see twenty things, and the seconds it took to make it."""
    start = time.perf_counter()
    names = tuple(f"camera{number}" for number in range(cameras))
    nouns, scene = Nouns(LABELS), Scene()
    skills = builtin_skills(Means(nouns, lambda: datetime.now(UTC)))
    router = Router(skills, nouns, IntentMatcher([question_sentences(skills, nouns, names)]).match, names)
    boxes = tuple(Detection(LABELS[place % len(LABELS)], 0.9, (0.0, 0.0, 1.0, 1.0)) for place in range(20))
    image = np.zeros((4, 4, 3), np.uint8)
    for name in names:
        scene.observe(Observation(name, 0.0, boxes), Frame(name, 0.0, image), dict.fromkeys(LABELS, 0.9))
    answerer = Answerer(router, scene, ConfidenceGate(0.8), lambda _: scene, Minds("there is no cloud"))
    return answerer, time.perf_counter() - start


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    answerer, made_s = make_answerer(options.cameras)
    figures = {"start": {"ms": made_s * 1e3}}
    for kind, text in QUESTIONS.items():
        question = Question(text, "bench", 0.0)
        times = [answerer.answer(question).elapsed_s * 1e3 for _ in range(options.repeat)]
        figures[kind] = {"p50_ms": statistics.median(times), "p99_ms": sorted(times)[int(len(times) * 0.99)]}
    if options.json:
        print(json.dumps(figures))
        return
    for kind, measured in figures.items():
        print(f"{kind:12}", "  ".join(f"{name} {value:7.2f}" for name, value in measured.items()))


if __name__ == "__main__":
    main()
