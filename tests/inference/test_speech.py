from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.errors import BundleError
from edge_runtime.inference import speech
from edge_runtime.inference.speech import Transcriber, log_mel, mel_filters, quietest
from edge_runtime.types import AudioChunk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

WORDS = ("<start>", "<en>", "<end>", "<noise>", "turn", "on", "the", "light")
RATE = 16_000


class Canned:
    """An encoder that hands the sound on, and a decoder that wants to say "<noise> turn on" and then end."""

    heard: list[NDArray[np.float32]]
    prompts: list[list[int]]
    says = (3, 4, 5, 2)

    def __init__(self, path: Path, *, threads: int) -> None:
        assert threads == 1
        self.name = path.stem

    def expect(self, inputs: list[str], outputs: list[str]) -> None:
        if self.name == "encoder":
            assert inputs[0] in {"input_features", "input_values"}
            assert outputs == ["last_hidden_state"]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        if self.name == "encoder":
            (value,) = feeds.values()
            Canned.heard.append(value)
            return {"last_hidden_state": np.zeros((1, 2, 3), np.float32)}
        ids = feeds["input_ids"]
        assert ids.dtype == np.int64
        assert feeds["encoder_hidden_states"].shape == (1, 2, 3)
        Canned.prompts.append(ids[0].tolist())
        logits = np.zeros((1, ids.shape[1], len(WORDS)), np.float32)
        logits[0, -1, self.says[ids.shape[1] - 2]] = 9
        logits[0, -1, 4 + (ids.shape[1] - 2)] += 1
        return {"logits": logits}


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    monkeypatch.setattr(speech, "OnnxSession", Canned)
    Canned.heard, Canned.prompts = [], []
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


def said(manifest: Manifest, lasts_s: float = 1.0, **changes: Any) -> str:
    assert manifest.speech is not None
    part = type(manifest.speech).model_validate({**manifest.speech.model_dump(), **changes})
    heard = Transcriber(manifest.model_copy(update={"speech": part}), threads=1)
    return heard.transcribe(AudioChunk("test", 0.0, np.zeros(int(lasts_s * RATE), np.float32)))


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
    assert Canned.prompts[:2] == [[0, 1], [0, 1, 3 if text.startswith("<noise>") else 4]]


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
