"""Why a request is not carried out, in the words and the shape that clients of OpenAI's API know."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from edge_runtime.errors import InputError

T = TypeVar("T")

_LONGEST_SHOWN = 60
_KINDS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class RequestError(InputError):
    """A request that is refused.

    Attributes:
        status: of HTTP.
        param: the field that is wrong.
        code: a word for programs.
        retry_after_s: after how many seconds it may work.
        headers: what the reply carries besides.
    """

    def __init__(
        self,
        message: str,
        status: int = 400,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
        self.headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        if status == 401:
            self.headers["WWW-Authenticate"] = "Bearer"

    @property
    def body(self) -> dict[str, Any]:
        """Return what the client is told."""
        return error_body(str(self), self.status, param=self.param, code=self.code)


def error_body(message: str, status: int, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """Return an error in OpenAI's shape."""
    kind = "server_error" if status >= 500 else _KINDS.get(status, "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def able(service: T | str, what: str) -> T:
    """Return a service of this box.

    Raises:
        RequestError: it has none, and `service` says why.
    """
    if isinstance(service, str):
        raise RequestError(f"{what} cannot be had here: {service}", 404, code="not_available")
    return service


def json_bytes(body: object) -> bytes:
    """Return JSON as it goes over the wire; what UTF-8 cannot hold is escaped."""
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode("ascii")


def shown(value: str) -> str:
    """Return a client's word as an error may repeat it: short, in ASCII, on one line."""
    return ascii(value if len(value) <= _LONGEST_SHOWN else value[:_LONGEST_SHOWN] + "...")
