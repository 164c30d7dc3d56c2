"""What the ears can name: AudioSet's classes in plain words, and the kinds of sound that a home asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

LISTED = Path(__file__).with_name("sounds_classes.txt")
DROPPED = "- "


class Heard(NamedTuple):
    """One of AudioSet's classes.

    Attributes:
        channel: its place among the teacher's scores.
        phrases: what it is called, the usual name first.
    """

    channel: int
    phrases: tuple[str, ...]


def classes() -> list[Heard]:
    """Return the classes that the ears keep, in the teacher's order."""
    lines = LISTED.read_text(encoding="utf-8").splitlines()
    named = [(channel, line) for channel, line in enumerate(lines) if not line.startswith(DROPPED)]
    return [Heard(channel, tuple(line.split(", "))) for channel, line in named]


def members(labels: Mapping[str, Mapping[str, float]], known: list[Heard]) -> list[list[tuple[int, float]]]:
    """Return for each label the places among `known` of its classes, and what is taken off the logit of each.

    Raises:
        SystemExit: the recipe names a class that there is not.
    """
    places = {heard.phrases[0]: place for place, heard in enumerate(known)}
    strange = sorted({name for named in labels.values() for name in named} - places.keys())
    if strange:
        raise SystemExit(f"recipe.toml: [sounds.labels] names {strange[0]!r}; {LISTED.name} lists what there is")
    return [[(places[name], less) for name, less in named.items()] for named in labels.values()]
