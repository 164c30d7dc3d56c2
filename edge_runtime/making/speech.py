"""Speech recognisers become an encoder that hears and a decoder that writes: Whisper and Moonshine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import MoonshineForConditionalGeneration, WhisperFeatureExtractor, WhisperForConditionalGeneration

from edge_runtime.errors import InputError
from edge_runtime.inference.speech import log_mel
from edge_runtime.making.exporting import arguments
from edge_runtime.making.loading import Words, weights
from edge_runtime.making.samples import speech
from edge_runtime.making.tower import Plan, Tower
from edge_runtime.making.towers import SpectrumEncoder, WaveformEncoder, Writer

if TYPE_CHECKING:
    from edge_runtime.making.order import Order
    from edge_runtime.making.source import Original
    from edge_runtime.making.tower import Axes, Feeds

_RATE = 16_000
_HOP = 160
_EXTRA_TOKENS = 8
# What Whisper's tokenizers call it, the newer ones first.
_NO_SPEECH = ("<|nospeech|>", "<|nocaptions|>")


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
    part = {
        "features": "log_mel",
        "mels": mels,
        "seconds": seconds,
        **_prompt(original, rules, order.language),
        "end_id": _one(rules.eos_token_id, model.config.eos_token_id),
        "no_speech": next(filter(None, map(words.ids, _NO_SPEECH)), None),
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
        {"input_features": {}},
        _cross(model, {}),
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
        {"input_values": {1: "samples"}},
        _cross(model, {2: "states"}),
        heard,
    )
    return _plan(model, words, part, encoder, {})


def _plan(model: Any, words: Words, part: dict[str, Any], encoder: Tower, numbers: dict[str, dict[str, float]]) -> Plan:
    files = {"encoder": "encoder.onnx", "decoder": "decoder.onnx", "tokenizer": "tokenizer.json"}
    layers = model.get_decoder().layers
    attention = layers[0].self_attn
    size = int(attention.head_dim)
    past = {"layers": len(layers), "heads": attention.k_proj.out_features // size, "head_size": size}
    writer = Writer(model)
    decoder = Tower(
        "decoder.onnx",
        writer,
        {"input_ids": {1: "tokens"}, "past": {0: "past"}, **encoder.outputs},
        {"logits": {1: "tokens"}, "present": {0: "tokens"}},
        tuple(feeds for heard in encoder.examples for feeds in _read_aloud(encoder, heard, writer, part | past)),
    )
    return Plan(
        towers=(encoder, decoder),
        parts={"speech": {**files, **past, **part}},
        tokenizer=words.fast.to_str(),
        measured_on=dict.fromkeys(("encoder", "decoder"), "the demo's spoken commands"),
        numbers=numbers,
    )


def _cross(model: Any, free: dict[int, str]) -> Axes:
    """Return what the encoder gives the decoder, with its free axes."""
    numbers = range(len(model.get_decoder().layers))
    return {f"cross.{number}.{name}": free for number in numbers for name in ("key", "value")}


def _read_aloud(encoder: Tower, heard: Feeds, writer: Writer, part: dict[str, Any]) -> tuple[Feeds, ...]:
    """Return inputs of the decoder as a transcript goes on: some tokens after others, the prompt alone, one token."""
    prompt = part["prompt"]
    nothing = np.zeros((0, 2 * part["layers"], part["heads"], part["head_size"]), np.float32)
    tokens = np.array([[*prompt, *range(3, 3 + _EXTRA_TOKENS)]], np.int64)[:, : part["max_tokens"]]
    with torch.inference_mode():
        cross = {name: value.numpy() for name, value in encoder.module(**arguments(heard)).items()}
        present = writer(**arguments({"input_ids": tokens, "past": nothing, **cross}))["present"].numpy()
    half, last = len(prompt) + _EXTRA_TOKENS // 2, tokens.shape[1] - 1
    # The first is what the export traces, which would take a single token or an empty past for the only one there is.
    cuts = ((half, None), (0, len(prompt)), (last, None))
    return tuple({"input_ids": tokens[:, a:b], "past": present[:a].copy(), **cross} for a, b in cuts)


def _prompt(original: Original, rules: Any, language: str) -> dict[str, Any]:
    """Return the tokens that a transcript begins with: start, language, task, no times; those that the model has.

    With them the languages and tasks to choose from.
    """
    prompt = [int(rules.decoder_start_token_id)]
    languages = {name.strip("<|>"): int(token) for name, token in (getattr(rules, "lang_to_id", None) or {}).items()}
    tasks = {name: int(token) for name, token in (getattr(rules, "task_to_id", None) or {}).items()}
    if languages:
        if language not in languages:
            raise InputError(f"{original.source}: no language {language!r}; it knows {', '.join(sorted(languages))}")
        prompt += [languages[language], tasks["transcribe"]]
    elif language != "en":
        raise InputError(f"{original.source}: language {language!r} was asked for, but the model has only one")
    without_times = getattr(rules, "no_timestamps_token_id", None)
    if without_times is not None:
        prompt.append(int(without_times))
    return {"prompt": prompt, "languages": languages, "tasks": tasks if languages else {}}


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
