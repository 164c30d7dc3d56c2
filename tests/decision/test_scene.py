from __future__ import annotations

import threading

import numpy as np
import pytest

from edge_runtime.decision.scene import MISSED, Scene, either
from edge_runtime.types import Detection, Frame, Observation

BOX = (0.1, 0.1, 0.5, 0.5)


def seen(at: float, *things: tuple[str, float], source: str = "door") -> Observation:
    return Observation(source, at, tuple(Detection(label, score, BOX) for label, score in things))


def test_the_newest_look_of_each_camera_is_kept_with_its_picture() -> None:
    scene = Scene()
    old, new = (Frame("door", at, np.zeros((2, 2, 3), np.uint8)) for at in (1.0, 2.0))
    scene.observe(seen(1.0, ("dog", 0.9)), old)
    scene.observe(seen(2.0), new)
    scene.observe(seen(1.5, source="garden"))
    assert scene.sources == ("door", "garden")
    assert scene.latest() == seen(2.0)
    assert scene.latest("garden") == seen(1.5, source="garden")
    assert scene.latest_frame() is new
    assert scene.latest_frame("garden") is None
    assert scene.latest("attic") is None


def test_a_look_that_comes_late_changes_nothing() -> None:
    scene = Scene()
    scene.observe(seen(2.0, ("cat", 0.9)))
    scene.observe(seen(1.0, ("dog", 0.9)))
    assert scene.latest() == seen(2.0, ("cat", 0.9))
    assert scene.last_seen("dog") is None


def test_only_fresh_looks_are_now() -> None:
    scene = Scene()
    scene.observe(seen(1.0, ("dog", 0.9)))
    scene.observe(seen(9.0, ("cat", 0.8), source="garden"))
    assert [box.label for box in scene.now_detections(max_age_s=5.0, at=10.0)] == ["cat"]
    assert [look.source for look in scene.looks(10.0, 20.0, "door")] == ["door"]


def test_last_seen_names_the_newest_sighting_and_the_best_score_of_its_visit() -> None:
    scene = Scene()
    scene.observe(seen(1.0, ("dog", 0.99)))
    scene.observe(seen(100.0, ("dog", 0.8)))
    scene.observe(seen(101.0, ("dog", 0.6)))
    scene.observe(seen(102.0, ("dog", 0.3)))
    scene.observe(seen(50.0, ("dog", 0.7), source="garden"))
    last = scene.last_seen("dog")
    assert last is not None
    assert (last.source, last.at, last.score) == ("door", 101.0, 0.8)
    garden = scene.last_seen("dog", "garden")
    assert garden is not None
    assert garden.at == 50.0
    assert scene.since == 1.0


@pytest.mark.parametrize(
    ("things", "evidence", "chance"),
    [
        pytest.param((("dog", 0.9),), {"dog": 0.7}, 0.9, id="a box is the better evidence"),
        pytest.param((("dog", 0.2),), {"dog": 0.3}, 0.3, id="the whole picture is the better evidence"),
        pytest.param((), {"dog": 0.01}, 0.01, id="the model says no"),
        pytest.param((("dog", 0.5), ("dog", 0.5)), {}, 0.75, id="two doubtful boxes are one likely dog"),
        pytest.param((("cat", 0.9),), {}, MISSED, id="without evidence it may have been missed"),
    ],
)
def test_presence(things: tuple[tuple[str, float], ...], evidence: dict[str, float], chance: float) -> None:
    scene = Scene()
    scene.observe(seen(1.0, *things), None, evidence)
    assert scene.looks(1.0, 1.0)[0].presence("dog") == pytest.approx(chance)


def test_either_of_none_is_impossible() -> None:
    assert either([]) == 0.0


def test_memory_does_not_grow_with_time() -> None:
    scene = Scene()
    for at in range(2000):
        scene.observe(seen(float(at), ("dog", 0.9), ("cat", 0.9)))
    assert (len(scene._looks), len(scene._sightings)) == (1, 2)


def test_readers_and_the_writer_do_not_disturb_each_other() -> None:
    scene, stop, failed = Scene(), threading.Event(), []

    def read() -> None:
        try:
            while not stop.is_set():
                scene.last_seen("dog")
                scene.now_detections(1e9, 0.0)
        except RuntimeError as error:
            failed.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for at in range(1000):
        scene.observe(seen(float(at), (f"thing {at % 50}", 0.9), source=f"camera {at % 20}"))
    stop.set()
    for reader in readers:
        reader.join(5)
    assert not failed
