"""The child program that reads one camera.

It sends a picture (RGB, uint8, height x width x 3) when the parent has asked for one, `fps` a second at most. Between
them it keeps reading and throwing away, so what it sends is always the newest picture. A picture that arrived damaged
is never sent, nor are those that build on it.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from edge_runtime.errors import SourceError
from edge_runtime.sources.child import Parent
from edge_runtime.sources.faults import host_of, knock

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.sources.child import Flag
    from edge_runtime.sources.grabbing import Grabber

_DAMAGE = re.compile(
    r"error while decoding|conceal|corrupt|missed \d+ packets|missing picture|could not find ref|decode_slice_header"
    r"|max delay reached|no frame!|invalid nal|premature end|overread|header damaged|bad vlc|cabac",
    re.IGNORECASE,
)
_HEALED_S = 3.0
"""A stream without key frames mends itself; after so long without a new fault its pictures count as whole."""
_PATIENCE = 0.8
_SEVERAL = 3
_CREDIT_S = 0.5
_BREATH_S = 0.02
_SLACK = 0.3
"""Of the time between two pictures: a network delivers some early and some late."""
_WAIT_S = 0.3
"""So long the kernel keeps what a good camera sends over UDP, 4 Mbit/s; more would be lost and damage pictures."""
_WAIT_SHARE = 0.5


class Damage:
    """Whether the pictures that arrive are whole."""

    def __init__(self, at: float) -> None:
        self.count = 0
        self._running = 0
        self._broken = False
        self._whole_at = at
        self._last_at = at

    def whole(self, said: str, *, key_frame: bool, at: float) -> bool:
        """Tell whether the picture that came at `at` is, given what the decoder said about it."""
        if _DAMAGE.search(said):
            self.hit(at)
        elif self._broken and not key_frame and at - self._last_at <= _HEALED_S:
            self.count += 1
            self._running += 1
        else:
            self._broken = False
        return not self._broken

    def hit(self, at: float) -> None:
        """Count a picture that is not."""
        self.count += 1
        self._running += 1
        self._broken = True
        self._last_at = at

    def proved(self, at: float) -> None:
        """Note that a picture was decoded without fault."""
        self._whole_at = at
        self._running = 0

    def hopeless(self, at: float, patience_s: float) -> bool:
        """Tell whether nothing but damaged pictures has come for `patience_s`."""
        return self._running >= _SEVERAL and at - self._whole_at > patience_s


class Waiting:
    """How long pictures wait for a parent that is late to ask; the network keeps what comes meanwhile.

    On a busy box it is late now and then, and no picture is lost for 0.3 s of it. One that is always late
    holds reading up for half of the time at most, so that what it gets does not fall ever further behind. In the
    beginning nothing waits: what a camera kept for its next viewer comes at once, and is old.

    Attributes:
        missed: pictures that were passed over because nobody asked in time.
    """

    def __init__(self, at: float) -> None:
        self.missed = 0
        self._left_s = 0.0
        self._at = at

    def asked(self, wanted: Flag, at: float) -> bool:
        """Tell whether the parent wants the picture that came at `at`."""
        self._left_s = min(_WAIT_S, self._left_s + _WAIT_SHARE * (at - self._at))
        self._at = at
        if wanted.wait(max(0.0, self._left_s)):
            self._left_s -= time.monotonic() - at
            return True
        self._left_s = 0.0
        self.missed += 1
        return False


def main() -> None:
    """Serve pictures until the camera or the parent is gone."""
    parent = Parent()
    url = parent.request["url"]
    # For nothing else is the library loaded: a camera that is away for days is asked for every second.
    host = host_of(url) if parent.request["knock"] else None
    if host and (problem := knock(*host)):
        parent.tell(error=problem)
        return
    from edge_runtime.sources.grabbing import grabber  # noqa: PLC0415 - see above

    try:
        source = grabber(parent.request, parent.last_words)
        problem = _serve(parent, source) if source.opened else f"cannot be opened{parent.last_words()}"
    except SourceError as error:
        problem = str(error)
    parent.tell(error=problem)


def _serve(parent: Parent, source: Grabber) -> str:
    """Send pictures, and return why there are no more."""
    period_s = 1 / parent.request["fps"]
    # The parent would only know that nothing came.
    patience_s = _PATIENCE * parent.request["patience_s"]
    damage, waiting = Damage(time.monotonic()), Waiting(time.monotonic())
    seen, due = 0, time.monotonic()
    parent.forget()
    while True:
        grabbed, at = source.grab(), time.monotonic()
        said = parent.heard()
        # A single packet that cannot be decoded looks like the end of the stream; the real end says nothing twice.
        if not grabbed and not _DAMAGE.search(said):
            return f"stopped sending pictures{parent.last_words()}"
        seen += 1
        picture = None
        if damage.whole(said, key_frame=source.key_frame, at=at):
            if not source.packed:
                damage.proved(at)
            if at + _SLACK * period_s < due or not waiting.asked(parent.wanted, at):
                continue
            picture = _decoded(parent, source, damage, at)
        if picture is None:
            if damage.hopeless(at, patience_s):
                return f"sent damaged pictures alone for {patience_s:g} s{parent.last_words()}"
            parent.forget()
            time.sleep(0.0 if grabbed else _BREATH_S)
            continue
        parent.wanted.clear()
        # One that came late takes nothing from the next.
        due = max(due, at - max(period_s, _CREDIT_S)) + period_s
        told = {"at": at, "seen": seen, "damaged": damage.count, "missed": waiting.missed}
        _send(parent, source, picture, told)


def _decoded(parent: Parent, source: Grabber, damage: Damage, at: float) -> NDArray[np.uint8] | None:
    """Return the last picture, None where decoding shows it to be damaged."""
    picture = source.retrieve(parent.share)
    if picture is None:
        damage.hit(at)
    elif damage.whole(parent.heard(), key_frame=True, at=at):
        damage.proved(at)
        return picture
    return None


def _send(parent: Parent, source: Grabber, picture: NDArray[np.uint8], told: Mapping[str, object]) -> None:
    import numpy as np  # noqa: PLC0415 - it is loaded by now

    shared = np.frombuffer(parent.share(picture.nbytes), np.uint8).reshape(picture.shape)
    if not np.may_share_memory(picture, shared):
        shared[:] = picture
    # The parent converts it: the picture is copied once on its way, not twice.
    facts = {"shared": picture.nbytes, "shape": picture.shape, "conversion": source.conversion}
    parent.tell(b"", **told, **facts, media_s=source.media_s)


if __name__ == "__main__":
    main()
