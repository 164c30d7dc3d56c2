from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.decision.tracking import Tracker
from edge_runtime.types import Detection


def at(x: float, y: float = 0.5, label: str = "person", score: float = 0.9, size: float = 0.1) -> Detection:
    return Detection(label, score, (x - size / 2, y - size, x + size / 2, y + size))


def walk(frames: list[list[Detection]], fps: float = 6.0, **kwargs: float) -> tuple[int, int, set[int]]:
    """Return how many tracks began, how many ended, and the numbers of those seen."""
    tracker = Tracker(confirm_frames=int(kwargs.get("confirm", 3)), lost_s=kwargs.get("lost_s", 1.0))
    new = ended = 0
    numbers: set[int] = set()
    for tick, frame in enumerate(frames):
        changes = tracker.update(tick / fps, frame)
        new, ended = new + len(changes.new), ended + len(changes.ended)
        numbers |= {track.number for track in (*changes.new, *changes.seen)}
    return new, ended + len(tracker.finish()), numbers


line = np.linspace(0.1, 0.9, 24)


@pytest.mark.parametrize(
    ("frames", "tracks"),
    [
        pytest.param([[at(x)] for x in line], 1, id="one-person-walking-is-one-track"),
        pytest.param([[at(x)] for x in line[::4]], 1, id="running-further-than-its-own-width-each-frame"),
        pytest.param([[at(x)] if i % 4 else [] for i, x in enumerate(line)], 1, id="missed-every-fourth-frame"),
        pytest.param([[at(x)] if not 8 < i < 13 else [] for i, x in enumerate(line)], 1, id="hidden-behind-a-tree"),
        pytest.param([[at(x, 0.2), at(1 - x, 0.8)] for x in line], 2, id="two-people-passing-each-other"),
        pytest.param([[at(x), at(1 - x, 0.55)] for x in line], 2, id="two-people-crossing-close"),
        pytest.param([[at(x)] if i == 5 else [] for i, x in enumerate(line)], 0, id="a-flicker-is-nothing"),
        pytest.param([[at(x)] if i % 5 == 0 else [] for i, x in enumerate(line)], 0, id="flickers-far-apart"),
        pytest.param([[at(0.5)]] * 6 + [[]] * 12 + [[at(0.5)]] * 6, 2, id="gone-for-longer-than-lost-s-is-another"),
        pytest.param(
            [[at(x, label="dog" if i % 5 == 0 else "cat")] for i, x in enumerate(line)],
            1,
            id="label-flicker-is-one-thing",
        ),
        pytest.param(
            [[at(x), at(x + 0.005, label="dog", score=0.6)] for x in line],
            1,
            id="two-opinions-on-one-box-are-one-thing",
        ),
        pytest.param(
            [[at(0.5)]] * 6 + [[]] * 5 + [[at(0.5, label="cat")]] * 6,
            2,
            id="after-a-gap-another-label-is-another-thing",
        ),
    ],
)
def test_tracker_gives_each_thing_one_number(frames: list[list[Detection]], tracks: int) -> None:
    new, ended, numbers = walk(frames)
    assert new == tracks
    assert ended == new, "every reported track ends exactly once"
    assert len(numbers) == tracks


def test_label_is_the_one_with_the_most_score_behind_it() -> None:
    tracker = Tracker(confirm_frames=1, lost_s=1.0)
    for tick, label in enumerate(["dog", "cat", "cat", "cat"]):
        tracker.update(tick / 6, [at(0.5, label=label)])
    assert [track.label for track in tracker.tracks] == ["cat"]


def test_unsure_boxes_keep_a_track_alive_but_start_none() -> None:
    tracker = Tracker(confirm_frames=2, lost_s=0.5)
    weak = at(0.5, score=0.2)
    assert not tracker.update(0.0, [], [weak]).new
    assert not tracker.tracks
    tracker.update(0.1, [at(0.5)])
    tracker.update(0.2, [at(0.5)])
    for tick in range(20):
        assert not tracker.update(0.3 + tick / 6, [], [weak]).ended
    assert len(tracker.tracks) == 1


def test_a_track_that_is_never_sure_again_ends() -> None:
    tracker = Tracker(confirm_frames=1, lost_s=0.5)
    tracker.update(0.0, [at(0.5)])
    ended = [tick / 6 for tick in range(1, 120) if tracker.update(tick / 6, [], [at(0.5, score=0.2)]).ended]
    assert len(ended) == 1
    assert 9 < ended[0] < 12


def test_a_thing_nobody_looks_at_has_not_left() -> None:
    tracker = Tracker(confirm_frames=1, lost_s=1.0)
    tracker.update(0.0, [at(0.5)])
    changes = tracker.update(60.0, [at(0.5)])
    assert not changes.new
    assert len(changes.seen) == 1


def test_memory_stays_bounded() -> None:
    tracker = Tracker(confirm_frames=3, lost_s=1.0)
    random = np.random.default_rng(0)
    for tick in range(500):
        tracker.update(tick / 6, [at(float(x), float(y)) for x, y in random.random((20, 2))])
    assert len(tracker.tracks) < 400
