"""The questions that are asked of each look at a view, and what is strange enough to each of them."""

from __future__ import annotations

from edge_runtime.decision.site_threshold import SiteThreshold

WINDOWS_S = {"brief": 8.0, "lasting": 40.0}
"""Rain, insects, headlights and people on their way stay at no place for so long."""
LANES = (*WINDOWS_S, "place", "time")
LEAST = {"brief": 1.0, "lasting": 0.3, "place": 0.1, "time": 5.0}
"""Whatever the history, nothing below: twice the usual distance, a place further off than a tenth of the picture, a
kind of thing in more than one of 150 minutes of its hour."""
SURE = {"brief": 1.5, "lasting": 2.3}
"""Strange enough as long as the history is too short for the promise: quiet hours of bench/false_alarms.py stay below
nearly always, what happens in its other hours comes above."""
SOON = 20
"""Watched minutes after which what is strange enough is told."""
PATIENCE = 60
"""Alarms of one hour speak once against a threshold: an hour may hold as many true ones as it likes."""


def make_thresholds(alarms_per_day: float) -> dict[str, SiteThreshold]:
    """Return the threshold of each question, each with its share of the false alarms."""
    return {lane: _fresh(lane, alarms_per_day / len(LANES)) for lane in LANES}


def _fresh(lane: str, alarms_per_day: float) -> SiteThreshold:
    least, sure = LEAST[lane], SURE.get(lane)
    if sure is None:
        return SiteThreshold(alarms_per_day, least=least, patience=PATIENCE)
    return SiteThreshold(alarms_per_day, least=least, believed=sure, enough=SOON, patience=PATIENCE)
