"""Answers in a given shape: the schema as endpoints want it, and whether a reply keeps to it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from edge_runtime.errors import CloudProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LONGEST_COMPLAINT = 300
MOST_STEPS = 10**8
"""A pattern is not held against a text on which it could take more than this."""
NAME = "answer"

_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?(?:[:=!>]|<[=!]|P?<\w+>|[a-zA-Z-]+:?))?|"
    r"\)(?:[*+?]|\{\d*,?\d*\})?|\||[*+?]|\{\d*,?\d*\}",
    re.DOTALL,
)
_AGAIN = re.compile(r"[*+]|\{\d*,\d*\}|\{\d{2,}\}")
MOST_REFS = 5_000
"""References that one reply is followed through."""


class AnswerFormat:
    """A JSON schema that answers must satisfy.

    Args:
        schema: as JSON; `$ref` reaches no further than the schema itself.

    Raises:
        CloudProtocolError: it is no JSON schema.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = dict(schema)
        self._followed_refs = 0
        kind = validators.validator_for(self._schema, default=Draft202012Validator)
        try:
            kind.check_schema(self._schema)
        except (SchemaError, RecursionError) as error:
            what = error.message if isinstance(error, SchemaError) else "it is nested too deeply"
            raise CloudProtocolError(f"the answer's schema is no JSON schema: {_short(what)}") from None
        for pattern in _patterns(self._schema):
            if _is_endless(pattern):
                why = f"the pattern {pattern!r} repeats what repeats or branches, which can take for ever"
                raise CloudProtocolError(_short(f"the answer's schema is not taken: {why}; write it without"))
        registry: Registry[Any] = Registry()
        own = {"pattern": _matches, "$ref": self._followed(kind.VALIDATORS["$ref"])}
        bounded: Any = validators.extend(kind, own)  # type: ignore[no-untyped-call]
        self._validator = bounded(self._schema, registry=registry)

    def wire(self, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the parameter `response_format`, of `schema` where another one is to be sent.

        Strict decoding is asked for where the schema is one that endpoints can be strict about: every object lists
        all its properties as required and allows no others.
        """
        sent = dict(self._schema if schema is None else schema)
        return {"type": "json_schema", "json_schema": {"name": NAME, "schema": sent, "strict": _is_strict(sent)}}

    def _followed(self, follow: Callable[..., Any]) -> Callable[..., Any]:
        """Return what follows a reference, but not for ever: a few that name each other can stand for millions."""

        def ref(validator: Any, ref: str, value: object, schema: object) -> Iterator[ValidationError]:
            self._followed_refs += 1
            if self._followed_refs > MOST_REFS:
                raise RecursionError(f"it takes more than {MOST_REFS} references")
            yield from follow(validator, ref, value, schema) or ()

        return ref

    def complaint(self, text: str) -> str | None:
        """Return what is wrong with a reply, None where nothing is."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            return _short(f"the reply is not JSON: {error}")
        self._followed_refs = 0
        try:
            wrong = best_match(self._validator.iter_errors(value))
        except (Unresolvable, RecursionError) as error:
            return _short(f"the schema cannot be followed: {error}")
        if not isinstance(wrong, ValidationError):
            return None
        return _short(f"at {wrong.json_path}: {wrong.message}")


def says_unsure(text: str, unsure: str) -> bool:
    """Tell whether a JSON reply holds the word `unsure` where an answer should be."""
    try:
        return any(leaf.strip(" .!").upper() == unsure for leaf in _strings(json.loads(text)))
    except (ValueError, RecursionError):
        return False


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _matches(validator: Any, pattern: str, text: object, schema: object) -> Iterator[ValidationError]:
    """Yield what is wrong with a text that must follow a pattern."""
    if isinstance(text, str) and len(text) ** _repeats(pattern) > MOST_STEPS:
        yield ValidationError(f"{len(text)} characters are too many to be held against {pattern!r}")
        return
    yield from Draft202012Validator.VALIDATORS["pattern"](validator, pattern, text, schema) or ()


def _patterns(schema: object) -> Iterator[str]:
    """Yield what may be a regular expression in a schema."""
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _patterns(inner)
    if isinstance(schema, dict):
        named = schema.get("patternProperties")
        yield from named if isinstance(named, dict) else ()
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]


def _is_endless(pattern: str) -> bool:
    """Tell whether a repeated group holds a repetition or a choice: matching may take time exponential in the text."""
    manifold = [False]
    for token in _TOKEN.finditer(pattern):
        if token[0][0] == "(":
            manifold.append(False)
        elif token[0][0] == ")":
            inner = manifold.pop() if len(manifold) > 1 else False
            again = _AGAIN.match(token[0], 1) is not None
            if inner and again:
                return True
            manifold[-1] = manifold[-1] or inner or len(token[0]) > 1
        elif token[0] in "|?" or _AGAIN.match(token[0]):
            manifold[-1] = True
    return False


def _repeats(pattern: str) -> int:
    """Return how many parts of a pattern may be of any length."""
    return sum(_AGAIN.fullmatch(token[0].lstrip(")")) is not None for token in _TOKEN.finditer(pattern))


def _is_strict(schema: object) -> bool:
    if isinstance(schema, list):
        return all(_is_strict(part) for part in schema)
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or properties is not None:
        named = set(properties) if isinstance(properties, dict) else set()
        required = schema.get("required")
        if schema.get("additionalProperties") is not False or set(required or ()) != named:
            return False
    return all(_is_strict(part) for part in schema.values())


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_COMPLAINT else text[: LONGEST_COMPLAINT - 1] + "…"
