from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.decision.confidence import Reply
from edge_runtime.decision.scene import Scene
from edge_runtime.skills.numbers import figures, ordinals, said
from edge_runtime.skills.reckoning import LIKELY, Reckoning
from edge_runtime.skills.sums import NotASumError, TooLargeError, UndefinedError, result
from edge_runtime.types import Question


def ask(text: str) -> Reply | None:
    return Reckoning().answer(Question(text, "test", 0.0), Scene(), {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("what is twelve times seven", "84"),
        ("What's 15% of 80?", "12"),
        ("5 percent plus 5 percent", "10%"),
        ("20% - 5%", "15%"),
        ("82 * 42.80 / 44.80", "about 78.34"),
        ("square root of 144", "12"),
        ("what is the square root of 2", "about 1.414"),
        ("cube root of 27", "3"),
        ("2 to the power of 10", "1,024"),
        ("two to the tenth power", "1,024"),
        ("what is 3 to the 4th", "81"),
        ("(3+4)*2/7", "2"),
        ("(three+four)*two", "14"),
        ("half of 90", "45"),
        ("what is one third of 90", "30"),
        ("a quarter of a million", "250,000"),
        ("half of three quarters", "3/8, or 0.375"),
        ("what is 3/4 plus 1/8", "7/8, or 0.875"),
        ("two thirds plus one sixth", "5/6, or about 0.8333"),
        ("one hundred and twenty three plus four hundred and fifty six", "579"),
        ("what is half a million divided by four", "125,000"),
        ("what is 1,000,000 times 3", "3,000,000"),
        ("two point five times four", "10"),
        ("how much is 99 minus 3.5", "95.5"),
        ("divide 100 by 8", "12.5"),
        ("one hundred divided by three", "about 33.33"),
        ("subtract 19 from 100", "81"),
        ("take 5 away from 12", "7"),
        ("add 17 and 25", "42"),
        ("multiply six by nine", "54"),
        ("the sum of 5 and 9", "14"),
        ("the product of 5 and 9", "45"),
        ("difference between 3 and 10", "7"),
        ("what is the average of 3 and 8", "5.5"),
        ("12 over 4", "3"),
        ("5 factorial", "120"),
        ("5!", "120"),
        ("what is 10!?", "3,628,800"),
        ("80 plus 15%", "92"),
        ("100 minus 20%", "80"),
        ("20% off 80", "64"),
        ("what is 15 percent tip on 60", "9"),
        ("what percent of 80 is 20", "25%"),
        ("20 is what percent of 80?", "25%"),
        ("what percentage is 20 of 80", "25%"),
        ("10% of 20% of 500", "10"),
        ("minus 5 plus 3", "-2"),
        ("negative 5 times 3", "-15"),
        ("5 squared", "25"),
        ("what is 5 cubed minus 3", "122"),
        ("2^0.5", "about 1.414"),
        ("7 mod 3", "1"),
        ("what is the remainder of 17 divided by 5", "2"),
        ("double 45", "90"),
        ("twice 12", "24"),
        ("triple 15", "45"),
        ("can you tell me what 17 times 23 is", "391"),
        ("what does 6 times 7 make", "42"),
        ("two plus two equals", "4"),
        ("7 \u00d7 8 \u00f7 2", "28"),
        ("12 x 7", "84"),
        ("5\u00b2 + 1", "26"),
        ("what is 2^64", "about 1.84 times 10 to the power of 19"),
        ("what is 10 to the power of 400", "10 to the power of 400"),
        ("2 plus 3 times 4", "14"),
        ("0.1 + 0.2", "0.3"),
        ("((((((((((1))))))))))+1", "2"),
    ],
)
def test_sums_in_words_and_figures(text: str, expected: str) -> None:
    reply = ask(text)
    assert reply == Reply(f"That is {expected}.", 1.0)
    assert Reckoning().reads(text) == 1.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10 divided by 0", "divided by zero"),
        ("5 mod 0", "divided by zero"),
        ("0^-1", "divided by zero"),
        ("0^0", "undefined"),
        ("square root of -4", "no real square root"),
        ("(-8)^0.5", "no real value"),
        ("2.5!", "factorial"),
    ],
)
def test_what_has_no_value_says_so(text: str, words: str) -> None:
    reply = ask(text)
    assert reply is not None
    assert words in reply.text
    assert not reply.blind


