"""What the single verbs of the command line need: files read, models called, results as plain data."""

from __future__ import annotations

import itertools
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edge_runtime.bundles.parts import ClassifyPart
from edge_runtime.decision.hearing import SoundEvents
from edge_runtime.decision.scene import Scene
from edge_runtime.errors import InputError
from edge_runtime.inference.sounds import SoundStream
from edge_runtime.questions import answered
from edge_runtime.sections import DictationSettings
from edge_runtime.sources.files import is_sound, read_picture, read_sound, sound_blocks, write_sound
from edge_runtime.types import Frame, Question
from edge_runtime.wiring.answers import make_answerer
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.dictation import make_dictation
from edge_runtime.wiring.ears import make_voice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_runtime.config import Settings
    from edge_runtime.decision.hearing import Sound
    from edge_runtime.sections import SpeechSettings
    from edge_runtime.wiring.listening import Listening

Record = dict[str, Any]


def detecting(models: Models) -> Callable[[str], Record]:
    """Return what finds the objects in a picture file."""

    def detect(path: str) -> Record:
        found = models.detector.detect(read_picture(Path(path)))
        boxes = [[round(side, 4) for side in one.box] for one in found]
        pairs = zip(found, boxes, strict=True)
        return {"detections": [{"label": d.label, "score": round(d.score, 4), "box": box} for d, box in pairs]}

    return detect


def embedding(models: Models, kind: Literal["image", "text", "audio"]) -> Callable[[str], Record]:
    """Return what turns a picture file, a text or a sound file into its vector."""

    def embed(value: str) -> Record:
        if kind == "image":
            vector = models.embedder.embed_image(read_picture(Path(value)))
        elif kind == "audio":
            vector = models.embedder.embed_audio(read_sound(Path(value)).samples)
        elif value.strip():
            vector = models.embedder.embed_text([value])[0]
        else:
            raise InputError("the text is empty; give a word or a sentence")
        return {"embedding": [round(float(number), 7) for number in vector]}

    return embed


def classifying(models: Models, labels: Sequence[str], template: str | None) -> Callable[[str], Record]:
    """Return what chooses the best of `labels` for a picture file or a sound file, told apart by their content.

    A bundle with fixed labels chooses among those of them that are given, or all when none are.

    Raises:
        InputError: the bundle has fixed labels and a template is given, which it cannot use.
        BundleError: the bundle cannot classify.
    """
    templates = [template] if template else []
    fixed = models.manifest.labels is not None and (models.manifest.classify is None or not labels)
    if fixed and templates:
        raise InputError(f"template {template!r} has no use: bundle {models.manifest.name} has fixed labels")
    if not fixed:
        models.manifest.part(ClassifyPart)

    def classify(path: str) -> Record:
        embedder = models.embedder
        if is_sound(Path(path)):
            scores = embedder.classify(
                embedder.embed_audio(read_sound(Path(path)).samples), labels, templates, sound=True
            )
        elif fixed:
            scores = models.classifier.classify(read_picture(Path(path)), labels)
        else:
            scores = embedder.classify(embedder.embed_image(read_picture(Path(path))), labels, templates)
        best = max(scores, key=lambda label: scores[label])
        return {"label": best, "scores": {label: round(score, 5) for label, score in scores.items()}}

    return classify


def hearing(listening: Listening, min_score: float | None = None) -> Callable[[str], Record]:
    """Return what finds the sounds in a sound file of any length, taught ones too."""
    tagger = listening.tagger(min_score=min_score)

    def hear(path: str) -> Record:
        stream, following = SoundStream(tagger), SoundEvents(tagger.thresholds)
        pieces = itertools.chain(map(stream.feed, sound_blocks(Path(path))), [stream.finish()])
        patches = itertools.chain.from_iterable(pieces)
        changes = [
            change for patch in patches for change in following.update(patch.start_s, patch.end_s, patch.probabilities)
        ]
        sounds = [sound for sound in (*changes, *following.finish()) if sound.end_s is not None]
        return {"events": [_told(sound) for sound in sorted(sounds, key=lambda sound: sound.start_s)]}

    return hear


def _told(sound: Sound) -> Record:
    end_s = sound.start_s if sound.end_s is None else sound.end_s
    times = {"start_s": round(sound.start_s, 2), "end_s": round(end_s, 2)}
    return {"label": sound.label, "score": round(sound.score, 4), **times}


