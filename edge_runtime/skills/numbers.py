"""Numbers as people write and say them: words become figures, and results become what one would say."""

from __future__ import annotations

import itertools
import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def _numbered(words: str, start: int, step: int = 1) -> dict[str, int]:
    return {word: number for number, word in zip(itertools.count(start, step), words.split())}


_UNITS = _numbered(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen",
    0,
)
_DIGITS = frozenset(word for word, number in _UNITS.items() if number < 10)
_TENS = _numbered("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10) | {"fourty": 40}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_GROUPS = {"hundred": 100, "dozen": 12} | _SCALES
_PARTS = {"half": 2, "halves": 2, "quarter": 4, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7} | {
    "eighth": 8, "ninth": 9, "tenth": 10, "hundredth": 100, "thousandth": 1000,
}  # fmt: skip
_PARTS |= {f"{word}s": number for word, number in _PARTS.items() if word != "halves"}
_ORDINALS = _numbered(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth",
    1,
) | {"thirtieth": 30}
_TOKEN = re.compile(r"[0-9]+(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|[a-z]+|\s+|.", re.DOTALL)

FIGURE = r"(?:\([0-9]+/[0-9]+\)|[0-9]+(?:\.[0-9]+)?)"
"""A number as `figures` leaves it: digits, or a fraction in brackets."""


def value(figure: str) -> Fraction:
    """Return the number that a text matching `FIGURE` stands for."""
    return Fraction(figure.strip("()"))


def figures(text: str) -> str:
    """Return `text` in lower case with its numbers in figures.

    "Twenty-five times two and a half" becomes "25 times 2.5", "a third of 1,200" becomes "(1/3) of 1200".
    """
    joined = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text.lower())
    tokens = _TOKEN.findall(joined)
    words = [token for token in tokens if not token.isspace()]
    spaces = _gaps(tokens)
    written, at = [], 0
    while at < len(words):
        number, after = _mixed(words, at)
        if number is None:
            written.append(spaces[at] + words[at])
            at += 1
        else:
            written.append(spaces[at] + _written(number))
            at = after
    return "".join(written).strip()


def ordinals(text: str) -> str:
    """Return `text` in lower case with "the twenty-fourth" and "24th" as "24"."""
    plain = re.sub(r"\b([0-9]+)(?:st|nd|rd|th)\b", r"\1", text.lower())
    plain = re.sub(r"\b(twenty|thirty)[ -](\w+)\b", _tens_ordinal, plain)
    return re.sub(r"\b[a-z]+\b", lambda word: str(_ORDINALS.get(word[0], word[0])), plain)


def said(number: Fraction | float) -> tuple[str, bool]:
    """Return a number as people say it ("1,024", "0.3333", "1.27 times 10 to the power of 30"), and if it is exact."""
    exact = Fraction(number)
    if exact.denominator == 1 and abs(exact) < 10**15:
        return f"{int(exact):,}", True
    size = abs(exact)
    if size >= 10**15 or (size and size < Fraction(1, 10**6)):
        text = _scientific(exact)
        return text, text.startswith("10 ") and str(size.numerator).strip("0") == "1"
    places = 2 if size >= 1000 else max(3 - math.floor(math.log10(float(size))), 4 if size < 1 else 2)
    for digits in range(1, 7):
        if round(exact, digits) == exact and not isinstance(number, float):
            return _decimal(exact), True
    rounded = round(exact, min(places, 10))
    return _decimal(rounded), rounded == exact


def _decimal(number: Fraction) -> str:
    # Python would write the small ones as 2e-06.
    return f"{float(number):,.10f}".rstrip("0").removesuffix(".")


def _scientific(number: Fraction) -> str:
    size = abs(number)
    power = len(str(size.numerator)) - len(str(size.denominator))
    size = size / Fraction(10) ** power
    if size < 1:
        size, power = size * 10, power - 1
    mantissa = f"{float(size):.3g}"
    if mantissa == "10":
        mantissa, power = "1", power + 1
    times = "" if mantissa == "1" else f"{mantissa} times "
    return f"{'-' if number < 0 else ''}{times}10 to the power of {power}"


def _gaps(tokens: Sequence[str]) -> list[str]:
    """Return the space before each token that is no space."""
    gaps, before = [], ""
    for token in tokens:
        if token.isspace():
            before = " "
        else:
            gaps.append(before)
            before = ""
    return gaps


def _written(number: Fraction) -> str:
    if number.denominator == 1:
        return str(number.numerator)
    for digits in range(1, 13):
        scaled = number * 10**digits
        if scaled.denominator == 1:
            return f"{scaled.numerator // 10**digits}.{scaled.numerator % 10**digits:0{digits}d}"
    return f"({number.numerator}/{number.denominator})"


