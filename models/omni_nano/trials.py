"""What the ears are judged by: words and sentences of three grammars, and speech that is in none of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime import sentences
from edge_runtime.config import VoiceSettings
from edge_runtime.decision.intents import IntentMatcher, speech_grammar
from models.omni_nano import spoken, utterances, voices
from models.omni_nano.utterances import KEYWORDS, Utterance
from models.omni_nano.voices import Voice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge_runtime.decision.grammar import WordGraph
    from edge_runtime.decision.intents import Match
    from edge_runtime.sentences import Source

EACH = 300
"""So many sentences of each grammar are spoken, and as many others."""
_UNHEARD = (Voice("rhvoice", "lyubov", 1.0, 1.0), Voice("festival", "don_diphone", 1.0, 1.0))
"""Voices that the acoustic model never learned from."""
_LONGEST_WORDS = 14


@dataclass(frozen=True, slots=True)
class Trial:
    """One recording under one grammar.

    Attributes:
        task: keywords, unknown, silence, orders, home, or other: speech outside the grammar.
        grammar: words, orders or home.
        said: the recording.
        meaning: what it asks for, None where it must be rejected.
    """

    task: str
    grammar: str
    said: Utterance
    meaning: Match | None

    @property
    def unseen(self) -> bool:
        """Tell whether the acoustic model has learned from neither this recording nor this voice."""
        engine = self.said.name.split("/", maxsplit=1)[0]
        if engine in voices.SHARES:
            return any(self.said.name.startswith(f"{voice.engine}/{voice.name}/") for voice in _UNHEARD)
        return self.said.held_out


def grammars() -> dict[str, list[Source]]:
    """Return the sentences of each grammar."""
    words = {word.capitalize(): {"data": [{"sentences": [word]}]} for word in KEYWORDS}
    base: Source = {"intents": {}, "lists": {}}
    voice = VoiceSettings()
    return {
        "words": [{"language": "en", "intents": words}],
        "orders": [sentences.load(Path(__file__).with_name("orders.yaml"), base)],
        "home": sentences.home(None, voice.areas, voice.names, builtin=True),
    }


def spoken_trials(texts: spoken.Texts, seed: int) -> list[Utterance]:
    """Return sentences of the grammars and others, spoken by synthesisers in many voices, half of them unheard."""
    rng = np.random.default_rng(seed)
    engines = voices.installed()
    graphs = {name: speech_grammar(sources) for name, sources in grammars().items() if name != "words"}
    said = [(name, walk(graph, rng)) for name, graph in graphs.items() for _ in range(EACH)]
    said += [("other", texts.draw(rng)) for _ in range(EACH)]
    found = []
    for number, (name, text) in enumerate(said):
        voice = _UNHEARD[number // 2 % 2] if number % 2 else voices.draw(engines, rng)
        samples = voices.speak(voice, text)
        if len(samples) > 3200:
            padded = np.pad(samples * (0.5 / float(np.abs(samples).max() + 1e-4)), (3200, 4800))
            noise = rng.standard_normal(len(padded)) * 10 ** rng.uniform(-4, -2.5)
            loud = np.clip((padded + noise) * 32767, -32768, 32767).astype(np.int16)
            found.append(Utterance(f"{voice.engine}/{voice.name}/{name}-{number}", text, loud))
    return found


def walk(graph: WordGraph, rng: np.random.Generator) -> str:
    """Return a sentence of a grammar, every way on as likely as the others."""
    states = graph.states()
    state, words = 0, list[str]()
    while True:
        accepting, arcs = states[state]
        if not arcs or len(words) > _LONGEST_WORDS or (accepting and rng.random() < 0.4):
            return spoken.plain(" ".join(words))
        word = str(rng.choice(sorted(arcs)))
        words.append(word)
        state = arcs[word]


def trials(recordings: Iterable[Utterance], said: Iterable[Utterance]) -> list[Trial]:
    """Return what to try: recordings of people and spoken sentences, each under the grammars it belongs to."""
    matchers = {name: IntentMatcher(sources) for name, sources in grammars().items()}
    found = []
    for one in recordings:
        if one.text == "":
            found.append(Trial("silence", "words", one, None))
        elif one.name.startswith("speech_commands_dev/"):
            task = "keywords" if one.text in KEYWORDS else "unknown"
            found.append(Trial(task, "words", one, matchers["words"].match(one.text or "")))
        # What people said that no grammar has is for the other two.
        found += _others(one, matchers) if one.text != "" else []
    for one in said:
        text = one.text or ""
        name = one.name.rsplit("/", maxsplit=1)[-1].split("-", maxsplit=1)[0]
        if name in matchers and matchers[name].match(text):
            found.append(Trial(name, name, one, matchers[name].match(text)))
        elif name == "other":
            found += _others(one, matchers)
    return found


def _others(one: Utterance, matchers: Mapping[str, IntentMatcher]) -> Sequence[Trial]:
    return [Trial("other", name, one, None) for name in ("orders", "home") if not matchers[name].match(one.text or "?")]


def kept(path: Path, texts: spoken.Texts, seed: int) -> list[Utterance]:
    """Return the spoken trials, from a file where they have been spoken before."""
    if not path.exists():
        utterances.save(path, spoken_trials(texts, seed))
    return utterances.load(path)
