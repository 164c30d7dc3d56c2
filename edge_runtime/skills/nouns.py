"""The words people use for what the detector knows, and what each word lets the box claim."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_runtime.skills.wording import forms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SAME_AS: Mapping[str, str] = {
    "person": "human,anyone,anybody,someone,somebody",
    "bicycle": "bike,cycle,push bike",
    "car": "automobile",
    "motorcycle": "motorbike",
    "airplane": "plane,aeroplane,aircraft",
    "bus": "coach",
    "truck": "lorry",
    "boat": "ship",
    "cat": "kitty",
    "dog": "doggy,doggie,hound",
    "backpack": "rucksack,back pack",
    "suitcase": "luggage",
    "cup": "mug",
    "couch": "sofa,settee",
    "potted plant": "plant,house plant,houseplant,pot plant",
    "dining table": "table",
    "tv": "television,tv set,telly,monitor",
    "laptop": "notebook computer",
    "cell phone": "phone,mobile phone,mobile,smartphone,cellphone,smart phone,telephone",
    "remote": "remote control",
    "refrigerator": "fridge",
    "donut": "doughnut",
    "tie": "necktie",
    "sports ball": "ball",
    "handbag": "purse",
}
"""Words that mean the same as the detector's own label."""

KINDS: Mapping[str, str] = {
    "animal": "bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe",
    "pet": "cat,dog,bird",
    "vehicle": "bicycle,car,motorcycle,bus,truck,train,boat,airplane",
    "bag": "backpack,handbag,suitcase",
    "fruit": "apple,banana,orange",
    "furniture": "chair,couch,bed,dining table",
}
"""Words for several labels at once: yes when any is seen, no only for the ones that the detector knows."""

PART_OF: Mapping[str, str] = {
    "person": "man,woman,child,boy,girl,kid,baby,toddler,adult,lady,guy,stranger,visitor,neighbour,neighbor,postman,"
    "intruder,burglar,thief,delivery man,family member,guest",
    "dog": "puppy",
    "cat": "kitten",
    "car": "taxi,police car,suv",
    "bird": "parrot,pigeon,crow,chicken,duck",
    "truck": "fire engine",
    "bottle": "wine bottle,water bottle",
    "chair": "armchair,office chair",
    "cup": "teacup,coffee mug",
}
"""Words for a part of what a label covers: no label seen means no, but a label seen does not mean yes."""


class Claim(enum.Enum):
    """What a noun lets the box say from the labels behind it."""

    EXACT = "exact"
    KIND = "kind"
    PART = "part"


@dataclass(frozen=True, slots=True)
class Noun:
    """A thing that can be asked for, and the detector's labels that stand for it."""

    key: str
    labels: tuple[str, ...]
    claim: Claim = Claim.EXACT
    words: tuple[str, ...] = ()


class Nouns:
    """Every noun that a detector with these labels can say something about.

    Args:
        labels: the detector's labels.
    """

    def __init__(self, labels: Iterable[str]) -> None:
        known = tuple(dict.fromkeys(labels))
        self._nouns: dict[str, Noun] = {}
        for label in known:
            same = [word for word in _split(SAME_AS.get(label, "")) if word not in known]
            self._add(Noun(label, (label,)), [label, *same])
        for kind, members in KINDS.items():
            if (covered := tuple(label for label in _split(members) if label in known)) and kind not in known:
                self._add(Noun(kind, covered, Claim.KIND), [kind])
        for label, parts in PART_OF.items():
            for part in _split(parts):
                if label in known and part not in known:
                    self._add(Noun(part, (label,), Claim.PART), [part])
        self._by_word = {word: noun for noun in self._nouns.values() for word in noun.words}
        self._longest = max((len(word.split()) for word in self._by_word), default=1)

    def _add(self, noun: Noun, words: Sequence[str]) -> None:
        spoken = [form for word in words for form in forms(word)]
        self._nouns[noun.key] = Noun(noun.key, noun.labels, noun.claim, tuple(dict.fromkeys(spoken)))

    def __iter__(self) -> Iterator[Noun]:
        return iter(self._nouns.values())

    def get(self, key: str) -> Noun | None:
        """Return the noun whose key a sentence's `label` slot holds."""
        return self._nouns.get(key)

    def spot(self, words: Sequence[str]) -> tuple[Noun, Sequence[str]] | None:
        """Return the first, longest noun among lower-case `words`, and the words around it."""
        for size in range(min(self._longest, len(words)), 0, -1):
            for start in range(len(words) - size + 1):
                noun = self._by_word.get(" ".join(words[start : start + size]))
                if noun is not None:
                    return noun, [*words[:start], *words[start + size :]]
        return None


def _split(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)
