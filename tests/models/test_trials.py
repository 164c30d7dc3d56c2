from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.decision.intents import IntentMatcher, speech_grammar
from models.omni_nano import trials, voices
from models.omni_nano.trials import Trial
from models.omni_nano.utterances import KEYWORDS, Utterance

SILENT = np.zeros(160, np.int16)


@pytest.fixture(scope="module")
def matchers() -> dict[str, IntentMatcher]:
    return {name: IntentMatcher(sources) for name, sources in trials.grammars().items()}


def people(*rows: tuple[str, str | None]) -> list[Utterance]:
    return [Utterance(name, text, SILENT) for name, text in rows]


def summed(found: list[Trial]) -> set[tuple[str, str, str | None, bool]]:
    return {(one.task, one.grammar, one.said.text, one.meaning is not None) for one in found}


@pytest.mark.parametrize("word", KEYWORDS)
def test_every_keyword_is_an_intent_of_its_own(matchers: dict[str, IntentMatcher], word: str) -> None:
    match = matchers["words"].match(word)
    assert match is not None
    assert (match.intent, match.slots) == (word.capitalize(), {})


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("i would like a large coffee please", {"size": "large", "drink": "coffee"}),
        ("an iced latte with soy milk and honey", {"strength": "iced", "milk": "soy milk", "sweetener": "honey"}),
        ("never mind", {}),
        ("turn on the kitchen light", None),
    ],
)
def test_orders_have_their_slots(matchers: dict[str, IntentMatcher], text: str, slots: dict[str, str] | None) -> None:
    match = matchers["orders"].match(text)
    assert (match is None) == (slots is None)
    if match is not None and slots is not None:
        assert slots.items() <= match.slots.items()


@pytest.mark.parametrize("grammar", ["orders", "home"])
def test_a_walk_says_sentences_that_are_understood(matchers: dict[str, IntentMatcher], grammar: str) -> None:
    graph = speech_grammar(trials.grammars()[grammar])
    said = [trials.walk(graph, np.random.default_rng([2, number])) for number in range(25)]
    assert said == [trials.walk(graph, np.random.default_rng([2, number])) for number in range(25)]
    assert len(set(said)) > 10
    understood = [matchers[grammar].match(text) is not None for text in said]
    # One that is cut for its length may be none.
    assert np.mean(understood) > 0.5


def test_every_trial_means_what_the_matcher_says(matchers: dict[str, IntentMatcher]) -> None:
    recorded = people(
        ("speech_commands_dev/yes/aa_nohash_0", "yes"),
        ("speech_commands_dev/_unknown_/bed_aa_nohash_0", "bed"),
        ("speech_commands_dev/_silence_/1", ""),
        ("wake_words_dev/jarvis/1", "jarvis"),
        ("precise_community/not-wake-words/en/1", None),
    )
    said = people(
        ("flite/slt/orders-0", "a large coffee"),
        ("flite/slt/orders-1", "a large elephant"),
        ("flite/slt/home-2", "turn on the lights"),
        ("flite/slt/other-3", "two birds"),
        ("flite/slt/other-4", "a large coffee"),
    )
    found = trials.trials(recorded, said)
    assert summed(found) == {
        ("keywords", "words", "yes", True),
        ("unknown", "words", "bed", False),
        ("silence", "words", "", False),
        *(("other", grammar, text, False) for grammar in ("orders", "home") for text in ("yes", "bed", "jarvis", None)),
        ("orders", "orders", "a large coffee", True),
        ("home", "home", "turn on the lights", True),
        *(("other", grammar, "two birds", False) for grammar in ("orders", "home")),
        ("other", "home", "a large coffee", False),
    }
    for one in found:
        if one.said.text:
            assert one.meaning == (matchers[one.grammar].match(one.said.text) if one.task != "other" else None)


@pytest.mark.parametrize(
    ("name", "unseen"),
    [
        pytest.param("rhvoice/lyubov/orders-1", True, id="a voice never learned from"),
        pytest.param("festival/don_diphone/home-3", True, id="another"),
        pytest.param("rhvoice/alan/orders-2", False, id="a voice of the lessons"),
        pytest.param("wake_words_dev/jarvis/1.flac", True, id="a word never learned"),
    ],
)
def test_what_is_unseen_is_known_by_its_name(name: str, unseen: bool) -> None:
    assert Trial("orders", "orders", Utterance(name, "a coffee", SILENT), None).unseen is unseen


def test_voices_of_the_exam_are_none_of_the_lessons() -> None:
    lessons = {
        (voice.engine, voice.name)
        for number in range(3000)
        for voice in [voices.draw(voices.SHARES, np.random.default_rng(number))]
    }
    assert not lessons & {(voice.engine, voice.name) for voice in trials._UNHEARD}
