"""Omni-nano's text tower: a small BERT whose mean token, projected, is the sentence's place in the joint space."""

from __future__ import annotations

import json
import string
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from optimum.exporters.onnx.config import TextEncoderOnnxConfig
from optimum.utils import NormalizedTextConfig
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertConfig, BertModel, PreTrainedModel

from edge_runtime.inference.preprocess import token_ids
from models.omni_nano import text_teacher
from scripts.export import Exportable
from scripts.stage import load_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Embed = Callable[[Sequence[str]], NDArray[np.float32]]

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


class TextTower(PreTrainedModel):
    """Token ids and mask, both (batch, tokens) int64, to unit vectors (batch, 384)."""

    config_class = BertConfig
    base_model_prefix = "bert"
    _supports_sdpa = True

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.project = nn.Linear(config.hidden_size, config.embedding_size)
        self.post_init()

    def tokens(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return each token's vector in the teacher's space, (batch, tokens, 384)."""
        states: Tensor = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        projected: Tensor = self.project(states)
        return projected

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """Return the "embedding"; averaging first and projecting then costs less and gives the same."""
        states = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1.0)
        return {"embedding": nn.functional.normalize(self.project(mean), dim=-1)}


class TextTowerOnnxConfig(TextEncoderOnnxConfig):
    """The tower's inputs and outputs, as optimum asks for them."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        """Return the free axes of each input."""
        return {"input_ids": {0: "batch", 1: "tokens"}, "attention_mask": {0: "batch", 1: "tokens"}}

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        """Return the free axes of each output."""
        return {"embedding": {0: "batch"}}


def build(settings: Mapping[str, Any], pieces: int, attention: str = "sdpa") -> TextTower:
    """Return an untrained tower with the recipe's sizes."""
    config = BertConfig(
        vocab_size=pieces,
        hidden_size=settings["hidden"],
        num_hidden_layers=settings["layers"],
        num_attention_heads=settings["heads"],
        intermediate_size=settings["intermediate"],
        max_position_embeddings=settings["max_tokens"],
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        embedding_size=384,
        attn_implementation=attention,
    )
    return TextTower(config)


def cut_vocabulary(teacher: Path, texts: Iterable[str], size: int) -> tuple[Tokenizer, list[int]]:
    """Return the teacher's tokenizer with the `size` pieces that `texts` need most, and their ids at the teacher's.

    Every letter, digit and punctuation mark stays, alone and within a word, so that any English word can be spelled.
    What room is left goes to the teacher's own most frequent pieces (its ids are in order of frequency).
    """
    source = json.loads((teacher / "tokenizer.json").read_text(encoding="utf-8"))
    ids: dict[str, int] = source["model"]["vocab"]
    full = Tokenizer.from_file(str(teacher / "tokenizer.json"))
    full.no_padding()
    full.no_truncation()
    counts: Counter[str] = Counter()
    for encoding in full.encode_batch(list(texts)):
        counts.update(encoding.tokens)
    spelled = [p for c in string.ascii_lowercase + string.digits + string.punctuation for p in (c, "##" + c)]
    wanted = dict.fromkeys([*SPECIAL, *(p for p in spelled if p in ids)])
    wanted.update(dict.fromkeys(p for p, count in counts.most_common() if count > 1 and p in ids))
    by_rank = sorted((p for p in ids if p.isascii() and not p.startswith("[unused")), key=lambda p: ids[p])
    wanted.update(dict.fromkeys(by_rank))
    kept = sorted(list(wanted)[:size], key=lambda p: ids[p])
    kept.remove("[PAD]")
    kept.insert(0, "[PAD]")
    new = {piece: index for index, piece in enumerate(kept)}
    source["model"]["vocab"] = new
    source["added_tokens"] = [{**t, "id": new[t["content"]]} for t in source["added_tokens"] if t["content"] in new]
    for name, token in source["post_processor"]["special_tokens"].items():
        token["ids"] = [new[name]]
    source["padding"] = source["truncation"] = None
    return Tokenizer.from_str(json.dumps(source)), [ids[piece] for piece in kept]


def chosen_layers(count: int, available: int) -> list[int]:
    """Return which of the teacher's layers `count` layers start from: the first, the last, and evenly between."""
    return [round(i * (available - 1) / max(1, count - 1)) for i in range(count)]


def warm_start(student: TextTower, teacher: BertModel, ids: Sequence[int], basis: Tensor) -> None:
    """Start the student from the teacher seen through `basis` (384, hidden), orthonormal columns.

    Weights that read the teacher's state read it through the basis, weights that write it write through its transpose;
    of the heads and inner neurons those with the largest outgoing weights are kept.
    """
    theirs, mine = teacher.state_dict(), student.state_dict()
    gain = basis.square()
    for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        key = f"embeddings.{name}.weight"
        rows = theirs[key][list(ids)] if name == "word_embeddings" else theirs[key]
        mine["bert." + key].copy_(rows[: mine["bert." + key].shape[0]] @ basis)
    _norm(mine, theirs, "embeddings.LayerNorm", "embeddings.LayerNorm", (gain, basis))
    heads, size = student.config.num_attention_heads, 32
    for index, origin in enumerate(chosen_layers(student.config.num_hidden_layers, teacher.config.num_hidden_layers)):
        to, of = f"encoder.layer.{index}.", f"encoder.layer.{origin}."
        out = theirs[of + "attention.output.dense.weight"]
        strength = out.square().sum(0).view(-1, size).sum(1)
        rows = (strength.topk(heads).indices.sort().values[:, None] * size + torch.arange(size)).flatten()
        for part in ("query", "key", "value"):
            name = f"attention.self.{part}"
            mine[f"bert.{to}{name}.weight"].copy_(theirs[f"{of}{name}.weight"][rows] @ basis)
            mine[f"bert.{to}{name}.bias"].copy_(theirs[f"{of}{name}.bias"][rows])
        _write(mine, theirs, (to, of, "attention.output.dense"), rows, basis)
        _norm(mine, theirs, to + "attention.output.LayerNorm", of + "attention.output.LayerNorm", (gain, basis))
        inner = theirs[of + "output.dense.weight"].square().sum(0)
        rows = inner.topk(student.config.intermediate_size).indices.sort().values
        mine[f"bert.{to}intermediate.dense.weight"].copy_(theirs[of + "intermediate.dense.weight"][rows] @ basis)
        mine[f"bert.{to}intermediate.dense.bias"].copy_(theirs[of + "intermediate.dense.bias"][rows])
        _write(mine, theirs, (to, of, "output.dense"), rows, basis)
        _norm(mine, theirs, to + "output.LayerNorm", of + "output.LayerNorm", (gain, basis))
    mine["project.weight"].copy_(basis)
    mine["project.bias"].zero_()


def _write(
    mine: dict[str, Tensor], theirs: dict[str, Tensor], names: tuple[str, str, str], rows: Tensor, basis: Tensor
) -> None:
    to, of, name = names
    mine[f"bert.{to}{name}.weight"].copy_(basis.T @ theirs[f"{of}{name}.weight"][:, rows])
    mine[f"bert.{to}{name}.bias"].copy_(theirs[f"{of}{name}.bias"] @ basis)


def _norm(mine: dict[str, Tensor], theirs: dict[str, Tensor], to: str, of: str, through: tuple[Tensor, Tensor]) -> None:
    gain, basis = through
    mine[f"bert.{to}.weight"].copy_(theirs[f"{of}.weight"] @ gain)
    mine[f"bert.{to}.bias"].copy_(theirs[f"{of}.bias"] @ basis)


def load(checkpoint: Path, attention: str = "sdpa") -> tuple[TextTower, Tokenizer]:
    """Return the trained tower, in eval mode, and its tokenizer."""
    state = load_checkpoint(checkpoint)
    if state is None:
        raise SystemExit(f"{checkpoint} is missing; run scripts/distil.py first")
    tokenizer = Tokenizer.from_str(state["tokenizer"])
    tower = build(state["settings"], tokenizer.get_vocab_size(), attention)
    tower.load_state_dict(state["tower"])
    return tower.eval(), tokenizer


def exportable(checkpoint: Path) -> Exportable:
    """Return the tower as scripts/export.py wants it."""
    tower, tokenizer = load(checkpoint, "eager")
    ids, mask = token_ids(tokenizer, ["is there a dog in the kitchen", "hello"], tower.config.max_position_embeddings)
    config = TextTowerOnnxConfig(tower.config, task="feature-extraction")
    feeds = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    return Exportable(tower, feeds, tuple(config.outputs), {**config.inputs, **config.outputs}, config)


def torch_embedder(tower: TextTower, tokenizer: Tokenizer) -> Embed:
    """Return a function from sentences to unit vectors (n, 384) that runs the tower in torch."""

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        found = []
        for start in range(0, len(texts), 256):
            ids, mask = token_ids(tokenizer, texts[start : start + 256], tower.config.max_position_embeddings)
            with torch.inference_mode():
                found.append(tower(torch.from_numpy(ids), torch.from_numpy(mask))["embedding"].numpy())
        return np.concatenate(found)

    return embed


def closeness(embed: Embed, dev: Mapping[str, Sequence[str]], cache: Path) -> dict[str, float]:
    """Return the mean cosine with the teacher on sentences kept for measuring, by corpus."""
    found = {}
    for name, texts in dev.items():
        wanted = np.load(text_teacher.teach(texts, cache / "dev", 512)[1])
        found[f"cosine_{name}"] = round(float((embed(texts) * wanted).sum(1).mean()), 4)
    return found
