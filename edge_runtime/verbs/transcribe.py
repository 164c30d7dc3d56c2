"""The verb `edge-runtime transcribe`: free speech in sound files written down."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from edge_runtime.config import Settings
from edge_runtime.runtime import ExitStatus
from edge_runtime.verbs import output


def transcribe(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Files; - reads names from standard input.")],
    bundle: Annotated[
        Path | None, typer.Option("--bundle", metavar="FOLDER", help="Bundle made of Whisper or Moonshine.")
    ] = None,
    vosk: Annotated[Path | None, typer.Option("--vosk", metavar="FOLDER", help="Vosk's unpacked model.")] = None,
    language: Annotated[
        str | None, typer.Option(help="Of a Whisper of many, such as de, or auto; the bundle's own if not given.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Of a Whisper of many: translate writes English.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Settings; voice.dictation says who writes.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")] = False,
) -> None:
    """Write down the speech in sound files."""
    from edge_runtime.verbs import work  # noqa: PLC0415 - help and errors come faster without the models

    transcribing = work.transcribing(Settings.load(config), bundle, vosk, language, task)
    if not output.each("path", paths, transcribing, as_json=as_json, words=output.transcribe_words):
        raise typer.Exit(ExitStatus.BAD_INPUT)
