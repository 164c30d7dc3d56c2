"""Phone, card and bank account numbers: told from other numbers by their check digits and by how they are written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import phonenumbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    Span = tuple[int, int]

REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "CH", "AT", "AU", "IN")
"""Countries whose numbers are known without their country code."""

_DIGITS = re.compile(r"\d(?:[ .\-]{0,2}\d)+")
_CARD_DIGITS = range(13, 20)
_MOST_DIGITS = 400
_IBAN = re.compile(r"(?i)(?<![a-z0-9])([a-z]{2})\d{2}[ -]?(?:[a-z0-9][ -]?){8,31}")
_IBAN_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK MN",
    21: "HR LV LI CH",
    22: "BH BG CR GE DE IE ME RS GB VA",
    23: "GI IL AE IQ OM SO",
    24: "AD CZ MD PK RO SA SK ES SE TN VG",
    25: "PT LY ST",
    26: "IS TR",
    27: "FR GR IT MC MR SM BI DJ",
    28: "AL AZ CY DO GT HU LB PL BY SV NI",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
_IBAN_SIZES = {country: size for size, countries in _IBAN_COUNTRIES.items() for country in countries.split()}
_PHONE = re.compile(r"(?<![\w.,:/-])(?:\+|00)?\s?\(?\d(?:[\s./()\-]{0,3}\d){5,16}(?![\w:])")
_DATE = re.compile(
    r"(?:19|20)\d\d[-./](?:0?[1-9]|1[0-2])[-./](?:0?[1-9]|[12]\d|3[01])|"
    r"(?:0?[1-9]|[12]\d|3[01])[-./](?:0?[1-9]|[12]\d|3[01])[-./](?:19|20)?\d\d"
)
_GROUPED = re.compile(r"\d{1,3}(?:[. ]000|\.\d{3})+|\d{1,3}(?: \d{3})+")
_SHAPES = re.compile(
    r"\(?\d{3,5}\)?[ .\-/]?\d{3,4}[ .\-]\d{3,4}|\d{3}-\d{4}|\(\d{2,5}\)[ \d\-/]{5,}|\+.*|00[1-9].*|0[1-9].*"
)
_SAID_BEFORE = re.compile(
    r"(?i)(?:\b(?:call|phone|tel|telephone|mobile|cell|fax|whatsapp|sms|handy|telefon|rufnummer|anrufen|dial|reach|"
    r"ring|contact)\b|\b(?:my|his|her|their|our|your|phone|new|meine) (?:number|nummer)\b)[^\d]{0,25}\Z"
)


def cards(text: str) -> Iterator[Span]:
    """Yield payment card numbers: 13 to 19 digits in groups, whose check digit is right (ISO/IEC 7812-1)."""
    for run in _DIGITS.finditer(text):
        places = [run.start() + at for at, char in enumerate(run[0]) if char.isdigit()]
        if len(places) < _CARD_DIGITS.start:
            continue
        if len(places) > _MOST_DIGITS:
            yield run.span()
            continue
        begins = [n == 0 or places[n] - places[n - 1] > 1 for n in range(len(places))] + [True]
        after = 0
        for first in range(len(places) - _CARD_DIGITS.start + 1):
            if first < after or not begins[first] or text[places[first]] not in "23456":
                continue
            for size in reversed(_CARD_DIGITS):
                last = first + size
                if last <= len(places) and begins[last] and _luhn([int(text[at]) for at in places[first:last]]):
                    yield places[first], places[last - 1] + 1
                    after = last
                    break


def accounts(text: str) -> Iterator[Span]:
    """Yield IBANs whose check digits are right (ISO 13616), or that are said to be IBANs."""
    for found in _IBAN.finditer(text):
        size = _IBAN_SIZES.get(found[1].upper(), 0)
        places = [found.start() + at for at, char in enumerate(found[0]) if char.isalnum()][:size]
        if size == 0 or len(places) < size:
            continue
        written = "".join(text[at] for at in places).upper()
        number = int("".join(str(int(char, 36)) for char in written[4:] + written[:4]))
        if number % 97 == 1 or "iban" in text[max(found.start() - 15, 0) : found.start()].lower():
            yield places[0], places[-1] + 1


def phones(text: str) -> Iterator[Span]:
    """Yield phone numbers, and pass over dates, counts and amounts."""
    for found in _PHONE.finditer(text):
        written = found[0].strip()
        start = found.end() - len(found[0].lstrip())
        digits = sum(char.isdigit() for char in written)
        if digits < 6 or _DATE.fullmatch(written):
            continue
        said = _SAID_BEFORE.search(text, max(found.start() - 45, 0), found.start()) is not None
        if said or (digits >= 7 and not _GROUPED.fullmatch(written) and _is_phone(written, digits)):
            yield start, found.end()


def _is_phone(written: str, digits: int) -> bool:
    if _SHAPES.fullmatch(written) and not _DATE.match(written):
        return True
    groups = re.findall(r"\d+", written)
    if digits < 8 or min(map(len, groups)) < 2 or max(map(len, groups)) < 3 or len(groups) > 6:
        return False
    for region in REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(written, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


def _luhn(digits: list[int]) -> bool:
    doubled = [digit * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
