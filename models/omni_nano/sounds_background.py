"""Vectors of ordinary sounds, for the bundle: taught sounds are told from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.inference.taught_sounds import pack_sounds, sound_vectors
from models.omni_nano import sounds_data
from models.omni_nano.sounds_making import MAKERS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.bundles.parts import AudioPart
    from edge_runtime.inference.session import OnnxSession

VECTORS = 800
_EACH_MADE = 6
_EACH_SOUND = 6


def make(session: OnnxSession, part: AudioPart, data: Path, seed: int = 0) -> dict[str, NDArray[np.int8]]:
    """Return the arrays of the file: vectors of recordings and of sounds made by arithmetic, no sound too often."""
    dice = np.random.default_rng(seed)
    sounds = [clip.samples for clip in sounds_data.recordings(data)]
    sounds += [maker(dice).astype(np.float32) for maker in MAKERS.values() for _ in range(_EACH_MADE)]
    rows = [sound_vectors(session, part, sound) for sound in sounds]
    few = [row[dice.permutation(len(row))[:_EACH_SOUND]] for row in rows if len(row)]
    vectors = np.concatenate(few)
    return pack_sounds(vectors[dice.permutation(len(vectors))[:VECTORS]])
