"""A replayed alert in plain words: what happened, by which figures each gate let it pass, if it comes out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_runtime.sinks.console import in_words
from edge_runtime.types import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Facts = Mapping[str, Any]
    Record = dict[str, Any]

_MOST_DIFFERENCES = 12


def listed_words(record: Record) -> str:
    """Say in one line which alert a record is of."""
    parts = ", ".join(record["files"]) or "nothing"
    return (
        f"{record['id']}  {record['time'] or 'clock not set':<24}  {record['source']:<12}  {record['what']}  ({parts})"
    )


def replayed_words(record: Record) -> str:
    """Say what happened, why, and whether deciding once more gives the same."""
    lines = [f"{record['what']}, at {record['source']}, {record['time'] or 'while the clock was not set'}"]
    lines += [f"  {step['gate']:>11}  {step_words(step, record['settings'])}" for step in record["steps"]]
    lines += [f"  {'changed':>11}  {name} is missing or is not the file that was written" for name in record["changed"]]
    lines += [f"  {'picture':>11}  {_LOOKS[record['look']]}"]
    lines.append(f"  {'replay':>11}  {_verdict(record)}")
    lines += _difference_lines(record["differences"])
    return "\n".join(lines)


def what_happened(record: Facts) -> str:
    """Return the event of a record as a person would say it."""
    event = record["event"]
    return in_words(Event(event["kind"], event["source"], event["at"], event["data"]))


def step_words(step: Facts, settings: Facts) -> str:
    """Say by which figures one gate decided."""
    facts = step["facts"]
    say = _GATES.get(step["gate"])
    try:
        return say(facts, settings) if say else _plain(facts)
    except (KeyError, TypeError, ValueError):
        # A record of another version may lack a figure.
        return _plain(facts)


def totals_words(record: Record) -> str:
    """Say how many alerts came out again."""
    return f"{record['reproduced']} of {record['alerts']} alerts reproduced"


def _verdict(record: Record) -> str:
    if record["problem"]:
        return f"not possible: {record['problem']}"
    if record["differences"]:
        return "DIFFERS: the recorded settings, state and look do not give this event"
    if record["reproduced"]:
        return "reproduced: the recorded settings, state and look give the same event, byte for byte"
    return "the same event comes out of the recorded figures, but the record or the look is not what it was"


def _difference_lines(differences: list[Record]) -> Iterator[str]:
    for one in differences[:_MOST_DIFFERENCES]:
        yield f"  {'':>11}  {one['at']}: {one['recorded']!r} in the record, {one['now']!r} now"
    if len(differences) > _MOST_DIFFERENCES:
        yield f"  {'':>11}  and {len(differences) - _MOST_DIFFERENCES} more differences"


def _motion(facts: Facts, settings: Facts) -> str:
    needed = settings["vision"]["motion_area"]
    return f"{facts['area']:.1%} of the picture changed, {needed:.1%} needed to look" + (
        "" if facts["moving"] else "; looked on because something is followed, or it was time to"
    )


def _detector(facts: Facts, _: Facts) -> str:
    box = ", ".join(f"{side:.2f}" for side in facts["box"])
    return f"{facts['label']}, {facts['score']:.0%} sure, box {box} (fractions of the picture)"


def _novelty(facts: Facts, _: Facts) -> str:
    return f"{facts['novelty']:.0%} of that box is unlike the last minutes, {facts['needed_to_start']:.0%} needed"


def _tracker(facts: Facts, _: Facts) -> str:
    followed = facts["last_at"] - facts["first_at"]
    return (
        f"{facts['label']} {facts['track']}: seen in {facts['hits']} looks, {facts['confirm_frames']} needed,"
        f" followed for {followed:.1f} s"
    )


def _zone(facts: Facts, _: Facts) -> str:
    only = f", only {', '.join(facts['labels'])} counts" if facts["labels"] else ""
    return (
        f"{facts['name']}: inside for {facts['inside_s']:.1f} s of {facts['dwell_s']:g} s"
        f" and {facts['looks']} looks of {facts['debounce_looks']}{only}"
    )


def _line(facts: Facts, _: Facts) -> str:
    (x0, y0), (x1, y1) = facts["from"], facts["to"]
    way = facts["direction"].replace("_", " ")
    return f"{facts['name']}: went from ({x0:.2f}, {y0:.2f}) to ({x1:.2f}, {y1:.2f}), {way}"


def _size(facts: Facts, _: Facts) -> str:
    return f"{facts['size']:.1%} of the picture, between {facts['min_size']:.1%} and {facts['max_size']:.1%} counts"


def _score(facts: Facts, _: Facts) -> str:
    return f"{facts['best']:.0%} sure at best, {facts['min_score']:.0%} needed"


def _hours(facts: Facts, _: Facts) -> str:
    when = facts["local"] or facts.get("note")
    return f"{', '.join(map(str, facts['hours']))}; it was {when}: {'yes' if facts['holds'] else 'no'}"


def _cooldown(facts: Facts, _: Facts) -> str:
    if "since_last_s" in facts:
        last = "never told before" if facts["since_last_s"] is None else f"last told {facts['since_last_s']:.0f} s ago"
        return f"{last}, {facts['cooldown_s']:g} s of rest needed"
    return f"{facts['cooldown_s']:g} s of rest were over"


def _likeness(facts: Facts, _: Facts) -> str:
    return (
        f"picture and words {facts['likeness']:.2f}, detector {facts['detector']:.2f}, place {facts['place']:.2f}:"
        f" {facts['score']:.2f} in all"
    )


def _threshold(facts: Facts, _: Facts) -> str:
    if facts["threshold"] is None:
        return f"{facts['score']:.2f}, {facts['sure']:.2f} needed as long as there is too little history"
    return f"{facts['score']:.2f}, {facts['threshold']:.2f} needed; {_rarity(facts['p_value'], facts['minutes'])}"


def _lane(facts: Facts, _: Facts) -> str:
    if facts["threshold"] is None:
        return f"{facts['score']:.3g}; too little history to judge by"
    lasted = f" for {facts['lasted_s']:g} s" if "lasted_s" in facts else ""
    verdict = "alarm" if facts["alarm"] else "no alarm"
    rare = _rarity(facts["p_value"], facts["history_minutes"])
    return f"{facts['score']:.3g}{lasted}, {facts['threshold']:.3g} needed; {rare}: {verdict}"


def _memory(facts: Facts, _: Facts) -> str:
    if "minutes" in facts:
        return f"compared with {facts['minutes']} minutes of this view (memory {facts['hash'][:12]})"
    return f"compared with what is usual to hear, {facts['seconds_in_a_row']} seconds in a row (memory {facts['hash']})"


def _rarity(p_value: float, minutes: int) -> str:
    if p_value >= 0.001:
        return f"by {minutes} minutes, {p_value:.1%} of all come to as much"
    return f"by {minutes} minutes, one in {1 / max(p_value, 1e-12):,.0f} comes to as much"


def _plain(facts: Facts) -> str:
    """Say figures by their names."""
    return ", ".join(f"{name.replace('_', ' ')} {_figure(value)}" for name, value in facts.items())


def _figure(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return f"({', '.join(map(_figure, value))})"
    return str(value)


_GATES: dict[str, Callable[[Facts, Facts], str]] = {
    "motion": _motion,
    "detector": _detector,
    "novelty": _novelty,
    "tracker": _tracker,
    "zone": _zone,
    "line": _line,
    "size": _size,
    "score": _score,
    "schedule": _hours,
    "quiet_hours": _hours,
    "cooldown": _cooldown,
    "likeness": _likeness,
    "threshold": _threshold,
    **dict.fromkeys(("brief", "lasting", "place", "time", "sound"), _lane),
    "memory": _memory,
}

_LOOKS = {
    "same": "the model sees the very same in the kept picture",
    "differs": "the model does NOT see the same in the kept picture",
    "other machine": "on this processor, or with these libraries, the model sees other digits in the kept picture; the"
    " decision is replayed from the recorded ones",
    "other bundle": "another model bundle is in use now; the decision is replayed from what the recorded one saw",
    "heard": "none: the kept sound is what was heard, sample by sample",
    "not kept": "none was kept, or it was not looked at",
}
