"""Causal language models become one decoder that writes: Llama, Qwen, Gemma, Phi, GPT-2 and their kin."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from edge_runtime.bundles.parts import GeneratorPart
from edge_runtime.errors import BundleError, InputError
from edge_runtime.inference.chat_template import DEFAULTS, PLAIN, ChatTemplate
from edge_runtime.inference.memory import Memory, names
from edge_runtime.inference.session import OnnxSession
from edge_runtime.inference.transcript import log_probabilities
from edge_runtime.making import rounding
from edge_runtime.making.decoder import Decoder
from edge_runtime.making.exporting import TOLERANCE
from edge_runtime.making.loading import Words, weights
from edge_runtime.making.samples import SENTENCES
from edge_runtime.making.tower import Plan, Tower

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.making.order import Order, Say
    from edge_runtime.making.source import Original
    from edge_runtime.making.tower import Feeds

    Floats = NDArray[np.float32]

_TEMPLATE = "chat_template.jinja"
_ROOM = 16
_LONGEST_CHECKED_WINDOW = 1024
_GREEDY = 24
_RUNS = 5
POOR_COSINE = 0.98
"""Mean cosine of the logits with FP32's below which the owner is advised to look."""

_FOREIGN = "its attention is of a kind that cannot be exported; Llama, Qwen, Gemma, Phi, GPT-2 and their kin can"
_ASKED = "How many chairs are there?"
_SAID = "There are four chairs."


def writer(original: Original, order: Order) -> Plan:
    """Return the plan of a causal language model.

    Raises:
        InputError: the model is not whole, or computes in a way that one decoder cannot hold.
    """
    model, words = weights(original, AutoModelForCausalLM), Words(original)
    decoder = Decoder(model)
    tokens = _sample(words, _context(model.config))
    examples, shape = _examples(original, decoder, tokens)
    files = {"decoder": "decoder.onnx", "tokenizer": "tokenizer.json"}
    source, special = _template(original, words)
    stops = _stops(model, words, source, special)
    if not stops:
        raise InputError(f"{original.source}: no token ends its replies; name one as eos_token_id in its config.json")
    part = {
        **files,
        **shape,
        "context": min(_context(model.config), _unchecked_window(decoder)),
        "special": special,
        "stop_ids": stops,
        "bits": _bits(order),
        **({"stop_text": "\n"} if source is None else {"template": _TEMPLATE}),
    }
    inputs = {"input_ids": {1: "tokens"}, "places": {0: "places"}, "total": {}}
    generator = GeneratorPart.model_validate(part)
    tower = Tower(
        "decoder.onnx",
        decoder,
        inputs | {name: {2: "room"} for name in names(generator, "past")},
        {"logits": {1: "places"}, **{name: {2: "room"} for name in names(generator, "present")}},
        examples,
        finish=_Finish(generator),
    )
    return Plan(
        towers=(tower,),
        parts={"generator": part},
        tokenizer=words.fast.to_str(),
        measured_on={"decoder": f"{len(SENTENCES)} sentences, {examples[1]['input_ids'].size} tokens"},
        texts={} if source is None else {_TEMPLATE: source},
    )


class _Finish:
    """Proves the exported decoder against transformers, makes it small, and says what that costs.

    Args:
        part: how the decoder is built.
    """

    def __init__(self, part: GeneratorPart) -> None:
        self._part = part

    def __call__(
        self, tower: Tower, full: Path, target: Path, order: Order, say: Say
    ) -> tuple[str, dict[str, float | int]]:
        numbers = _proved(tower.module, full, self._part, tower.examples[1]["input_ids"][0].tolist())
        # Weights that are too many for one file lie beside it.
        bytes_fp32 = numbers["bytes_fp32"] = sum(path.stat().st_size for path in full.parent.glob(f"{full.name}*"))
        if not order.int8:
            rounding.shared(full, target)
            say(f"{tower.file}: FP32, {target.stat().st_size / 1e6:.1f} MB (as asked)")
            return "FP32 (as asked)", numbers
        bits = self._part.bits
        rounding.rounded(full, target, bits)
        numbers |= _compared(full, target, tower.examples, f"int{bits}")
        cosine = numbers[f"int{bits}_mean_cosine"]
        say(
            f"{tower.file}: INT{bits}, {target.stat().st_size / 1e6:.1f} MB of {bytes_fp32 / 1e6:.1f} MB; "
            f"cosine of the logits with FP32 {cosine:.4f}, perplexity {numbers['fp32_perplexity']:.4g} -> "
            f"{numbers[f'int{bits}_perplexity']:.4g}"
        )
        if cosine < POOR_COSINE:
            say(f"{tower.file}: INT{bits} changes this model a lot; try it, or keep more with {_more(bits)}")
        return f"INT{bits} weights in blocks of 32", numbers


