"""What one microphone needs to be listened to: recogniser, sentences, detectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.bundles.parts import PhonesPart

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.config import Settings
    from edge_runtime.inference.graphs import States
    from edge_runtime.pipelines.understanding import Recogniser
    from edge_runtime.pipelines.voice import VoicePipeline
    from edge_runtime.sentences import Source
    from edge_runtime.wiring.assembly import Models


def make_voice(settings: Settings, models: Models, questions: Source | None) -> Callable[[], VoicePipeline]:
    """Load the recogniser once and return what makes the pipeline of one microphone."""
    # The recogniser and its grammar take half a second and 60 MB, which a box without a microphone need not spend.
    from edge_runtime.decision.continuations import Continuations  # noqa: PLC0415
    from edge_runtime.decision.endpointing import Endpointer  # noqa: PLC0415
    from edge_runtime.decision.intents import speech_grammar  # noqa: PLC0415
    from edge_runtime.inference.vad import VoiceActivity  # noqa: PLC0415
    from edge_runtime.pipelines.understanding import Understanding  # noqa: PLC0415
    from edge_runtime.pipelines.voice import Companions, VoicePipeline  # noqa: PLC0415
    from edge_runtime.wiring.home import home_of  # noqa: PLC0415
    from edge_runtime.wiring.listening import Listening  # noqa: PLC0415

    voice = settings.voice
    home = home_of(settings, models)
    matcher = home.matcher
    states = speech_grammar([*home.sources, questions] if questions else home.sources).states()
    continuations = Continuations(states, matcher.match)
    listening = Listening(settings, models)
    by_sentences = Understanding(recogniser(models, states, matcher.match), matcher, voice.min_confidence)
    understanding = listening.understanding(by_sentences)
    spotter = listening.wake_words(voice.wake_words) if voice.wake_words else None

    def make() -> VoicePipeline:
        endpointer = Endpointer(voice.speech_threshold, voice.end_silence_s, voice.max_utterance_s)
        companions = Companions(
            continuations.outlook,
            wake=spotter() if spotter else None,
            attention=listening.attention() if spotter else None,
            dictation=voice.dictation.backend != "none",
        )
        return VoicePipeline(VoiceActivity(), endpointer, understanding, companions)

    return make


def recogniser(models: Models, states: States, match: Callable[[str], object]) -> Recogniser:
    """Return what hears the sentences that are the states of a graph of words, with the acoustic model."""
    from edge_runtime.decision.grammar import spoken  # noqa: PLC0415
    from edge_runtime.inference.asr import SpeechToText  # noqa: PLC0415

    part = models.ears.part(PhonesPart)
    return SpeechToText(
        models.acoustic, part, models.lexicon, states, spoken=spoken, meaning=lambda text: match(text) or text
    )
