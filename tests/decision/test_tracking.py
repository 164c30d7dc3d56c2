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
    for tick in range(200):
        tracker.update(tick / 6, [at(float(x), float(y)) for x, y in random.random((20, 2))])
    assert len(tracker.tracks) < 400


def names(paths: list[list[Detection | None]], unsure: frozenset[int] = frozenset()) -> list[list[int | None]]:
    """Return the track that each thing is followed by at the end of each stretch in which it is seen."""
    tracker, told = Tracker(confirm_frames=3, lost_s=2.0), []
    for tick, places in enumerate(zip(*paths, strict=True)):
        there = [place for place in places if place]
        tracker.update(tick / 6, [] if tick in unsure else there, there if tick in unsure else [])
        boxes = {track.box: track.number for track in tracker.tracks if track.confirmed and track.last_at == tick / 6}
        told.append([boxes.get(place.box) if place else None for place in places])
    return [list(numbers) for numbers in zip(*told, strict=True)]


def hide(path: list[Detection], first: int, last: int) -> list[Detection | None]:
    return [None if first <= tick < last else place for tick, place in enumerate(path)]


def behind(path: list[Detection], left: float, right: float) -> list[Detection | None]:
    """Show what a pillar leaves of each box, if that is a third of it."""
    shown: list[Detection | None] = []
    for place in path:
        x0, y0, x1, y1 = place.box
        if left < (x0 + x1) / 2 < right:
            x0, x1 = (x0, left) if left - x0 > x1 - right else (right, x1)
        else:
            x0, x1 = (x0, min(x1, left)) if x0 < left else (max(x0, right), x1)
        rest = (x1 - x0) / (place.box[2] - place.box[0])
        shown.append(Detection(place.label, place.score, (x0, y0, x1, y1)) if rest > 1 / 3 else None)
    return shown


steps = np.linspace(0.1, 0.9, 40)


@pytest.mark.parametrize(
    "paths",
    [
        pytest.param([hide([at(x) for x in steps], 15, 24)], id="behind-a-pillar-for-1.5-s"),
        pytest.param([behind([at(x) for x in steps], 0.35, 0.6)], id="half-seen-before-it-and-after-it"),
        pytest.param([hide([at(x) for x in steps], 15, 29)], id="behind-a-pillar-for-2.3-s"),
        pytest.param([hide([at(0.5)] * 40, 15, 24)], id="standing-still-behind-a-van-for-1.5-s"),
        pytest.param(
            [hide([at(x) for x in (*steps[:20], *steps[20:0:-1])], 15, 25)], id="turning-round-behind-the-pillar"
        ),
        pytest.param(
            [[at(x) for x in steps], hide([at(1 - x, 0.52) for x in steps], 16, 24)], id="crossing-one-hides-the-other"
        ),
        pytest.param([[at(x) for x in steps], [at(1 - x, 0.56) for x in steps]], id="crossing-and-both-seen"),
        pytest.param(
            [hide([at(x, 0.5) for x in steps], 15, 24), hide([at(x + 0.05, 0.8) for x in steps], 15, 24)],
            id="two-together-behind-a-pillar",
        ),
    ],
)
def test_a_thing_keeps_its_number_through_a_short_occlusion(paths: list[list[Detection | None]]) -> None:
    followed = [{number for number in numbers if number is not None} for numbers in names(paths)]
    assert [len(numbers) for numbers in followed] == [1] * len(paths), "one number for each"
    assert len(set.union(*followed)) == len(paths), "and no two the same"


def test_who_comes_out_barely_recognised_is_still_the_same() -> None:
    path = [hide([at(x) for x in steps], 15, 28)]
    [numbers] = names(path, unsure=frozenset(range(28, 34)))
    assert set(numbers[28:]) == set(numbers[10:15])


def test_somebody_else_elsewhere_is_not_who_is_hidden() -> None:
    first = [at(0.3) if tick < 15 else None for tick in range(40)]
    second = [at(0.9, 0.9) if tick >= 20 else None for tick in range(40)]
    one, other = names([first, second])
    assert one[14] is not None
    assert other[30] is not None
    assert one[14] != other[30]


@pytest.mark.parametrize(
    ("x", "ended_after_s"),
    [
        pytest.param(0.5, 3.0, id="in-the-middle-it-may-be-hidden"),
        pytest.param(0.05, 2.0, id="at-the-edge-it-has-left"),
    ],
)
def test_what_vanishes_ends_after_lost_s_or_half_as_long_again(x: float, ended_after_s: float) -> None:
    tracker = Tracker(confirm_frames=1, lost_s=2.0)
    tracker.update(0.0, [at(x)])
    ended = [tick / 4 for tick in range(1, 40) if tracker.update(tick / 4, []).ended]
    assert ended == [ended_after_s]


def test_what_has_always_been_there_continues_only_what_looked_like_it() -> None:
    tracker, wall = Tracker(confirm_frames=1, lost_s=1.0), Detection("person", 0.95, (0.1, 0.0, 0.6, 1.0))
    tracker.update(0.0, [at(0.4, size=0.3)])
    for tick in range(1, 4):
        tracker.update(tick / 6, [wall], may_start=lambda box: box != wall.box)
    assert [track.box for track in tracker.tracks] == [at(0.4, size=0.3).box]


def test_a_doubtful_box_nearby_keeps_nobody_alive() -> None:
    tracker = Tracker(confirm_frames=1, lost_s=1.0)
    for tick in range(6):
        tracker.update(tick / 6, [at(0.5)], [at(0.64, score=0.2)])
    ended = [tick for tick in range(6, 30) if tracker.update(tick / 6, [], [at(0.64, score=0.2)]).ended]
    assert len(ended) == 1
