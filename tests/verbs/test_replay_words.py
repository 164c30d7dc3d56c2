from __future__ import annotations

from typing import Any

import pytest

from edge_runtime.verbs.replay_words import replayed_words, step_words

SETTINGS = {"vision": {"motion_area": 0.002}}
LANE = {"score": 1.5, "threshold": 1.25, "alarm": True, "p_value": 0.00012, "history_minutes": 4000}
LIKENESS = {"score": 2.5, "threshold": 2.25, "p_value": 0.001, "minutes": 90, "floor": 1.0, "sure": 2.0}


@pytest.mark.parametrize(
    ("gate", "facts", "words"),
    [
        ("motion", {"area": 0.031, "moving": True}, "3.1% of the picture changed, 0.2% needed to look"),
        ("motion", {"area": 0.0, "moving": False}, "looked on because something is followed"),
        ("detector", {"label": "person", "score": 0.87, "box": [0.1, 0.2, 0.3, 0.4]}, "person, 87% sure, box 0.10"),
        ("zone", {"name": "yard", "inside_s": 2.1, "dwell_s": 2.0, "looks": 9, "debounce_looks": 2, "labels": ["cat"]},
         "yard: inside for 2.1 s of 2 s and 9 looks of 2, only cat counts"),
        ("line", {"name": "gate", "from": [0.58, 0.9], "to": [0.4, 0.9], "direction": "right_to_left"},
         "gate: went from (0.58, 0.90) to (0.40, 0.90), right to left"),
        ("size", {"size": 0.2, "min_size": 0.01, "max_size": 0.5}, "20.0% of the picture, between 1.0% and 50.0%"),
        ("score", {"best": 0.9, "min_score": 0.5}, "90% sure at best, 50% needed"),
        ("schedule", {"hours": ["22:00-06:00"], "local": "2026-11-23T23:00:00", "holds": True},
         "22:00-06:00; it was 2026-11-23T23:00:00: yes"),
        ("cooldown", {"key": "cat", "cooldown_s": 10.0, "rested": True}, "10 s of rest were over"),
        ("cooldown", {"since_last_s": None, "cooldown_s": 10.0}, "never told before"),
        ("threshold", LIKENESS, "2.50, 2.25 needed; by 90 minutes, 0.1% of all come to as much"),
        ("threshold", {**LIKENESS, "threshold": None}, "2.00 needed as long as there is too little history"),
        ("brief", {**LANE, "lasted_s": 10.0}, "1.5 for 10 s, 1.25 needed; by 4000 minutes, one in 8,333"),
        ("time", {**LANE, "threshold": None}, "too little history"),
        ("memory", {"hash": "0123456789abcdef", "minutes": 12}, "12 minutes of this view (memory 0123456789ab)"),
        # What this version does not know, or knows with other figures, is told by its names.
        ("sixth sense", {"feeling_c": 21.26, "sure": True, "where": [0.5, 1]}, "feeling c 21.3, sure yes, where"),
        ("zone", {"name": "yard"}, "name yard"),
    ],
)  # fmt: skip
def test_a_gate_says_by_which_figures_it_decided(gate: str, facts: dict[str, Any], words: str) -> None:
    assert words in step_words({"gate": gate, "facts": facts}, SETTINGS)


def test_what_differs_is_told_but_not_without_end() -> None:
    record = {
        "what": "cat enters yard", "source": "door", "time": None, "steps": [], "settings": SETTINGS,
        "changed": ["frame.png"], "look": "differs", "problem": None, "reproduced": False,
        "differences": [{"at": f"data.{n}", "recorded": n, "now": -n} for n in range(20)],
    }  # fmt: skip
    told = replayed_words(record)
    for words in ("while the clock was not set", "frame.png is missing or is not", "does NOT see the same", "DIFFERS"):
        assert words in told
    assert "data.11: 11 in the record, -11 now" in told
    assert "data.12" not in told
    assert told.endswith("and 8 more differences")
