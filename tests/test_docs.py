from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [line.split(" #")[0].strip() for line in README.splitlines() if line.startswith(".venv/bin/edge-runtime")]


def test_settings_page_is_what_the_code_says() -> None:
    done = subprocess.run([sys.executable, "scripts/make_docs.py", "--check"], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("line", COMMANDS)
def test_the_verbs_and_options_of_the_readme_exist(line: str) -> None:
    _, verb, *arguments = shlex.split(line)
    command = [sys.executable, "-m", "edge_runtime.cli", verb, "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert all(argument in shown for argument in arguments if argument.startswith("--"))


def test_the_readme_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_tree_is_the_tree() -> None:
    block = README.split("## The tree")[1].split("```")[1]
    folders = [*re.findall(r"(?:^|  )([a-z_]+)/  ", block, re.MULTILINE), "bench"]
    assert folders
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{target}:" in makefile for target in re.findall(r"^make (\w+)", README, re.MULTILINE))
