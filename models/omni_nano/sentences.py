"""The sentences that omni-nano's text tower learns from, and the share of them that it must never see."""

from __future__ import annotations

import csv
import hashlib
import json
import random
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import hassil
import home_assistant_intents
from hassil.expression import Alternative, Group, ListReference, Permutation, RuleReference, TextChunk
from hassil.intents import RangeSlotList, TextSlotList

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from hassil.expression import Expression

DEV_SHARE = 20
"""One group of sentences in this many is kept for measuring."""

PHRASES = tomllib.loads(Path(__file__).with_name("phrases.toml").read_text(encoding="utf-8"))
FILLINGS: dict[str, list[str]] = PHRASES["fillings"]


def held_out(group: str) -> bool:
    """Tell whether sentences of this group are kept for measuring, the same on every machine."""
    return int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) % DEV_SHARE == 0


def corpora(data: Path, teachers: Path, seed: int) -> dict[str, list[tuple[str, str]]]:
    """Return by corpus the pairs (group, sentence); sentences about the same picture share a group."""
    clinc = json.loads((data / "text" / "clinc150_train_val.json").read_text(encoding="utf-8"))
    nouns = read_nouns(teachers)
    dice = random.Random(seed)  # noqa: S311  # sentences, not secrets
    names = [(noun, fill(template, noun, dice)) for noun in nouns for template in dice.sample(PHRASES["captions"], 9)]
    asked = [fill(template, dice.choice(nouns), dice) for _ in range(250) for template in PHRASES["questions"]]
    commands = list(sample_commands(12_000, dice))
    return {
        "coco": list(_rows(data / "text" / "coco_val2017_captions.tsv", 0, 1)),
        "flickr": list(_flickr(data / "vision" / "flickr8k_1000_captions.csv")),
        "nlu_home": [(text, text) for _, text in _rows(data / "text" / "nlu_home_train.tsv", 0, 1)],
        "clinc150": [(text, text) for part in ("train", "oos_train") for text, _ in clinc.get(part, [])],
        "names": names,
        "questions": [(text, text) for text in asked],
        "commands": [(text, text) for text in commands],
    }


