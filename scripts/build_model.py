"""Run every stage of a recipe in order; a stage whose inputs, code and settings are unchanged is skipped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STAGES = ("train", "distil", "export", "quantize", "calibrate", "evaluate", "bundle")


def main() -> None:
    """Pass the options on to each stage; stop at the first that fails."""
    for stage in STAGES:
        print(f"── {stage}", flush=True)
        script = Path(__file__).with_name(f"{stage}.py")
        # A process each: a stage's memory goes back before the next begins.
        done = subprocess.run([sys.executable, str(script), *sys.argv[1:]], check=False)
        if done.returncode != 0:
            raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
