from __future__ import annotations

import pytest

from edge_runtime.cloud.paraphrase import is_lasting, normalised, same_facts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("what is the capital of France?", "What's the capital of France"),
        ("how tall is the Eiffel Tower", "what is the height of the Eiffel tower"),
        ("explain gravity", "please explain gravity to me"),
        ("who wrote hamlet", "who is the author of hamlet"),
        ("Which planet is the largest", "what planet is the largest"),
        ("can't dogs eat grapes", "can not dogs eat grapes"),
    ],
)
def test_other_words_for_the_same(one: str, other: str) -> None:
    assert same_facts(one, other)
    assert same_facts(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("is a dog bigger than a cat", "is a cat bigger than a dog", id="the order of what is compared"),
        pytest.param("who wrote hamlet", "when was hamlet written", id="who or when"),
        pytest.param("how old is the sun", "how far is the sun", id="how old or how far"),
        pytest.param("what is 17 times 3", "what is 18 times 3", id="another number"),
        pytest.param("what is 1.5 km in miles", "what is 15 km in miles", id="a decimal point"),
        pytest.param("the first president of France", "the second president of France", id="a number in words"),
        pytest.param("which birds can fly", "which birds can not fly", id="not"),
        pytest.param("which birds can fly", "which birds can't fly", id="can't"),
        pytest.param("a cake with eggs", "a cake without eggs", id="without"),
        pytest.param("what is the capital of France", "what is the capital of Spain", id="another name"),
        pytest.param("where is Paris", "where is paris Texas", id="a name more"),
        pytest.param("is it legal to park there", "is it illegal to park there", id="illegal"),
        pytest.param("is it safe to eat raw eggs", "is it unsafe to eat raw eggs", id="unsafe"),
        pytest.param("what is the freezing point of water", "what is the boiling point of water", id="an opposite"),
        pytest.param("how do I turn it on", "how do I turn it off", id="on or off"),
        pytest.param("name some fruit", "name all fruit", id="some or all"),
    ],
)
def test_near_questions_with_other_facts(one: str, other: str) -> None:
    assert not same_facts(one, other)
    assert not same_facts(other, one)


@pytest.mark.parametrize(
    ("text", "lasting"),
    [
        ("what is the capital of France?", True),
        ("how do I boil an egg?", True),
        ("what is the weather like?", False),
        ("will it RAIN tomorrow?", False),
        ("what time is it?", False),
        ("what is in the news?", False),
        ("who is the current president?", False),
        ("what is my name?", False),
        ("what is this?", False),
    ],
)
def test_what_may_be_answered_again_later(text: str, lasting: bool) -> None:
    assert is_lasting(text) is lasting


def test_the_same_words_are_the_same_question() -> None:
    assert normalised("  What is  the capital of France?! ") == normalised("what is the capital of france")
    assert normalised("what is 1.5") != normalised("what is 15")