def split(corpus: Mapping[str, list[tuple[str, str]]]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the sentences to learn from, each once, and by corpus those kept for measuring."""
    dev = {name: sorted({t for group, t in pairs if held_out(group)}) for name, pairs in corpus.items()}
    kept = {_plain(text) for texts in dev.values() for text in texts}
    train = {text: None for pairs in corpus.values() for _, text in pairs if _plain(text) not in kept}
    return list(train), dev


def read_nouns(teachers: Path) -> list[str]:
    """Return the names of things in the teachers' vocabularies, without repeats."""
    names = json.loads((teachers / "clip_text_vectors" / "names.json").read_text(encoding="utf-8"))
    found = {re.sub(r"[_\s]+", " ", name).strip().lower(): None for group in names.values() for name in group}
    labels = (teachers / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines()[1:]
    found.update({name.strip().lower(): None for line in labels for name in line.split(",")})
    return [name for name in found if name]


def fill(template: str, noun: str, dice: random.Random) -> str:
    """Fill a template's places with random things, rooms, looks, doings, devices and wishes."""
    drawn = {place: dice.choice(choices) for place, choices in FILLINGS.items()}
    text = template.format(noun=noun, number=dice.randint(1, 100), **drawn)
    return re.sub(r"\ba(?= [aeiou])", "an", text)


def recombine(
    texts: list[str], nouns: list[str], words: list[str], hidden: Iterable[str], count: int, seed: int
) -> list[str]:
    """Return new sentences made from `texts`, none of them in `hidden`.

    Words are dropped, ends cut, two sentences spliced at a word they share, things swapped for others, and any word for
    one of `words`, so that names nobody foresaw ("play ...", "call ...") are met too.
    """
    dice = random.Random(seed)  # noqa: S311  # sentences, not secrets
    nouns_single = [noun for noun in nouns if " " not in noun] + FILLINGS["thing"]
    known = set(nouns_single)
    by_word: dict[str, list[str]] = {}
    for text in texts:
        for word in set(text.lower().split()):
            by_word.setdefault(word, []).append(text)
    makers: tuple[Callable[[list[str]], list[str]], ...] = (
        lambda said: [w for w in said if dice.random() > 0.15],
        lambda said: said[(a := dice.randrange(len(said))) : a + dice.randint(2, 9)],
        lambda said: _splice(said, by_word, dice),
        lambda said: _splice(said, by_word, dice),
        lambda said: [dice.choice(nouns_single) if w in known else w for w in said],
        lambda said: _swapped(said, words, dice),
    )
    made: dict[str, None] = {}
    seen = {_plain(text) for text in (*texts, *hidden)}
    while len(made) < count:
        text = " ".join(dice.choice(makers)(dice.choice(texts).lower().split()))
        if _plain(text) and _plain(text) not in seen:
            made[text] = None
    return list(made)


def sample_commands(count: int, dice: random.Random) -> Iterator[str]:
    """Yield sentences drawn from Home Assistant's own English templates."""
    source = home_assistant_intents.get_intents("en") or {}
    intents = hassil.Intents.from_dict(source)
    templates = [[s for block in intent.data for s in block.sentences] for intent in intents.intents.values()]
    templates = [sentences for sentences in templates if sentences]
    for _ in range(count):
        sentence = dice.choice(dice.choice(templates))
        text = _draw(sentence.expression, intents, dice)
        yield re.sub(r"\s+", " ", text).strip()


def _draw(expression: Expression, intents: hassil.Intents, dice: random.Random) -> str:
    if isinstance(expression, TextChunk):
        return str(expression.original_text)
    if isinstance(expression, Alternative):
        return _draw(dice.choice(expression.items), intents, dice)
    if isinstance(expression, Permutation):
        return " ".join(_draw(item, intents, dice) for item in dice.sample(expression.items, len(expression.items)))
    if isinstance(expression, Group):
        return "".join(_draw(item, intents, dice) for item in expression.items)
    if isinstance(expression, RuleReference):
        return _draw(intents.expansion_rules[expression.rule_name].expression, intents, dice)
    if isinstance(expression, ListReference):
        return _draw_value(expression, intents, dice)
    raise TypeError(f"hassil has a new kind of expression, {type(expression).__name__}; teach it to _draw")


def _draw_value(reference: ListReference, intents: hassil.Intents, dice: random.Random) -> str:
    own = {"area": "room", "floor": "floor", "name": "device"}
    if reference.list_name in own:
        return dice.choice(FILLINGS[own[reference.list_name]])
    values = intents.slot_lists.get(reference.list_name)
    if isinstance(values, TextSlotList):
        return _draw(dice.choice(values.values).text_in, intents, dice)
    if isinstance(values, RangeSlotList):
        return str(dice.choice(list(values.get_numbers())))
    return dice.choice(FILLINGS["wish"])


def _swapped(said: list[str], words: list[str], dice: random.Random) -> list[str]:
    places = set(dice.sample(range(len(said)), min(len(said), dice.randint(1, 2))))
    return [dice.choice(words) if place in places else word for place, word in enumerate(said)]


def _splice(words: list[str], by_word: Mapping[str, list[str]], dice: random.Random) -> list[str]:
    joint = dice.choice(words)
    other = dice.choice(by_word[joint]).lower().split() if joint in by_word else words
    return words[: words.index(joint)] + other[other.index(joint) :]


def _rows(path: Path, group: int, text: int) -> Iterator[tuple[str, str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        columns = line.split("\t")
        yield columns[group], columns[text].strip()


def _flickr(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["image"], re.sub(r"\s+([.,])", r"\1", row["caption"].strip())


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9 ]", "", text.lower()).strip()
