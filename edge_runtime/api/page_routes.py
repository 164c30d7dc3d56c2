"""The page itself: static files, which need no token because they hold nothing of this box."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from fastapi import APIRouter, Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

PAGE = "/"
FILES = "/page/"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
# Nothing from elsewhere, no script in the page's own text, in no frame of another site.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_page(path: str) -> bool:
    """Tell whether an address is one of the page's own files, which whoever reaches the box may read."""
    return path == PAGE or path.startswith(FILES)


def page_routes() -> APIRouter:
    """Return the addresses of the page: each file is read once, so no name leads anywhere else."""
    router = APIRouter(include_in_schema=False)
    for path, (body, media) in _files().items():
        router.add_api_route(path, _served(body, media), methods=["GET", "HEAD"])
    return router


def _files() -> Mapping[str, tuple[bytes, str]]:
    """Return each address with its bytes and media type."""
    folder = resources.files("edge_runtime.api") / "dashboard"
    found = {}
    for file in folder.iterdir():
        kind = _KINDS.get(file.name[file.name.rfind(".") :])
        if kind:
            path = PAGE if file.name == "index.html" else FILES + file.name
            found[path] = (file.read_bytes(), kind)
    return found


def _served(body: bytes, media: str) -> Callable[[], Awaitable[Response]]:
    async def file() -> Response:
        return Response(body, media_type=media, headers=HEADERS)

    return file
