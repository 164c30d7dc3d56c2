"""The verb `edge-runtime say`: a text spoken through the speaker or into a file."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from edge_runtime.config import Settings
from edge_runtime.verbs import output


def say(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say; - reads it from standard input.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write a sound file instead.")] = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, YAML or TOML.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")] = False,
) -> None:
    """Speak a text, with the voice and the speaker of the settings."""
    from edge_runtime.verbs import work  # noqa: PLC0415 - help and errors come faster without the models

    saying = work.saying(Settings.load(config).speech, out)
    output.emit(saying(sys.stdin.read() if text == "-" else text), as_json=as_json, words=output.say_words)
