"""One stage as a program that is told to stop: STAGE SIGNAL MOMENT, then the stage's options.

Moments: "step 20" is after the checkpoint of step 20 was written, "answer 4" while the teacher gives its 4th answer (a
voice speaks, the ears lose), "picture 25" when the detectors come to the 25th picture.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from scripts import checkpoints, stage
from tests.scripts.conftest import fewer_sentences, fewer_words, made_up_ears, made_up_teachers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAVE = stage.save_checkpoint
# By stage: how its teachers are made smaller, and the function that one answer of theirs goes through.
LITTLE = {
    "distil": fewer_sentences,
    "train": made_up_teachers,
    "speak": fewer_words,
    "listen": made_up_ears,
}
ANSWERS = {
    "distil": ("models.omni_nano.text_teacher", "pool"),
    "train": ("models.omni_nano.cutouts", "of_picture"),
    "speak": ("models.omni_nano.voices", "speak"),
    "listen": ("models.omni_nano.phones", "loss"),
}


def stop_at(moment: str, told: int, patch: pytest.MonkeyPatch, answer: tuple[str, str]) -> None:
    """Have this program get a signal at that moment."""
    what, _, count = moment.partition(" ")
    answers = 0
    module, name = answer
    ask = getattr(importlib.import_module(module), name)

    def save(path: Path, **state: Any) -> None:
        SAVE(path, **state)
        if what == "step" and state.get("step") == int(count):
            os.kill(os.getpid(), told)

    def asked(*arguments: Any) -> Any:
        nonlocal answers
        answers += 1
        if what == "answer" and answers == int(count):
            os.kill(os.getpid(), told)
        return ask(*arguments)

    def progress(items: Any, title: str, **about: int) -> Iterator[Any]:
        for number, item in enumerate(stage.progress(items, title, **about), about.get("done", 0) + 1):
            if (what, title, str(number)) == ("picture", "boxes", count):
                os.kill(os.getpid(), told)
            yield item

    if what == "picture":
        patch.setattr("models.omni_nano.lessons.progress", progress)
        patch.setattr("models.omni_nano.lessons.PART", 10)
    patch.setattr(checkpoints, "save_checkpoint", save)
    patch.setattr(f"{module}.{name}", asked)


def main() -> None:
    """Run the stage."""
    name, told, moment = sys.argv[1:4]
    # Nothing is put back: the program ends.
    patch = pytest.MonkeyPatch()
    LITTLE[name](patch)
    stop_at(moment, int(told), patch, ANSWERS[name])
    del sys.argv[1:4]
    importlib.import_module(f"scripts.{name}").main()


if __name__ == "__main__":
    main()
