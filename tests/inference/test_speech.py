from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.errors import BundleError, InputError
from edge_runtime.inference import speech
from edge_runtime.inference.speech import Transcriber, log_mel, mel_filters, quietest
from edge_runtime.inference.transcript import without_loop
from edge_runtime.sources.files import read_sound
from edge_runtime.types import AudioChunk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

WORDS = ("<start>", "<en>", "<end>", "<noise>", "turn", "on", "the", "light", "<nospeech>")
RATE = 16_000
TINY = Path(__file__).with_name("tiny_whisper")
DEMO = Path(speech.__file__).parents[1] / "demo"


class Canned:
    """An encoder that keeps the sound, and a decoder that wants to say what `says` holds, placed by its past."""

    heard: list[NDArray[np.float32]]
    told: list[list[int]]
    says: tuple[int, ...] = (3, 4, 5, 2)
    silence = -9.0

    def __init__(self, path: Path, *, threads: int) -> None:
        assert threads == 1
        self.name = path.stem

    def expect(self, inputs: list[str], outputs: list[str]) -> None:
        if self.name == "encoder":
            assert inputs[0] in {"input_features", "input_values"}
            assert outputs == ["cross.0.key", "cross.0.value"]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        if self.name == "encoder":
            (value,) = feeds.values()
            Canned.heard.append(value)
            return {name: np.zeros((1, 1, 2, 3), np.float32) for name in ("cross.0.key", "cross.0.value")}
        ids, past = feeds["input_ids"], feeds["past"]
        assert ids.dtype == np.int64
        assert past.flags.c_contiguous
        assert set(feeds) == {"input_ids", "past", "cross.0.key", "cross.0.value"}
        # The past is what was written before, token by token.
        before = past[:, 0, 0, 0].astype(int).tolist()
        Canned.told.append([*before, *ids[0].tolist()])
        logits = np.zeros((1, ids.shape[1], len(WORDS)), np.float32)
        place = len(past) + ids.shape[1] - 2
        logits[0, -1, self.says[min(place, len(self.says) - 1)]] = 9
        logits[0, -1, 4 + min(place, 3)] += 1
        logits[0, 0, 8] += self.silence
        return {"logits": logits, "present": np.broadcast_to(ids.T[..., None, None], (ids.shape[1], 2, 1, 3)) * 1.0}


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    monkeypatch.setattr(speech, "OnnxSession", Canned)
    Canned.heard, Canned.told = [], []
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, "<end>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.add_special_tokens(["<start>", "<en>", "<end>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    names = ("encoder.onnx", "decoder.onnx", "tokenizer.json")
    return Manifest.model_validate(
        {
            "folder": tmp_path,
            "format": 1,
            "name": "canned",
            "version": "0",
            "created": "2026-01-01",
            "license": "Apache-2.0",
            "files": {name: {"sha256": "0" * 64, "bytes": 1} for name in names},
            "speech": {
                "encoder": "encoder.onnx",
                "decoder": "decoder.onnx",
                "tokenizer": "tokenizer.json",
                "layers": 1,
                "heads": 1,
                "head_size": 3,
                "features": "waveform",
                "prompt": (0, 1),
                "end_id": 2,
                "max_tokens": 6,
            },
            "numbers": {},
            "teachers": [],
            "sources": [],
            "built": {},
        }
    )


def said(manifest: Manifest, lasts_s: float = 1.0, loudness: float = 0.1, **changes: Any) -> str:
    assert manifest.speech is not None
    part = type(manifest.speech).model_validate({**manifest.speech.model_dump(), **changes})
    heard = Transcriber(manifest.model_copy(update={"speech": part}), threads=1)
    return heard.transcribe(AudioChunk("test", 0.0, np.full(int(lasts_s * RATE), loudness, np.float32)))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({}, "<noise> turn on", id="until the end token"),
        pytest.param({"max_tokens": 4}, "<noise> turn", id="or the longest transcript, the prompt counted"),
        pytest.param({"suppress": (3,)}, "turn turn on", id="never what is suppressed"),
        pytest.param({"begin_suppress": (3,)}, "turn turn on", id="nor begun with what may not begin"),
        pytest.param({"begin_suppress": (4,)}, "<noise> turn on", id="which may well come later"),
    ],
)
def test_tokens_are_written_one_by_one(bundle: Manifest, changes: dict[str, Any], text: str) -> None:
    assert said(bundle, **changes) == text
    assert Canned.told[:2] == [[0, 1], [0, 1, 3 if text.startswith("<noise>") else 4]]


