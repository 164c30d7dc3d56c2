"""How fast a language model writes on this box, what it takes of the memory, and what it saves that nothing is copied.

Without --bundle, models of SmolLM2-135M's shape with random weights are made, which takes the extra [build]: their
words mean nothing, their time is that of the real one. What is compared takes turns within one run, and of every part
its best run counts, as other work only ever adds time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.bundles.parts import GeneratorPart
from edge_runtime.inference.memory import Memory, names
from edge_runtime.inference.session import OnnxSession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PROMPT = 256
ROOM = 2048
SHAPE: dict[str, Any] = {
    "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
    "num_key_value_heads": 3, "vocab_size": 49152, "max_position_embeddings": 8192, "rope_theta": 100_000.0,
    "tie_word_embeddings": True,
}  # fmt: skip
ORDERS: dict[str, dict[str, bool]] = {"FP32": {"int8": False}, "INT8": {}, "INT4": {"int4": True}}


class Copying:
    """What a decoder would do whose keys and values come and go with every token.

    Args:
        session: the decoder.
        part: how it is built.
        room: tokens that there is room for.
    """

    def __init__(self, session: OnnxSession, part: GeneratorPart, room: int) -> None:
        shape = (1, part.heads, room, part.head_size)
        self._session, self._part = session, part
        self._past = {name: np.zeros(shape, np.float32) for name in names(part, "past")}

    def follow(self, token: int, length: int) -> None:
        """Be told one token behind `length` others."""
        feeds: dict[str, NDArray[Any]] = {
            "input_ids": np.array([[token]], np.int64),
            "places": np.array([0], np.int64),
            "total": np.array([length + 1], np.int32),
        }
        found = self._session.run({**feeds, **self._past})
        self._past = {name: found[name.replace("past", "present", 1)] for name in self._past}


class Original:
    """The same model by transformers and torch, told one token at a time as `generate` does it.

    Args:
        source: its folder.
        threads: of torch.
    """

    def __init__(self, source: Path, threads: int) -> None:
        import torch  # noqa: PLC0415 - needs the extra
        import transformers  # noqa: PLC0415

        torch.set_num_threads(threads)
        self._torch, self._caches = torch, transformers.DynamicCache
        self._model: Any = transformers.AutoModelForCausalLM.from_pretrained(source).eval()

    def read(self, tokens: list[int]) -> None:
        """Be told a prompt."""
        self._past = self._caches()
        self._told(tokens)

    def follow(self, token: int) -> None:
        """Be told one token more."""
        self._told([token])

    def _told(self, tokens: list[int]) -> None:
        ids = self._torch.tensor([tokens])
        with self._torch.inference_mode():
            self._model(input_ids=ids, past_key_values=self._past, use_cache=True, logits_to_keep=1)


def measured(
    name: str, folder: Path, original: Original | None, *, tokens: int, runs: int, threads: int
) -> dict[str, Any]:
    """Return the figures of one bundle, and of the original if it is there."""
    manifest = Manifest.load(folder)
    part = manifest.part(GeneratorPart)
    started = time.perf_counter()
    session = OnnxSession(manifest.path(part.decoder), threads=threads)
    load_s = time.perf_counter() - started
    room = min(ROOM, part.context)
    best = _best(session, part, original, room, tokens=tokens, runs=runs)
    return {
        "model": name,
        "mb": round(sum(entry.bytes for entry in manifest.files.values()) / 1e6, 1),
        "load_s": round(load_s, 2),
        **_memory(folder, threads),
        "prompt_tokens_per_s": round(1 / best["prompt"]),
        "ms_per_token": round(best["in_place"] * 1e3, 2),
        "tokens_per_s": round(1 / best["in_place"], 1),
        f"ms_per_token_behind_{room - tokens}": round(best["late"] * 1e3, 2),
        "times_as_long_if_copied": round(best["copied"] / best["in_place"], 2),
        "threads": threads,
        **({} if original is None else _compared(best)),
    }


def _best(
    session: OnnxSession, part: GeneratorPart, original: Original | None, room: int, *, tokens: int, runs: int
) -> dict[str, float]:
    """Return the least seconds that each way of reading and writing a token took."""
    words = np.random.default_rng(0).integers(0, part.vocabulary, room).tolist()
    best = dict.fromkeys(("prompt", "in_place", "copied", "late", "transformers", "their_prompt"), float("inf"))
    copying = Copying(session, part, room)
    late = Memory(session, part, room)
    late.read(words[: room - (runs + 1) * tokens])
    for _ in range(runs + 1):
        memory = Memory(session, part, room)
        best["prompt"] = min(best["prompt"], _timed(lambda memory=memory: memory.read(words[:PROMPT])) / PROMPT)
        if original is not None:
            best["their_prompt"] = min(best["their_prompt"], _timed(lambda: original.read(words[:PROMPT])) / PROMPT)
        for place in range(tokens):
            word = words[PROMPT + place]
            best["in_place"] = min(best["in_place"], _timed(lambda memory=memory, word=word: memory.follow(word)))
            best["late"] = min(best["late"], _timed(lambda word=word: late.follow(word)))
            if original is not None:
                best["transformers"] = min(best["transformers"], _timed(lambda word=word: original.follow(word)))
            if place < tokens // 4:
                took = _timed(lambda word=word, place=place: copying.follow(word, PROMPT + place))
                best["copied"] = min(best["copied"], took)
    return best


def _compared(best: dict[str, float]) -> dict[str, float]:
    return {
        "ms_per_token_transformers": round(best["transformers"] * 1e3, 2),
        "times_as_fast": round(best["transformers"] / best["in_place"], 2),
        "times_as_fast_reading": round(best["their_prompt"] / best["prompt"], 2),
    }


def _timed(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _memory(folder: Path, threads: int) -> dict[str, float]:
    """Return what a fresh program takes that loads the bundle and reads a prompt, and the most on the way, in MB."""
    command = [sys.executable, __file__, "--memory-of", str(folder), "--threads", str(threads)]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def print_memory(folder: Path, threads: int) -> None:
    """Print what this program takes more with the model than without it."""
    before = psutil.Process().memory_info().rss
    manifest = Manifest.load(folder)
    part = manifest.part(GeneratorPart)
    path = manifest.path(part.decoder)
    memory = Memory(OnnxSession(path, threads=threads), part, min(ROOM, part.context))
    memory.read(list(range(PROMPT)))
    # What getrusage says is inherited from whoever started this program.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024 - before
    after = psutil.Process().memory_info().rss - before
    share = round(peak / path.stat().st_size, 2)
    print(json.dumps({"memory_mb": round(after / 1e6), "most_memory_mb": round(peak / 1e6), "most_by_file": share}))


def made(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield bundles of SmolLM2-135M's shape with random weights."""
    from edge_runtime.making import maker  # noqa: PLC0415 - needs the extra
    from edge_runtime.making.order import Order  # noqa: PLC0415

    write_random(folder / "source")
    for name, how in ORDERS.items():
        order = Order(str(folder / "source"), folder / name, **how)  # type: ignore[arg-type]
        maker.make(order, lambda line: print(line, file=sys.stderr))
        yield f"135M, random, {name}", folder / name


