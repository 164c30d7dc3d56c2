"""The life of one device that a child program reads: started anew after each failure, closed once, from any thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self, TypeVar

from edge_runtime.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge_runtime.sources.child import ChildProgram

T = TypeVar("T")


class Device:
    """A camera or a microphone; what it delivers is the subclass's to say."""

    live = True

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._closed = False
        self._child: ChildProgram | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the capture process and end what reads from it; safe from any thread and more than once."""
        with self._lock:
            self._closed = True
            if self._child is not None:
                self._child.kill()

    def restart(self) -> None:
        """Kill the capture process, so that whoever reads begins anew; safe from any thread."""
        with self._lock:
            if self._child is not None and not self._closed:
                self._child.kill()

    def _read(
        self,
        start: Callable[[], ChildProgram],
        deliver: Callable[[ChildProgram], Iterator[T]],
        told: Callable[[str], str],
    ) -> Iterator[T]:
        """Yield what a child program made by `start` delivers, until closed.

        Raises:
            SourceError: what `told` makes of the problem, with the name of the device.
        """
        with self._lock:
            if self._closed:
                return
            child = self._child = start()
        try:
            yield from deliver(child)
        except SourceError as error:
            if not self._closed:
                raise SourceError(told(str(error))) from None
        finally:
            child.stop()
