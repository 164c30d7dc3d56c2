"""Phone probabilities of ordinary speech, for the bundle: wake words set their thresholds by them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.inference.background import pack
from edge_runtime.inference.spotter import LEAST_PHONES
from edge_runtime.inference.spotting import Keyword, spoken_forms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.inference.acoustic import AcousticModel
    from edge_runtime.inference.lexicon import Lexicon
    from models.omni_nano.utterances import Utterance

CLIPS = 600
LONGEST_S = 6.0
MOST_BYTES = 400_000
_EACH_TEXT = 8


def chosen(said: Iterable[Utterance], number: int = CLIPS) -> list[Utterance]:
    """Return the same recordings every time, many texts before many of one, and first those not learned from."""
    by_text: dict[tuple[bool, str | None], list[Utterance]] = defaultdict(list)
    for one in said:
        if one.text != "" and len(one.samples) <= LONGEST_S * 16_000:
            by_text[not one.held_out, one.text].append(one)
    found: list[Utterance] = []
    for learned in (False, True):
        texts = sorted((key for key in by_text if key[0] == learned), key=str)
        for turn in range(max((len(by_text[key]) for key in texts), default=0)):
            # Where nobody wrote down what is said, each is something else.
            found += [by_text[key][turn] for key in texts if turn < min(len(by_text[key]), _most(key[1]))]
    return found[:number]


def _most(text: str | None) -> int:
    return CLIPS if text is None else _EACH_TEXT


def make(acoustic: AcousticModel, lexicon: Lexicon, said: Sequence[Utterance]) -> dict[str, NDArray[Any]]:
    """Return the arrays of the file: the clips, and how high words score that really are said in those not learned."""
    clips = [acoustic.log_probs((np.asarray(one.samples) / 32768).astype(np.float32)) for one in said]
    seconds = [len(one.samples) / 16_000 for one in said]
    own = [
        own_score(acoustic, lexicon, one.text, clip)
        for one, clip in zip(said, clips, strict=True)
        if one.text and one.held_out
    ]
    scores = np.array([score for score in own if score is not None], np.float32)
    return {**pack(clips, [one.text or "" for one in said], seconds), "said": scores}


def own_score(acoustic: AcousticModel, lexicon: Lexicon, text: str, clip: NDArray[np.float32]) -> float | None:
    """Return how high the words that are said score, or None where they are too short to be a wake word."""
    forms = spoken_forms(text.split(), lexicon.pronunciations)
    if not forms or min(map(len, forms)) < LEAST_PHONES:
        return None
    return Keyword(forms, acoustic.phones, acoustic.hop / 16_000).find(clip).log_score


def write(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the file.

    Raises:
        ValueError: it is larger than a bundle should carry.
    """
    np.savez_compressed(path, allow_pickle=False, **arrays)
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size} bytes, more than {MOST_BYTES}; take fewer clips")
