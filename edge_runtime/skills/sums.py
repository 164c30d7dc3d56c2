"""The value of an arithmetic expression: a small parser with bounds, nothing of Python is ever run."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_BITS = 4096
"""Larger whole numbers are refused before they are worked out."""
MOST_FACTORIAL = 300
MOST_TOKENS = 80
_TOKEN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+|sqrt|cbrt|abs|mod|pi|of|[-+*/^()!%])\s*")
_NUMBER = re.compile(r"[.0-9]")


class NotASumError(ValueError):
    """The text is no arithmetic expression."""


class UndefinedError(ArithmeticError):
    """The expression has no value; the message says why, as a sentence."""


class TooLargeError(UndefinedError):
    """The expression has a value, but it is too large to be worked out."""


def result(expression: str) -> Fraction:
    """Return the value of an expression such as "2 * (3 + 4) ^ 2", "15% of 80", "sqrt 2"; roots are rounded.

    A percentage that is added or taken off counts of what stands before it: "80 + 10%" is 88.

    Raises:
        NotASumError: it is none.
        UndefinedError: it has no value, or one that is too large.
    """
    parser = _Parser(_tokens(expression))
    found = parser.sum()
    if parser.following:
        raise NotASumError(expression)
    return found


def _tokens(expression: str) -> list[str]:
    tokens: list[str] = []
    at = 0
    while at < len(expression):
        found = _TOKEN.match(expression, at)
        if found is None or len(tokens) >= MOST_TOKENS:
            raise NotASumError(expression)
        tokens.append(found[1])
        at = found.end()
    return tokens


class _Parser:
    """Recursive descent, by falling precedence: brackets, factorial, power, sign, product, sum."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def following(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def sum(self) -> Fraction:
        left = self._product()
        while self.following in {"+", "-"}:
            sign = 1 if self._take() == "+" else -1
            start = self._at
            right = self._product()
            if self._at == start + 2 and self._tokens[self._at - 1] == "%":
                right *= left
            left = bounded(left + sign * right)
        return left

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _product(self) -> Fraction:
        left = self._signed()
        while self.following in {"*", "/", "of", "mod"}:
            operator = self._take()
            right = self._signed()
            if operator in {"/", "mod"} and not right:
                raise UndefinedError("Nothing can be divided by zero.")
            left = bounded(_PRODUCTS[operator](left, right))
        return left

    def _signed(self) -> Fraction:
        sign = 1
        while self.following in {"-", "+"}:
            sign = -sign if self._take() == "-" else sign
        return sign * self._power()

    def _power(self) -> Fraction:
        base = self._postfix()
        if self.following != "^":
            return base
        self._take()
        return power(base, self._signed())

    def _postfix(self) -> Fraction:
        found = self._atom()
        while self.following in {"!", "%"}:
            found = factorial(found) if self._take() == "!" else found / 100
        return found

    def _atom(self) -> Fraction:
        piece = self._take() if self.following else ""
        if piece in _FUNCTIONS:
            if self.following == "of":
                self._take()
            return _FUNCTIONS[piece](self._postfix_or_power())
        if piece == "(":
            inside = self.sum()
            if not self.following or self._take() != ")":
                raise NotASumError(piece)
            return inside
        if piece == "pi":
            return Fraction(math.pi)
        if not _NUMBER.match(piece):
            raise NotASumError(piece)
        return bounded(Fraction(piece))

    def _postfix_or_power(self) -> Fraction:
        return self._signed() if self.following == "-" else self._postfix()


def bounded(number: Fraction) -> Fraction:
    """Return `number` unless it is too large to be worked with.

    Raises:
        TooLargeError: it is.
    """
    if max(number.numerator.bit_length(), number.denominator.bit_length()) > MOST_BITS:
        raise TooLargeError(TOO_LARGE)
    return number


def power(base: Fraction, exponent: Fraction) -> Fraction:
    """Return `base` to the power of `exponent`, exact for whole exponents.

    Raises:
        UndefinedError: it is too large, or no real number.
    """
    if not base and exponent <= 0:
        raise UndefinedError(
            "Nothing can be divided by zero." if exponent else "Zero to the power of zero is undefined."
        )
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if exponent.denominator == 1:
        if (bits - (abs(base) == 1)) * abs(exponent) > MOST_BITS:
            raise TooLargeError(TOO_LARGE)
        # Of 1 and -1 a power is never large, whatever the exponent.
        whole = int(exponent) % 2 if abs(base) == 1 else int(exponent)
        return base**whole
    if base < 0:
        raise UndefinedError("That has no real value.")
    if exponent == Fraction(1, 2):
        return root(base, 2)
    if bits > MOST_BITS // 8 or bits * abs(exponent) > MOST_BITS // 8:
        raise TooLargeError(TOO_LARGE)
    return Fraction(float(base) ** float(exponent))


def root(number: Fraction, degree: int) -> Fraction:
    """Return the square root (2) or cube root (3), exact where it is rational.

    Raises:
        UndefinedError: there is no real one.
    """
    if number < 0:
        if degree % 2 == 0:
            raise UndefinedError("A negative number has no real square root.")
        return -root(-number, degree)
    over, under = (_whole_root(part, degree) for part in (number.numerator, number.denominator))
    if over is not None and under is not None:
        return Fraction(over, under)
    # 60 binary places more than a float holds, whatever the size.
    shift = 60 * degree
    return Fraction(_floor_root((number.numerator << shift) // number.denominator, degree), 1 << 60)


def factorial(number: Fraction) -> Fraction:
    """Return the product of the whole numbers up to `number`.

    Raises:
        UndefinedError: there is none, or it is too large.
    """
    if number.denominator != 1 or number < 0:
        raise UndefinedError("Only whole numbers from zero on have a factorial.")
    if number > MOST_FACTORIAL:
        raise TooLargeError(TOO_LARGE)
    return Fraction(math.factorial(int(number)))


def _whole_root(number: int, degree: int) -> int | None:
    found = _floor_root(number, degree)
    return found if found**degree == number else None


def _floor_root(number: int, degree: int) -> int:
    if degree == 2:
        return math.isqrt(number)
    low, high = 0, 1 << (number.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= number else (low, middle - 1)
    return low


TOO_LARGE = "That number is too large for me to work out."
_PRODUCTS: Mapping[str, Callable[[Fraction, Fraction], Fraction]] = {
    "*": lambda left, right: left * right,
    "of": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "mod": lambda left, right: left % right,
}
_FUNCTIONS: Mapping[str, Callable[[Fraction], Fraction]] = {
    "sqrt": lambda number: root(number, 2),
    "cbrt": lambda number: root(number, 3),
    "abs": abs,
}
