"""What a bundle's model makes of ordinary pictures; what is taught, or asked for in words, is told from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import BundleError
from edge_runtime.whole_files import unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.types import Look

    Floats = NDArray[np.float32]

_STEPS = 255.0


@dataclass(frozen=True, slots=True)
class OrdinaryPictures:
    """Parts of ordinary pictures, as a model sees them.

    Attributes:
        vectors: unit length, (n, embedding size).
        presence: probability of each of the detector's labels, (n, labels).
    """

    vectors: Floats
    presence: Floats


def pack_pictures(looks: Sequence[Look]) -> dict[str, NDArray[np.uint8] | NDArray[np.int8]]:
    """Return the arrays of a file: vectors in 127ths of their largest number, probabilities in 255ths."""
    vectors = np.stack([look.embedding for look in looks if look.embedding is not None])
    presence = np.array([list(look.presence.values()) for look in looks])
    return {
        "vectors": np.rint(vectors / np.abs(vectors).max() * 127).astype(np.int8),
        "presence": np.rint(presence * _STEPS).astype(np.uint8),
    }


def read_pictures(path: Path) -> OrdinaryPictures:
    """Return what such a file holds.

    Raises:
        BundleError: it is missing or is not such a file.
    """
    try:
        stored, _ = unpacked(path.read_bytes())
        rows, shown = stored["vectors"].astype(np.float32), stored["presence"].astype(np.float32)
        vectors = rows.reshape(len(shown), -1)
    except (OSError, ValueError, KeyError) as error:
        raise BundleError(f"ordinary pictures {path} cannot be read ({error}); reinstall the bundle") from None
    return OrdinaryPictures(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), shown / np.float32(_STEPS))


def shown(pictures: OrdinaryPictures, labels: Sequence[str], wanted: Sequence[str]) -> Floats:
    """Return how probable each ordinary picture shows one of the `wanted` labels of `labels`, (n,); 0 for none."""
    columns = [labels.index(label) for label in wanted if label in labels]
    if not columns:
        return np.zeros(len(pictures.vectors), np.float32)
    found: Floats = pictures.presence[:, columns].max(axis=1)
    return found
