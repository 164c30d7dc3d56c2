from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.decision.prompted import FLOOR, Lesson, Sought
from edge_runtime.pipelines.words import EARLY, AlertRules, Words, cut
from edge_runtime.sinks.record_file import canonical, decision
from edge_runtime.types import Detection, Frame, Look, Sight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.types import Event, Image

RED, BLUE, GREY = np.eye(3, 8, dtype=np.float32)
COLOURS = {"red": ((200, 20, 20), RED), "blue": ((20, 20, 200), BLUE)}
RULES = AlertRules(alarms_per_day=1.0, cooldown_s=60.0)


class Colours:
    """Eyes that see how much red and blue there is."""

    def __init__(self) -> None:
        self.looks = 0

    def look(self, image: Image, *, features: bool = False) -> Look:  # noqa: ARG002
        self.looks += 1
        whole = image.astype(np.int16)
        red = (whole[..., 0] > whole[..., 2] + 60).mean()
        blue = (whole[..., 2] > whole[..., 0] + 60).mean()
        vector = red * RED + blue * BLUE + max(0.3 - red - blue, 0.0) * GREY
        return Look((), (), {"car": 0.9 if red > 0.3 else 0.02}, vector / np.linalg.norm(vector))


def sought(prompt: str, vector: np.ndarray, **more: object) -> Sought:
    colours = np.stack([RED, BLUE, GREY])
    apart = np.array([one is not vector for one in (RED, BLUE, GREY)])
    return Sought(prompt, vector, colours, ["red", "blue", "grey"], apart, 0.25, 1.0, **more)  # type: ignore[arg-type]


def words(*prompts: Sought, rules: AlertRules = RULES) -> tuple[Words, Colours]:
    eyes = Colours()
    return Words(prompts or (sought("a red box", RED),), eyes, rules), eyes


def sight(at: float, *things: str, found: Sequence[Detection] = ()) -> Sight:
    image = np.full((180, 320, 3), 110, np.uint8)
    for number, thing in enumerate(things):
        image[60:120, 40 + 120 * number : 100 + 120 * number] = COLOURS[thing][0]
    look = Look(tuple(found), (), {})
    return Sight(Frame("door", at, image), look, 0.05, moving=True, novelty=(1.0,) * len(found))


def play(decider: Words, begin: float, *looks: Sequence[str], every_s: float = 1.0) -> list[Event]:
    return [e for n, things in enumerate(looks) for e in decider.decide(sight(begin + n * every_s, *things))]


def calm(decider: Words, begin: float, minutes: int) -> float:
    for at in np.arange(begin, begin + 60.0 * minutes, 10.0):
        assert decider.decide(sight(float(at))) == []
    return begin + 60.0 * minutes


def test_a_thing_that_comes_is_told_once_with_every_gate() -> None:
    decider, _ = words()
    [event] = play(decider, 0.0, [], [], [], ["red"], ["red"], ["red"], ["red"])
    assert (event.kind, event.source, event.at) == ("alert", "door", 4.0)
    assert event.data["prompt"] == "a red box"
    assert event.data["confirmed"] is None
    assert np.allclose(event.data["where"], (40 / 320, 60 / 180, 100 / 320, 120 / 180), atol=0.03)  # type: ignore[arg-type]
    gates = ["change", "likeness", "threshold", "persistence", "cooldown"]
    assert [step.gate for step in event.steps] == gates
    facts = {step.gate: step.facts for step in event.steps}
    assert facts["threshold"]["threshold"] is None
    assert facts["persistence"]["looks"] == 2
    assert json.dumps([dict(step.facts) for step in event.steps])


@pytest.mark.parametrize(
    ("looks", "every_s", "alerts"),
    [
        pytest.param([[], [], ["blue"], ["blue"], ["blue"]], 1.0, 0, id="another thing"),
        pytest.param([[], [], ["red"], [], ["red"], []], 1.0, 0, id="never two looks in a row"),
        pytest.param([[], [], ["red"], ["red"]], 8.0, 0, id="two looks far apart"),
        pytest.param([[], [], ["blue"], ["blue", "red"], ["blue", "red"]], 1.0, 1, id="beside another thing"),
        pytest.param([["red"], ["red"], ["red"]], 1.0, 0, id="it was always there, and too small in a new view"),
    ],
)
def test_what_alerts(looks: list[list[str]], every_s: float, alerts: int) -> None:
    assert len(play(words()[0], 0.0, *looks, every_s=every_s)) == alerts


def test_the_same_alert_rests() -> None:
    decider, _ = words()
    visits = [[], [], ["red"], ["red"], [], []]
    told = [len(play(decider, begin, *visits)) for begin in (0.0, 20.0, 40.0, 90.0)]
    assert told == [1, 0, 0, 1]


def test_each_prompt_is_told_by_itself() -> None:
    decider, _ = words(sought("a red box", RED), sought("a blue box", BLUE))
    events = play(decider, 0.0, [], [], ["red", "blue"], ["red", "blue"])
    assert [event.data["prompt"] for event in events] == ["a red box", "a blue box"]
    assert events[0].data["where"] != events[1].data["where"]


