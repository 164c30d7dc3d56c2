"""A reply that comes piece by piece and is tidied up after, whatever becomes of its client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.types import Receive, Scope, Send


class Streaming(StreamingResponse):
    """A stream; a generator's own `finally` is not enough, for one that was never begun has none.

    Args:
        pieces: what is sent.
        tidy: called once at the end.
        media: type of the content.
        headers: besides.
    """

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        tidy: Callable[[], None],
        media: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(pieces, headers=headers, media_type=media)
        self._tidy = tidy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._tidy()
