"""What CLIP knows of nouns: two thousand names of things, and which of them look alike (arXiv:2103.00020)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.omni_nano.everyday import GROUPS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Divides CLIP's cosines, which lie between 0.6 and 1; leaves a name about half of its own share.
SHARPNESS = 0.025


def _plain(name: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"\(.*?\)|[_/]", " ", name)).strip().lower()


def read(teachers: Path) -> tuple[list[str], Tensor]:
    """Return every name once, and its unit vectors (names, 512), the mean where several lists have it."""
    folder = teachers / "clip_text_vectors"
    lists = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    vectors: dict[str, list[Tensor]] = {}
    for file, names in lists.items():
        rows = functional.normalize(torch.from_numpy(np.load(folder / file).astype(np.float32)), dim=1)
        for name, row in zip(names, rows, strict=True):
            vectors.setdefault(_plain(name), []).append(row)
    means = torch.stack([torch.stack(rows).mean(0) for rows in vectors.values()])
    return list(vectors), functional.normalize(means, dim=1)


def alike(teachers: Path, synonyms: Sequence[Sequence[str]]) -> tuple[list[str], Tensor]:
    """Return CLIP's names, and how a label given by its synonyms spreads over them: (labels, names).

    A label is found by one of its synonyms, else by the last word of one ("persian cat" is a cat); a row of a label
    that is not found is zero.
    """
    names, vectors = read(teachers)
    number = {name: index for index, name in enumerate(names)}
    found = torch.zeros(len(synonyms), len(names))
    for row, words in enumerate(synonyms):
        plain = [_plain(word) for word in words]
        hits = [number[w] for w in plain if w in number] or [
            number[w.rsplit(maxsplit=1)[-1]] for w in plain if _tail(w, number)
        ]
        if hits:
            mean = functional.normalize(vectors[hits].mean(0), dim=0)
            found[row] = functional.softmax(vectors @ mean / SHARPNESS, dim=0)
    return names, found


def _tail(word: str, known: dict[str, int]) -> bool:
    return bool(word) and word.rsplit(maxsplit=1)[-1] in known


def spread(teachers: Path, class_synonyms: Sequence[Sequence[str]], groups_of: Tensor) -> tuple[list[str], Tensor]:
    """Return CLIP's names, and how ImageNet's classes and then the everyday groups spread over them.

    Args:
        teachers: folder of the teachers.
        class_synonyms: of the 1000 classes.
        groups_of: (1000, groups), the group of a class, which stands in where CLIP's lists lack the class.

    Returns:
        Names, and (1000 + groups, names), rows summing to 1 or 0.
    """
    names, classes = alike(teachers, class_synonyms)
    _, groups = alike(teachers, [words for words, _ in GROUPS])
    lost = classes.sum(1) == 0
    classes[lost] = groups_of[lost] @ groups
    return names, torch.cat([classes, groups])
