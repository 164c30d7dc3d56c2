"""What an alert was decided from, as JSON that gives back the very same numbers."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.errors import InputError
from edge_runtime.types import Detection, Frame, Look, Sight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge_runtime.types import Event, Image, Vector

FORMAT = 1
RECORD = "record.json"
FRAME = "frame.png"
SNAPSHOT = "snapshot.jpg"
CLIP = "clip.avi"
SOUND = "sound.flac"
HEARD = "heard.npy"

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """What an alert came from besides what was seen: all of it JSON values.

    Attributes:
        settings: the keys that the decision depends on, secrets masked.
        settings_sha256: of all settings in force, secrets masked, as canonical JSON.
        bundle: name, version and sha256 of the manifest, which names every file's.
        program: versions that numbers may depend on.
    """

    settings: Mapping[str, object]
    settings_sha256: str
    bundle: Mapping[str, object]
    program: Mapping[str, object]


def canonical(value: object) -> bytes:
    """Return JSON in the one form in which equal values are equal bytes: keys sorted, no spaces, UTF-8."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def text_of(record: Facts) -> bytes:
    """Return a record as it stands in its file: in its own order, in which states may be told apart."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def decision(event: Event) -> bytes:
    """Return what a replay must give again, byte for byte: everything of an event but its id."""
    return canonical(told(event))


def told(event: Event) -> Facts:
    """Return the event as it was told, and every gate on the way to it."""
    return {
        "kind": event.kind,
        "source": event.source,
        "at": event.at,
        "data": dict(event.data),
        "steps": [{"gate": step.gate, "facts": dict(step.facts)} for step in event.steps],
    }


def sight_facts(sight: Sight) -> Facts:
    """Return all of a sight but its picture and its feature maps, which the model gives again."""
    look = sight.look
    return {
        "at": sight.frame.at,
        "height": sight.frame.image.shape[0],
        "width": sight.frame.image.shape[1],
        "area": sight.area,
        "moving": sight.moving,
        "novelty": list(sight.novelty),
        "local": sight.local.isoformat() if sight.local else None,
        "patches": [list(stage.shape) for stage in look.patches],
        **look_facts(look),
    }


def look_of(facts: Mapping[str, Any], patches: Sequence[NDArray[np.float32]] = ()) -> Look:
    """Return the look that facts were written of; feature maps come from a pass of the model.

    Raises:
        InputError: something is missing or of the wrong kind.
    """
    try:
        return Look(
            tuple(_detection(found) for found in facts["detections"]),
            tuple(_detection(found) for found in facts["unsure"]),
            dict(facts["presence"]),
            None if facts["embedding"] is None else _vector(facts["embedding"]),
            tuple(patches),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the record of the look cannot be read ({error!r})") from None


def sight_of(facts: Mapping[str, Any], source: str, image: Image, look: Look) -> Sight:
    """Return the sight that facts were written of, with its picture and look.

    Raises:
        InputError: something is missing or of the wrong kind.
    """
    try:
        local = None if facts["local"] is None else datetime.fromisoformat(facts["local"])
        frame = Frame(source, float(facts["at"]), image)
        return Sight(frame, look, facts["area"], facts["moving"], tuple(facts["novelty"]), local)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the record of what was seen cannot be read ({error!r})") from None


def look_facts(look: Look) -> Facts:
    """Return what two looks are compared by; equal facts are equal numbers, bit for bit."""
    return {
        "detections": [_found(found) for found in look.detections],
        "unsure": [_found(found) for found in look.unsure],
        "presence": dict(look.presence),
        "embedding": None if look.embedding is None else _vector_text(look.embedding),
    }


def read_array(path: Path) -> NDArray[Any]:
    """Read an array file; nothing in it is ever executed.

    Raises:
        InputError: it is missing or no array of numbers.
    """
    try:
        # Not np.load, which takes other kinds of files for arrays too.
        with path.open("rb") as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise InputError(f"{path} is no array that can be read ({error})") from None
    return array


def _found(found: Detection) -> Facts:
    return {"label": found.label, "score": found.score, "box": list(found.box)}


def _detection(found: Mapping[str, Any]) -> Detection:
    x0, y0, x1, y1 = found["box"]
    return Detection(found["label"], found["score"], (x0, y0, x1, y1))


def _vector_text(vector: Vector) -> str:
    """Return float32 numbers, little-endian, as base64: a quarter of their size in digits."""
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


def _vector(text: str) -> Vector:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
