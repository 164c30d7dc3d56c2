"""Write tests/inference/tiny_whisper: a small recogniser's bundle, and what transformers writes with the original.

Tests on the device read it, where neither torch nor transformers is installed. Run it after a change of the format:
python tests/making/record_whisper.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import tiny_models
import transformers

from edge_runtime.making import maker
from edge_runtime.making.order import Order
from edge_runtime.making.samples import speech

FOLDER = Path(__file__).resolve().parents[1] / "inference" / "tiny_whisper"
SEED = 2
SECONDS = (0.4, 1.3, 2.0)


def main() -> None:
    """Make the bundle and add expected.json: the tokens of the first seconds of the demo's speech, by language."""
    with tempfile.TemporaryDirectory() as scratch:
        source = tiny_models.whisper(Path(scratch) / "tiny-whisper", SEED, size=16, layers=2)
        maker.make(Order(str(source), FOLDER, force=True, int8=False), print)
        expected = {language: {str(s): _written(source, s, language) for s in SECONDS} for language in ("en", "de")}
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


def _written(source: Path, seconds: float, language: str) -> list[int]:
    model: Any = transformers.WhisperForConditionalGeneration.from_pretrained(source).eval()
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(source)
    heard = extractor(speech(seconds), sampling_rate=16_000, return_tensors="pt").input_features
    most = model.config.max_target_positions - 4
    found = model.generate(heard, language=language, task="transcribe", max_new_tokens=most, num_beams=1)[0].tolist()
    return [token for token in found if token != model.config.eos_token_id]


if __name__ == "__main__":
    main()
