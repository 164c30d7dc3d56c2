"""Where the pictures of a request come from: out of it, or from the hosts that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.api.pictures import data_of, picture

if TYPE_CHECKING:
    from edge_runtime.api.hands import Hands
    from edge_runtime.api.remote_pictures import RemotePictures
    from edge_runtime.types import Image


class PictureSource:
    """Gets pictures.

    Args:
        remote: fetches those that are not in the request itself.
        hands: decode.
    """

    def __init__(self, remote: RemotePictures, hands: Hands) -> None:
        self._remote = remote
        self._hands = hands

    async def of(self, url: str, param: str) -> Image:
        """Return the picture behind a data URL or an address.

        Raises:
            RequestError: it cannot be had or read; `param` names it.
        """
        if not is_data(url):
            data = await self._remote.fetch(url, param)
            return await self._hands.do(picture, data, param)
        return await self._hands.do(lambda: picture(data_of(url, param), param))


def is_data(text: str) -> bool:
    """Tell whether a text is a data URL."""
    return text[:5].lower() == "data:"
