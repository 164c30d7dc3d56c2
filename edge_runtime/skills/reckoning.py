"""Sums: "what is twelve times seven?", "15% of 80", "the square root of 144"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from edge_runtime.decision.confidence import Reply
from edge_runtime.skills.numbers import FIGURE, figures, ordinals, said
from edge_runtime.skills.sums import NotASumError, TooLargeError, UndefinedError, result

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from edge_runtime.decision.scene import Scene
    from edge_runtime.types import Question

LONGEST = 300
"""A longer text is no sum that anybody asks."""
LIKELY = 0.6
"""Score where the same words may mean something else: "7-11", "4x4"."""

_LEAD = re.compile(
    r"^\s*(?:(?:hey|hi|hello|ok(?:ay)?|so|please|and|now)\b[, ]*)*"
    r"(?:(?:can|could|would) you (?:please )?|do you know |please )?"
    r"(?:tell me |say |work out |calculate |compute |evaluate |solve |find |give me |figure out |"
    r"what(?:'?s| is| are| do| does| would)? |how much (?:is|are|do|does) |how many (?:is|are) )*"
    r"(?:be |get )?(?:the (?:result|value|answer) (?:of|to) )?",
)
_TAIL = re.compile(
    r"[\s,]*(?:please|thanks|thank you|equals?(?: to)?|equal to|makes?|give|come to|is|=|\?|(?<!\d)!(?=\s*$)|\.(?!\d))*"
    r"\s*$"
)
_A = rf"((?:-\s*)?{FIGURE})"
_FRACTION = re.compile(
    r"\d ?/ ?\d|\b(?:half|quarters?|thirds?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?)\b"
)
_REWRITES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"[\u2212\u2013]", "-"),
        (r"[\u00d7\u00b7\u22c5]", "*"),
        (r"\u00f7", "/"),
        (r"\u00b2", "^2"),
        (r"\u00b3", "^3"),
        (r"\u221a", " sqrt "),
        (r"\u03c0", " pi "),
        (r"\*\*", "^"),
        (r"\bper ?cent(?:age)?\b", "%"),
        (rf"^(?:what )?% of {_A} is {_A}$", r"\2 / \1 * 100 percent"),
        (rf"^(?:what )?% is {_A} of {_A}$", r"\1 / \2 * 100 percent"),
        (rf"^{_A} is what ?% of {_A}$", r"\1 / \2 * 100 percent"),
        (rf"^{_A} ?% ?(?:plus|\+) ?{_A} ?%$", r"\1 + \2 percent"),
        (rf"^{_A} ?% ?(?:minus|-) ?{_A} ?%$", r"\1 - \2 percent"),
        (rf"{_A} ?% off (?:of )?{_A}", r"\2 - \1%"),
        (rf"{_A} ?% (?:tip|tax|vat) (?:on|of|for) {_A}", r"\1% of \2"),
        (rf"\bdivide {_A} by {_A}", r"\1 / \2"),
        (rf"\bmultiply {_A} (?:by|with|and|times) {_A}", r"\1 * \2"),
        (rf"\badd {_A} (?:to|and|plus) {_A}", r"\1 + \2"),
        (rf"\b(?:subtract|take|take away|deduct) {_A} (?:away )?from {_A}", r"\2 - \1"),
        (rf"\b(?:the )?sum of {_A} and {_A}", r"(\1 + \2)"),
        (rf"\b(?:the )?product of {_A} and {_A}", r"(\1 * \2)"),
        (rf"\b(?:the )?difference (?:between|of) {_A} and {_A}", r"abs (\1 - \2)"),
        (rf"\b(?:the )?(?:average|mean) of {_A} and {_A}", r"((\1 + \2) / 2)"),
        (rf"\b(?:the )?remainder (?:of|when) {_A} (?:divided by|is divided by|over) {_A}", r"\1 mod \2"),
        (r"\b(?:the )?square root(?: of)?\b", " sqrt "),
        (r"\b(?:the )?cube root(?: of)?\b", " cbrt "),
        (rf"\b(?:the )?square of {_A}", r"(\1) ^ 2"),
        (rf"\b(?:the )?cube of {_A}", r"(\1) ^ 3"),
        (r"\bsquared\b", "^2"),
        (r"\bcubed\b", "^3"),
        (rf"\b(?:the )?factorial of {_A}|{_A} factorial\b", r"(\1\2)!"),
        (r"\b(?:raised )?to the (\d+)(?:st|nd|rd|th)+(?: power)?\b", r"^\1"),
        (r"\b(?:raised )?to the (?:power of |power )?(?=[-(\d])|\braised to (?:the power of )?(?=[-(\d])", " ^ "),
        (r"\b(?:multiplied by|times)\b", " * "),
        (r"(?<=[\d)])\s*x\s*(?=[-\d(])", " * "),
        (r"\b(?:divided by|over)\b", " / "),
        (r"\b(?:plus|added to|add)\b", " + "),
        (r"\b(?:minus|less|take away|subtract)\b", " - "),
        (r"\bnegative (?=[\d(])", " -"),
        (r"\b(?:modulo|modulus)\b", " mod "),
        (rf"\b(?:double|twice)(?: of)? {_A}", r"2 * \1"),
        (rf"\b(?:triple|three times)(?: of)? {_A}", r"3 * \1"),
        (r"\((\d+/\d+)\) (?=\d|\()", r"(\1) of "),
        (r"\bthe\b", " "),
    )
)
_OPERATION = re.compile(r"[-+*/^!%]|\b(?:sqrt|cbrt|abs|mod|of)\b")
_UNCLEAR = re.compile(r"\d+[-/x]\d+")
"""A house number, a score or a date as likely as a sum."""
_DATE = re.compile(r"\d+([-/])\d+\1\d+")
MOST_OVER = 1000
"""Fractions with more above the line are no easier to grasp than decimals."""
_DECIMAL = re.compile(r"\d\.\d|\bpoint\b")
_ONE_FRACTION = re.compile(r"\d+ ?/ ?\d+")
_TWO_WAYS = re.compile(r"(?:^|\() ?- ?[\d.]+ ?\^|\b(?:sqrt|cbrt) [\d.]+ [-+]")
"""Minus three squared, and the root of nine plus one, are read in two ways."""


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Answers sums in words and figures."""

    name: ClassVar[str] = "reckoning"
    about_scene: ClassVar[bool] = False
    sentences: ClassVar[tuple[str, ...]] = ()
    spoken: ClassVar[tuple[str, ...]] = ("what is {small:left} (times|plus) {small:right}",)
    examples: ClassVar[tuple[str, ...]] = (
        "what is twelve times seven",
        "what is 15% of 80",
        "what is the square root of 144",
        "two to the power of ten",
        "calculate (3+4)*2/7",
        "what is half of ninety",
        "how much is 3/4 plus 1/8",
        "divide 100 by 8",
        "add 17 and 25",
        "what is 20 percent off 60",
        "subtract 19 from 100",
        "what is the sum of 5 and 9",
    )

    def reads(self, text: str) -> float:
        """Return 1 for a sum, less where it may be something else, 0 where it is none."""
        found = _understood(text)
        return found[1] if found else 0.0

    def answer(self, question: Question, scene: Scene, slots: Mapping[str, str]) -> Reply | None:
        """Return the result as people say it, None where the question is no sum."""
        del scene, slots
        found = _understood(question.text)
        if found is None:
            return None
        expression, score = found
        try:
            number = result(expression.removesuffix("percent"))
        except UndefinedError as error:
            return Reply(str(error), score, blind=isinstance(error, TooLargeError))
        return Reply(_told(number, expression, question.text.lower()), score)


