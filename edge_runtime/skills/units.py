"""Units: "how many litres are three gallons?", "convert 72 fahrenheit to celsius", "5 feet 11 in centimetres"."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from edge_runtime.decision.confidence import Reply
from edge_runtime.skills.measures import FLUID, MEASURES, TWO_SIZED
from edge_runtime.skills.numbers import FIGURE, figures, said, value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.decision.scene import Scene
    from edge_runtime.skills.measures import Measure
    from edge_runtime.types import Question

LONGEST = 200
MOST = 10**15
FIGURES = 10**9
"""What is this long was rounded to ten figures."""
TWO_SIZES = 0.9
"""Score where a unit has one size by the standard and another for many people."""
_UNIT = "|".join(sorted(map(re.escape, MEASURES), key=len, reverse=True))
_AMOUNT = rf"(?:(?:minus |negative |-)?{FIGURE}|an?|one|the)"
_QUANTITY = rf"{_AMOUNT} ?(?:{_UNIT})(?:,? (?:and )?{FIGURE}(?: ?(?:{_UNIT}))?)?"
_LEAD = (
    r"(?:(?:hey|ok(?:ay)?|so|please|and|now)[, ]+)*(?:(?:can|could|would) you (?:please )?)?"
    r"(?:do you know |tell me |work out |calculate )?"
)
_HOW = (
    r"(?:what(?: i|')?s|what are|whats|what would|what is the value of|express|change|turn|convert|"
    r"how (?:much|far|long|heavy|tall|hot|cold|fast|big|warm|high)(?: is| are| would| do| does)?)"
)
_LINK = r"(?:(?:are|is|be|do|does|would)(?: there)? )?(?:(?:in|to|make|makes|make up|per|equal|is|are) )?"
_FORMS = tuple(
    re.compile(rf"^{_LEAD}{form}(?:,? please| thanks)?$")
    for form in (
        rf"(?:{_HOW} )?(?:the )?(?P<from>{_QUANTITY})(?: be)? (?:in|to|into|as|expressed in) (?:an? )?(?P<to>{_UNIT})",
        rf"how many (?P<to>{_UNIT}) {_LINK}(?P<from>{_QUANTITY})(?: have| has| make| makes| contain| equal| be)?",
        rf"what is (?P<from>{_QUANTITY}) (?:in|as) (?P<to>{_UNIT})",
    )
)
_PART = re.compile(rf"(?P<amount>{_AMOUNT}) ?(?P<unit>{_UNIT})?(?=$|[ ,])")
_SPELLINGS = (
    (re.compile(r"[\u00b0\u00ba] ?(?=[cfk]\b)"), " degrees "),
    (re.compile(r"\bsq\.|\bsq (?=[a-z])"), "sq "),
    (re.compile(r"(?<=\d)\s*(?:'|\u2032) ?(?=\d)"), " feet "),
    (re.compile(r"(?<=\d)\s*(?:\"|\u2033|'')"), " inches"),
    (re.compile(r"\b(?:half an?|0\.5 an?) (?=[a-z])"), "0.5 "),
    (re.compile(r"\b(an?|one|1) ([a-z]+) and (?:a )?0\.5\b"), r"1.5 \2"),
    (re.compile(r"\bdegrees (?=(?:celsius|fahrenheit|centigrade|farenheit)\b)"), ""),
    (re.compile(r"\s+"), " "),
)
_SHORT = re.compile(r"(?:\d|\b)(?!a\b)[a-z]\b", re.IGNORECASE)
_YEAR = {
    "days": "A year has 365 days, a leap year 366.",
    "weeks": "A year has 52 weeks and a day, a leap year 52 weeks and two days.",
}


@dataclass(frozen=True, slots=True)
class Units:
    """Answers how much something is in another unit."""

    name: ClassVar[str] = "units"
    about_scene: ClassVar[bool] = False
    sentences: ClassVar[tuple[str, ...]] = ()
    spoken: ClassVar[tuple[str, ...]] = ()
    examples: ClassVar[tuple[str, ...]] = (
        "how many litres are three gallons",
        "convert 72 fahrenheit to celsius",
        "how many feet are in a mile",
        "how far is 5 kilometres in miles",
        "what is 200 grams in ounces",
        "how many cups are in a litre",
        "how many seconds are in an hour",
        "100 miles per hour in kilometres per hour",
        "what is 6 feet in centimetres",
        "how many pounds is 80 kilos",
        "turn 2 hours into minutes",
        "how many acres is a hectare",
    )

    def reads(self, text: str) -> float:
        """Return 1 where every word of the question is about turning one unit into another, else 0."""
        return 1.0 if _understood(text) else 0.0

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return the amount in the other unit, None where the question is not about units."""
        del scene, slots
        found = _understood(question.text)
        if found is None:
            return None
        parts, target = found
        kind = parts[0][1].kind
        if kind != target.kind:
            if {kind, target.kind} == {"years", "time"}:
                return _of_a_year(parts, target)
            if _SHORT.search(question.text) or {kind, target.kind} == {"angle", "time"}:
                # The k of "10k" may be a thousand of something, an m a million; degrees have minutes too.
                return None
            text = (
                f"{_capital(parts[0][1].many)} measure {kind} and {target.many} {target.kind}, so they do not convert."
            )
            return Reply(text, 1.0)
        total = sum((_in(amount, unit, target) for amount, unit in parts), Fraction(0))
        score = TWO_SIZES if kind in TWO_SIZED and {parts[0][1].many, target.many} != {"bits", "bytes"} else 1.0
        return Reply(_told(parts, total, target), score)