@pytest.mark.parametrize(
    "text",
    [
        "2 ** 1000000",
        "9^9^9^9",
        "999999!",
        "((2^4000)^4000)^4000",
        "(10^300)^0.9",
        "2^4000 * 2^4000",
        "300! * 300! * 300!",
        "9" * 250 + "^ 99",
        "1^(10^1000) * 9^9^9",
    ],
)
def test_what_is_too_large_is_refused_at_once(text: str) -> None:
    start = time.perf_counter()
    reply = ask(text)
    assert reply is not None
    assert reply.blind
    assert "too large" in reply.text
    assert time.perf_counter() - start < 5, "not worked out first"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("what is 3/4", id="a fraction, or the fourth of March"),
        pytest.param("what is 7-11", id="a shop"),
        pytest.param("what is 4x4", id="a car"),
        pytest.param("9/11", id="a day"),
        pytest.param("555-1234", id="a telephone number"),
        pytest.param("what is two and two", id="a sum in other words"),
        pytest.param("-3^2", id="of minus three, or minus of the square"),
        pytest.param("what is the square root of 144 plus 5", id="of the sum, or before it"),
    ],
)
def test_what_may_mean_something_else_is_likely_at_most(text: str) -> None:
    reply = ask(text)
    assert reply is not None
    assert reply.score == LIKELY == Reckoning().reads(text)


@pytest.mark.parametrize(
    "text",
    [
        "what is 5",
        "-5",
        "5 %",
        "what is love",
        "how many people are there",
        "what is 12/24/2026",
        "what is 2026-11-23",
        "what is 3,5 + 2",
        "3 times",
        "times 3",
        "i have 3 apples and eat 2",
        "6 / 2 (1+2)",
        "1e5 * 2",
        "__import__('os').system('ls')",
        "1+1;2",
        "(lambda: 0)()",
        "(" * 200,
        "1" + "+1" * 200,
        "\u00b9 + \u00b9",
        "what is 3 plus the number of dogs",
        "",
        "?",
    ],
)
def test_what_is_no_sum_is_left_to_others(text: str) -> None:
    assert ask(text) is None
    assert Reckoning().reads(text) == 0.0


@given(st.text(alphabet="0123456789+-*/^()!%. xofthesqrtand", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_survived(text: str) -> None:
    ask(text)


@given(st.integers(-999, 999), st.integers(-999, 999), st.sampled_from("+-*"))
def test_the_parser_reckons_as_arithmetic_does(left: int, right: int, operator: str) -> None:
    expected = {"+": left + right, "-": left - right, "*": left * right}[operator]
    assert result(f"({left}) {operator} ({right})") == expected


@pytest.mark.parametrize(
    ("text", "error"), [("2^5000", TooLargeError), ("1/0", UndefinedError), ("1 2", NotASumError), ("", NotASumError)]
)
def test_the_parser_says_what_is_wrong(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        result(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Twenty-five times two and a half", "25 times 2.5"),
        ("a third of 1,200", "(1/3) of 1200"),
        ("three million two hundred thousand and five", "3200005"),
        ("a hundred and twenty three thousand four hundred and fifty six", "123456"),
        ("two thousand and twenty six", "2026"),
        ("twelve hundred", "1200"),
        ("2.5 million", "2500000"),
        ("zero point zero five", "0.05"),
        ("a dozen eggs", "12 eggs"),
        ("half a dozen eggs", "6 eggs"),
        ("two and three quarters", "2.75"),
        ("five and six", "5 and 6"),
        ("twenty third", "20 third"),
        ("thirty 5", "30 5"),
    ],
)
def test_numbers_in_words_become_figures(text: str, expected: str) -> None:
    assert figures(text) == expected


@given(st.integers(0, 999_999))
def test_every_number_up_to_a_million_is_read(number: int) -> None:
    assert figures(spelt(number)) == str(number)


def spelt(number: int) -> str:
    ones = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    if number < 20:
        return ones.split()[number]
    if number < 100:
        ten, one = divmod(number, 10)
        return tens.split()[ten - 2] + (f"-{spelt(one)}" if one else "")
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    over, under = divmod(number, size)
    return f"{spelt(over)} {name}" + (f"{' and' if under < 100 else ''} {spelt(under)}" if under else "")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (Fraction(84), ("84", True)),
        (Fraction(1, 3), ("0.3333", False)),
        (Fraction(7, 8), ("0.875", True)),
        (Fraction(-5, 2), ("-2.5", True)),
        (Fraction(100_000, 3), ("33,333.33", False)),
        (Fraction(1, 10**8), ("10 to the power of -8", True)),
        (Fraction(1, 500_000), ("0.000002", True)),
        (Fraction(1, 345_600), ("0.000002894", False)),
        (Fraction(99_999, 10**12), ("10 to the power of -7", False)),
        (Fraction(0), ("0", True)),
    ],
)
def test_results_are_said_as_people_say_them(number: Fraction, expected: tuple[str, bool]) -> None:
    assert said(number) == expected


def test_ordinals_become_figures() -> None:
    assert ordinals("the twenty-fourth, the 3rd and the thirty first") == "the 24, the 3 and the 31"
