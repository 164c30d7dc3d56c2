from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_what_is_shipped_was_learned_of_the_lessons_and_the_bundle_as_they_are() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/make_router.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