def test_closer_looks_are_few_and_none_where_nothing_changes() -> None:
    decider, eyes = words()
    play(decider, 0.0, *[[]] * 5)
    before = eyes.looks
    play(decider, 5.0, *[[]] * 20)
    assert eyes.looks == before
    play(decider, 30.0, *[["red", "blue"]] * 20, every_s=0.1)
    assert eyes.looks == before + 2 * 2, "two parts, once a second"


def test_new_things_of_the_detector_are_looked_at_first() -> None:
    decider, _ = words(sought("a red box", RED, labels=("car",), exact=True))
    play(decider, 0.0, [], [])
    box = (0.1, 0.3, 0.33, 0.7)
    for at in (2.0, 3.0):
        events = decider.decide(sight(at, "red", found=[Detection("car", 0.9, box)]))
    assert events[0].data["where"] == list(box)
    assert events[0].steps[1].facts["detector"] == pytest.approx(2.1972)


def test_a_site_sets_its_own_threshold_and_fine_raises_it() -> None:
    rules = AlertRules(1.0, 0.0)
    fresh, _ = words(sought("a red box", RED, sure=99.0), rules=rules)
    assert play(fresh, 0.0, [], [], ["red"], ["red"]) == [], "nothing is known of this site yet"
    decider, _ = words(sought("a red box", RED, sure=99.0), rules=rules)
    begin = calm(decider, 0.0, 65)
    [event] = play(decider, begin, ["red"], ["red"])
    assert event.steps[2].facts["minutes"] >= 60  # type: ignore[operator]
    assert event.data["threshold"] == FLOOR, "nothing has ever happened here"
    decider.fine("a red box", float(str(event.data["score"])))
    decider.fine("no such prompt", 1.0)
    assert play(decider, begin + 200, [], ["red"], ["red"], ["red"]) == []


def test_what_is_surely_the_thing_does_not_become_usual() -> None:
    known, _ = words(sought("a red box", RED, labels=("car",), exact=True), rules=AlertRules(1.0, 0.0))
    named, _ = words(rules=AlertRules(1.0, 0.0))
    told = {}
    for name, decider in (("known", known), ("named", named)):
        at, told[name] = calm(decider, 0.0, 61), 0
        for _ in range(20):
            told[name] += len(play(decider, at, ["red"], ["red"], []))
            at = calm(decider, at + 3, 10)
    assert told["known"] == 20, "the detector vouches for it"
    assert told["named"] <= 5, "words alone are not believed more often than the promise allows"


def test_words_alone_are_told_twice_in_the_first_hour_at_most() -> None:
    decider, _ = words(rules=AlertRules(1.0, 0.0))
    assert sum(len(play(decider, 100.0 * n, [], [], ["red"], ["red"])) for n in range(10)) == EARLY


def test_a_decision_is_made_once_more_from_its_state() -> None:
    decider, _ = words(sought("a red box", RED), sought("a blue box", BLUE))
    play(decider, 0.0, [], ["blue"], ["red"])
    state, arrays = decider.state()
    kept = json.loads(canonical(state))
    [event] = decider.decide(sight(3.0, "red"))
    again, _ = words(sought("a red box", RED), sought("a blue box", BLUE))
    again.restore(kept, {name: array.copy() for name, array in arrays.items()})
    [repeated] = again.decide(sight(3.0, "red"))
    assert decision(repeated) == decision(event)


def test_what_pictures_taught_is_part_of_the_state() -> None:
    taught, _ = words(sought("Minka", GREY, lesson=Lesson(RED, -0.5, 8.0)))
    play(taught, 0.0, [], ["blue"], ["red"])
    state, arrays = taught.state()
    [event] = taught.decide(sight(3.0, "red"))
    assert event.steps[1].facts["taught"] is True
    again, _ = words(sought("Minka", GREY))
    again.restore(json.loads(canonical(state)), arrays)
    [repeated] = again.decide(sight(3.0, "red"))
    assert decision(repeated) == decision(event)


def test_history_outlives_the_program_and_a_prompt_that_is_gone_is_let_go() -> None:
    decider, _ = words(sought("a red box", RED), sought("a blue box", BLUE))
    calm(decider, 0.0, 70)
    kept = json.loads(json.dumps(decider.thresholds()))
    again, _ = words()
    again.learned(kept)
    assert json.loads(json.dumps(again.thresholds())) == {"a red box": kept["a red box"]}


@pytest.mark.parametrize(
    ("box", "shape"),
    [
        pytest.param((0.4, 0.4, 0.6, 0.6), (81, 81), id="square around the longer side"),
        pytest.param((0.0, 0.0, 0.1, 0.1), (30, 37), id="as far as there is picture"),
        pytest.param((0.5, 0.5, 0.5, 0.5), (31, 31), id="no thinner than the model can use"),
        pytest.param((0.0, 0.0, 1.0, 1.0), (180, 320), id="the whole"),
    ],
)
def test_parts_are_cut_square(box: tuple[float, float, float, float], shape: tuple[int, int]) -> None:
    rows, columns = cut(np.zeros((180, 320, 3), np.uint8), box, 1.25).shape[:2]
    assert abs(rows - shape[0]) <= 1
    assert abs(columns - shape[1]) <= 1
