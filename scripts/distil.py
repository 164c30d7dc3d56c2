"""Teach the text tower to say what all-MiniLM-L6-v2 says, sentence by sentence and token by token."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from models.omni_nano import sentences, text, text_teacher
from scripts.stage import Stage, Workshop, load_checkpoint, progress, save_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

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


def prepare(texts: Sequence[str], tokenizer: Tokenizer, folder: Path, max_tokens: int) -> Lesson:
    """Return the lesson for these sentences."""
    states_path, vectors_path = text_teacher.teach(texts, folder, max_tokens)
    original = text_teacher.tokenizer().encode_batch(list(texts))
    mine = tokenizer.encode_batch(list(texts))
    lengths = np.array([min(len(e.ids), max_tokens) for e in original])
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    same = np.array([a.tokens == b.tokens and len(a.ids) <= max_tokens for a, b in zip(original, mine, strict=True)])
    ids = [e.ids if len(e.ids) <= max_tokens else [*e.ids[: max_tokens - 1], e.ids[-1]] for e in mine]
    states = np.load(states_path, mmap_mode="r")
    return Lesson(ids, states, np.where(same, starts, -1), np.load(vectors_path))


def join(lessons: Sequence[Lesson]) -> Lesson:
    """Return one lesson of several; its states lie in memory, about 800 bytes a token."""
    starts, offset = [], 0
    for lesson in lessons:
        starts.append(np.where(lesson.starts >= 0, lesson.starts + offset, -1))
        offset += len(lesson.states)
    return Lesson(
        [ids for lesson in lessons for ids in lesson.ids],
        np.concatenate([lesson.states for lesson in lessons]),
        np.concatenate(starts),
        np.concatenate([lesson.vectors for lesson in lessons]),
    )


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
    wanted = lesson.vectors[rows]
    return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(wanted), torch.from_numpy(states)


def loss_of(tower: text.TextTower, batch: tuple[Tensor, Tensor, Tensor, Tensor], weights: dict[str, float]) -> Tensor:
    """Return the distance to the teacher: sentence direction, token states, and who is near whom in the batch."""
    ids, mask, wanted, states = batch
    with torch.autocast("cpu", torch.bfloat16):
        tokens = tower.tokens(ids, mask)
    tokens = tokens.float()
    vectors = text_teacher.pool(tokens, mask)
    loss = weights["cosine"] * (1 - (vectors * wanted).sum(1)).mean()
    if weights["tokens"]:
        known = ~torch.isnan(states[..., 0])
        loss = loss + weights["tokens"] * (tokens[known] - states[known]).square().mean()
    if weights["relations"]:
        difference = vectors @ vectors.T - wanted @ wanted.T
        loss = loss + weights["relations"] * difference.square().mean()
    return loss


def learn(tower: text.TextTower, lesson: Lesson, settings: dict[str, Any], checkpoint: Path, tokenizer: str) -> None:
    """Train until the recipe's steps are done, picking up where a killed run stopped."""
    optimiser = torch.optim.AdamW(tower.parameters(), lr=settings["learning_rate"], weight_decay=0.01)
    state = load_checkpoint(checkpoint)
    step, steps = 0, int(settings["steps"])
    if state is not None and state["settings"] | {"steps": steps} == settings and state["tokenizer"] == tokenizer:
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


def compose(workshop: Workshop, folder: Path) -> tuple[Lesson, Tokenizer, list[int], dict[str, list[str]]]:
    """Return the lesson, the cut tokenizer with its pieces' ids at the teacher's, and the sentences kept for measuring.

    What people say to assistants is recombined once more on its own: it varies more than captions do.
    """
    settings = workshop.settings["text"]
    seed, longest = settings["seed"], settings["max_tokens"]
    corpus = sentences.corpora(workshop.data, workshop.teachers, seed)
    train, dev = sentences.split(corpus)
    spoken, _ = sentences.split({name: corpus[name] for name in ("nlu_home", "clinc150")})
    nouns, hidden = sentences.read_nouns(workshop.teachers), [t for texts in dev.values() for t in texts]
    extra = sentences.recombine(train, nouns, hidden, settings["recombined"], seed)
    said = sentences.recombine(spoken, nouns, [*hidden, *extra], settings["recombined_spoken"], seed)
    tokenizer, ids = text.cut_vocabulary(text_teacher.folder(), train, settings["pieces"])
    lesson = join([prepare(part, tokenizer, folder, longest) for part in ([*train, *extra], said)])
    return lesson, tokenizer, ids, dev


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
            "teachers/all-MiniLM-L6-v2": text_teacher.folder() / "model.safetensors",
        },
        code=[Path(__file__), *(workshop.model / name for name in ("text.py", "sentences.py", "phrases.toml"))],
        tables=("text",),
        outputs=("text.pt", "tokenizer.json"),
    )
    if stage.fresh():
        print("distil: nothing has changed")
        return
    with stage:
        lesson, tokenizer, ids, dev = compose(workshop, stage.folder)
        tower = text.build(settings, len(ids))
        if settings["warm_start"] != "none":
            with torch.no_grad():
                basis = basis_of(lesson.states, settings["hidden"], settings["warm_start"])
                text.warm_start(tower, text_teacher.load()[0], ids, basis)
        pieces = tokenizer.to_str()
        learn(tower, lesson, settings, stage.folder / "checkpoint.pt", pieces)
        (stage.folder / "tokenizer.json").write_text(pieces, encoding="utf-8")
        save_checkpoint(stage.folder / "text.pt", tower=tower.state_dict(), settings=settings, tokenizer=pieces)
        stage.numbers.update(text.closeness(text.torch_embedder(tower.eval(), tokenizer), dev, stage.folder))
        stage.numbers["sentences"] = len(lesson.ids)
        stage.numbers["parameters"] = sum(p.numel() for p in tower.parameters())


def main() -> None:
    """Distil the text tower."""
    run(Workshop.from_arguments(__doc__))


if __name__ == "__main__":
    main()
