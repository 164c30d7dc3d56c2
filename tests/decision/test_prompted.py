from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.decision.prompted import FLOOR, Glimpse, Lesson, Sought, parts_of, usual_likeness, weigh
from edge_runtime.decision.second_look import settled, settled_again
from edge_runtime.types import Detection, Event, Look, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

DOG, CAT, SOFA = np.eye(3, 8, dtype=np.float32)
NAMES, APART = ["dog", "cat", "sofa"], np.array([False, True, True])
SOUGHT = Sought("a dog on the sofa", DOG, np.stack([DOG, CAT, SOFA]), NAMES, APART, 0.1, 1.0)
BOX = (0.2, 0.2, 0.4, 0.6)


def glimpse(vector: np.ndarray, presence: Mapping[str, float] | None = None) -> Glimpse:
    return Glimpse(BOX, Look((), (), presence or {}, np.asarray(vector, np.float32)))


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        pytest.param("a dog on the sofa", ("dog", "on", "sofa"), id="thing and place"),
        pytest.param("A parcel in front of my door.", ("parcel", "in front of", "door"), id="place of several words"),
        pytest.param("somebody climbing over the fence", ("somebody climbing over the fence", "", ""), id="an action"),
        pytest.param("the gate is open", ("gate is open", "", ""), id="a state"),
        pytest.param("a man in black", ("man in black", "", ""), id="no place without an article"),
        pytest.param("smoke", ("smoke", "", ""), id="one word"),
    ],
)
def test_a_prompt_says_what_and_where(prompt: str, parts: tuple[str, str, str]) -> None:
    assert parts_of(prompt) == parts


def test_what_looks_like_the_words_scores_more_than_what_looks_like_something_else() -> None:
    dog, cat = (weigh(SOUGHT, glimpse(vector), ()) for vector in (DOG, CAT))
    assert dog.score > 8 > -8 > cat.score
    assert (cat.like, cat.box) == ("cat", BOX)


@pytest.mark.parametrize(
    ("exact", "chance", "expected"),
    [
        pytest.param(True, 0.95, 2.944, id="the detector knows just that and is sure"),
        pytest.param(True, 0.05, -2.944, id="it is sure that there is none"),
        pytest.param(False, 0.95, 0.0, id="a part of what is sought tells nothing for it"),
        pytest.param(False, 0.05, -2.944, id="its lack tells against it"),
        pytest.param(True, 1.0, 4.0, id="certainty counts within bounds"),
    ],
)
def test_the_detector_has_its_say(exact: bool, chance: float, expected: float) -> None:
    sought = replace(SOUGHT, labels=("dog", "unheard of"), exact=exact)
    assert weigh(sought, glimpse(DOG, {"dog": chance}), ()).detector == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param((0.1, 0.4, 0.6, 0.8), 0.5, id="its foot is on the sofa"),
        pytest.param((0.6, 0.4, 1.0, 0.8), -4.0, id="the sofa is elsewhere"),
    ],
)
def test_a_place_that_is_seen_decides(box: tuple[float, float, float, float], expected: float) -> None:
    sought = replace(SOUGHT, place=SOFA, place_labels=("couch",))
    seen = (Detection("couch", 0.6, box), Detection("chair", 0.9, BOX))
    assert weigh(sought, glimpse(DOG), seen).place == expected


def test_a_place_in_words_alone_counts_a_little() -> None:
    sought = replace(SOUGHT, place=SOFA, apart=np.array([False, True, False]))
    near, far = (weigh(sought, replace(glimpse(DOG), wide=vector), ()).place for vector in (SOFA, CAT))
    assert (near, far) == (0.5, -1.0)


def test_pictures_that_taught_replace_the_words() -> None:
    sought = replace(SOUGHT, lesson=Lesson(CAT, -0.5, 4.0), labels=("dog",), exact=True)
    shown, other = (weigh(sought, glimpse(vector, {"dog": 0.99}), ()) for vector in (CAT, DOG))
    assert (shown.score, other.score) == (FLOOR + 2.0, FLOOR - 2.0)
    assert shown.detector == 0.0


def test_usual_is_what_few_ordinary_pictures_reach() -> None:
    ordinary = np.random.default_rng(1).normal(size=(400, 8)).astype(np.float32)
    ordinary /= np.linalg.norm(ordinary, axis=1, keepdims=True)
    usual, above = usual_likeness(ordinary @ DOG / 0.1, ordinary @ SOUGHT.contrast[1:].T / 0.1)
    scores = [weigh(replace(SOUGHT, usual=usual), glimpse(vector), ()).score for vector in ordinary]
    assert np.mean(np.array(scores) > 0) == pytest.approx(0.05, abs=0.005)
    assert np.mean(np.array(scores) > above) == pytest.approx(0.02, abs=0.005)


@pytest.mark.parametrize(
    ("verdict", "kind", "confirmed"),
    [
        pytest.param("yes", "alert", True, id="confirmed"),
        pytest.param("no", "alert_denied", False, id="denied, told under another name"),
        pytest.param(None, "alert", None, id="nobody knows: told as it is"),
    ],
)
def test_a_second_look_is_a_step_that_can_be_repeated(verdict: str | None, kind: str, confirmed: bool | None) -> None:
    alert = Event("alert", "door", 1.0, {"prompt": "a dog", "confirmed": None}, steps=(Step("change", {}),))
    told = settled(alert, {"verdict": verdict, "why": "because"})
    assert (told.kind, told.data["confirmed"], told.id) == (kind, confirmed, alert.id)
    recorded = [{"gate": step.gate, "facts": dict(step.facts)} for step in told.steps]
    assert settled_again(alert, recorded).steps == told.steps
    assert settled_again(alert, recorded[:1]) is alert
