"""The one place through which everything leaves the box: the owner's policy, redaction, the ledger, then the wire."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from edge_runtime.cloud.picture import Picture, render
from edge_runtime.decision.budget import usd
from edge_runtime.decision.redaction import Redactor
from edge_runtime.errors import EgressRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from edge_runtime.answer_sections import EgressSettings
    from edge_runtime.cloud.ledger import Ledger
    from edge_runtime.cloud.picture import Find
    from edge_runtime.prompts.book import Prompt
    from edge_runtime.types import Box, Frame

POLICIES = ("nothing", "text", "redacted_picture", "picture")
"""What may leave, from the strictest on."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What somebody wants to send, as it is.

    Attributes:
        source: the camera, microphone or door that asks; its policy decides.
        why: in a few words, for the ledger.
        texts: everything in words that would be sent; the order is kept.
        frame: the picture that goes with it.
        subject: what the picture is about, if known; the rest is cut away.
        mark: name, version and hash of the prompt, for the ledger.
    """

    source: str
    why: str
    texts: tuple[str, ...]
    frame: Frame | None = None
    subject: Box | None = None
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """What may be sent: nothing in it is more than the policy allows.

    Attributes:
        masked: how many things were taken out of the texts, by kind.
        picture: None where there is none, or none may leave.
    """

    source: str
    why: str
    policy: str
    texts: tuple[str, ...]
    masked: Mapping[str, int] = field(default_factory=dict)
    picture: Picture | None = None
    mark: str | None = None

    @property
    def picture_url(self) -> str | None:
        """Return the picture as a JPEG data URL."""
        return self.picture.url if self.picture else None


@dataclass(frozen=True, slots=True)
class Destination:
    """Who gets it: the provider's name in the settings, the host that is connected to, and the model there."""

    provider: str
    host: str
    model: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A line in the ledger about something that left."""

    id: str
    seq: int


class EgressGate:
    """Decides what may leave, makes it fit to leave, and writes down that it left; safe across threads.

    Args:
        settings: policies and private words.
        ledger: where it is written down.
        find: finds what must not be seen in a picture.
        cameras: sources with a policy for their pictures; another picture came with its question and has that policy.
        now: seconds since 1970.
    """

    def __init__(
        self,
        settings: EgressSettings,
        ledger: Ledger,
        find: Find,
        cameras: Collection[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._find = find
        self._cameras = frozenset(cameras)
        self._now = now
        self._redactor = Redactor(settings.private_words)

    def policy(self, source: str) -> str:
        """Return what may leave from a source."""
        return self._settings.sources.get(source, self._settings.default)

    def sees(self, source: str) -> bool:
        """Tell whether a picture of a source may leave, redacted or not."""
        return POLICIES.index(self.policy(source)) >= POLICIES.index("redacted_picture")

    def joint_policy(self, source: str, frame: Frame | None) -> str:
        """Return the stricter policy of who asks and who took the picture."""
        policies = [self.policy(source)]
        if frame is not None and (frame.source in self._cameras or frame.source in self._settings.sources):
            policies.append(self.policy(frame.source))
        return min(policies, key=POLICIES.index)

    def prepare(self, outgoing: Outgoing) -> Parcel:
        """Return what of it may be sent.

        Raises:
            EgressRefusedError: nothing may leave from where it comes.
        """
        if self.policy(outgoing.source) == "nothing":
            raise EgressRefusedError(
                f"nothing may leave the box from {outgoing.source}; egress.sources and egress.default decide"
            )
        redacted = [self._redactor.redact(text) for text in outgoing.texts]
        masked = sum((Counter(one.counts) for one in redacted), Counter())
        policy = self.joint_policy(outgoing.source, outgoing.frame)
        return Parcel(
            outgoing.source, outgoing.why, policy, tuple(one.text for one in redacted), dict(masked),
            self._picture(outgoing.frame, outgoing.subject, policy), outgoing.mark,
        )  # fmt: skip

    def pictured(self, parcel: Parcel, frame: Frame, subject: Box | None) -> Parcel:
        """Return the parcel with a picture, as far as it may leave."""
        policy = self.joint_policy(parcel.source, frame)
        return replace(parcel, policy=policy, picture=self._picture(frame, subject, policy))

    def add(self, parcel: Parcel, *texts: str) -> Parcel:
        """Return the parcel with more texts, as far as they may leave."""
        redacted = [self._redactor.redact(text) for text in texts]
        masked = sum((Counter(one.counts) for one in redacted), Counter(parcel.masked))
        return replace(parcel, texts=(*parcel.texts, *(one.text for one in redacted)), masked=dict(masked))

    def cleaned(self, prompt: Prompt) -> Prompt:
        """Return a prompt without what is private in it: the owner may have written it."""
        system, *said = (self._redactor.redact(text).text for text in (prompt.system, *chain(*prompt.examples)))
        examples = tuple(zip(said[::2], said[1::2], strict=True))
        output = prompt.output and json.loads(self._redactor.redact(json.dumps(prompt.output)).text)
        return replace(prompt, system=system, examples=examples, output=output)

    def preview(self, outgoing: Outgoing) -> dict[str, Any]:
        """Return what would leave, before and after, without writing anything down; "jpeg" is the picture's bytes.

        Raises:
            EgressRefusedError: nothing may leave from where it comes.
        """
        parcel = self.prepare(outgoing)
        texts = [{"before": one, "after": other} for one, other in zip(outgoing.texts, parcel.texts, strict=True)]
        picture = {**_shown(parcel.picture), "jpeg": parcel.picture.jpeg} if parcel.picture else None
        return {
            "source": parcel.source, "policy": parcel.policy, "texts": texts, "masked": dict(parcel.masked),
            "picture": picture,
        }  # fmt: skip

    def send(self, parcel: Parcel, destination: Destination, worst_case_pico: int) -> Entry:
        """Write down that a parcel leaves now, before it does.

        Args:
            parcel: what `prepare` made.
            destination: who gets it.
            worst_case_pico: the most it can cost, in picodollars.

        Raises:
            CloudError: it cannot be written down, so it must not leave.
        """
        entry_id = uuid.uuid4().hex
        shown = _shown(parcel.picture) if parcel.picture else None
        fields = {
            "kind": "send", "id": entry_id, "at": self._at(), "source": parcel.source, "why": parcel.why,
            "policy": parcel.policy, "to": asdict(destination), "texts": list(parcel.texts),
            "masked": dict(parcel.masked), "picture": shown, "prompt": parcel.mark,
            "worst_case_usd": usd(worst_case_pico),
        }  # fmt: skip
        return Entry(entry_id, self._ledger.append(fields).seq)

    def settle(self, entry: Entry, cost_pico: int, outcome: str) -> None:
        """Write down what became of something that left, and what it cost in picodollars.

        Raises:
            CloudError: it cannot be written down.
        """
        fields = {"kind": "settle", "at": self._at(), "of": entry.id, "cost_usd": usd(cost_pico), "outcome": outcome}
        self._ledger.append(fields)

    def _at(self) -> str:
        return datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _picture(self, frame: Frame | None, subject: Box | None, policy: str) -> Picture | None:
        if frame is None or policy not in {"redacted_picture", "picture"}:
            return None
        find = self._find if policy == "redacted_picture" else None
        return render(frame.image, subject, find)


def _shown(picture: Picture) -> dict[str, Any]:
    """Return what is told of a picture."""
    return {
        "sha256": picture.sha256,
        "bytes": len(picture.jpeg),
        "width": picture.width,
        "height": picture.height,
        "hidden": dict(picture.hidden),
    }