def _understood(text: str) -> tuple[list[tuple[Fraction, Measure]], Measure] | None:
    """Return the amounts and the unit wanted; None where a word of the question is not explained by them."""
    if len(text) > LONGEST:
        return None
    plain = re.sub(r"\s+", " ", text.lower().replace("\u2019", "'")).strip(" ?!.")
    plain = figures(re.sub(r"\bwhat's\b", "what is", plain))
    for pattern, replacement in _SPELLINGS:
        plain = pattern.sub(replacement, plain)
    found = next(filter(None, (form.match(plain.strip()) for form in _FORMS)), None)
    parts = _parts(found["from"]) if found else None
    if found is None or not parts:
        return None
    target = MEASURES[found["to"]]
    volume = "volume" in {target.kind, *(unit.kind for _, unit in parts)}
    if volume:
        target = FLUID.get(target.size, target)
        parts = [(amount, FLUID.get(unit.size, unit)) for amount, unit in parts]
    kinds = {unit.kind for _, unit in parts}
    # "72 degrees in celsius" does not say of which scale.
    unclear = kinds | {target.kind} == {"angle", "temperature"} or any(amount >= MOST for amount, _ in parts)
    return (parts, target) if len(kinds) == 1 and not unclear else None


def _parts(text: str) -> list[tuple[Fraction, Measure]] | None:
    """Read "5 feet 11 inches", where the last unit may be left out after feet, stone and pounds."""
    parts: list[tuple[Fraction, Measure]] = []
    for found in _PART.finditer(text.replace(" and ", " ")):
        word = found["amount"]
        sign = -1 if word.startswith(("minus", "negative", "-")) else 1
        figure = re.search(FIGURE, word)
        amount = sign * value(figure[0]) if figure else Fraction(1)
        unit = MEASURES.get(found["unit"] or "")
        if unit is None:
            smaller = {"foot": "inches", "stone": "pounds"}.get(parts[-1][1].size) if parts else None
            if smaller is None:
                return None
            unit = MEASURES[smaller]
        parts.append((amount, unit))
    return parts


@cache
def _registry() -> Any:
    import pint  # noqa: PLC0415 - takes 0.4 s to import, and few questions need it

    return pint.UnitRegistry()


def _in(amount: Fraction, unit: Measure, target: Measure) -> Fraction:
    """Return an amount in another unit, rounded to ten figures so that a float's noise is not told."""
    if unit.kind == "years":
        return amount * int(unit.size) / int(target.size)
    registry = _registry()
    converted = registry.Quantity(float(amount), registry.parse_units(unit.size)).to(registry.parse_units(target.size))
    return Fraction(f"{converted.magnitude:.10g}")


def _of_a_year(parts: list[tuple[Fraction, Measure]], target: Measure) -> Reply | None:
    """Return how long a year is; months and most other spans differ from case to case."""
    amount, unit = parts[0]
    text = _YEAR.get(target.many) if unit.one == "year" and amount == 1 and len(parts) == 1 else None
    return Reply(text, 1.0) if text else None


def _told(parts: list[tuple[Fraction, Measure]], total: Fraction, target: Measure) -> str:
    given = " ".join(f"{said(amount)[0]} {unit.one if amount == 1 else unit.many}" for amount, unit in parts)
    shown, exact = _rounded(total, target)
    exact = exact and total.numerator < FIGURES
    is_one = (len(parts) == 1 and parts[0][0] == 1) or parts[0][1].kind == "temperature"
    verb = "is" if is_one else "are"
    return f"{_capital(given)} {verb} {'' if exact else 'about '}{shown} {target.one if total == 1 else target.many}."


def _rounded(number: Fraction, target: Measure) -> tuple[str, bool]:
    """Return a number as one would say it: whole when large, else three figures, degrees to a tenth."""
    size = abs(number)
    if target.kind == "temperature":
        places = 1
    elif (round(number, 2) == number and size >= 1) or not 10**-4 <= size < MOST:
        return said(number)
    else:
        places = max(2 - math.floor(math.log10(size)), 1 if size < 1000 else 0)
    rounded = round(number, places)
    return said(rounded)[0], rounded == number


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
