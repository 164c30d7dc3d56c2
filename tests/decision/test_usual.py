from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.decision.usual import DAY_S, ENOUGH, EVERY_S, KEPT, Usual
from edge_runtime.types import Detection, Observation

RNG = np.random.default_rng(8)
CENTRE = np.zeros(16, np.float32)
CENTRE[0] = 1.0


def look(at: float, labels: tuple[str, ...] = (), *, strange: bool = False, camera: str = "door") -> Observation:
    vector = CENTRE + RNG.normal(0, 0.05, 16).astype(np.float32)
    vector = -vector if strange else vector
    found = tuple(Detection(label, 0.9, (0.0, 0.0, 1.0, 1.0)) for label in labels)
    return Observation(camera, at, found, (vector / np.linalg.norm(vector)).astype(np.float32))


def watched(looks: int, labels: tuple[str, ...] = (), every_s: float = EVERY_S) -> tuple[Usual, float]:
    usual = Usual()
    for number in range(looks):
        usual.learn(look(number * every_s, labels))
    return usual, looks * every_s + 600.0


def test_a_look_like_the_others_is_usual_and_one_unlike_them_is_not() -> None:
    usual, now = watched(60)
    same, other = usual.compare(look(now)).whole, usual.compare(look(now, strange=True)).whole
    assert same is not None
    assert other == pytest.approx(1 / 61)
    assert same > 0.02


def test_a_usual_look_is_called_unusual_as_seldom_as_the_p_value_says() -> None:
    values = []
    for number in range(60):
        usual, now = watched(40)
        whole = usual.compare(look(now + number)).whole
        assert whole is not None
        values.append(whole)
    assert np.mean(np.array(values) <= 0.1) <= 0.2
    assert 0.35 < np.mean(values) < 0.65


@pytest.mark.parametrize(
    ("looks", "known"),
    [pytest.param(ENOUGH - 1, False, id="too few looks"), pytest.param(ENOUGH, True, id="just enough")],
)
def test_nothing_is_said_of_too_few_looks(looks: int, *, known: bool) -> None:
    usual, now = watched(looks)
    assert (usual.compare(look(now)).whole is not None) is known


def test_a_camera_that_was_never_seen_has_nothing_to_compare_with() -> None:
    found = Usual().compare(look(5.0, ("cat",)))
    assert (found.looks, found.whole, found.watched_s, found.labels) == (0, None, 0.0, {})


def test_a_model_without_embedding_compares_labels_alone() -> None:
    usual = Usual()
    for number in range(50):
        usual.learn(Observation("door", number * EVERY_S, ()))
    found = usual.compare(Observation("door", 9999.0, (Detection("bear", 0.9, (0.0, 0.0, 1.0, 1.0)),)))
    assert (found.whole, found.labels) == (None, {"bear": 0.0})


def test_what_has_just_come_is_not_yet_usual() -> None:
    usual, _ = watched(60)
    at = 60 * EVERY_S
    for seconds in range(0, 100, 30):
        usual.learn(look(at + seconds, ("bear",), strange=True))
    found = usual.compare(look(at + 100, ("bear",), strange=True))
    assert found.labels["bear"] == 0.0
    assert found.whole is not None
    assert found.whole < 0.05


def test_looks_in_between_are_not_kept() -> None:
    usual = Usual()
    for tenth in range(600):
        usual.learn(look(tenth / 10))
    assert usual.compare(look(1000.0)).looks == 2


def test_memory_stays_small_and_reaches_further_back_with_time() -> None:
    usual, now = watched(2000)
    found = usual.compare(look(now))
    assert ENOUGH < found.looks <= KEPT
    assert found.watched_s == pytest.approx(now)


def test_what_is_usual_by_day_is_not_usual_by_night() -> None:
    usual = Usual()
    for minute in range(3 * 24 * 60):
        by_day = 9 <= minute // 60 % 24 < 17
        usual.learn(look(minute * 60.0, ("car",) if by_day else ()))
    noon, night = (usual.compare(look(3 * DAY_S + hour * 3600.0, ("car",))) for hour in (12.5, 3.5))
    assert noon.same_hour
    assert night.same_hour
    assert noon.labels["car"] == 1.0
    assert night.labels["car"] == 0.0


def test_cameras_have_memories_of_their_own() -> None:
    usual, now = watched(60, ("car",))
    assert usual.compare(look(now, ("car",))).labels == {"car": 1.0}
    assert usual.compare(look(now, ("car",), camera="garden")).looks == 0
