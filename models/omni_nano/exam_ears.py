"""What built ears are asked about people and voices that no training has heard, INT8 and FP32 side by side."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.bundles.parts import PhonesPart
from edge_runtime.config import VoiceSettings
from edge_runtime.decision.grammar import spoken
from edge_runtime.decision.intents import IntentMatcher, speech_grammar
from edge_runtime.inference.acoustic import AcousticModel
from edge_runtime.inference.asr import SpeechToText
from edge_runtime.inference.background import read_background
from edge_runtime.inference.lexicon import Lexicon
from edge_runtime.inference.spotter import Spotter
from models.omni_nano import scoring, utterances
from models.omni_nano.scoring import Row
from models.omni_nano.trials import grammars
from models.omni_nano.utterances import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.bundles.manifest import Manifest
    from edge_runtime.inference.asr import Transcript
    from edge_runtime.sentences import Source
    from models.omni_nano.trials import Trial
    from models.omni_nano.utterances import Utterance

    Floats = NDArray[np.float32]

DECIBELS = (20, 10, 5)
OTHERS = 400
"""A wake word may be heard in one of so many clips of other words."""


class Ears:
    """The ears of one bundle, with a recogniser for each grammar of the trials.

    Args:
        manifest: of a bundle with an acoustic model.
    """

    def __init__(self, manifest: Manifest) -> None:
        part = manifest.part(PhonesPart)
        self.acoustic = AcousticModel(manifest)
        self.lexicon = Lexicon.of(manifest)
        self.background = read_background(manifest.path(part.background)) if part.background else None
        sources = grammars()
        self._matchers = {name: IntentMatcher(own) for name, own in sources.items()}
        self._recognisers = {name: self._recogniser(part, own) for name, own in sources.items()}

    def _recogniser(self, part: PhonesPart, sources: Sequence[Source]) -> SpeechToText:
        states, match = speech_grammar(sources).states(), IntentMatcher(sources).match
        return SpeechToText(
            self.acoustic, part, self.lexicon, states, spoken=spoken, meaning=lambda text: match(text) or text
        )

    def hear(self, trial: Trial, frames: Floats) -> tuple[Transcript, bool]:
        """Return what is heard in one trial's frames, and whether it means what was said."""
        heard = self._recognisers[trial.grammar].decode(frames)
        return heard, bool(heard.text) and self._matchers[trial.grammar].match(heard.text) == trial.meaning

    def right(self, trial: Trial, frames: Floats) -> bool:
        """Tell whether a trial is answered rightly: its intent and slots, or None where it has none."""
        heard, same = self.hear(trial, frames)
        accepted = heard.confidence >= VoiceSettings().min_confidence
        return same and accepted if trial.meaning else not accepted or not heard.text or same


@dataclass(frozen=True, slots=True)
class Hearing:
    """What one bundle made of the trials: the frames of each recording, by name, and which trials were right."""

    ears: Ears
    frames: Mapping[str, Floats]
    right: NDArray[np.bool_]


def listen(ears: Ears, trials: Sequence[Trial], *, decibels: float | None = None) -> Hearing:
    """Return how the trials went, with noise of so many decibels below the speech when given."""
    frames: dict[str, Floats] = {}
    for trial in trials:
        if trial.said.name not in frames:
            frames[trial.said.name] = ears.acoustic.log_probs(samples(trial.said, decibels))
    right = [ears.right(trial, frames[trial.said.name]) for trial in trials]
    return Hearing(ears, frames, np.array(right))


def samples(said: Utterance, decibels: float | None = None) -> Floats:
    """Return a recording as floats, with pink noise of so many decibels below it when given."""
    clean: Floats = (said.samples / 32768).astype(np.float32)
    if decibels is None:
        return clean
    rng = np.random.default_rng(len(clean))
    white = np.fft.rfft(rng.standard_normal(len(clean)))
    white[1:] /= np.sqrt(np.arange(1, len(white)))
    noise = np.fft.irfft(white, len(clean)).astype(np.float32)
    loud = float(np.square(clean).mean() / (np.square(noise).mean() + 1e-12))
    noisy: Floats = (clean + noise * np.sqrt(loud * 10 ** (-decibels / 10))).astype(np.float32)
    return noisy


def about_commands(pair: tuple[Ears, Ears], trials: Sequence[Trial]) -> list[Row]:
    """Ask for keywords, orders and home sentences, for what is none of them, and for the same in noise."""
    heard = [listen(ears, trials) for ears in pair]
    tasks = np.array([trial.task for trial in trials])
    names = [*KEYWORDS, "unknown", "silence"]
    classes = np.array([_class(trial, names) for trial in trials])

    def row(name: str, what: str, chosen: NDArray[np.bool_], bar: float | None, *, alike: bool = False) -> Row:
        kinds = classes[chosen] if alike else None
        measures = [scoring.mean_of(one.right[chosen], kinds) for one in heard]
        return Row(name, what, int(chosen.sum()), measures[0], measures[1], bar)

    twelve = np.isin(tasks, ["keywords", "unknown", "silence"])
    rows = [
        row("keywords", "twelve classes of one-second clips, every class alike", twelve, 0.92, alike=True),
        row("orders", "spoken orders, intent and slots exact, unheard synthesised voices", tasks == "orders", 0.8),
        row("home", "home sentences, intent and slots exact, unheard synthesised voices", tasks == "home", 0.8),
        row("rejected", "what is outside the grammar, people and voices", tasks == "other", 0.9),
    ]
    sentences = [trial for trial in trials if trial.task in {"orders", "home"}]
    for decibels in DECIBELS:
        noisy = [scoring.mean_of(listen(ears, sentences, decibels=decibels).right) for ears in pair]
        what = f"orders and home sentences in pink noise, {decibels} dB"
        rows.append(Row(f"noise_{decibels}_db", what, len(sentences), noisy[0], noisy[1]))
    return rows


def _class(trial: Trial, names: Sequence[str]) -> int:
    name = trial.said.text if trial.task == "keywords" else trial.task
    return names.index(name) if name in names else len(names)


def about_wake_words(pair: tuple[Ears, Ears], recordings: Sequence[Utterance]) -> list[Row]:
    """Ask for wake words that no training has heard, at a false accept in 400 clips of other words."""
    missed: list[dict[str, NDArray[np.bool_]]] = []
    known = [one for one in recordings if one.text]
    for ears in pair:
        scores: dict[str, dict[bool, list[float]]] = defaultdict(lambda: {True: [], False: []})
        spotters = {
            word: Spotter.of_text(word, ears.acoustic, ears.lexicon, background=ears.background)
            for word in utterances.UNSEEN_WORDS
        }
        for one in known:
            frames = ears.acoustic.log_probs(samples(one))
            for word, spotter in spotters.items():
                scores[word][one.text == word].append(spotter.find(frames).log_score)
        missed.append({word: _missed(own[True], own[False]) for word, own in scores.items()})
    return [
        Row(
            f"wake_{word.replace(' ', '_')}_missed",
            f"{word}, never learned: missed at 1 false accept in {OTHERS} other clips",
            len(missed[0][word]),
            scoring.mean_of(missed[0][word]),
            scoring.mean_of(missed[1][word]),
            0.15,
            least=False,
        )
        for word in utterances.UNSEEN_WORDS
    ]


def _missed(own: Sequence[float], others: Sequence[float]) -> NDArray[np.bool_]:
    allowed = len(others) // OTHERS
    threshold = sorted(others, reverse=True)[allowed]
    return np.array(own) <= threshold
