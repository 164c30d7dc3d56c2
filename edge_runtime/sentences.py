"""The sentences of this home: the owner's own files first, then Home Assistant's, checked before anything is heard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from home_assistant_intents import get_speech_to_phrase_intents

from edge_runtime.decision.intents import LANGUAGE, parse, problem
from edge_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

Source = dict[str, Any]

_MORE: Mapping[str, list[dict[str, Any]]] = {
    "HassLightSet": [
        {"sentences": ["(set|turn|make|change) [the] {name} [to] {color}"]},
        {
            "sentences": ["(set|turn|make|change) [the] {area} (light|lights) [to] {color}"],
            "slots": {"domain": "light"},
        },
    ],
    "HassClimateSetTemperature": [
        {"sentences": ["set [the] (temperature|thermostat) to {whole_degrees:temperature} [degree[s]]"]},
        {"sentences": ["set [the] temperature in [the] {area} to {whole_degrees:temperature} [degree[s]]"]},
    ],
    "HassTurnOn": [
        {"sentences": ["open [the] [{area}] {cover_classes:device_class}"], "slots": {"domain": "cover"}},
        {"sentences": ["turn on all [the] lights"], "slots": {"domain": "light"}},
    ],
    "HassTurnOff": [
        {"sentences": ["close [the] [{area}] {cover_classes:device_class}"], "slots": {"domain": "cover"}},
        {"sentences": ["turn off all [the] lights"], "slots": {"domain": "light"}},
    ],
}
"""What Home Assistant's own list for speech lacks and a home says every day."""


def home(own: Path | None, areas: Collection[str], names: Collection[str], *, builtin: bool) -> list[Source]:
    """Return the sources of sentences that a home understands, the most important first.

    Args:
        own: a YAML file or a folder of them in Home Assistant's format, None for none.
        builtin: whether Home Assistant's English sentences follow.
        areas: rooms, for {area}.
        names: devices, for {name}.

    Raises:
        InputError: a file cannot be read or is not in the format, or a name cannot be said; says where and why.
    """
    for key, values in (("areas", areas), ("names", names)):
        for value in values:
            reason = problem(value, (), {})
            if reason is not None:
                raise InputError(f"voice.{key}: {value!r}: {reason}")
    base = _builtin(areas, names) if builtin else {"intents": {}, "lists": _home_lists(areas, names)}
    return [base] if own is None else [load(own, base), base]


def load(path: Path, base: Mapping[str, Any]) -> Source:
    """Return the sentences of one YAML file, or of all in a folder, that may use the lists and rules of `base`."""
    files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
    contents = [(file, _read(file)) for file in files]
    merged: Source = {"intents": {}, "lists": {}, "expansion_rules": {}, "skip_words": []}
    for file, content in contents:
        try:
            _merge(merged, content)
        except _WrongError as error:
            raise InputError(f"{file}:{error}") from error
    if not merged["intents"]:
        raise InputError(f"{path}: no sentences in it")
    lists = {*merged["lists"], *base.get("lists", {})}
    rules = {**base.get("expansion_rules", {}), **merged["expansion_rules"]}
    for file, content in contents:
        for template, local in _templates(content):
            names = lists | set(local.get("lists") or {})
            reason = problem(template, names, {**rules, **(local.get("expansion_rules") or {})})
            if reason is not None:
                raise InputError(f"{file}:{template.line}: {str(template)!r}: {reason}")
    try:
        parse([merged])
    except (ValueError, TypeError, KeyError, AssertionError) as error:
        raise InputError(f"{path}: not in Home Assistant's format of sentences ({error})") from error
    return merged


def _builtin(areas: Collection[str], names: Collection[str]) -> Source:
    source: Source = get_speech_to_phrase_intents(LANGUAGE) or {}
    source["lists"] |= {**_home_lists(areas, names), "whole_degrees": {"range": {"from": 5, "to": 35}}}
    for intent, blocks in _MORE.items():
        source["intents"].setdefault(intent, {"data": []})["data"] += blocks
    for intent in source["intents"].values():
        for block in intent["data"]:
            # Home Assistant would fill these in from its registry; a name given in the settings is enough here.
            block.pop("requires_context", None)
    return source


def _home_lists(areas: Collection[str], names: Collection[str]) -> Source:
    return {"area": {"values": [*areas]}, "name": {"values": [*names]}, "floor": {"values": []}}


class _WrongError(ValueError):
    """Something is not as the format wants it; starts with the line."""


