"""What a question names: things, a camera, details of a thing, and the words that are left unexplained."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edge_runtime.skills.phrasing import ANY_PLACE, DETAILS, FILLERS, FRAME
from edge_runtime.skills.sentences import camera_names
from edge_runtime.skills.wording import plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_runtime.skills.nouns import Nouns

PERSON = ("person",)


class Spotted(NamedTuple):
    """What was found in a sentence.

    Attributes:
        slots: `label` and `other`, keys of nouns; `camera`; `detail`.
        masked: the sentence with "thing" for its noun, unless that is a person.
        strange: the words that nothing explains.
    """

    slots: Mapping[str, str]
    masked: str
    strange: tuple[str, ...]


class Spotter:
    """Finds what sentences name.

    Args:
        nouns: the nouns that are known.
        cameras: the cameras' names.
    """

    def __init__(self, nouns: Nouns, cameras: Sequence[str]) -> None:
        self._nouns = nouns
        self._cameras = {tuple(name.split()): camera for name, camera in camera_names(cameras)}
        self._one_camera = len(cameras) < 2

    def spot(self, sentence: str) -> Spotted:
        """Return what a sentence in plain words names."""
        words: Sequence[str] = sentence.split()
        found = self._nouns.spot(words)
        slots: dict[str, str] = {}
        masked, rest = sentence, words
        if found is not None:
            noun, rest = found
            slots["label"] = noun.key
            if noun.labels != PERSON:
                masked = _mask(sentence, noun.words)
            second = self._nouns.spot(rest) if {"and", "or"} & set(rest) else None
            if second is not None:
                slots["other"], rest = second[0].key, second[1]
        rest = self._take_camera(rest, slots)
        strange = [word for word in FRAME.sub(" ", " ".join(rest)).split() if word not in FILLERS]
        if self._one_camera:
            strange = [word for word in strange if word not in ANY_PLACE]
        details = [word for word in strange if word in DETAILS]
        if details and found is not None:
            slots["detail"] = " ".join(details)
            strange = [word for word in strange if word not in DETAILS]
        return Spotted(slots, masked, tuple(strange))

    def _take_camera(self, words: Sequence[str], slots: dict[str, str]) -> Sequence[str]:
        for spoken, camera in self._cameras.items():
            for start in range(len(words) - len(spoken) + 1):
                after = [*words[start + len(spoken) :]]
                if tuple(words[start : start + len(spoken)]) == spoken and after[:1] != ["of"]:
                    slots["camera"] = camera
                    return [*words[:start], *after]
        return words


def _mask(sentence: str, words: Sequence[str]) -> str:
    """Return the sentence with "thing" or "things" in place of a noun's words, the longest first."""
    padded = f" {sentence} "
    for word in sorted(words, key=len, reverse=True):
        mask = "thing" if plural(word) in words else "things"
        padded = padded.replace(f" {word} ", f" {mask} ")
    return padded.strip()
