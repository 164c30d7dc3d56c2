"""Write the pages of docs/ that come from the code, or check that they are up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge_runtime.config import Settings
from edge_runtime.settings_help import explain

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"


def settings_page() -> str:
    """Return docs/settings.md as the code wants it."""
    rows = [f"| `{key}` | {default or ' '} | {description} |" for key, default, description in explain(Settings)]
    head = [
        "# Settings",
        "",
        "Written by `make docs`; the same list as `edge-runtime config --explain`. One YAML or TOML file, given with",
        "`--config`; file names in it are relative to it. `[]` marks a list. Secrets come from the environment alone.",
        "",
        "| key | default | what it does |",
        "| --- | --- | --- |",
    ]
    return "\n".join([*head, *rows]) + "\n"


def main() -> int:
    """Write the page, or with --check say whether it differs from the code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page differs")
    if parser.parse_args().check:
        if PAGE.read_text(encoding="utf-8") == settings_page():
            return 0
        print("docs/settings.md is out of date; run: make docs", file=sys.stderr)
        return 1
    PAGE.write_text(settings_page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
