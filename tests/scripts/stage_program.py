"""One stage as a program that is told to stop: STAGE SIGNAL MOMENT, then the stage's options.

Moments: "step 20" is after the checkpoint of step 20 was written, "answer 4" while the teacher gives its 4th answer.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from models.omni_nano import text_teacher
from scripts import checkpoints, stage
from tests.scripts.conftest import fewer_sentences

if TYPE_CHECKING:
    from pathlib import Path

SAVE, POOL = stage.save_checkpoint, text_teacher.pool


def stop_at(moment: str, told: int, patch: pytest.MonkeyPatch) -> None:
    """Have this program get a signal at that moment."""
    what, _, count = moment.partition(" ")
    answers = 0

    def save(path: Path, **state: Any) -> None:
        SAVE(path, **state)
        if what == "step" and state.get("step") == int(count):
            os.kill(os.getpid(), told)

    def pool(*arguments: Any) -> Any:
        nonlocal answers
        answers += 1
        if what == "answer" and answers == int(count):
            os.kill(os.getpid(), told)
        return POOL(*arguments)

    patch.setattr(checkpoints, "save_checkpoint", save)
    patch.setattr(text_teacher, "pool", pool)


def main() -> None:
    """Run the stage."""
    name, told, moment = sys.argv[1:4]
    # Nothing is put back: the program ends.
    patch = pytest.MonkeyPatch()
    fewer_sentences(patch)
    stop_at(moment, int(told), patch)
    del sys.argv[1:4]
    importlib.import_module(f"scripts.{name}").main()


if __name__ == "__main__":
    main()