def expression_of(text: str) -> str:
    """Return a question as an arithmetic expression, as far as its words allow."""
    plain = _LEAD.sub("", text.lower().replace("\u2019", "'"))
    written = figures(_TAIL.sub("", plain))
    written = re.sub(r"\bto the (\w+)(?= power)", lambda words: f"to the {ordinals(words[1])}th", written)
    for pattern, replacement in _REWRITES:
        written = pattern.sub(replacement, written)
    return re.sub(r"\s+", " ", written).strip()


def _understood(text: str) -> tuple[str, float] | None:
    """Return the expression that a question asks for and how surely, None where it asks for none."""
    if len(text) > LONGEST:
        return None
    expression = expression_of(text)
    if re.fullmatch(rf"{_A} and {_A}", expression):
        return expression.replace("and", "+"), LIKELY
    typed = re.search(r"\d\S*", text)
    if not _OPERATION.search(expression) or re.fullmatch(r"[-+ ]*[\d.]+ ?%?", expression):
        return None
    if typed and _DATE.fullmatch(typed[0].rstrip("?.!")):
        return None
    try:
        result(expression.removesuffix("percent"))
    except NotASumError:
        return None
    except UndefinedError:
        pass
    return expression, LIKELY if _is_unclear(text.lower(), expression) else 1.0


def _is_unclear(text: str, expression: str) -> bool:
    if _TWO_WAYS.search(expression):
        return True
    typed = [word.strip("?.!,") for word in text.split() if any(c.isdigit() for c in word)]
    return len(typed) == 1 and _UNCLEAR.fullmatch(typed[0]) is not None and not re.search(r"calc|comput", text)


def _told(number: Fraction, expression: str, text: str) -> str:
    """Return the result as a sentence; where fractions were asked about, as a fraction too."""
    shown, exact = said(number)
    percent = expression.endswith("percent")
    fractions = _FRACTION.search(text) and not _ONE_FRACTION.fullmatch(expression) and not _DECIMAL.search(text)
    fractions = fractions and abs(number.numerator) < MOST_OVER
    as_fraction = f"{number.numerator}/{number.denominator}, or " if fractions and 1 < number.denominator < 100 else ""
    return f"That is {'' if percent else as_fraction}{'' if exact else 'about '}{shown}{'%' if percent else ''}."