def label_list(labels: str) -> list[str]:
    """Return the labels of "a,b,c", or of @FILE with one a line.

    Raises:
        InputError: the file cannot be read, or a label is empty or given twice.
    """
    found = _lines(labels[1:]) if labels.startswith("@") else [label.strip() for label in labels.split(",")]
    twice = sorted({label for label in found if found.count(label) > 1})
    if twice or not all(found) or not found:
        what = f"{twice[0]!r} is given twice" if twice and twice[0] else "one is empty"
        raise InputError(f"labels {labels!r}: {what}; give names such as cat,dog or a file of them such as @labels.txt")
    return found


def _lines(path: str) -> list[str]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"list of labels {path!r} cannot be read ({error}); give a text file, one a line") from None
    return [line.strip() for line in lines if line.strip()]


def transcribing(
    settings: Settings, bundle: Path | None, vosk: Path | None, language: str | None, task: str | None
) -> Callable[[str], Record]:
    """Return what writes down the speech in a sound file, with what the settings say or else is named here.

    Raises:
        InputError: nobody is to write it down, or two are.
    """
    if bundle and vosk:
        raise InputError("--bundle and --vosk are both given; name the one that writes")
    wanted = settings.voice.dictation
    if bundle or vosk:
        wanted = DictationSettings(backend="bundle" if bundle else "vosk", folder=bundle or vosk)
    said = {"language": language, "task": task}
    wanted = wanted.model_copy(update={key: value for key, value in said.items() if value is not None})
    dictation = make_dictation(wanted, settings.device.threads)
    if dictation is None:
        raise InputError("nobody writes it down; name --bundle FOLDER, --vosk FOLDER, or voice.dictation in --config")
    return lambda path: {"text": dictation.transcribe(read_sound(Path(path)))}


def commanding(settings: Settings) -> Callable[[str], Record]:
    """Return what understands the spoken command in a sound file."""
    voice = make_voice(settings, Models.of(settings), None)()
    return lambda path: voice.understand(read_sound(Path(path)))


def saying(speech: SpeechSettings, out: Path | None) -> Callable[[str], Record]:
    """Return what speaks a text through the speaker, or into the sound file `out`.

    Raises:
        ConfigError: the synthesiser is missing.
    """
    from edge_runtime.inference.tts import TextToSpeech  # noqa: PLC0415 - few need them
    from edge_runtime.sinks.playback import Playback  # noqa: PLC0415

    voice = TextToSpeech(speech)

    def say(text: str) -> Record:
        record: Record = {"voice": voice.name, "path": None if out is None else str(out)}
        if out is not None:
            sound = voice.synthesize(text)
            write_sound(out, sound)
            return record | {"seconds": round(len(sound.samples) / sound.rate_hz, 3)}
        voice.check(text)
        with closing(voice), closing(Playback(speech.device)) as playback:
            return record | {"seconds": round(playback.play(voice.pieces(text), speech.volume, lambda: None), 3)}

    return say


def spotting(listening: Listening, word: str) -> Callable[[str], Record]:
    """Return what looks for a wake word in a sound file.

    Raises:
        ConfigError: the word can be no wake word.
    """
    spotter = listening.wake_words([word])()

    def spot(path: str) -> Record:
        clip = read_sound(Path(path))
        found, needed = spotter.examine(clip), spotter.threshold(word)
        return {
            "word": word,
            "score": round(found.score, 6),
            "threshold": round(needed, 6),
            "heard": found.score >= needed,
            "start_s": round(found.start - clip.at, 3),
            "end_s": round(found.end - clip.at, 3),
        }

    return spot


def asking(settings: Settings, picture: str | None) -> Callable[[str], Record]:
    """Return what answers a question, about a picture file if one is given."""
    image = read_picture(Path(picture)) if picture else None
    answerer, _ = make_answerer(settings, Models.of(settings), Scene())

    def ask(text: str) -> Record:
        if not text.strip():
            raise InputError("the question is empty; ask something")
        at = time.monotonic()
        frame = None if image is None else Frame("terminal", at, image)
        question = Question(text, "terminal", at, frame)
        told = dict(answered(question, answerer.answer(question)).data)
        return {key: value for key, value in told.items() if key != "question"}

    return ask
