"""How far to believe what the ears heard: learned from sentences that were said and from others that were not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.bundles.parts import PhonesPart
from edge_runtime.config import VoiceSettings
from edge_runtime.decision.grammar import spoken
from edge_runtime.decision.intents import speech_grammar
from edge_runtime.inference.acoustic import AcousticModel
from edge_runtime.inference.asr import SpeechToText
from edge_runtime.inference.evidence import probability
from edge_runtime.inference.lexicon import Lexicon
from edge_runtime.sentences import home
from models.omni_nano.ears import trimmed
from models.omni_nano.utterances import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.inference.asr import Overheard
    from edge_runtime.inference.graphs import States
    from models.omni_nano.utterances import Utterance

    Floats = NDArray[np.float32]
    Samples = NDArray[np.int16]
    Row = tuple[Mapping[str, float], bool]

BLANKS = (0.0, 1.0, 2.0, 3.0, 4.0)
_COARSE = 4
"""The weight of the blank is chosen on every fourth clip."""
COUNTED = {"near": 0.3, "longer": 0.5}
"""A sentence that differs by a word from one of the grammar is rarer in a home than one that has nothing to do with it;
counted like those, they make every long sentence doubtful."""
SILENCE = 0.15
"""Share of a second between recordings that are put one after the other."""


def fit(rows: Sequence[Row], weight_decay: float = 1e-3, counted: Sequence[float] | None = None) -> dict[str, float]:
    """Return the weights of the logistic model that explain best which sentences were said and which were not.

    Args:
        rows: the evidence of a sentence, and whether it was said; both kinds count alike in sum.
        weight_decay: on weights of evidence scaled to a standard deviation of one.
        counted: how much each row counts among those of its kind; alike when not given.
    """
    names = sorted(rows[0][0])
    table = np.array([[found[name] for name in names] for found, _ in rows])
    said = np.array([label for _, label in rows], float)
    count = np.ones(len(rows)) if counted is None else np.asarray(counted, float)
    right, wrong = count @ said, count @ (1 - said)
    share = count * np.where(said > 0, 0.5 / max(right, 1e-9), 0.5 / max(wrong, 1e-9))
    mean, spread = table.mean(axis=0), table.std(axis=0) + 1e-6
    inputs = np.column_stack([np.ones(len(rows)), (table - mean) / spread])
    weights = np.zeros(inputs.shape[1])
    keep = np.array([0.0] + [weight_decay] * len(names))
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (share * (chance - said)) + keep * weights
        curve = (inputs.T * (share * chance * (1 - chance))) @ inputs + np.diag(keep + 1e-9)
        weights -= np.linalg.solve(curve, slope)
    scaled = weights[1:] / spread
    return {"bias": float(weights[0] - scaled @ mean), **dict(zip(names, map(float, scaled), strict=True))}


class Trials:
    """Recordings, each under a grammar with what is said in it or under one without.

    Args:
        clips: what was said, and the log probabilities of its phones.
        vocabulary: words that stand in the grammars besides.
        seed: of the grammars.
    """

    def __init__(self, clips: Sequence[tuple[str, Floats]], vocabulary: Sequence[str], seed: int) -> None:
        self._clips = clips
        self._vocabulary = vocabulary
        self._seed = seed

    def rows(self, ears: SpeechToText) -> Iterator[tuple[str, Row]]:
        """Yield for every clip its kind and what the ears make of it: the evidence, and whether they are right."""
        rng = np.random.default_rng(self._seed)
        at_home = ears.under(home_states())
        for text, frames in self._clips:
            words, heard = text.split(), ears.overheard(frames)
            judged = at_home.judge(heard)
            if judged.text:
                yield "home", (judged.evidence, judged.text == text)
            if len(words) < 2:
                yield from self._heard(ears, heard, [[KEYWORDS]], text, "keyword")
            if words:
                yield from self._heard(ears, heard, [self._around(words, rng)], text, "said")
            others = [self._around(list(rng.choice(self._vocabulary, rng.integers(1, 7))), rng) for _ in range(2)]
            near = [self._missing(words, rng)] if len(words) > 1 else []
            cut = [self._around(words[:-1], rng)] if len(words) > 2 else []
            for kind, grammar in (("other", others), ("near", near), ("longer", cut)):
                if grammar:
                    yield from self._heard(ears, heard, grammar, text, kind)

    def _heard(
        self, ears: SpeechToText, heard: Overheard, grammar: Sequence[Sequence[Sequence[str]]], text: str, kind: str
    ) -> Iterator[tuple[str, Row]]:
        judged = ears.under(_states(grammar)).judge(heard)
        if judged.text:
            yield kind, (judged.evidence, judged.text == text)

    def _around(self, words: Sequence[str], rng: np.random.Generator) -> list[list[str]]:
        """Return for each word itself among a few others."""
        return [[word, *map(str, rng.choice(self._vocabulary, rng.integers(0, 8)))] for word in words]

    def _missing(self, words: Sequence[str], rng: np.random.Generator) -> list[list[str]]:
        """Return the same, one or more of the words not among them."""
        grammar = self._around(words, rng)
        for place in {int(rng.integers(len(words))), int(rng.integers(len(words)))}:
            grammar[place] = [str(word) for word in rng.choice(self._vocabulary, 5) if word != words[place]] or ["no"]
        return grammar


def home_states() -> States:
    """Return the sentences of a home with the rooms and devices of the settings' defaults."""
    voice = VoiceSettings()
    return speech_grammar(home(None, voice.areas, voice.names, builtin=True)).states()


