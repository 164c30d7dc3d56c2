"""A body that cannot be understood, explained by the one error that says most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_runtime.api.refusal import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi.exceptions import RequestValidationError

_TOKENS = "token numbers cannot be embedded, for every model has its own; send the text"


def explained(error: RequestValidationError) -> RequestError:
    """Return the refusal of a request whose fields are wrong; what the client sent is not repeated."""
    errors: Sequence[Mapping[str, Any]] = error.errors()
    if any(one["type"] == "json_invalid" for one in errors):
        return RequestError("the body is no JSON", code="invalid_json")
    if any(_is_tokens(one) for one in errors):
        return RequestError(_TOKENS, param="input", code="tokens_not_supported")
    # Of a field that may be several things, each has its own complaint; the deepest one came closest.
    worst = max(errors, key=lambda one: (len(one["loc"]), one["type"] != "string_type"))
    param = _field(worst["loc"])
    why = str(worst["msg"]).removesuffix(".")
    return RequestError(f"{param or 'the request'}: {why}", param=param or None, code=worst["type"])


def _is_tokens(one: Mapping[str, Any]) -> bool:
    given = one["input"] if tuple(one["loc"][:2]) == ("body", "input") and len(one["loc"]) > 2 else None
    return isinstance(given, int) or (isinstance(given, list) and bool(given) and isinstance(given[0], int))


def _field(loc: Sequence[str | int]) -> str:
    """Return messages[0].content for ("body", "messages", 0, "content", ...); names of types are left out."""
    field, before = "", ""
    for at, step in enumerate(loc[1:]):
        if isinstance(step, int):
            field += f"[{step}]"
        elif step.isidentifier() and step.islower() and step not in {"str", "list"} and not _is_kind(loc[1:], at):
            field += f".{step}" if before else step
        before = field
    return field


def _is_kind(loc: Sequence[str | int], at: int) -> bool:
    """Tell whether a step is no field but the `type` by which its place was told: that of a part, or of a format."""
    if at == 0:
        return False
    return loc[at - 1] == "response_format" or (isinstance(loc[at - 1], int) and at > 1 and "content" in loc[:at])
