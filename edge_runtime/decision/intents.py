"""What the home means: sentence templates in Home Assistant's format matched against what was said."""

from __future__ import annotations

import itertools
from collections import ChainMap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hassil.errors import HassilError
from hassil.expression import Alternative, Expression, Group, ListReference, Permutation, RuleReference, TextChunk
from hassil.intents import Intents, RangeSlotList, SlotList, TextSlotList
from hassil.parse_expression import parse_sentence
from hassil.parser import ParseError
from hassil.recognize import RecognizeResult, recognize_all

from edge_runtime.decision.grammar import WordGraph, number_words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

LANGUAGE = "en"
_MOST_PERMUTED = 5
_MOST_NUMBERS = 10_001
"""A longer range of numbers matches text but is left out of the speech grammar."""


@dataclass(frozen=True, slots=True)
class Match:
    """A sentence that was understood; `slots` holds JSON values under the names the templates give."""

    intent: str
    slots: dict[str, Any]


def problem(text: str, lists: Collection[str], rules: Mapping[str, str]) -> str | None:
    """Return why hassil cannot use the template `text` with these lists and expansion rules, None when it can."""
    return _problem(text, lists, rules, ())


def _problem(text: str, lists: Collection[str], rules: Mapping[str, str], inside: tuple[str, ...]) -> str | None:
    try:
        parts = list(_parts(parse_sentence(text).expression))
    except (ParseError, HassilError, ValueError, AssertionError, IndexError):
        return "not a sentence template: a bracket may be missing"
    for part in parts:
        if isinstance(part, Permutation) and len(part.items) > _MOST_PERMUTED:
            return f"more than {_MOST_PERMUTED} parts in any order"
        if isinstance(part, ListReference) and not part.is_inline_range and part.list_name not in lists:
            return f"{{{part.list_name}}} is not among the lists"
        if isinstance(part, RuleReference):
            reason = _problem_in_rule(part.rule_name, lists, rules, inside)
            if reason is not None:
                return reason
    return None


def _problem_in_rule(
    name: str, lists: Collection[str], rules: Mapping[str, str], inside: tuple[str, ...]
) -> str | None:
    if name not in rules:
        return f"<{name}> is not among the expansion_rules"
    if name in inside:
        return f"<{name}> refers to itself"
    return _problem(rules[name], lists, rules, (*inside, name))


def _parts(expression: Expression) -> Iterable[Expression]:
    yield expression
    for item in expression.items if isinstance(expression, Group) else ():
        yield from _parts(item)


class IntentMatcher:
    """Finds the intent of a sentence among several sources, the first of which win.

    Args:
        sources: data in Home Assistant's sentence format, already checked.
    """

    def __init__(self, sources: Sequence[Mapping[str, Any]]) -> None:
        self._sources = parse(sources)
        for source in self._sources:
            blocks = (data for intent in source.intents.values() for data in intent.data)
            for lists in (source.slot_lists, *(block.slot_lists for block in blocks)):
                lists.update({name: _written_out(values) for name, values in lists.items() if _is_scaled(values)})

    def match(self, text: str) -> Match | None:
        """Return what `text` asks for, whatever its case and punctuation, or None."""
        # The recogniser says "percent" where a template may write only "%".
        for source, written in itertools.product(self._sources, dict.fromkeys((text, text.replace(" percent", "%")))):
            found = max(recognize_all(written, source, language=LANGUAGE), key=_literalness, default=None)
            if found is not None:
                slots = {name: _whole(entity.value) for name, entity in found.entities.items()}
                return Match(found.intent.name, slots)
        return None


def _is_scaled(values: SlotList) -> bool:
    return isinstance(values, RangeSlotList) and values.multiplier is not None


