"""How fast free speech is written down, and what it saves that the decoder remembers what it wrote.

Without --bundle, models of the smallest published sizes with random weights are made, which takes the extra [build]:
their words mean nothing, their time is that of the real ones. With and without memory take turns within one run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.bundles.parts import SpeechPart
from edge_runtime.inference.speech import Transcriber
from edge_runtime.inference.transcript import Writing
from edge_runtime.sources.files import read_sound
from edge_runtime.types import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

DEMO = Path(__file__).parents[1] / "edge_runtime" / "demo" / "commands.wav"
SECONDS = 10.0
VOCABULARY = {"whisper": 51865, "moonshine": 32768}


def measured(name: str, folder: Path, *, tokens: int, runs: int, threads: int) -> dict[str, Any]:
    """Return the figures of one bundle; of every part its best run counts, as other work only ever adds time."""
    manifest = Manifest.load(folder)
    heard = Ears(manifest, threads=threads, guard=False)
    part = manifest.part(SpeechPart)
    sound = read_sound(DEMO).samples[: int(min(SECONDS, part.seconds or SECONDS) * SAMPLE_RATE_HZ)]
    count = min(tokens, part.max_tokens - len(part.prompt))
    written = [*part.prompt, *range(5, 5 + count)]
    best = dict.fromkeys(("encoder", "remembering", "forgetting"), float("inf"))
    for _ in range(runs + 1):
        start = time.perf_counter()
        fresh = heard.ready(sound)
        best["encoder"] = min(best["encoder"], time.perf_counter() - start)
        for kind, way in (("remembering", remembering), ("forgetting", forgetting)):
            start = time.perf_counter()
            way(fresh, written, len(part.prompt))
            best[kind] = min(best[kind], time.perf_counter() - start)
    return {
        "model": name,
        "mb": round(sum(entry.bytes for entry in manifest.files.values()) / 1e6, 1),
        "tokens": count,
        "tokens_per_s": round(count / best["remembering"], 1),
        "tokens_per_s_without_memory": round(count / best["forgetting"], 1),
        "times_as_fast": round(best["forgetting"] / best["remembering"], 2),
        "encoder_s": round(best["encoder"], 3),
        "real_time_factor": round((best["encoder"] + best["remembering"]) / (len(sound) / SAMPLE_RATE_HZ), 3),
        "threads": threads,
    }


class Ears(Transcriber):
    """A recogniser whose two halves can be timed apart."""

    def ready(self, sound: Floats) -> Callable[[], Writing]:
        """Hear `sound` and return what begins a transcript of it."""
        return partial(Writing, self._decoder, self._part, self._encoder.run({self._input: self._heard(sound)}))


def remembering(fresh: Callable[[], Writing], written: list[int], prompt: int) -> None:
    """Write a transcript as the device does."""
    writing = fresh()
    writing.follow(written[:prompt])
    for token in written[prompt:-1]:
        writing.follow([token])


def forgetting(fresh: Callable[[], Writing], written: list[int], prompt: int) -> None:
    """Write the same transcript, telling the decoder all of it for every token."""
    for length in range(prompt, len(written)):
        fresh().follow(written[:length])


def made(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield a Whisper and a Moonshine of the smallest published sizes, with random weights, INT8."""
    from edge_runtime.making import maker  # noqa: PLC0415 - needs the extra
    from edge_runtime.making.order import Order  # noqa: PLC0415

    for kind, count in VOCABULARY.items():
        source = folder / kind
        _write_random(kind, source, count)
        maker.make(Order(str(source), folder / f"{kind}-bundle"), lambda line: print(line, file=sys.stderr))
        yield f"{kind}-tiny, random", folder / f"{kind}-bundle"


def _write_random(kind: str, folder: Path, count: int) -> None:
    import transformers  # noqa: PLC0415 - needs the extra
    from tokenizers import Tokenizer, models  # noqa: PLC0415

    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2, "decoder_start_token_id": 1}
    if kind == "whisper":
        # The configuration's own defaults are those of whisper-tiny.
        config = transformers.WhisperConfig(vocab_size=count, suppress_tokens=None, begin_suppress_tokens=None, **ids)
        transformers.WhisperForConditionalGeneration(config).save_pretrained(folder)
        transformers.WhisperFeatureExtractor().save_pretrained(folder)
    else:
        config = transformers.MoonshineConfig(
            vocab_size=count, max_position_embeddings=194, pad_head_dim_to_multiple_of=8, **ids
        )
        transformers.MoonshineForConditionalGeneration(config).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({f"w{number}": number for number in range(count)}, "w0"))
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="w0").save_pretrained(folder)  # noqa: S106


def main() -> None:
    """Measure, print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, action="append", default=[], help="a bundle; may be given several times")
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    if not given.bundle and find_spec("optimum") is None:
        print("no bundle to measure; name one with --bundle FOLDER, or install edge-runtime[build] to make random ones")
        return
    how = {"tokens": given.tokens, "runs": given.runs, "threads": given.threads}
    with tempfile.TemporaryDirectory() as scratch:
        bundles = [(folder.name, folder) for folder in given.bundle] or made(Path(scratch))
        rows = [measured(name, folder, **how) for name, folder in bundles]
    for key in rows[0]:
        print(f"{key:<28}" + "".join(f"{row[key]!s:>22}" for row in rows))
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
