"""The skills' sentences as data in Home Assistant's format."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from edge_runtime.skills.nouns import Claim
from edge_runtime.skills.wording import indefinite, plural, spoken_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_runtime.skills.nouns import Nouns
    from edge_runtime.skills.skill import Skill

PREFIX = "question."
SOME = "(a|an|any|the|some|my|our|your|another|one|at least one|still|any other|still any|still a|a single)"
LATELY = "[(today|lately|recently|yet|before)]"
ANYWHERE = (
    "[(right|over|out|still)] (here|there|now)",
    "(in|on) (the|this|that|your) (picture|image|photo|photograph|frame|view|scene|video)",
    "in [your] (view|sight)",
    "(visible|present|anywhere) [(now|right now|at the moment)]",
    "in front of (you|the camera)",
    "(on|at|to) [(the|this|your)] (camera|cam)",
)
ONLY_CAMERA = (
    "[(at|by|near|in front of|behind)] [the] [(front|back)] (door|gate|window)",
    "(in|on|around|near) (the|this|my|our|your) (room|street|garden|yard|driveway|porch|house|building)",
    "(outside|outdoors|inside|indoors|around|nearby)",
)
"""Where a home with a single camera means that camera; with several, only their names do."""


def question_sentences(skills: Sequence[Skill], nouns: Nouns, cameras: Sequence[str] = ()) -> dict[str, Any]:
    """Return sentences, lists and expansion rules with one intent `question.<skill>` for each skill.

    The slot `label` holds a noun's key, the detector's own label where the noun means exactly that; the slot `camera`
    holds a camera's name.
    """
    places = [*ANYWHERE, *(ONLY_CAMERA if len(cameras) < 2 else ())]
    lists: dict[str, Any] = {
        "label": {"values": [{"in": word, "out": noun.key} for noun in nouns for word in noun.words]}
    }
    if cameras:
        places.append("(in|on|at|by|near|from|outside|inside) [(the|my|our|your)] {camera} [(camera|cam)]")
        lists["camera"] = {"values": [{"in": name, "out": camera} for name, camera in camera_names(cameras)]}
    return {
        "language": "en",
        "intents": {PREFIX + skill.name: {"data": [{"sentences": list(skill.sentences)}]} for skill in skills},
        "lists": lists,
        "expansion_rules": {"some": SOME, "lately": LATELY, "place": f"({'|'.join(places)})"},
    }


def spoken_questions(skills: Sequence[Skill], nouns: Nouns, cameras: Sequence[str] = ()) -> dict[str, Any]:
    """Return the few questions that the speech recogniser listens for, in the format of `question_sentences`.

    A speech grammar must be small: with every way to type a question in it, commands are heard as questions.
    """
    exact = [noun.key for noun in nouns if noun.claim is Claim.EXACT]
    places = f"(here|there|in the picture{'|at the door' if len(cameras) < 2 else ''})"
    lists: dict[str, Any] = {
        "one": {"values": [{"in": indefinite(label), "out": label} for label in exact]},
        "many": {"values": [{"in": plural(label), "out": label} for label in exact]},
        "who": {"values": [{"in": word, "out": "person"} for word in ("anyone", "somebody") if "person" in exact]},
        "small": {"range": {"from": 1, "to": 12}},
        "number": {"range": {"from": 1, "to": 60}},
    }
    if cameras:
        places = f"({places}|(at|in|on) the {{camera}})"
        lists["camera"] = {"values": [{"in": spoken_name(camera), "out": camera} for camera in cameras]}
    return {
        "language": "en",
        "intents": {PREFIX + skill.name: {"data": [{"sentences": list(skill.spoken)}]} for skill in skills},
        "lists": lists,
        "expansion_rules": {"place": places},
    }


def camera_names(cameras: Sequence[str]) -> list[tuple[str, str]]:
    """Return what a camera may be called, longest first: its name, and the last word of it where no other shares it."""
    full = {spoken_name(camera): camera for camera in cameras}
    ends = Counter(name.split()[-1] for name in full)
    short = {name.split()[-1]: camera for name, camera in full.items() if ends[name.split()[-1]] == 1}
    return sorted({**short, **full}.items(), key=lambda entry: -len(entry[0]))