def _states(grammar: Sequence[Sequence[Sequence[str]]]) -> States:
    """Return the graph of sentences of one word out of each list in turn; of one of several such, side by side."""
    states: list[tuple[bool, dict[str, int]]] = [(False, {})]
    for places in grammar:
        for number, choices in enumerate(places):
            if number == 0:
                # Two side by side may begin with the same word: the later one is reached then.
                states[0][1].update(dict.fromkeys(choices, len(states)))
            else:
                states[-1][1].update(dict.fromkeys(choices, len(states)))
            states.append((number == len(places) - 1, {}))
    return states


def heard_clips(
    acoustic: AcousticModel, people: Sequence[Utterance], voices: Sequence[Utterance]
) -> list[tuple[str, Floats]]:
    """Return what is said and the phones' log probabilities: of recordings, of several in a row, and of voices."""
    rng = np.random.default_rng(4)
    known = [one for one in people if one.text is not None and len(one.samples) < 6 * 16000]
    words = [one for one in known if one.name.startswith("speech_commands") and one.text]
    clips = [(str(one.text), one.samples) for one in (*known, *voices)]
    for _ in range(len(known) // 2):
        chosen = [words[int(at)] for at in rng.integers(len(words), size=rng.integers(2, 5))]
        pauses = [np.zeros(int(rng.uniform(0, SILENCE) * 16000), np.int16) for _ in chosen]
        loud = [trimmed(one.samples, share=0.15, around=8) for one in chosen]
        parts = [part for pair in zip(loud, pauses, strict=True) for part in pair]
        clips.append((" ".join(str(one.text) for one in chosen), np.concatenate(parts)))
    return [
        (text, acoustic.log_probs(_sound(samples, rng, noisy=number % 3 == 2)))
        for number, (text, samples) in enumerate(clips)
    ]


def _sound(samples: Samples, rng: np.random.Generator, *, noisy: bool) -> Floats:
    """Return a recording as floats, when asked with noise 5 to 25 dB below it, white to pink."""
    sound = samples.astype(np.float32) / np.float32(32768)
    if noisy:
        white = np.fft.rfft(rng.standard_normal(len(samples)))
        white[1:] /= np.arange(1, len(white)) ** rng.uniform(0, 0.6)
        noise = np.fft.irfft(white, len(samples))
        level = np.sqrt(np.square(sound).mean()) * 10 ** (-rng.uniform(5, 25) / 20)
        sound += (noise * level / (noise.std() + 1e-9)).astype(np.float32)
    return sound


def learn(manifest: Manifest, people: Sequence[Utterance], voices: Sequence[Utterance]) -> dict[str, object]:
    """Return the best `blank` and `confidence` for a bundle's acoustic model, with what they reach."""
    part = manifest.part(PhonesPart)
    lexicon = Lexicon.of(manifest)
    acoustic = AcousticModel(manifest)
    clips = heard_clips(acoustic, people, voices)
    vocabulary = sorted({word for text, _ in clips for word in text.split()})

    def attempt(blank: float, step: int) -> dict[str, object]:
        ears = SpeechToText(
            acoustic, part.model_copy(update={"blank": blank}), lexicon, _states([[KEYWORDS]]), spoken=spoken
        )
        rows = list(Trials(clips[::step], vocabulary, 5).rows(ears))
        weights = fit([row for _, row in rows], counted=[COUNTED.get(kind, 1.0) for kind, _ in rows])
        result = {"loss": _loss(rows, weights), "blank": blank, **_table(rows, weights)}
        print(json.dumps(result), flush=True)
        return {**result, "confidence": weights}

    tried = [attempt(blank, _COARSE) for blank in BLANKS]
    return attempt(float(str(min(tried, key=lambda one: float(str(one["loss"])))["blank"])), 1)


def _loss(rows: Sequence[tuple[str, Row]], weights: Mapping[str, float]) -> float:
    """Return the mean surprise, right and wrong alike in sum."""
    said = [-np.log(probability(seen, weights)) for _, (seen, right) in rows if right]
    wrong = [-np.log(1 - probability(seen, weights)) for _, (seen, right) in rows if not right]
    return round(float(np.mean(said) + np.mean(wrong)) / 2, 4)


def _table(rows: Sequence[tuple[str, Row]], weights: Mapping[str, float]) -> dict[str, object]:
    """Return by kind how many there are, the share heard rightly and the share believed, of right and of wrong ones."""
    table: dict[str, object] = {}
    for kind in dict.fromkeys(kind for kind, _ in rows):
        of = [(right, probability(seen, weights) >= 0.5) for one, (seen, right) in rows if one == kind]
        right, wrong = ([believed for said, believed in of if said == value] for value in (True, False))
        shares = [round(float(np.mean(part)), 3) if part else None for part in (right, wrong)]
        table[kind] = [len(of), round(len(right) / len(of), 3), *shares]
    return table