def _bits(order: Order) -> int:
    return 32 if not order.int8 else 4 if order.int4 else 8


def _more(bits: int) -> str:
    return "INT8, by leaving out --int4" if bits == 4 else "--fp32"


def _context(config: Any) -> int:
    longest = int(config.max_position_embeddings)
    scaling = getattr(config, "rope_scaling", None) or {}
    if scaling.get("rope_type", scaling.get("type")) in ("dynamic", "longrope"):
        # How these turn depends on the length; one file holds the short way alone.
        longest = int(scaling.get("original_max_position_embeddings") or config.original_max_position_embeddings)
    return longest


def _unchecked_window(decoder: Decoder) -> int:
    """Return how many tokens may be used of a model whose windows are too wide to be compared, or all."""
    return decoder.window if decoder.window > _LONGEST_CHECKED_WINDOW else 2**31


def _sample(words: Words, longest: int) -> list[int]:
    found: list[int] = words.fast.encode(" ".join(SENTENCES)).ids
    return found[: longest - _ROOM]


def _examples(original: Original, decoder: Decoder, tokens: list[int]) -> tuple[tuple[Feeds, ...], dict[str, int]]:
    """Return inputs as a reply goes on (some tokens after others, all from the beginning, one more), and the shapes."""
    config = decoder.config
    heads = int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)
    size = int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
    shape = {"layers": int(config.num_hidden_layers), "heads": heads, "head_size": size}

    def run(feeds: Feeds) -> dict[str, NDArray[Any]]:
        past = tuple(torch.from_numpy(array) for name, array in feeds.items() if name.startswith("past."))
        given = {name: torch.from_numpy(feeds[name]) for name in ("input_ids", "places", "total")}
        with torch.inference_mode():
            try:
                return {name: tensor.numpy() for name, tensor in decoder(**given, past=past).items()}
            except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
                reason = f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}"
                raise InputError(f"{original.source}: {_FOREIGN} ({reason})") from None

    def told(first: int, end: int, past: list[NDArray[Any]], places: Sequence[int]) -> Feeds:
        named = (f"past.{number}.{name}" for number in range(shape["layers"]) for name in ("key", "value"))
        return {
            "input_ids": np.array([tokens[first:end]], np.int64),
            "places": np.array(places, np.int64),
            "total": np.array([end], np.int32),
            **dict(zip(named, past, strict=True)),
        }

    empty = [np.zeros((1, heads, len(tokens) + _ROOM, size), np.float32) for _ in range(2 * shape["layers"])]
    whole = told(0, len(tokens), empty, range(len(tokens)))
    found = run(whole)
    if len(found) != 1 + 2 * shape["layers"]:
        raise InputError(f"{original.source}: {_FOREIGN}")
    if 0 < decoder.window <= _LONGEST_CHECKED_WINDOW and decoder.window >= len(tokens):
        repeated = -(-(decoder.window + _ROOM) // len(tokens))
        return _examples(original, decoder, (tokens * repeated)[: _context(config) - _ROOM])
    shape["vocabulary"] = int(found["logits"].shape[-1])
    half = len(tokens) // 2
    before = [array.copy() for name, array in run(told(0, half, empty, [half - 1])).items() if name != "logits"]
    # The first is what the export traces, which would take a single token or place for the only one there is.
    middle = told(half, len(tokens) - 1, before, [0, len(tokens) - half - 2])
    return (middle, whole, told(half, half + 1, before, [0])), shape


def _template(original: Original, words: Words) -> tuple[str | None, dict[str, str]]:
    """Return the model's chat template and the tokens that it knows by name, None where it was trained without.

    Raises:
        InputError: the template cannot be followed here, or makes other prompts than with transformers.
    """
    tokenizer = words.original
    special = {name: str(value) for name, value in tokenizer.special_tokens_map.items() if isinstance(value, str)}
    source = tokenizer.chat_template
    if isinstance(source, dict):
        source = source.get("default")
    if not source:
        return None, special
    conversation = [{"role": "user", "content": _ASKED}, {"role": "assistant", "content": _SAID}]
    asked = [*conversation, {"role": "user", "content": "And tables?"}]
    template = ChatTemplate(source, special, f"{original.source}: its chat template")
    for messages, more in ((asked, True), (conversation, False)):
        try:
            # First, because it ends in any case.
            got = template.render(messages, add_generation_prompt=more)
        except BundleError as error:
            raise InputError(str(error)) from None
        wanted = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=more, **DEFAULTS)
        if got != wanted:
            raise InputError(f"{original.source}: its chat template makes {got[:60]!r} here, {wanted[:60]!r} elsewhere")
    return source, special


