from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
import yaml

from edge_runtime.cli import cli
from edge_runtime.config import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_SHOWN = re.compile(r"^(?:\$ )?(?:\.venv(?:-build)?/bin/)?edge-runtime (.+)$", re.MULTILINE)


def test_settings_page_is_what_the_code_says() -> None:
    done = subprocess.run([sys.executable, "scripts/make_docs.py", "--check"], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0


def shown_in(page: Path) -> list[list[str]]:
    """Return the arguments of each command line that a page shows."""
    lines = _SHOWN.findall(page.read_text(encoding="utf-8"))
    return [shlex.split(line.replace(" &", ""), comments=True) for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_verbs_and_options_that_pages_show_exist(page: Path) -> None:
    for arguments in shown_in(page):
        verb: Any = typer.main.get_command(cli)
        rest = list(arguments)
        while hasattr(verb, "commands"):
            verb = verb.commands[rest.pop(0)]
        known = {option for parameter in verb.params for option in parameter.opts}
        assert {one for one in rest if one.startswith("--")} <= known, arguments


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_pages_lead_somewhere(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def examples() -> Iterator[Any]:
    """Yield the settings that pages show."""
    for page in PAGES:
        blocks = re.findall(r"^```yaml\n(.+?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        for number, block in enumerate(blocks, start=1):
            shown = yaml.safe_load(block)
            if isinstance(shown, dict) and set(shown) <= set(Settings.model_fields):
                yield pytest.param(shown, id=f"{page.name}-{number}")


@pytest.mark.parametrize("shown", [*examples()])
def test_the_settings_that_pages_show_are_settings(shown: dict[str, Any]) -> None:
    Settings.model_validate(shown)


def test_the_readme_tree_is_the_tree() -> None:
    block = README.split("## The tree")[1].split("```")[1]
    folders = [*re.findall(r"(?:^|  )([a-z_]+)/  ", block, re.MULTILINE), "bench"]
    assert folders
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{target}:" in makefile for target in re.findall(r"^make (\w+)", README, re.MULTILINE))
