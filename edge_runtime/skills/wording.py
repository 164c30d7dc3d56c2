"""How the box puts things: plurals, counts, lists, places and times in plain English."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IRREGULAR: Mapping[str, str] = {
    "person": "people",
    "man": "men",
    "delivery man": "delivery men",
    "postman": "postmen",
    "woman": "women",
    "child": "children",
    "sheep": "sheep",
    "aircraft": "aircraft",
    "luggage": "luggage",
    "furniture": "furniture",
    "fruit": "fruit",
    "knife": "knives",
    "thief": "thieves",
    "skis": "skis",
    "scissors": "scissors",
}
ALSO_HEARD: Mapping[str, str] = {"person": "persons", "fruit": "fruits"}
WITHOUT_PLURAL = frozenset({"anyone", "anybody", "someone", "somebody"})
WITHOUT_ARTICLE = frozenset({"luggage", "furniture", "fruit", "skis", "scissors"})
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
FIRST_SET_YEAR = 2024
"""A clock that shows an earlier year has not been set since power-on; a Pi has no clock chip."""


def plural(word: str) -> str:
    """Return the plural of an English noun."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word.endswith(("s", "x", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def forms(word: str) -> tuple[str, ...]:
    """Return `word` and its plurals, as people say them."""
    if word in WITHOUT_PLURAL:
        return (word,)
    also = (ALSO_HEARD[word],) if word in ALSO_HEARD else ()
    return (word, plural(word), *also)


def indefinite(word: str) -> str:
    """Return `word` with "a" or "an" where it takes one."""
    if word in WITHOUT_ARTICLE:
        return word
    return f"{'an' if word[0] in 'aeio' or word == 'umbrella' else 'a'} {word}"


def amount(number: int) -> str:
    """Return "no", "one" and so on, and figures above ten."""
    return NUMBERS[number] if number < len(NUMBERS) else str(number)


def counted(number: int, word: str) -> str:
    """Return for example "no people", "one person", "three people", "14 people"."""
    return f"{amount(number)} {word if number == 1 else plural(word)}"


def listed(parts: Sequence[str], link: str = "and") -> str:
    """Return for example "a cat, a dog and a bird"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {link} {parts[-1]}"


def spoken_name(source: str) -> str:
    """Return a camera's name as people say it: "front_door-cam" becomes "front door"."""
    words = source.replace("_", " ").replace("-", " ").lower().split()
    if len(words) > 1 and words[-1] in {"camera", "cam"}:
        words = words[:-1]
    return " ".join(words)


def on_camera(source: str) -> str:
    """Return for example "on the front door camera"."""
    name = spoken_name(source)
    return f"on the {name}" if name in {"camera", "cam"} else f"on the {name} camera"


def duration(seconds: float) -> str:
    """Return for example "2 minutes", in the largest unit that fits."""
    size, unit = next((entry for entry in UNITS if seconds >= entry[0]), UNITS[-1])
    number = max(int(seconds // size), 1)
    return f"{number} {unit if number == 1 else unit + 's'}"


def clock_is_set(now: datetime) -> bool:
    """Tell whether the wall clock can be believed."""
    return now.year >= FIRST_SET_YEAR


def moment(then: datetime, now: datetime) -> str:
    """Return when `then` was as seen from `now`: "at 14:05", "yesterday at 14:05", "on Friday 20 November at 14:05"."""
    if then.date() == now.date():
        return f"at {then:%H:%M}"
    if then.date() == now.date() - timedelta(days=1):
        return f"yesterday at {then:%H:%M}"
    return f"on {then:%A} {then.day} {then:%B} at {then:%H:%M}"
