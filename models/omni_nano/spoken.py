"""What the voices say in the lessons of the acoustic model: commands, questions, orders, captions, loose words."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.decision.grammar import spoken
from models.omni_nano import sentences

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np

KINDS: Mapping[str, float] = {"commands": 0.24, "utterances": 0.26, "captions": 0.1, "orders": 0.1, "words": 0.3}
"""How often each kind is drawn."""

_LONGEST = {"commands": 14, "utterances": 12, "captions": 8}
_ORDERS: Mapping[str, Sequence[str]] = tomllib.loads(
    Path(__file__).with_name("phrases.toml").read_text(encoding="utf-8")
)["orders"]


class Texts:
    """Draws what is said next.

    Args:
        data: folder of the training data.
        teachers: folder of the teacher models, whose nouns are among the sentences.
        words: what the lexicon can say; a text with another word is drawn anew.
        seed: of the sampled commands.
    """

    def __init__(self, data: Path, teachers: Path, words: Collection[str], seed: int) -> None:
        self._words = frozenset(words)
        corpora = sentences.corpora(data, teachers, seed)
        kept = {text for texts in sentences.split(corpora)[1].values() for text in texts}
        texts = {name: [plain(text) for _, text in pairs if text not in kept] for name, pairs in corpora.items()}
        self._texts = {
            "commands": texts["commands"] + texts["questions"],
            "utterances": texts["nlu_home"] + texts["clinc150"],
            "captions": texts["coco"] + texts["flickr"],
        }
        said = {word for pieces in self._texts.values() for text in pieces for word in text.split()}
        self._common = sorted(said & self._words)
        self._loose = sorted(word for word in self._words if word.isalpha() and 1 < len(word) < 15)

    def draw(self, rng: np.random.Generator) -> str:
        """Return one thing to say, as lower-case words of the lexicon."""
        while True:
            kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
            if kind == "orders":
                said = " ".join(str(rng.choice(choices)) for choices in _ORDERS.values())
            elif kind == "words":
                source = self._common if rng.random() < 0.6 else self._loose
                said = " ".join(str(word) for word in rng.choice(source, size=int(rng.choice([1, 1, 2, 3, 4]))))
            else:
                texts = self._texts[kind]
                said = _piece(texts[int(rng.integers(len(texts)))], _LONGEST[kind], rng)
            words = said.split()
            if words and self._words.issuperset(words):
                return " ".join(words)


def plain(text: str) -> str:
    """Return `text` in lower case, numbers as words, without punctuation."""
    words = re.sub(r"[^a-z0-9' ]+", " ", text.lower().replace("\u2019", "'")).split()
    return " ".join(" ".join(spoken(word) for word in words).split())


def _piece(text: str, longest: int, rng: np.random.Generator) -> str:
    words = text.split()
    first = int(rng.integers(max(0, len(words) - longest) + 1))
    return " ".join(words[first : first + longest])