def test_special_tokens_are_not_text(bundle: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Canned, "says", (1, 4, 5, 2))
    assert said(bundle) == "turn on"


@pytest.mark.parametrize(
    ("seconds", "changes", "shapes"),
    [
        pytest.param(1.0, {}, [(1, RATE)], id="waveform as it is"),
        pytest.param(0.05, {}, [], id="nothing is heard in a click"),
        pytest.param(
            1.0, {"features": "log_mel", "mels": 80, "seconds": 2}, [(1, 80, 200)], id="log-mel fills up to its length"
        ),
        pytest.param(31.0, {"seconds": 40}, [(1, 31 * RATE)], id="all that the model can hear at once"),
        pytest.param(1.0, {"seconds": 1}, [(1, RATE)], id="just the longest"),
    ],
)
def test_what_the_encoder_hears(
    bundle: Manifest, seconds: float, changes: dict[str, Any], shapes: list[tuple[int, ...]]
) -> None:
    said(bundle, seconds, **changes)
    assert [value.shape for value in Canned.heard] == shapes
    assert all(value.dtype == np.float32 for value in Canned.heard)


def test_long_sound_is_heard_in_pieces_without_a_gap(bundle: Manifest) -> None:
    text = said(bundle, 7.0, seconds=3)
    assert text == " ".join(["<noise> turn on"] * len(Canned.heard))
    assert sum(value.shape[1] for value in Canned.heard) == 7 * RATE
    assert all(2 * RATE <= value.shape[1] <= 3 * RATE for value in Canned.heard[:-1])


@pytest.mark.parametrize(
    ("silence", "written"),
    [
        pytest.param(-9.0, "<noise> turn on", id="speech"),
        pytest.param(2.8, "<noise> turn on", id="likely silence, but sure words: 0.68"),
        pytest.param(4.0, "", id="surely silence: 0.87"),
    ],
)
def test_where_the_model_hears_no_speech_nothing_is_written(
    bundle: Manifest, monkeypatch: pytest.MonkeyPatch, silence: float, written: str
) -> None:
    monkeypatch.setattr(Canned, "silence", silence)
    # What it never writes may still tell silence.
    assert said(bundle, no_speech=8, suppress=(8,)) == written
    assert said(bundle) == "<noise> turn on"


