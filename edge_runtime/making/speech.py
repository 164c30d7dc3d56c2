"""Speech recognisers become an encoder that hears and a decoder that writes: Whisper and Moonshine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import MoonshineForConditionalGeneration, WhisperFeatureExtractor, WhisperForConditionalGeneration

from edge_runtime.errors import InputError
from edge_runtime.inference.speech import log_mel
from edge_runtime.making.loading import Words, weights
from edge_runtime.making.samples import speech
from edge_runtime.making.tower import Plan, Tower
from edge_runtime.making.towers import SpectrumEncoder, WaveformEncoder, Writer

if TYPE_CHECKING:
    from edge_runtime.making.order import Order
    from edge_runtime.making.source import Original
    from edge_runtime.making.tower import Feeds

_RATE = 16_000
_HOP = 160
_EXTRA_TOKENS = 8


def whisper(original: Original, order: Order) -> Plan:
    """Return the plan of a Whisper.

    Raises:
        InputError: the model is not whole, hears in another way than Whisper, or does not know the language.
    """
    model, words = weights(original, WhisperForConditionalGeneration), Words(original)
    frames, mels = 2 * model.config.max_source_positions, model.config.num_mel_bins
    _check_hearing(original, {"feature_size": mels, "hop_length": _HOP, "n_fft": 400, "dither": 0.0})
    seconds = frames * _HOP / _RATE
    rules = model.generation_config
    prompt = _prompt(original, rules, order.language)
    part = {
        "features": "log_mel",
        "mels": mels,
        "seconds": seconds,
        "prompt": prompt,
        "end_id": _one(rules.eos_token_id, model.config.eos_token_id),
        "suppress": list(rules.suppress_tokens or ()),
        "begin_suppress": list(getattr(rules, "begin_suppress_tokens", None) or ()),
        "max_tokens": model.config.max_target_positions,
    }
    sound = speech(seconds)
    heard = {"input_features": log_mel(sound, mels)[np.newaxis]}
    wanted = WhisperFeatureExtractor(feature_size=mels, chunk_length=seconds)(sound, sampling_rate=_RATE)
    difference = float(np.abs(heard["input_features"] - wanted["input_features"]).max())
    encoder = Tower(
        "encoder.onnx",
        SpectrumEncoder(model),
        {"input_features": {0: "batch"}},
        {"last_hidden_state": {0: "batch"}},
        (heard,),
    )
    return _plan(model, words, part, encoder, {"encoder": {"preparation_difference": difference}})


def moonshine(original: Original, _order: Order) -> Plan:
    """Return the plan of a Moonshine.

    Raises:
        InputError: the model is not whole, or hears in another way than Moonshine.
    """
    model, words = weights(original, MoonshineForConditionalGeneration), Words(original)
    _check_hearing(original, {"do_normalize": False})
    config = model.config
    part = {
        "features": "waveform",
        "prompt": [_one(model.generation_config.decoder_start_token_id, config.decoder_start_token_id)],
        "end_id": _one(model.generation_config.eos_token_id, config.eos_token_id),
        "max_tokens": config.max_position_embeddings,
    }
    heard = tuple({"input_values": speech(seconds)[np.newaxis]} for seconds in (2.0, 1.0, 3.3))
    encoder = Tower(
        "encoder.onnx",
        WaveformEncoder(model),
        {"input_values": {0: "batch", 1: "samples"}},
        {"last_hidden_state": {0: "batch", 1: "states"}},
        heard,
    )
    return _plan(model, words, part, encoder, {})


def _plan(model: Any, words: Words, part: dict[str, Any], encoder: Tower, numbers: dict[str, dict[str, float]]) -> Plan:
    files = {"encoder": "encoder.onnx", "decoder": "decoder.onnx", "tokenizer": "tokenizer.json"}
    decoder = Tower(
        "decoder.onnx",
        Writer(model),
        {"input_ids": {0: "batch", 1: "tokens"}, "encoder_hidden_states": {0: "batch", 1: "states"}},
        {"logits": {0: "batch", 1: "tokens"}},
        tuple(_read_aloud(encoder, feeds, part) for feeds in encoder.examples),
    )
    return Plan(
        towers=(encoder, decoder),
        parts={"speech": {**files, **part}},
        tokenizer=words.fast.to_str(),
        measured_on=dict.fromkeys(("encoder", "decoder"), "the demo's spoken commands"),
        numbers=numbers,
    )


def _read_aloud(encoder: Tower, feeds: Feeds, part: dict[str, Any]) -> Feeds:
    """Return inputs of the decoder: what the encoder heard, and the prompt with a few tokens behind it."""
    with torch.inference_mode():
        states = encoder.module(**{name: torch.from_numpy(value) for name, value in feeds.items()})
    memory = states["last_hidden_state"].numpy()
    tokens = [*part["prompt"], *range(3, 3 + min(_EXTRA_TOKENS, memory.shape[1]))]
    return {"input_ids": np.array([tokens], np.int64), "encoder_hidden_states": memory}


def _prompt(original: Original, rules: Any, language: str) -> list[int]:
    """Return the tokens that a transcript begins with: start, language, task, no times; those that the model has."""
    prompt = [int(rules.decoder_start_token_id)]
    languages = getattr(rules, "lang_to_id", None)
    if languages:
        token = f"<|{language}|>"
        if token not in languages:
            known = ", ".join(sorted(name.strip("<|>") for name in languages))
            raise InputError(f"{original.source}: no language {language!r}; it knows {known}")
        prompt += [int(languages[token]), int(rules.task_to_id["transcribe"])]
    elif language != "en":
        raise InputError(f"{original.source}: language {language!r} was asked for, but the model has only one")
    without_times = getattr(rules, "no_timestamps_token_id", None)
    return prompt if without_times is None else [*prompt, int(without_times)]


def _check_hearing(original: Original, wanted: dict[str, Any]) -> None:
    """Refuse a model whose features are not those that the runtime works out; what is not named is as usual."""
    table = original.table("preprocessor_config.json") or {}
    for key, value in {"sampling_rate": _RATE, **wanted}.items():
        if table.get(key, value) != value:
            raise InputError(
                f"{original.source}: preprocessor_config.json wants {key} = {table[key]!r}; the runtime does {value!r}"
            )


def _one(*choices: Any) -> int:
    """Return the first choice that is given, and of a list its first."""
    found = next(choice for choice in choices if choice is not None)
    return int(found[0] if isinstance(found, list) else found)