def _written_out(numbers: Any) -> TextSlotList:
    """Return a range with a multiplier as a list of texts.

    hassil remembers the words of a range without its multiplier: after "volume down ten" a brightness was minus ten.
    """
    said = {
        text: _whole(number * numbers.multiplier)
        for number in numbers.get_numbers()
        for text in (f"{number:g}", number_words(number), number_words(number).replace("ty ", "ty-"))
    }
    return TextSlotList.from_tuples(said.items(), allow_template=False, name=numbers.name)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _literalness(result: RecognizeResult) -> tuple[int, int]:
    """Prefer the template that leaves least to wildcards, then the one that says most in its own words."""
    wild = sum(len(entity.text) for entity in result.entities_list if entity.is_wildcard)
    return -wild, result.text_chunks_matched


def parse(sources: Sequence[Mapping[str, Any]]) -> list[Intents]:
    """Return one hassil collection for each source, which may use the lists and rules of the others after its own."""
    keys = ("lists", "expansion_rules")
    shared = {key: dict(ChainMap(*(source.get(key) or {} for source in sources))) for key in keys}
    return [
        Intents.from_dict(
            {
                "language": LANGUAGE,
                "intents": source["intents"],
                "skip_words": source.get("skip_words") or [],
                **{key: {**entries, **(source.get(key) or {})} for key, entries in shared.items()},
            }
        )
        for source in sources
    ]


def speech_grammar(sources: Sequence[Mapping[str, Any]]) -> WordGraph:
    """Return every sentence of `sources` that can be spoken from beginning to end, so none that has a wildcard."""
    graph = WordGraph()
    for intents in parse(sources):
        before = _optional(intents.skip_words)
        after = _optional([words for words in intents.skip_words if " " not in words])
        for intent in intents.intents.values():
            for data in intent.data:
                scope = _Scope(
                    {**intents.slot_lists, **data.slot_lists},
                    {
                        name: rule.expression
                        for name, rule in {**intents.expansion_rules, **data.expansion_rules}.items()
                    },
                    graph,
                )
                for sentence in data.sentences:
                    scope.sentence([before, sentence.expression, after])
    return graph


def _optional(phrases: Iterable[str]) -> Alternative:
    return Alternative(items=[TextChunk(""), *(TextChunk(f" {phrase} ") for phrase in phrases)])


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the names in a template stand for while it is drawn into the graph."""

    lists: Mapping[str, SlotList]
    rules: Mapping[str, Expression]
    graph: WordGraph

    def sentence(self, parts: Sequence[Expression]) -> None:
        """Draw one sentence from the start to an end of its own, unless a part of it cannot be spoken."""
        end = self._draw(Group(items=list(parts)), self.graph.start)
        if end is not None:
            self.graph.accept(end)

    def _draw(self, expression: Expression, start: int) -> int | None:
        """Draw `expression` from node `start`; return the node where it ends, None where it cannot be spoken."""
        if isinstance(expression, TextChunk):
            return self.graph.text(start, expression.original_text)
        if isinstance(expression, RuleReference):
            return self._draw(self.rules[expression.rule_name], start)
        if isinstance(expression, ListReference):
            return self._any(self._values(expression), start)
        if isinstance(expression, Permutation):
            orders = itertools.permutations(expression.items)
            return self._any([Group(items=list(order)) for order in orders], start)
        if isinstance(expression, Alternative):
            return self._any(expression.items, start)
        node: int | None = start
        for item in expression.items if isinstance(expression, Group) else []:
            node = None if node is None else self._draw(item, node)
        return node

    def _any(self, items: Iterable[Expression], start: int) -> int | None:
        ends = [end for item in items if (end := self._draw(item, start)) is not None]
        return self.graph.join(ends) if ends else None

    def _values(self, reference: ListReference) -> Iterable[Expression]:
        inline = reference.get_inline_range()
        values = RangeSlotList(None, *inline) if inline else self.lists.get(reference.list_name)
        if isinstance(values, TextSlotList):
            return [value.text_in for value in values.values]
        if isinstance(values, RangeSlotList) and values.stop - values.start < _MOST_NUMBERS * values.step:
            return [TextChunk(number_words(number)) for number in values.get_numbers()]
        return []
