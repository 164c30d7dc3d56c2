"""Pictures fetched from the few hosts that the settings name, and from nowhere else."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import h11

from edge_runtime.api.refusal import RequestError, shown

if TYPE_CHECKING:
    from collections.abc import Collection

FETCH_S = 10.0
_PORTS = {"http": 80, "https": 443}
_BLOCK = 64 * 2**10
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses as a NAT64 gateway reaches them (RFC 6052)."""


class _Place(NamedTuple):
    """Where a picture is: `allowed` is how the settings name the host."""

    scheme: str
    host: str
    port: int
    target: str


class RemotePictures:
    """Fetches pictures.

    Args:
        hosts: "host" for its usual port, or "host:port"; an address of a private network is reached only where the
            address itself is among them.
        most_bytes: of one picture.
        fetch_s: for one picture, from the question for its address to its last byte.
    """

    def __init__(self, hosts: Collection[str], most_bytes: int, fetch_s: float = FETCH_S) -> None:
        self._hosts = {host.lower() for host in hosts}
        self._most_bytes = most_bytes
        self._fetch_s = fetch_s

    async def fetch(self, url: str, param: str | None = None) -> bytes:
        """Return the file at `url`.

        Raises:
            RequestError: its host is not among those of the settings, or it cannot be had; the message says why.
        """
        place = self._place(url, param)
        try:
            async with asyncio.timeout(self._fetch_s):
                address = await self._address(place, param)
                return await self._get(place, address, param)
        except TimeoutError:
            why = f"{place.host} did not send the picture within {self._fetch_s:g} s"
        except ssl.SSLCertVerificationError:
            why = f"the certificate of {place.host} is not valid"
        except (OSError, h11.ProtocolError) as error:
            why = f"{place.host} cannot be asked for the picture ({type(error).__name__})"
        raise RequestError(why, param=param, code="image_not_fetched")

    def _place(self, url: str, param: str | None) -> _Place:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise RequestError("the picture's address cannot be read", param=param, code="invalid_image_url") from None
        if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None or not _plain(url):
            why = "a picture is a data URL: data:image/jpeg;base64,..."
            raise RequestError(why, param=param, code="invalid_image_url")
        host, usual = parts.hostname, _PORTS[parts.scheme]
        named = f"[{host}]" if ":" in host else host
        allowed = {f"{named}:{port or usual}", f"{host}:{port or usual}"} | (
            {host, named} if port in {None, usual} else set()
        )
        if not allowed & self._hosts:
            why = f"pictures are not fetched from {shown(host)}; send a data URL, or list it in api.remote_pictures"
            raise RequestError(why, param=param, code="remote_image_refused")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return _Place(parts.scheme, host, port or usual, target)

    async def _address(self, place: _Place, param: str | None) -> str:
        """Return the address to connect to, asked for once so that it cannot change between check and use."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            if not self._public(address, place.port):
                why = f"{shown(place.host)} is in a private network; list its address in api.remote_pictures"
                raise RequestError(why, param=param, code="remote_image_refused")
        return addresses[0]

    def _public(self, address: str, port: int = 0) -> bool:
        """Tell whether an address may be connected to; one that is listed with a port is for that port alone."""
        known = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(known, ipaddress.IPv6Address):
            known = known.ipv4_mapped or known.sixtofour or _translated(known) or known
        literal = {address, f"[{address}]", f"{address}:{port}", f"[{address}]:{port}"}
        return bool(literal & self._hosts) or (known.is_global and not known.is_multicast)

    async def _get(self, place: _Place, address: str, param: str | None) -> bytes:
        secure = ssl.create_default_context() if place.scheme == "https" else None
        reader, writer = await asyncio.open_connection(
            address, place.port, ssl=secure, server_hostname=place.host if secure else None
        )
        try:
            wire = h11.Connection(h11.CLIENT)
            headers = [("Host", f"{place.host}:{place.port}"), ("Accept", "image/*"), ("Connection", "close")]
            writer.write(wire.send(h11.Request(method="GET", target=place.target, headers=headers)) or b"")
            writer.write(wire.send(h11.EndOfMessage()) or b"")
            return await self._read(wire, reader, place, param)
        finally:
            writer.transport.abort()

    async def _read(
        self, wire: h11.Connection, reader: asyncio.StreamReader, place: _Place, param: str | None
    ) -> bytes:
        body = bytearray()
        while True:
            event = wire.next_event()
            if event is h11.NEED_DATA:
                wire.receive_data(await reader.read(_BLOCK))
            elif isinstance(event, h11.Response) and event.status_code != 200:
                # Another host may hide behind a redirection.
                why = f"{place.host} answered {event.status_code} instead of sending the picture"
                raise RequestError(why, param=param, code="image_not_fetched")
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > self._most_bytes:
                    why = f"the picture is larger than {self._most_bytes / 2**20:g} MB"
                    raise RequestError(why, param=param, code="image_too_large")
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return bytes(body)


def _plain(url: str) -> bool:
    """Tell whether an address is made of what one may be made of; line ends and tabs would silently be left out."""
    return url.isascii() and url.isprintable() and " " not in url


def _translated(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _TRANSLATED else None
