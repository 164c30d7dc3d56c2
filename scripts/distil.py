"""Teach the text tower to say what all-MiniLM-L6-v2 says; or teach a bundle your own pictures.

A folder with images/ and captions.csv, or with one folder of pictures a label, is yours: see docs/YOUR_PICTURES.md.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import math
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from models.omni_nano import own_pictures, sentences, text, text_teacher
from scripts.checkpoints import EVERY_S, Checkpoints
from scripts.stage import Stage, Workshop, progress, save_checkpoint, sha256, write_atomically
from scripts.writing import room_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

# The teacher answers for so many sentences at a time; after a kill only the part at hand is asked again.
PART = 32_768


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
    original = text_teacher.tokenizer().encode_batch(list(texts))
    mine = tokenizer.encode_batch(list(texts))
    lengths = np.array([min(len(e.ids), max_tokens) for e in original])
    states_path, vectors_path = taught(texts, folder, max_tokens, int(lengths.sum()))
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    same = np.array([a.tokens == b.tokens and len(a.ids) <= max_tokens for a, b in zip(original, mine, strict=True)])
    ids = [e.ids if len(e.ids) <= max_tokens else [*e.ids[: max_tokens - 1], e.ids[-1]] for e in mine]
    states = np.load(states_path, mmap_mode="r")
    return Lesson(ids, states, np.where(same, starts, -1), np.load(vectors_path))


def taught(texts: Sequence[str], folder: Path, max_tokens: int, tokens: int) -> tuple[Path, Path]:
    """Return the files of text_teacher.teach, in a folder that gets its name when they are whole.

    Raises:
        SystemExit: the disk has no room for the states of so many tokens.
    """
    key = hashlib.sha256("\n".join([str(max_tokens), *texts]).encode()).hexdigest()[:16]
    whole = folder / key
    if not whole.exists():
        partial = whole.with_name(f"partial-{key}")
        shutil.rmtree(partial, ignore_errors=True)
        room_for(folder, tokens * text_teacher.SIZE * 2 + len(texts) * text_teacher.SIZE * 4)
        text_teacher.teach(texts, partial, max_tokens)
        partial.replace(whole)
    return text_teacher.teach(texts, whole, max_tokens)


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


def shuffled(lengths: NDArray[np.int64], size: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Return one epoch's batches of sentences of about the same length; the same seed and epoch give the same ones."""
    dice = np.random.default_rng([seed, epoch])
    order = dice.permutation(len(lengths))
    order = order[: len(order) // size * size].reshape(-1, size)
    pools = np.array_split(order.ravel(), max(1, len(order) // 50))
    ready = [part for pool in pools for part in np.array_split(pool[np.argsort(lengths[pool])], len(pool) // size)]
    return [ready[index] for index in dice.permutation(len(ready))]


def batches(lesson: Lesson, size: int, seed: int, first: int = 0) -> Iterator[NDArray[np.int64]]:
    """Yield for ever the batches of the steps from `first` on; each depends on the seed and its step alone.

    Raises:
        SystemExit: there are fewer sentences than a batch has.
    """
    lengths = np.array([len(ids) for ids in lesson.ids])
    if len(lengths) < size:
        raise SystemExit(f"{len(lengths)} sentences do not fill a batch of {size}; lower text.batch or add sentences")
    # Every epoch has as many batches as the first.
    epoch, done = divmod(first, len(shuffled(lengths, size, seed, 0)))
    for number in itertools.count(epoch):
        yield from shuffled(lengths, size, seed, number)[done:]
        done = 0


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


def learn(tower: text.TextTower, lesson: Lesson, settings: dict[str, Any], checkpoints: Checkpoints) -> None:
    """Train until the recipe's steps are done, going on with the very next batch where a killed run stopped."""
    optimiser = torch.optim.AdamW(tower.parameters(), lr=settings["learning_rate"], weight_decay=0.01)
    step, steps = 0, int(settings["steps"])
    saved = checkpoints.restore()
    if saved is not None:
        step, state = saved
        tower.load_state_dict(state["tower"])
        optimiser.load_state_dict(state["optimiser"])

    def state_now() -> dict[str, Any]:
        return {"tower": tower.state_dict(), "optimiser": optimiser.state_dict()}

    source = batches(lesson, settings["batch"], settings["seed"], step)
    bar = progress(range(step, steps), "distil", total=steps, done=step)
    with checkpoints:
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
            checkpoints.reached(number + 1, state_now)
    checkpoints.save(steps, state_now())


def compose(workshop: Workshop, folder: Path) -> tuple[Lesson, Tokenizer, list[int], dict[str, list[str]]]:
    """Return the lesson, the cut tokenizer with its pieces' ids at the teacher's, and the sentences kept for measuring.

    What people say to assistants is recombined once more on its own: it varies more than captions do.
    """
    settings = workshop.table("text")
    seed, longest = settings["seed"], settings["max_tokens"]
    corpus = sentences.corpora(workshop.data, workshop.teachers, seed)
    train, dev = sentences.split(corpus)
    spoken, _ = sentences.split({name: corpus[name] for name in ("nlu_home", "clinc150")})
    nouns, hidden = sentences.read_nouns(workshop.teachers), [t for texts in dev.values() for t in texts]
    anything = text_teacher.words()
    extra = sentences.recombine(train, nouns, anything, hidden, settings["recombined"], seed)
    said = sentences.recombine(spoken, nouns, anything, [*hidden, *extra], settings["recombined_spoken"], seed)
    tokenizer, ids = text.cut_vocabulary(text_teacher.folder(), train, settings["pieces"])
    everything = [*train, *extra, *said]
    answers = folder / f"teacher-{sha256(text_teacher.folder())[:16]}"
    parts = [everything[start : start + PART] for start in range(0, len(everything), PART)]
    lessons = [prepare(part, tokenizer, answers, longest) for part in progress(parts, "parts")]
    return join(lessons), tokenizer, ids, dev


def run(workshop: Workshop) -> None:
    """Distil the text tower of one recipe."""
    settings = workshop.table("text")
    torch.set_num_threads(int(settings["threads"]))
    modules = (text, sentences, text_teacher)
    phrases = Path(str(sentences.__file__)).with_name("phrases.toml")
    stage = Stage(
        workshop,
        "distil",
        inputs={
            "data/text": workshop.data / "text",
            "data/flickr8k_1000_captions.csv": workshop.data / "vision" / "flickr8k_1000_captions.csv",
            "teachers/names.json": workshop.teachers / "clip_text_vectors" / "names.json",
            "teachers/imagenet_labels.txt": workshop.teachers / "imagenet_labels.txt",
            "teachers/all-MiniLM-L6-v2": text_teacher.folder(),
        },
        code=[Path(__file__), *(Path(str(module.__file__)) for module in modules), phrases],
        tables=("text",),
        outputs=("text.pt", "tokenizer.json"),
    )
    if stage.fresh():
        print("distil: nothing has changed")
        return
    with stage:
        lesson, tokenizer, ids, dev = compose(workshop, stage.folder)
        # After the teacher, which draws or not, depending on what it has answered before.
        torch.manual_seed(settings["seed"])
        tower = text.build(settings, len(ids))
        if settings["warm_start"] != "none":
            with torch.no_grad():
                basis = basis_of(lesson.states, settings["hidden"], settings["warm_start"])
                text.warm_start(tower, text_teacher.load()[0], ids, basis)
        pieces = tokenizer.to_str()
        learn(tower, lesson, settings, Checkpoints(stage, settings.get("checkpoint_s", EVERY_S)))
        write_atomically(stage.folder / "tokenizer.json", pieces)
        save_checkpoint(stage.folder / "text.pt", tower=tower.state_dict(), settings=settings, tokenizer=pieces)
        stage.numbers.update(text.closeness(text.torch_embedder(tower.eval(), tokenizer), dev, stage.folder))
        stage.numbers["sentences"] = len(lesson.ids)
        stage.numbers["parameters"] = sum(p.numel() for p in tower.parameters())


def main() -> None:
    """Distil the text tower, or teach a bundle the pictures of a user's own folder."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--data", type=Path)
    given = parser.parse_known_args()[0].data
    if given is not None and own_pictures.recognised(given):
        from models.omni_nano import own  # noqa: PLC0415  # the factory needs none of it

        own.main(sys.argv[1:])
        return
    run(Workshop.from_arguments(__doc__))


if __name__ == "__main__":
    main()
