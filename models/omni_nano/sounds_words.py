"""What the ears can name: AudioSet's classes in plain words, and the kinds of sound that a home asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from edge_runtime.inference.preprocess import token_ids
from models.omni_nano import text_teacher
from models.omni_nano.sounds import Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

LISTED = Path(__file__).with_name("sounds_classes.txt")
DROPPED, UMBRELLA = "- ", "~ "
BLEND = " & "
MOST_TOKENS = 32


class Heard(NamedTuple):
    """One of AudioSet's classes.

    Attributes:
        channel: its place among the teacher's scores.
        phrases: what it is called, the usual name first.
        umbrella: other classes are kinds of it.
    """

    channel: int
    phrases: tuple[str, ...]
    umbrella: bool


def classes() -> list[Heard]:
    """Return the classes that the ears keep, in the teacher's order."""
    lines = LISTED.read_text(encoding="utf-8").splitlines()
    return [
        Heard(channel, tuple(line.removeprefix(UMBRELLA).split(", ")), line.startswith(UMBRELLA))
        for channel, line in enumerate(lines)
        if not line.startswith(DROPPED)
    ]


def wanted(settings: Mapping[str, Any], known: list[Heard]) -> Wanted:
    """Return where among a tower's logits the recipe's kinds of sound are found.

    Args:
        settings: `labels`, by kind the classes it is heard by and what is taken off each, where "one & other" is their
            mean; `rivals`, by kind the classes that speak against it.
        known: the classes of the tower.

    Raises:
        SystemExit: the recipe names a class that there is not.
    """
    labels, rivals = settings["labels"], settings["rivals"]
    places = {heard.phrases[0]: place for place, heard in enumerate(known)}
    names = [
        *(name for named in labels.values() for name in named),
        *(name for named in rivals.values() for name in named),
    ]
    parts = {name: name.split(BLEND) for name in names}
    if strange := sorted({part for named in parts.values() for part in named} - places.keys()):
        raise SystemExit(f"recipe.toml: [sounds] names {strange[0]!r}; {LISTED.name} lists what there is")
    blends = {name: tuple(places[part] for part in named) for name, named in parts.items() if len(named) > 1}
    at = places | {name: len(known) + order for order, name in enumerate(blends)}
    return Wanted(
        len(known),
        tuple(blends.values()),
        tuple(tuple((at[name], float(less)) for name, less in named.items()) for named in labels.values()),
        tuple(tuple(at[name] for name in rivals.get(label, ())) for label in labels),
    )


@torch.inference_mode()
def vectors(known: list[Heard], templates: Sequence[str], umbrella: float) -> Tensor:
    """Return a vector for each class, (classes, 384): the mean of what the sentence encoder makes of its names.

    It has length one, or `umbrella` where other classes are kinds of it: those say more, and are seldom as sure.
    """
    model, pieces = text_teacher.load()
    rows = []
    for heard in known:
        texts = [template.replace("{}", phrase) for phrase in heard.phrases for template in templates]
        ids, mask = (torch.from_numpy(values) for values in token_ids(pieces, texts, MOST_TOKENS))
        found = text_teacher.pool(model(input_ids=ids, attention_mask=mask).last_hidden_state, mask)
        rows.append(torch.nn.functional.normalize(found.mean(0), dim=0) * (umbrella if heard.umbrella else 1.0))
    return torch.stack(rows)
