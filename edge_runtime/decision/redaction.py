"""What must not leave the box, cut out of text before it goes to the cloud."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DIGITS = re.compile(r"\D")
_CARD = re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])")
_RULES = (
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^\s/@:]{1,100}:[^\s/@]{1,100}@"), r"\1[login]@"),
    (re.compile(r"(?i)(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), "[email]"),
    (
        re.compile(r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|$)", re.DOTALL),
        "[key]",
    ),
    (re.compile(r"\b(?:sk|pk|rk|ghp|gho|xox[abp]|AKIA|AIza|eyJ)[-_A-Za-z0-9.]{14,}"), "[key]"),
    (re.compile(r"(?i)\b(password|passcode|pin|token|secret)(\s*(?:is|=|:)\s*)\S+"), r"\1\2[secret]"),
    (re.compile(r"(?<![\w+/-])(?=[A-Za-z+/_-]{0,40}\d)(?=[0-9+/_-]{0,40}[A-Za-z])[A-Za-z0-9+/_-]{32,}={0,2}"), "[key]"),
    (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"), "[account]"),
)
_PHONE = re.compile(r"(?<![\w.:-])(?:\+|00)?\(?\d(?:[\s./()-]{0,2}\d){6,14}(?![\w:])")


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text that may leave, and how many things were taken out of it, by kind."""

    text: str
    counts: Mapping[str, int] = field(default_factory=dict)


class Redactor:
    """Takes what is private out of texts.

    Args:
        private_words: never leave either, in whatever case they are written.
    """

    def __init__(self, private_words: Iterable[str] = ()) -> None:
        words = sorted({word for word in private_words if word}, key=len, reverse=True)
        self._private = re.compile(rf"(?i)(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)") if words else None

    def redact(self, text: str) -> Redacted:
        """Return `text` with everything private replaced by its kind in brackets."""
        safe = redact_text(text)
        if self._private:
            safe = self._private.sub("[private]", safe)
        return Redacted(safe, {"text": 1} if safe != text else {})


def redact_text(text: str) -> str:
    """Return `text` with e-mail addresses, phone, card and account numbers, keys and passwords replaced."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    text = _CARD.sub(lambda found: "[card]" if _luhn(_DIGITS.sub("", found[0])) else found[0], text)
    return _PHONE.sub("[phone]", text)


def _luhn(digits: str) -> bool:
    """Tell whether the check digit of a card number is right (ISO/IEC 7812-1)."""
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