def _stops(model: Any, words: Words, source: str | None, special: dict[str, str]) -> list[int]:
    """Return the tokens that end a reply: those that the model names, and what its template puts behind one."""
    named = [model.generation_config.eos_token_id, model.config.eos_token_id, words.original.eos_token_id]
    flat = [x for value in named for x in (value if isinstance(value, list) else [value]) if x is not None]
    turn = [{"role": "user", "content": _ASKED}, {"role": "assistant", "content": _SAID}]
    text = ChatTemplate(source or PLAIN, special).render(turn, add_generation_prompt=False)
    behind = words.fast.encode(text.rpartition(_SAID)[2].lstrip(), add_special_tokens=False).ids
    marks = {number for number, token in words.fast.get_added_tokens_decoder().items() if token.special}
    return sorted({*map(int, flat), *(token for token in behind[:1] if token in marks)})


def _proved(decoder: Any, path: Path, part: GeneratorPart, tokens: list[int]) -> dict[str, Any]:
    """Compare a file with transformers' own model: its logits, and what both write, token by token.

    Raises:
        InputError: they differ.
    """
    prompt = tokens[: max(2, min(len(tokens), part.context - _GREEDY) // 2)]
    with torch.inference_mode():
        wanted = decoder.reference(torch.tensor([tokens])).numpy()[0]
    session = OnnxSession(path)
    memory = Memory(session, part, min(part.context, len(tokens) + _GREEDY + 1))
    error = float(np.abs(memory.read(tokens) - wanted[-1]).max())
    written, close = list(prompt), 0
    logits = memory.read(prompt)
    allowed = TOLERANCE * max(1.0, float(np.abs(wanted).max()))
    for _ in range(min(_GREEDY, part.context - len(prompt) - 1)):
        with torch.inference_mode():
            theirs = decoder.reference(torch.tensor([written])).numpy()[0, -1]
        error = max(error, float(np.abs(logits - theirs).max()))
        likeliest = int(theirs.argmax())
        if not error <= allowed:
            break
        # Where two are as likely as each other, both are right.
        close += int(int(logits.argmax()) == likeliest or theirs[likeliest] - theirs[logits.argmax()] <= allowed)
        written.append(likeliest)
        logits = memory.follow(likeliest)
    if not error <= allowed or close != len(written) - len(prompt):
        raise InputError(
            f"{path.name}: writes other than the model does with transformers (logits differ by {error:.2g}, "
            f"{allowed:.2g} at most); the exporter does not understand this model"
        )
    return {"reference_max_error": error, "greedy_tokens_same": close}


def _compared(full: Path, small: Path, examples: Sequence[Feeds], name: str) -> dict[str, float]:
    """Return what fewer bits cost: in logits, in perplexity and in time, on the sample sentences."""
    sessions = [OnnxSession(path, warm_up=examples[2]) for path in (full, small)]
    wanted, got = (session.run(examples[1])["logits"][0].astype(np.float64) for session in sessions)
    cosines = (wanted * got).sum(1) / (np.linalg.norm(wanted, axis=1) * np.linalg.norm(got, axis=1))
    tokens = examples[1]["input_ids"][0]
    times = []
    for session in sessions:
        best = float("inf")
        for _ in range(_RUNS):
            start = time.perf_counter()
            session.run(examples[2])
            best = min(best, time.perf_counter() - start)
        times.append(best)
    return {
        f"{name}_mean_cosine": float(cosines.mean()),
        f"{name}_worst_cosine": float(cosines.min()),
        f"{name}_same_largest": float((wanted.argmax(1) == got.argmax(1)).mean()),
        f"{name}_max_error": float(np.abs(wanted - got).max()),
        "fp32_perplexity": _perplexity(wanted, tokens),
        f"{name}_perplexity": _perplexity(got, tokens),
        f"{name}_time_share": times[1] / times[0],
    }


def _perplexity(logits: NDArray[np.float64], tokens: NDArray[np.int64]) -> float:
    logs = log_probabilities(logits[:-1].astype(np.float32))
    return float(np.exp(-logs[np.arange(len(tokens) - 1), tokens[1:]].mean()))