def write_random(folder: Path) -> None:
    """Write a model as `save_pretrained` does, with a tokenizer of as many words."""
    import transformers  # noqa: PLC0415 - needs the extra
    from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: PLC0415

    config = transformers.LlamaConfig(**SHAPE, bos_token_id=1, eos_token_id=2)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    words = {f"w{number}": number for number in range(SHAPE["vocab_size"] - 256)}
    letters = {f"<0x{byte:02X}>": len(words) + byte for byte in range(256)}
    tokenizer = Tokenizer(models.BPE(words | letters, [], byte_fallback=True, unk_token="w0"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="w0").save_pretrained(folder)  # noqa: S106


def main() -> None:
    """Measure, print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, action="append", default=[], help="a bundle; may be given several times")
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory_of:
        print_memory(given.memory_of, given.threads)
        return
    if not given.bundle and find_spec("optimum") is None:
        print("no bundle to measure; name one with --bundle FOLDER, or install edge-runtime[build] to make random ones")
        return
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    how = {"tokens": given.tokens, "runs": given.runs, "threads": given.threads}
    with tempfile.TemporaryDirectory() as scratch:
        bundles = [(folder.name, folder) for folder in given.bundle] or made(Path(scratch))
        rows = []
        for name, folder in bundles:
            original = None if given.bundle else Original(Path(scratch) / "source", given.threads)
            rows.append(measured(name, folder, original, **how))
    for key in rows[0]:
        print(f"{key:<28}" + "".join(f"{row.get(key, '-')!s:>22}" for row in rows))
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
