"""Write tests/inference/tiny_writer: a small language model's bundle, and what transformers writes with the original.

Tests on the device read it, where neither torch nor transformers is installed. Run it after a change of the format:
python tests/making/record_writer.py
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

FOLDER = Path(__file__).resolve().parents[1] / "inference" / "tiny_writer"
SEED = 7
TOKENS = 32
QUESTIONS = ("Is there anybody at the front door?", "How many children play football?", "dog")


def main() -> None:
    """Make the bundle and add expected.json: the tokens of the replies to a few questions, likeliest by likeliest."""
    with tempfile.TemporaryDirectory() as scratch:
        source = tiny_models.writer(
            Path(scratch) / "tiny-writer",
            "qwen2",
            SEED,
            size=16,
            num_attention_heads=2,
            num_key_value_heads=1,
            tie_word_embeddings=True,
        )
        maker.make(Order(str(source), FOLDER, force=True, int8=False), print)
        expected = {question: written(source, question) for question in QUESTIONS}
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


def written(source: Path, question: str) -> list[int]:
    """Return the tokens that transformers writes."""
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(source).eval()
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(source)
    asked = [{"role": "user", "content": question}]
    ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt")
    found: list[int] = model.generate(ids, max_new_tokens=TOKENS, do_sample=False)[0, ids.shape[1] :].tolist()
    return found


if __name__ == "__main__":
    main()