def _mixed(words: Sequence[str], at: int) -> tuple[Fraction | None, int]:
    """Return the number that begins at `at` and where it ends: a cardinal, a fraction, or both ("two and a half")."""
    whole, after = _fraction(words, at)
    if whole is not None:
        return whole, after
    whole, after = _cardinal(words, at)
    if whole is None:
        return None, at
    if words[after : after + 1] == ["and"]:
        part, end = _fraction(words, after + 1)
        if part is not None and part < 1 and words[end : end + 1] != ["of"]:
            return whole + part, end
    return whole, after


def _fraction(words: Sequence[str], at: int) -> tuple[Fraction | None, int]:
    """Read "a half", "half a million", "three quarters", "one third"; a bare "third" is a place in a row."""
    word = words[at] if at < len(words) else ""
    if word in {"half", "quarter"}:
        part = Fraction(1, _PARTS[word])
        if words[at + 1 : at + 2] in (["a"], ["of"]) and at + 2 < len(words):
            start = at + 3 if words[at + 1 : at + 3] == ["of", "a"] else at + 2
            group = _GROUPS.get(words[start]) if start < len(words) else None
            if group is not None:
                return part * group, start + 1
        return part, at + 1
    count, after = (1, at + 1) if word in {"a", "an"} else (_UNITS.get(word), at + 1)
    if word.isdecimal() and len(word) < 3:
        count = int(word)
    if count is None or after >= len(words) or words[after] not in _PARTS:
        return None, at
    singular = not words[after].endswith("s")
    if singular is not (count == 1) and words[after] != "half":
        return None, at
    return Fraction(count, _PARTS[words[after]]), after + 1


def _cardinal(words: Sequence[str], at: int) -> tuple[Fraction | None, int]:
    """Read "one hundred and five", "2.5 million", "three point one four", "a dozen"."""
    total, limit, end = Fraction(0), 10**15, at
    group = _hundreds(words, at)
    while group is not None:
        number, end = group
        scale = _SCALES.get(words[end], limit) if end < len(words) else limit
        if scale >= limit or not number:
            return total + number, end
        total, limit, end = total + number * scale, scale, end + 1
        following = end + (words[end : end + 1] == ["and"])
        figure = following < len(words) and words[following][0].isdecimal()
        group = None if figure or _fraction(words, following)[0] is not None else _hundreds(words, following)
    return (total, end) if total else (None, at)


def _hundreds(words: Sequence[str], at: int) -> tuple[Fraction, int] | None:
    """Read a number up to its first scale: "two hundred and five", "a dozen", "2.5"."""
    lead = _leading(words, at)
    if lead is None:
        return None
    number, after = lead
    if after >= len(words) or words[after] not in {"hundred", "dozen"} or not 0 < number < 100:
        return lead
    number, after = number * _GROUPS[words[after]], after + 1
    following = after + (words[after : after + 1] == ["and"])
    below = number % 100 == 0 and following < len(words) and words[following] in {*_UNITS, *_TENS}
    rest = _leading(words, following) if below and _fraction(words, following)[0] is None else None
    return (number + rest[0], rest[1]) if rest else (number, after)


def _leading(words: Sequence[str], at: int) -> tuple[Fraction, int] | None:
    """Read the first part of a cardinal: below a hundred in words, or figures."""
    if at >= len(words):
        return None
    word, after = words[at], at + 1
    following = words[after] if after < len(words) else ""
    if word in {"a", "an"}:
        return (Fraction(1), after) if following in _GROUPS else None
    if word[0].isdecimal():
        return Fraction(word.replace(",", "")), after
    if word in _TENS:
        unit = _UNITS.get(following, 0)
        number, after = (_TENS[word] + unit, after + 1) if 0 < unit < 10 else (_TENS[word], after)
    elif word in _UNITS:
        number = _UNITS[word]
    elif word in _GROUPS:
        return Fraction(1), at
    elif word == "point" and following in _DIGITS:
        number, after = 0, at
    else:
        return None
    return _with_decimals(words, Fraction(number), after)


def _with_decimals(words: Sequence[str], number: Fraction, after: int) -> tuple[Fraction, int]:
    if words[after : after + 1] != ["point"]:
        return number, after
    digits = ""
    end = after + 1
    while end < len(words) and words[end] in _DIGITS:
        digits += str(_UNITS[words[end]])
        end += 1
    return (number + Fraction(int(digits), 10 ** len(digits)), end) if digits else (number, after)


def _tens_ordinal(found: re.Match[str]) -> str:
    unit = _ORDINALS.get(found[2], 0)
    return str(_TENS[found[1]] + unit) if 0 < unit < 10 else found[0]
