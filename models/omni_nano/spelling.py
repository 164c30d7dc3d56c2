"""Teach a small network how English words are said from their letters, and measure it on words it never saw."""

from __future__ import annotations

import lzma
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime.inference.spelling import MEMORY, SIDE, windows
from models.omni_nano.phones import distance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HIDDEN = (256, 192)
SYMBOLS = 28
SOUNDS = 160
"""What a letter may be said as; rarer ones are left out, and the words that need them."""
Pairs = list[tuple[str, tuple[str, ...]]]
Aligned = list[tuple[str, list[str]]]


def words(lexicon: Path) -> Pairs:
    """Return every word of a lexicon with its usual phones."""
    found: dict[str, tuple[str, ...]] = {}
    with lzma.open(lexicon, "rt", encoding="ascii") as lines:
        for line in lines:
            word, *phones = line.split()
            found.setdefault(word, tuple(phones))
    return sorted(found.items())


def align(pairs: Pairs, rounds: int = 4) -> Aligned:
    """Say which phones (none, one or two) each letter stands for, by Viterbi training; drop what does not align."""
    counts: Counter[tuple[str, str]] = Counter()
    result: Aligned = []
    for turn in range(rounds):
        total = Counter[str]()
        for (letter, _), count in counts.items():
            total[letter] += count
        costs = {key: np.log((total[key[0]] + SOUNDS) / (count + 0.1)) for key, count in counts.items()}
        floor = None if turn == 0 else 12.0
        result = [(word, said) for word, phones in pairs if (said := _best(word, phones, costs, floor)) is not None]
        counts = Counter((letter, sound) for word, said in result for letter, sound in zip(word, said, strict=True))
    return result


def _best(
    word: str, phones: Sequence[str], costs: dict[tuple[str, str], float], floor: float | None
) -> list[str] | None:
    """Return the cheapest alignment; without costs, the one nearest to the diagonal."""
    table: list[dict[int, tuple[float, int, str]]] = [{0: (0.0, 0, "")}]
    share = len(phones) / len(word)
    for at, letter in enumerate(word):
        row: dict[int, tuple[float, int, str]] = {}
        for done, (cost, _, _) in table[-1].items():
            for size in (0, 1, 2):
                sound = " ".join(phones[done : done + size])
                if done + size > len(phones):
                    break
                step = (
                    abs(done + size - share * (at + 1)) + (0, 0, 2)[size]
                    if floor is None
                    else costs.get((letter, sound), floor)
                )
                if done + size not in row or cost + step < row[done + size][0]:
                    row[done + size] = (cost + step, done, sound)
        table.append(row)
    at, said = len(phones), []
    for row in reversed(table[1:]):
        if at not in row:
            return None
        _, at, sound = row[at]
        said.append(sound)
    return said[::-1]


class Network(nn.Module):
    """Letters around one letter and the sounds before it in, a score for each sound of that letter out."""

    def __init__(self, sounds: int) -> None:
        super().__init__()
        self.letters = nn.Parameter(torch.randn(2 * SIDE + 1, SYMBOLS, HIDDEN[0]) * 0.1)
        self.said = nn.Parameter(torch.randn(MEMORY, sounds, HIDDEN[0]) * 0.1)
        self.first_bias = nn.Parameter(torch.zeros(HIDDEN[0]))
        self.second = nn.Linear(*HIDDEN)
        self.last = nn.Linear(HIDDEN[1], sounds)

    def forward(self, seen: Tensor, said: Tensor) -> Tensor:
        """Return (n, sounds) logits for (n, 11) letters and (n, 2) sounds before."""
        table = torch.cat([self.letters.flatten(0, 1), self.said.flatten(0, 1)])
        places = torch.cat(
            [
                seen + torch.arange(2 * SIDE + 1) * SYMBOLS,
                said + torch.arange(MEMORY) * self.said.shape[1] + (2 * SIDE + 1) * SYMBOLS,
            ],
            dim=1,
        )
        first = functional.embedding_bag(places, table, mode="sum") + self.first_bias
        dropped = functional.dropout(functional.relu(first), 0.1, self.training)
        return self.last(functional.relu(self.second(dropped)))


def train(aligned: Aligned, epochs: int, batch: int = 2048) -> tuple[list[str], Network]:
    """Return the sounds and a network taught on `aligned`."""
    counted = Counter(sound for _, said in aligned for sound in said)
    sounds = ["", *(sound for sound, _ in counted.most_common(SOUNDS) if sound)][:SOUNDS]
    number = {sound: index for index, sound in enumerate(sounds)}
    kept = [(word, [number[s] for s in said]) for word, said in aligned if all(s in number for s in said)]
    seen = torch.from_numpy(np.concatenate([windows(word) for word, _ in kept]))
    before = torch.tensor([((0, 0, *said)[i : i + MEMORY]) for _, said in kept for i in range(len(said))])
    wanted = torch.tensor([sound for _, said in kept for sound in said])
    network = Network(len(sounds))
    steps = epochs * max(1, len(wanted) // batch)
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for step in range(steps):
        pick = torch.randint(len(wanted), (batch,))
        loss = functional.cross_entropy(network(seen[pick], before[pick]), wanted[pick])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 1000 == 0:
            print(f"step {step} of {steps}: loss {float(loss.detach()):.3f}", flush=True)
    return sounds, network.eval()


def write(path: Path, sounds: list[str], network: Network) -> None:
    """Write the network with 8-bit weights, a scale for each column."""
    first = torch.cat([network.letters.flatten(0, 1), network.said.flatten(0, 1)]).detach().numpy()
    arrays: dict[str, Any] = {"sounds": np.array(sounds), "first_bias": network.first_bias.detach().numpy()}
    whole, arrays["first_scale"] = _rounded(first)
    cut = (2 * SIDE + 1) * SYMBOLS
    arrays["letters"] = whole[:cut].reshape(2 * SIDE + 1, SYMBOLS, HIDDEN[0])
    arrays["said"] = whole[cut:].reshape(MEMORY, len(sounds), HIDDEN[0])
    for name, layer in (("second", network.second), ("last", network.last)):
        arrays[name], arrays[f"{name}_scale"] = _rounded(layer.weight.detach().numpy().T)
        arrays[f"{name}_bias"] = layer.bias.detach().numpy()
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _rounded(weights: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    scale = (np.abs(weights).max(axis=0) / 127).astype(np.float32)
    return np.rint(weights / scale).astype(np.int8), scale


def measure(say: Any, hidden: Pairs) -> tuple[float, float]:
    """Return the share of wrong phones and of wrong words of `say` on `hidden`."""
    wrong = [distance(say(word), phones) for word, phones in hidden]
    return sum(wrong) / sum(len(phones) for _, phones in hidden), sum(map(bool, wrong)) / len(hidden)
