"""Sentence vectors of everything the eyes are taught to say: ImageNet classes, everyday nouns and captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from models.omni_nano import things as clip_things
from models.omni_nano.data import Example, class_names
from models.omni_nano.everyday import GROUPS, TEMPLATES
from models.omni_nano.lessons import group_matrix
from models.omni_nano.teachers import Sentences
from scripts.stage import save_checkpoint

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Words:
    """Unit vectors in the joint space.

    Attributes:
        classes: (templates, 1000, 384).
        nouns: (templates, nouns, 384), every name of every everyday group.
        noun_group: (nouns,) the group each noun belongs to.
        captions: (captions, 384).
        owner: (captions,) the number of the example each caption describes.
        things: (things, 384), two thousand names of things, the mean over the templates.
        spread: (1000 + groups, things), which of those CLIP finds alike with a class or a group.
    """

    classes: Tensor
    nouns: Tensor
    noun_group: Tensor
    captions: Tensor
    owner: Tensor
    things: Tensor
    spread: Tensor

    def groups(self, template: int, generator: torch.Generator) -> Tensor:
        """Return (groups, 384): one name of every group, drawn at random, in one template."""
        order = torch.randperm(len(self.noun_group), generator=generator)
        pick = torch.zeros(len(GROUPS), dtype=torch.long)
        pick[self.noun_group[order]] = order
        return self.nouns[template, pick]


def words(examples: list[Example], teachers: Path, cache: Path) -> Words:
    """Encode all sentences, or read them from the cache."""
    path = cache / "words.pt"
    if not path.exists():
        encode = Sentences()
        nouns = [(name, index) for index, (names, _) in enumerate(GROUPS) for name in names]
        synonyms = class_names(teachers)
        classes = [names[0] for names in synonyms]
        things, spread = clip_things.spread(teachers, synonyms, group_matrix())
        captions = [(text, i) for i, e in enumerate(examples) for text in e.captions]
        state = {
            "classes": torch.stack([encode([t.format(c) for c in classes]) for t in TEMPLATES]),
            "nouns": torch.stack([encode([t.format(n) for n, _ in nouns]) for t in TEMPLATES]),
            "noun_group": torch.tensor([g for _, g in nouns]),
            "captions": encode([text for text, _ in captions]),
            "owner": torch.tensor([i for _, i in captions]),
            "things": functional.normalize(sum(encode([t.format(n) for n in things]) for t in TEMPLATES), dim=1),
            "spread": spread,
        }
        cache.mkdir(parents=True, exist_ok=True)
        save_checkpoint(path, **state)
    return Words(**torch.load(path))
