"""Files of the gate: rows of who was right, embeddings of their prompts, and what was fitted."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.bundles.parts import TextPart
from edge_runtime.decision.gate_record import from_record, to_record
from edge_runtime.decision.gate_table import EXAMPLE, read_table
from edge_runtime.errors import InputError
from edge_runtime.whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.decision.gate_table import GateTable
    from edge_runtime.decision.learned_gate import LearnedGate
    from edge_runtime.wiring.assembly import Models

GATE_FILE = "gate.json"
_BATCH = 256
_SHOWN_FROM = 1_000


def table_of(path: str) -> tuple[GateTable, str]:
    """Return the rows of a JSON-lines file, or of standard input for "-", and the sha256 of their text.

    Raises:
        InputError: the file cannot be read, or a line is not as it should be.
    """
    try:
        content = sys.stdin.read().encode() if path == "-" else Path(path).read_bytes()
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"rows {path!r} cannot be read ({error}); give a file of JSON lines such as {EXAMPLE}"
        ) from None
    try:
        return read_table(_records(text)), hashlib.sha256(content).hexdigest()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _records(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(f"line {number} is no JSON ({error}); one row looks like {EXAMPLE}") from None
        if not isinstance(record, dict):
            raise InputError(f"line {number} is no JSON object; one row looks like {EXAMPLE}")
        yield number, record


def embed_all(
    models: Models, prompts: Sequence[str], progress: Callable[[int, int], None] | None = None
) -> NDArray[np.float32]:
    """Return the unit vectors of prompts, shape (n, d), each different one embedded once.

    Args:
        models: whose text model reads them.
        prompts: the texts.
        progress: gets how many are done of how many, where there are many.

    Raises:
        BundleError: the bundle has no text model.
    """
    models.manifest.part(TextPart)
    places = {text: place for place, text in enumerate(dict.fromkeys(prompts))}
    texts = sorted(places, key=len)
    found = []
    for start in range(0, len(texts), _BATCH):
        found.append(models.embedder.embed_text(texts[start : start + _BATCH]))
        if progress is not None and len(texts) >= _SHOWN_FROM:
            progress(min(start + _BATCH, len(texts)), len(texts))
    rows = {text: row for row, text in enumerate(texts)}
    vectors: NDArray[np.float32] = np.concatenate(found)[[rows[text] for text in prompts]]
    return vectors


def model_mark(models: Models) -> str:
    """Return what tells one text model from another."""
    part = models.manifest.text
    whole = models.manifest.files[part.file].sha256 if part else "none"
    return f"{models.manifest.name}:{whole[:16]}"


def save_gate(path: Path, gate: LearnedGate) -> None:
    """Write a gate; it appears whole or not at all, readable by its owner alone, since it knows what was asked.

    Raises:
        InputError: it cannot be written.
    """
    try:
        write_whole(path, json.dumps(to_record(gate), allow_nan=False), private=True)
    except OSError as error:
        raise InputError(f"gate {str(path)!r} cannot be written ({error}); name another file with --out") from None


def load_gate(path: Path) -> tuple[LearnedGate, str]:
    """Return the gate of a file, and the sha256 of the file.

    Raises:
        InputError: it cannot be read, or is no gate.
    """
    try:
        content = path.read_bytes()
        record = json.loads(content)
    except (OSError, ValueError) as error:
        raise InputError(
            f"gate {str(path)!r} cannot be read ({error}); make one with `edge-runtime gate fit`"
        ) from None
    try:
        gate = from_record(record if isinstance(record, dict) else {})
    except InputError as error:
        raise InputError(f"gate {str(path)!r}: {error}; make one with `edge-runtime gate fit`") from None
    return gate, hashlib.sha256(content).hexdigest()
