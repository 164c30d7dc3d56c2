"""The egress gate as the settings want it: policies, what finds faces and letters, and the ledger."""

from __future__ import annotations

import threading
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from edge_runtime.cloud.egress import EgressGate, Outgoing
from edge_runtime.cloud.ledger import Ledger
from edge_runtime.cloud.picture import Area, encoded
from edge_runtime.errors import EgressRefusedError, InputError
from edge_runtime.inference.detector import ObjectDetector
from edge_runtime.inference.faces import FaceFinder
from edge_runtime.inference.lettering import find_letters
from edge_runtime.prompts.book import PromptBook
from edge_runtime.sources.files import read_picture
from edge_runtime.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.config import Settings
    from edge_runtime.types import Box, Image
    from edge_runtime.wiring.assembly import Models

    Record = dict[str, Any]

LEDGER = "ledger"
PERSON = "person"

_LEAST_PERSON = 0.35
_SURE_FACE = 0.7
_LEAST_FACE = 0.12
"""Width of a face by that of its person, arms and all."""

_FACE_MARGIN = (0.2, 0.3)
"""What is blurred around a face, as shares of its width and height: hair, ears and chin tell people apart as well."""


class PrivateAreas:
    """Finds what must not be seen in a picture; safe across threads.

    Args:
        models: find people; each of them has a head, whether a face is found in it or not.
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        self._lock = threading.Lock()

    def find(self, image: Image) -> list[Area]:
        """Return faces, heads of people without one, and letters in an RGB picture of any size."""
        with self._lock:
            faces = self._faces.find(image)
            look = self._people.look(image) if self._people else None
        people = [
            found.box
            for found in (*look.detections, *look.unsure)
            if found.label == PERSON and found.score >= _LEAST_PERSON
        ] if look else []  # fmt: skip
        sure = [face.box for face in faces if face.score >= _SURE_FACE]
        heads = [head(box, image.shape[1] / image.shape[0]) for box in people]
        heads = [box for box in heads if not any(_holds(box, face) for face in sure)]
        return [
            *(Area("face", _wider(face.box)) for face in faces),
            *(Area("head", box) for box in heads),
            *(Area("letters", box) for box in find_letters(image)),
        ]

    @cached_property
    def _faces(self) -> FaceFinder:
        return FaceFinder(self._models.holder("faces"))

    @cached_property
    def _people(self) -> ObjectDetector | None:
        """A detector that looks for people whatever the owner wants reported."""
        detector = self._models.manifest.detector
        if detector is None or PERSON not in detector.labels:
            return None
        return ObjectDetector(self._models.image, self._models.manifest, labels=(PERSON,))


def head(person: Box, aspect: float = 1.0) -> Box:
    """Return where a person's head is: the upper third, more of somebody who is seen from near.

    Args:
        person: box around all that is seen of somebody.
        aspect: width of the picture by its height.
    """
    x0, y0, x1, y1 = person
    high = min(max((y1 - y0) / 3, 0.6 * (x1 - x0) * aspect), y1 - y0)
    # Arms and bags widen a box on both sides.
    aside = 0.12 * (x1 - x0)
    return x0 + aside, max(y0 - 0.1 * high, 0.0), x1 - aside, min(y0 + high, 1.0)


def _holds(head: Box, face: Box) -> bool:
    """Tell whether a face may be the one of a head: its middle lies in it, and it is no speck on somebody's clothes."""
    x, y = (face[0] + face[2]) / 2, (face[1] + face[3]) / 2
    inside = head[0] <= x <= head[2] and head[1] <= y <= head[3]
    return inside and face[2] - face[0] >= _LEAST_FACE * (head[2] - head[0])


def _wider(box: Box) -> Box:
    x0, y0, x1, y1 = box
    wide, high = _FACE_MARGIN[0] * (x1 - x0), _FACE_MARGIN[1] * (y1 - y0)
    return max(x0 - wide, 0.0), max(y0 - high, 0.0), min(x1 + wide, 1.0), min(y1 + high, 1.0)


def ledger_folder(settings: Settings) -> Path:
    """Return the folder that holds the ledger."""
    return settings.device.data_dir.expanduser() / LEDGER


def make_egress(settings: Settings, models: Models) -> EgressGate:
    """Return the gate that the settings want."""
    ledger = Ledger(ledger_folder(settings), settings.egress.ledger_mb * 1_000_000)
    cameras = [camera.name for camera in settings.cameras]
    return EgressGate(settings.egress, ledger, PrivateAreas(models).find, cameras)


def dry_run(settings: Settings, picture: str | None, out: Path) -> Callable[[str], Record]:
    """Return what shows what would leave with a question, before and after the gate; nothing does leave.

    Args:
        settings: the policy is that of the source "terminal".
        picture: file with the picture that the question is about.
        out: folder for before.jpg and after.jpg, made when missing.
    """
    from edge_runtime.wiring.assembly import Models  # noqa: PLC0415 - it builds on what is here

    image = read_picture(Path(picture)) if picture else None
    gate, book = make_egress(settings, Models.of(settings)), PromptBook(settings.answering.prompts)
    to = [f"{one.name}: {one.model} at {_host(one.base_url)}" for one in settings.cloud.providers]

    def show(text: str) -> Record:
        if not text.strip():
            raise InputError("the question is empty; ask something")
        told = {"dry_run": True, "cloud": settings.cloud.enabled, "to": to}
        frame = None if image is None else Frame("terminal", time.monotonic(), image)
        try:
            shown = gate.preview(Outgoing("terminal", "dry run", (text,), frame))
        except EgressRefusedError as error:
            return {**told, "source": "terminal", "policy": "nothing", "refused": str(error)}
        prompt = gate.cleaned(book.of(None))
        if shown["picture"] is not None and image is not None:
            shown["picture"] |= _written(out, image, shown["picture"].pop("jpeg"))
        elif image is not None:
            told["dropped"] = "the policy lets no picture leave"
        return {**told, **shown, "prompt": prompt.mark, "instructions": prompt.system}

    return show


def _written(out: Path, image: Image, jpeg: bytes) -> dict[str, str]:
    """Write both pictures; return where."""
    before, after = out / "before.jpg", out / "after.jpg"
    try:
        out.mkdir(parents=True, exist_ok=True)
        before.write_bytes(encoded(image))
        after.write_bytes(jpeg)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); run it in a folder of your own") from None
    return {"before": str(before), "after": str(after)}


def _host(url: str) -> str:
    return urlsplit(url).hostname or url
