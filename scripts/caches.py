"""Answers of teachers that are worked out once and kept, and forgotten when they are answers to something else."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from scripts.stage import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from scripts.stage import Stage

NOTE = "made_of.json"


def claim(folder: Path, stage: Stage, code: Mapping[str, Iterable[str]]) -> Path:
    """Drop every kept file that was made of other inputs or code; return the folder.

    Args:
        folder: where the answers lie.
        stage: whose inputs they were worked out from.
        code: file name of each kind of answer to the names of the stage's source files that decide it.
    """
    note = folder / NOTE
    before: dict[str, Any] = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    inputs, sources = stage.identity["inputs"], stage.identity["code"]
    now = {name: {"inputs": inputs, "code": {file: sources[file] for file in files}} for name, files in code.items()}
    for name, made_of in now.items():
        if (folder / name).exists() and before.get(name) != made_of:
            print(f"{stage.name}: {name} was worked out from other inputs or code; asking again", file=sys.stderr)
            (folder / name).unlink()
    write_atomically(note, json.dumps(now, indent=1, sort_keys=True) + "\n")
    return folder
