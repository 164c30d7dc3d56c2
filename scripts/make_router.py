"""Learn what questions mean, once for all boxes: writes edge_runtime/skills/learned.npz, or checks that it is new."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from edge_runtime.config import Settings
from edge_runtime.skills.lessons import SHIPPED
from edge_runtime.wiring.answers import make_router
from edge_runtime.wiring.assembly import Models


def main() -> None:
    """Write the file, or exit with 1 where it does not fit the lessons and the bundle any more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_validate({"device": {"data_dir": folder}})
        router, _ = make_router(settings, Models.of(settings))
        router.prepare()
        learned = Path(folder) / "router.npz"
        if not learned.exists():
            print(f"{SHIPPED} is up to date")
        elif check:
            print(f"{SHIPPED} is not what the lessons and the bundle give; run `make router`", file=sys.stderr)
            sys.exit(1)
        else:
            SHIPPED.write_bytes(learned.read_bytes())
            print(f"{SHIPPED}: {SHIPPED.stat().st_size} bytes")


if __name__ == "__main__":
    main()
