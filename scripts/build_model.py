"""Run every stage of a recipe in order; a stage whose inputs, code and settings are unchanged is skipped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.stage import Workshop, flat

if TYPE_CHECKING:
    from collections.abc import Sequence

STAGES = (
    *("faces", "lexicon", "speak", "listen", "train", "train_sounds", "distil", "export", "quantize", "tap"),
    *("calibrate", "calibrate_ears", "calibrate_sounds", "calibrate_pictures", "evaluate", "bundle"),
)
NEEDED = {
    "faces": "faces",
    "lexicon": "lexicon",
    "speak": "spoken",
    "listen": "phones",
    "tap": "taps",
    "calibrate_ears": "trials",
    "train_sounds": "sounds",
    "calibrate_sounds": "sounds",
    "calibrate_pictures": "ordinary",
}
"""Tables without which a recipe does without a stage, for not every model has ears."""
PARTS = {
    "calibrate_ears": ("calibrate", "stage.ears"),
    "calibrate_sounds": ("calibrate", "stage.sounds"),
    "calibrate_pictures": ("calibrate", "stage.pictures"),
}
"""Stages that leave their record in the folder of another, and what it is called there."""
WIDTH = 110


def chosen(workshop: Workshop) -> tuple[str, ...]:
    """Return the stages to run: those that the recipe names in `stages`, else all whose tables it has.

    Raises:
        SystemExit: the recipe names a stage that there is not.
    """
    recipe = workshop.settings
    named = recipe.get("stages", [name for name in STAGES if NEEDED.get(name, "name") in recipe])
    strange = [name for name in named if name not in STAGES]
    if strange:
        raise SystemExit(f"{workshop.recipe}: there is no stage {', '.join(strange)}; choose from {', '.join(STAGES)}")
    return tuple(name for name in STAGES if name in named)


def run(stage: str, arguments: Sequence[str]) -> int:
    """Run one stage in a process of its own, whose memory goes back before the next begins; return its exit status.

    Whoever is told to stop waits until the stage has saved what it can go on from.
    """
    children: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _: object) -> None:
        # Ctrl-C goes to the stage as well, by itself.
        if number != signal.SIGINT:
            for child in children:
                child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        script = Path(__file__).with_name(f"{stage}.py")
        children.append(subprocess.Popen([sys.executable, str(script), *arguments]))
        return children[0].wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def records(workshop: Workshop, stage: str) -> dict[Path, int]:
    """Return the stage.json files of one stage, and when each was written."""
    folder, name = PARTS.get(stage, (stage, ""))
    others = {record for other, (place, record) in PARTS.items() if place == folder and other != stage}
    found = sorted(workshop.folder(folder).glob("stage*.json"))
    own = [path for path in found if path.stem == name or (not name and path.stem not in others)]
    return {path: path.stat().st_mtime_ns for path in own}


def row(path: Path, stage: str, *, fresh: bool) -> str:
    """Return the line of the table for one record."""
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    name = f"{PARTS.get(stage, (stage,))[0]} {path.stem.removeprefix('stage').strip('.')}".strip()
    found = flat(record["numbers"]).items()
    numbers = ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in found)
    line = f"{name:16} {'fresh' if fresh else 'run':7} {record['seconds']:9.1f}  {numbers}"
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 2]} …"


def main() -> None:
    """Pass the options on to each stage; stop at the first that fails; say at the end what was done."""
    workshop = Workshop.from_arguments(__doc__)
    table = [f"{'stage':16} {'was':7} {'seconds':>9}  numbers (all are in stage.json)"]
    status = 0
    for stage in chosen(workshop):
        print(f"── {stage}", flush=True)
        before = records(workshop, stage)
        status = run(stage, sys.argv[1:])
        if status != 0:
            table.append(f"{stage:16} {'stopped' if status in {130, 143} or status < 0 else 'failed'}")
            break
        after = records(workshop, stage)
        table += [row(path, stage, fresh=before.get(path) == written) for path, written in after.items()]
    print("\n".join(["", *table]))
    raise SystemExit(128 - status if status < 0 else status)


if __name__ == "__main__":
    main()