def test_likely_silence_and_doubtful_words_are_no_speech(bundle: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Canned, "silence", 2.8)
    run = Canned.run

    def doubtful(self: Canned, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        found = run(self, feeds)
        if "logits" in found:
            found["logits"][0, -1] /= 9
        return found

    monkeypatch.setattr(Canned, "run", doubtful)
    assert said(bundle, no_speech=8) == ""
    assert said(bundle) == "<noise> turn on"


@pytest.mark.parametrize(
    ("loudness", "written"),
    [pytest.param(0.0005, "", id="a muted microphone"), pytest.param(0.002, "<noise> turn on", id="a whisper")],
)
def test_what_is_too_faint_is_not_written_down(bundle: Manifest, loudness: float, written: str) -> None:
    assert said(bundle, loudness=loudness) == written


@pytest.mark.parametrize(
    ("says", "seconds", "words"),
    [
        pytest.param((4, 5), 1.0, 2, id="one word for ever is kept once"),
        pytest.param((4, 5), 30.0, 60, id="so many words may be said in half a minute"),
        pytest.param((4, 5, 6, 7) * 20, 1.0, 4, id="a phrase over and over is kept once"),
        pytest.param((4, 5, *[6] * 12, 2), 1.0, 14, id="a word repeated in a short transcript stays"),
        pytest.param((*np.random.default_rng(1).integers(4, 8, 40).tolist(), 2), 1.0, 40, id="no loop"),
    ],
)
def test_a_transcript_that_goes_round_in_circles_is_cut(
    bundle: Manifest, monkeypatch: pytest.MonkeyPatch, says: tuple[int, ...], seconds: float, words: int
) -> None:
    monkeypatch.setattr(Canned, "says", says)
    assert len(said(bundle, seconds, max_tokens=62).split()) == words


def test_a_bundle_of_one_language_says_so(bundle: Manifest) -> None:
    with pytest.raises(InputError, match="bundle canned has no language 'de'; it knows one alone"):
        Transcriber(bundle, threads=1, language="de")


@pytest.mark.parametrize("guard", [pytest.param(False, id="as it is"), pytest.param(True, id="guarded")])
@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("seconds", [0.4, 1.3, 2.0])
def test_a_real_model_writes_what_transformers_wrote(seconds: float, language: str, *, guard: bool) -> None:
    expected = json.loads((TINY / "expected.json").read_text())[language][str(seconds)]
    heard = Transcriber(Manifest.load(TINY), threads=1, language=language, guard=guard)
    commands = read_sound(DEMO / "commands.wav").samples[: round(seconds * RATE)]
    assert heard.tokens(commands) == expected
    assert heard.transcribe(AudioChunk("test", 0.0, commands))


def test_the_decoder_is_told_each_token_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []
    heard = Transcriber(Manifest.load(TINY), threads=1, guard=False)
    run = heard._decoder.run

    def counted(feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        lengths.append((feeds["past"].shape[0], feeds["input_ids"].shape[1]))
        return run(feeds)

    monkeypatch.setattr(heard._decoder, "run", counted)
    heard.tokens(read_sound(DEMO / "commands.wav").samples[:RATE])
    assert lengths[:3] == [(0, 4), (4, 1), (5, 1)]
    assert {new for _, new in lengths[1:]} == {1}


@pytest.mark.parametrize(
    ("tokens", "kept"),
    [
        pytest.param([1, 2, 3, 4] * 2, None, id="twice is no loop"),
        pytest.param([9, *[1, 2, 3, 4] * 3], 5, id="three rounds are"),
        pytest.param([9, *[1, 2, 3, 4] * 3, 1, 2], 5, id="and a part of a fourth"),
        pytest.param([7] * 11, None, id="eleven of one are none"),
        pytest.param([7] * 12, 1, id="twelve are"),
        pytest.param([*[7] * 12, 8], None, id="a loop that was left"),
        pytest.param([], None, id="nothing"),
    ],
)
def test_a_loop_is_told_from_what_repeats_itself(tokens: list[int], kept: int | None) -> None:
    assert without_loop(tokens) == kept


def test_a_long_sound_is_cut_in_its_pause() -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, 3 * RATE).astype(np.float32)
    sound[int(2.45 * RATE) : int(2.75 * RATE)] = 0
    assert 2.45 < quietest(sound) / RATE < 2.75


def test_a_bundle_without_speech_says_so(bundle: Manifest) -> None:
    with pytest.raises(BundleError, match="has no speech recogniser; it has: nothing"):
        Transcriber(bundle.model_copy(update={"speech": None}))


@pytest.mark.parametrize("hz", [300, 1000, 4000])
def test_a_tone_is_loudest_in_its_band(hz: int) -> None:
    tone = 0.1 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32)
    features = log_mel(tone, 80)
    assert features.shape == (80, 100)
    assert features.dtype == np.float32
    band = int(features[:, 50].argmax())
    weights = mel_filters(80)[:, band]
    assert abs(weights.argmax() * 40 - hz) <= 120
    assert features.max() - features.min() <= 2.0 + 1e-6


@pytest.mark.parametrize("mels", [80, 128])
def test_bands_are_even_below_the_knee_and_have_one_area(mels: int) -> None:
    filters = mel_filters(mels)
    assert filters.shape == (201, mels)
    assert (filters >= 0).all()
    assert filters.any(0).all()
    wide = filters[:, mels * 2 // 3 :]
    assert wide.sum(0) * 40 == pytest.approx(np.ones(wide.shape[1]), abs=0.12)


def test_silence_has_features_that_are_numbers() -> None:
    features = log_mel(np.zeros(RATE, np.float32), 80)
    assert features == pytest.approx(np.full((80, 100), -1.5))
