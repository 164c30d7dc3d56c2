"""The settings in words: what each key means, and what is wrong with a file."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings

if TYPE_CHECKING:
    from collections.abc import Iterator


_SHAPES: dict[type, str] = {dict: "keys with values", list: "a list", tuple: "a list"}
_REASONS = {
    "tuple_type": "write a list: [one, two], or a line for each that begins with '-'",
    "model_type": "write keys with their values, such as {key: value}",
}
_NAME = re.compile(r"^\^\[(?P<signs>[^]]+)\]\{1,(?P<most>\d+)\}\$$")


def explain_error(error: ValidationError, settings: type[BaseModel]) -> str:
    """Return the first thing wrong in one line: the key, its value, and what to do."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {key!r}{_nearest(first['loc'], settings)}; see 'edge-runtime config --explain'"
    reason = _REASONS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    if first["type"] == "string_pattern_mismatch" and (name := _NAME.match(first["ctx"]["pattern"])):
        others = " ".join(name["signs"].removeprefix("A-Za-z0-9"))
        reason = f"write 1 to {name['most']} letters (a to z), digits and any of {others}"
    if not key:
        return reason
    if first["type"] == "missing":
        return f"{key} is missing; see 'edge-runtime config --explain'"
    if first["type"] == "value_error" and isinstance(first["input"], (dict, list, tuple)):
        return f"{key}: {reason}"
    return f"{key} is {_safe(first['input'])}: {reason[0].lower()}{reason[1:]}"


def _safe(value: object) -> str:
    """Show a wrong value without the passwords that addresses may hold."""
    if type(value) in _SHAPES:
        return _SHAPES[type(value)]
    return re.sub(r"://[^/@\s]*@", "://***@", repr(value))


def _nearest(loc: tuple[int | str, ...], section: type[BaseModel]) -> str:
    for part in loc[:-1]:
        if isinstance(part, str):
            section = _section_of(section.model_fields[part].annotation) or section
    close = difflib.get_close_matches(str(loc[-1]), list(section.model_fields), n=1, cutoff=0.5)
    known = ", ".join(name for name in section.model_fields if name != "secrets")
    nearest = ".".join(str(part) for part in (*loc[:-1], *close))
    return f"; did you mean {nearest!r}?" if close else f"; known here: {known}"


def _section_of(annotation: Any) -> type[BaseModel] | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def explain(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (key, default, description) of every setting, secrets as their environment variables."""
    for name, field in section.model_fields.items():
        inner = _section_of(field.annotation)
        many = "[]" if str(field.annotation).startswith("tuple") else ""
        if inner and issubclass(inner, BaseSettings):
            for secret, secret_field in inner.model_fields.items():
                yield f"EDGE_{secret.upper()}", "not set", str(secret_field.description)
        elif inner:
            yield from explain(inner, f"{prefix}{name}{many}.")
        else:
            default = "required" if field.is_required() else _shown(field.default)
            yield prefix + name, default, str(field.description)


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, tuple):
        return "[" + ", ".join(str(item) for item in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