class _Text(str):
    """A string that knows the line it stands on."""

    __slots__ = ("line",)
    line: int


class _Loader(yaml.SafeLoader):
    """YAML in which yes, no, on and off are words, as they are in a sentence, and strings know their line."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not (tag.endswith(":bool") and first not in "tTfF")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> _Text:
    text = _Text(loader.construct_scalar(node))
    text.line = node.start_mark.line + 1
    return text


_Loader.add_constructor("tag:yaml.org,2002:str", _text)


def _read(file: Path) -> Any:
    try:
        return yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader) or {}  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise InputError(f"{file}: cannot read the sentences ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 text, so not a file of sentences") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{file}:{line}: not YAML ({error.problem})") from error
    except yaml.YAMLError as error:
        raise InputError(f"{file}: not YAML ({str(error).splitlines()[0]})") from error


def _merge(merged: Source, content: Any) -> None:
    """Add one file's `content`, which must have the shape of the format."""
    language = _mapping(content, "the file").get("language", LANGUAGE)
    if str(language).split("-")[0] != LANGUAGE:
        raise _WrongError(f"{_line(language)}: language {str(language)!r}: only {LANGUAGE!r} is understood")
    for name, intent in _mapping(content.get("intents") or {}, "intents").items():
        blocks = _list(_mapping(intent, name).get("data"), f"{name}: data", name)
        for block in blocks:
            _check_block(name, _mapping(block, f"{name}: data"))
        merged["intents"].setdefault(str(name), {"data": []})["data"] += blocks
    for name, values in _mapping(content.get("lists") or {}, "lists").items():
        _check_list(name, values)
        merged["lists"][str(name)] = values
    for name, rule in _mapping(content.get("expansion_rules") or {}, "expansion_rules").items():
        merged["expansion_rules"][str(name)] = _words(rule, "expansion_rules", name)
    merged["skip_words"] += [_words(word, "skip_words", word) for word in content.get("skip_words") or []]


def _check_block(name: str, block: dict[str, Any]) -> None:
    sentences = _list(block.get("sentences"), f"{name}: sentences", name)
    block["sentences"] = [_words(sentence, f"{name}: sentences", name) for sentence in sentences]
    for key in ("slots", "requires_context", "excludes_context", "expansion_rules"):
        _mapping(block.get(key) or {}, f"{name}: {key}")
    for local, values in _mapping(block.get("lists") or {}, f"{name}: lists").items():
        _check_list(local, values)


def _check_list(name: str, values: Any) -> None:
    if "values" in _mapping(values, f"list {name}"):
        where = f"list {name}: values"
        values["values"] = [
            {**value, "in": _words(value.get("in"), where, name)}
            if isinstance(value, dict)
            else _words(value, where, name)
            for value in _list(values["values"], where, name)
        ]
    elif "range" in values:
        ends = _mapping(values["range"], f"list {name}: range")
        if not all(isinstance(ends.get(end), int) for end in ("from", "to")) or ends["from"] > ends["to"]:
            raise _WrongError(f"{_line(name)}: list {name}: range needs whole numbers, from <= to")
    elif not values.get("wildcard"):
        raise _WrongError(f"{_line(name)}: list {name}: needs values, range or wildcard: true")


def _templates(content: Any) -> Iterator[tuple[_Text, Mapping[str, Any]]]:
    """Yield every template of a file with the block whose own lists and rules it may use."""
    for intent in (content.get("intents") or {}).values():
        for block in intent["data"]:
            yield from ((sentence, block) for sentence in block["sentences"])
    for rule in (content.get("expansion_rules") or {}).values():
        yield rule, {}
    for values in (content.get("lists") or {}).values():
        for value in values.get("values") or ():
            text = value["in"] if isinstance(value, dict) else value
            yield text, {}


def _line(value: Any) -> int:
    return value.line if isinstance(value, _Text) else 1


def _mapping(value: Any, where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _WrongError(f"{_line(where)}: {where} must be a mapping, not {type(value).__name__}")
    return value


def _list(value: Any, where: str, name: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise _WrongError(f"{_line(name)}: {where} must be a list with something in it")
    return value


def _words(value: Any, where: str, name: Any) -> _Text:
    if isinstance(value, _Text) and value.strip():
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = _Text(value)
        text.line = _line(name)
        return text
    raise _WrongError(
        f"{_line(value) if isinstance(value, _Text) else _line(name)}: {where}: {value!r} is not a sentence"
    )
