"""A conversation becomes the prompt that a model was trained on, by the template that came with the model.

The template is a program of somebody else's. It runs in a sandbox that lets it read what it is given and nothing of
Python, with bounds on how long it runs and how much it writes.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, Undefined, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from edge_runtime.errors import BundleError
from edge_runtime.inference.bounds import TooMuchError, as_json, bounded, join, joined, replaced, written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jinja2.parser import Parser

    Message = Mapping[str, str]

PLAIN = (
    "{% for message in messages %}"
    "{% if message.role == 'system' %}{{ message.content }}\n\n"
    "{% elif message.role == 'user' %}Question: {{ message.content }}\n"
    "{% else %}Answer: {{ message.content }}\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}Answer:{% endif %}"
)
"""For models that have no template: their reply ends with the line."""

DEFAULTS: dict[str, Any] = {"tools": None, "documents": None, "enable_thinking": False}
"""What templates may ask for: replies are short and spoken, so that nobody waits for thoughts."""

_LARGEST_TEMPLATE = 200_000
_MOST_STEPS = 100_000
_LONGEST_S = 2.0
_LONGEST_FORM = 200

_TEXT_METHODS = {
    "capitalize", "count", "endswith", "find", "isdigit", "join", "lower", "lstrip", "partition", "removeprefix",
    "removesuffix", "replace", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "title",
    "upper",
}  # fmt: skip
_FILTERS = {
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "join",
    "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round",
    "safe", "select", "selectattr", "sort", "string", "title", "tojson", "trim", "unique", "upper",
}  # fmt: skip
"""Those that cannot write more than they read; the ones that could are replaced below by bounded ones."""


class ChatTemplate:
    """Turns a conversation into a prompt as transformers' `apply_chat_template` does.

    Args:
        source: the template's text.
        special: what it knows by name, such as bos_token.
        origin: what errors call it.

    Raises:
        BundleError: it is no template.
    """

    def __init__(self, source: str, special: Mapping[str, str], origin: str = "the chat template") -> None:
        self._special, self._origin = dict(special), origin
        if len(source) > _LARGEST_TEMPLATE:
            raise self._wrong(f"is larger than {_LARGEST_TEMPLATE} characters")
        self._environment = _Sandbox()
        try:
            self._template = self._environment.from_string(source)
        except (TemplateError, SyntaxError, RecursionError) as error:
            raise self._wrong(f"is no template ({error})") from None

    @classmethod
    def read(cls, path: Path | None, special: Mapping[str, str]) -> ChatTemplate:
        """Return the template of a file, `PLAIN` where there is none.

        Raises:
            BundleError: the file cannot be read, or is no template.
        """
        if path is None:
            return cls(PLAIN, special)
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise BundleError(f"chat template {path} is missing or no text; reinstall the bundle") from None
        return cls(source, special, f"chat template {path}")

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> str:
        """Return the prompt of a conversation.

        A system message that the template refuses, as Gemma's does, is put before the first message of the user.

        Raises:
            BundleError: the template fails, or goes beyond its bounds.
        """
        try:
            return self._rendered(messages, add_generation_prompt)
        except BundleError:
            folded = _without_system(messages)
            if folded is None:
                raise
            return self._rendered(folded, add_generation_prompt)

    def _rendered(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:  # noqa: FBT001
        given = {
            **self._special,
            **DEFAULTS,
            "messages": [dict(message) for message in messages],
            "add_generation_prompt": add_generation_prompt,
        }
        self._environment.begin()
        try:
            return joined(self._template.generate(given))
        except (
            TemplateError,
            TypeError,
            ValueError,
            ArithmeticError,
            LookupError,
            AttributeError,
            RecursionError,
        ) as e:
            raise self._wrong(f"fails ({str(e).splitlines()[0] if str(e) else type(e).__name__})") from None

    def _wrong(self, what: str) -> BundleError:
        return BundleError(f"{self._origin} {what}; make the bundle again from a model with a good one")


def _without_system(messages: Sequence[Message]) -> list[Message] | None:
    """Return a conversation whose system message is part of the first one of the user, None where it has none."""
    if len(messages) < 2 or messages[0]["role"] != "system" or messages[1]["role"] != "user":
        return None
    first = {**messages[1], "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
    return [first, *messages[2:]]


class _Marked(Extension):
    """`{% generation %}`, which some templates put around replies, says nothing here."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 wants it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Lets a template read what it is given; counts its steps and measures what it writes."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Marked, loopcontrols],
            finalize=lambda value: value if isinstance(value, str | Undefined) else written(value),
        )
        self._steps, self._until = 0, 0.0
        self.filters = {name: self.filters[name] for name in _FILTERS} | {
            "tojson": as_json,
            "replace": replaced,
            "join": join,
            "string": written,
        }
        kept = {name: self.globals[name] for name in ("range", "dict", "namespace")}
        self.globals.clear()
        self.globals |= {**kept, "raise_exception": _refuse, "strftime_now": _now}

    def begin(self) -> None:
        """Start the clock and the count."""
        self._steps, self._until = 0, time.monotonic() + _LONGEST_S

    def step(self) -> str:
        """Count one round of a loop or one call of a macro.

        Raises:
            TooMuchError: it was one too many.
        """
        self._steps += 1
        if self._steps > _MOST_STEPS or time.monotonic() > self._until:
            raise TooMuchError("it takes too long")
        return ""

    def joined(self, *values: Any) -> str:
        """Return what `~` makes of values.

        Raises:
            TooMuchError: it is too much text.
        """
        return joined(map(written, values))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Tell whether a template may use an attribute; of a text's methods those that write no more than they read."""
        if isinstance(obj, str) and attr not in _TEXT_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, _: Any) -> None:
        """Leave `format` to the methods that are not allowed."""

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Return what an operator makes of numbers, or of texts and lists within bounds."""
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" or not (numbers or operator == "+"):
            raise TooMuchError(f"{operator} could make too much of little")
        return bounded(super().call_binop(context, operator, left, right))

    def call(self, context: Any, called: Any, *args: Any, **named: Any) -> Any:
        """Call what a template may call; `replace` and `join` of a text within bounds."""
        # What loops add to every call is for macros alone.
        plain = {key: value for key, value in named.items() if not key.startswith("_")}
        name, text = getattr(called, "__name__", ""), getattr(called, "__self__", None)
        if isinstance(text, str) and name == "replace":
            return replaced(text, *args, **plain)
        if isinstance(text, str) and name == "join":
            return join(args[0], text)
        return super().call(context, called, *args, **named)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        again: list[nodes.For | nodes.Macro | nodes.CallBlock] = [*tree.find_all(nodes.For)]
        again += [*tree.find_all(nodes.Macro), *tree.find_all(nodes.CallBlock)]
        for node in again:
            node.body.insert(0, nodes.ExprStmt(_own("step", [])))
        return _Concats().visit(tree)  # type: ignore[no-any-return]


class _Concats(NodeTransformer):
    """Has what `~` makes measured."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Call:  # noqa: N802 - as jinja2 wants it
        return _own("joined", [self.visit(part) for part in node.nodes])


def _own(method: str, given: list[nodes.Expr]) -> nodes.Call:
    """Return a call of the environment's own method, whatever a template calls its variables."""
    return nodes.Call(nodes.EnvironmentAttribute(method), given, [], None, None)


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _now(form: str) -> str:
    return str(bounded(datetime.now().astimezone().strftime(str(form)[:_LONGEST_FORM])))
