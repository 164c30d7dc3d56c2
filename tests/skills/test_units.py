from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.decision.confidence import Reply
from edge_runtime.decision.scene import Scene
from edge_runtime.skills.measures import MEASURES
from edge_runtime.skills.units import TWO_SIZES, Units
from edge_runtime.types import Question


def ask(text: str) -> Reply | None:
    return Units().answer(Question(text, "test", 0.0), Scene(), {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("how many litres are three gallons", "3 US gallons are about 11.4 litres."),
        ("convert 72 fahrenheit to celsius", "72 degrees Fahrenheit is about 22.2 degrees Celsius."),
        ("what's 180 \u00b0C in Fahrenheit?", "180 degrees Celsius is 356 degrees Fahrenheit."),
        ("minus forty fahrenheit in celsius", "-40 degrees Fahrenheit is -40 degrees Celsius."),
        ("how many feet in a mile", "1 mile is 5,280 feet."),
        ("how far is 5 km in miles", "5 kilometres are about 3.11 miles."),
        ("200 g in ounces", "200 grams are about 7.05 ounces."),
        ("how many ounces in a cup", "1 US cup is 8 US fluid ounces."),
        ("how many ounces are in 2 pounds", "2 pounds are 32 ounces."),
        ("how many fluid ounces in an imperial pint", "1 imperial pint is about 19.2 US fluid ounces."),
        ("5 foot 11 in cm", "5 feet 11 inches are 180.34 centimetres."),
        ("6'2\" in cm", "6 feet 2 inches are 187.96 centimetres."),
        ("12 stone 7 in kilos", "12 stone 7 pounds are about 79.4 kilograms."),
        ("10 in in cm", "10 inches are 25.4 centimetres."),
        ("half a mile in metres", "0.5 miles are about 804.7 metres."),
        ("a mile and a half in km", "1.5 miles are about 2.41 kilometres."),
        ("two and a half hours in minutes", "2.5 hours are 150 minutes."),
        ("how many minutes are there in two and a half hours", "2.5 hours are 150 minutes."),
        ("how many seconds in a day", "1 day is 86,400 seconds."),
        ("how many months in a year", "1 year is 12 months."),
        ("how many decades are in a century", "1 century is 10 decades."),
        ("how many days in a year", "A year has 365 days, a leap year 366."),
        ("60 mph in km/h", "60 miles an hour are about 96.6 kilometres an hour."),
        ("how many square metres are in a hectare", "1 hectare is 10,000 square metres."),
        ("how many teaspoons in a tablespoon", "1 US tablespoon is 3 US teaspoons."),
        ("Could you convert 10 miles to kilometers, please?", "10 miles are about 16.1 kilometres."),
        ("how many pounds is 80 kilos", "80 kilograms are about 176.4 pounds."),
        ("how many litres in a mile", "Miles measure length and litres volume, so they do not convert."),
        ("how many miles in a light year", "1 light year is about 5,878,625,373,000 miles."),
        ("2 mg in kg", "2 milligrams are 0.000002 kilograms."),
        ("0.001 mm in miles", "0.001 millimetres are about 6.21 times 10 to the power of -10 miles."),
    ],
)
def test_units_are_turned_into_others(text: str, expected: str) -> None:
    assert ask(text) == Reply(expected, 1.0)
    assert Units().reads(text) == 1.0


def test_a_unit_of_two_sizes_is_not_sure() -> None:
    assert ask("how many megabytes in a gigabyte") == Reply("1 gigabyte is 1,000 megabytes.", TWO_SIZES)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("5 pounds in euros", id="money needs rates"),
        pytest.param("how many dollars is 5 pounds", id="money the other way round"),
        pytest.param("how many grams in a cup of flour", id="depends on the flour"),
        pytest.param("72 degrees in celsius", id="of which scale is not said"),
        pytest.param("how many days in a month", id="depends on the month"),
        pytest.param("how many miles is 10k", id="ten thousand metres, or kelvin"),
        pytest.param("how many minutes is 1.5 degrees", id="minutes of arc"),
        pytest.param("what is 5 kg", id="into what is not said"),
        pytest.param("how many people in a minute", id="no unit"),
        pytest.param("how many hours until noon", id="a time, no unit"),
        pytest.param("1e999 km in miles", id="no number"),
        pytest.param("9" * 80 + " km in mm", id="a number nobody asks about"),
        pytest.param("5 km in miles or in feet", id="two at once"),
        pytest.param("a" * 500, id="long"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_is_not_understood_to_the_end_is_left_to_others(text: str) -> None:
    assert ask(text) is None


@given(st.lists(st.sampled_from([*MEASURES, "how many", "in", "convert", "to", "5", "-", "a", "half"]), max_size=8))
@settings(max_examples=200, deadline=None)
def test_any_words_are_survived(words: list[str]) -> None:
    ask(" ".join(words))


@pytest.mark.parametrize("name", sorted({measure.many.lower() for measure in MEASURES.values()}))
def test_every_unit_has_a_size(name: str) -> None:
    reply = ask(f"convert 3 {name} to {MEASURES[name].one}")
    assert reply is not None
    assert " 3 " in reply.text
