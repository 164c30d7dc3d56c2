"""The verb `edge-runtime ask`: a question answered, or a look at what would leave the box with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_runtime.config import Settings
from edge_runtime.runtime import ExitStatus
from edge_runtime.verbs import output

RUN_OUTPUT = Path("run-output")


def ask(
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="In plain words; - reads questions from standard input.")
    ],
    image: Annotated[str | None, typer.Option("--image", metavar="PATH", help="Answer about this picture.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would leave the box with it, before and after; send nothing.")
    ] = False,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, YAML or TOML.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")] = False,
) -> None:
    """Answer a question, here if sure enough, else in the cloud if allowed."""
    from edge_runtime.verbs import work  # noqa: PLC0415 - help and errors come faster without the models
    from edge_runtime.wiring import egress  # noqa: PLC0415 - help and errors come faster without the models

    settings = Settings.load(config)
    answer = egress.dry_run(settings, image, RUN_OUTPUT) if dry_run else work.asking(settings, image)
    words = output.dry_run_words if dry_run else output.answer_words
    if question == "-":
        if not output.each("question", ["-"], answer, as_json=as_json, words=words):
            raise typer.Exit(ExitStatus.BAD_INPUT)
    else:
        output.emit(answer(question), as_json=as_json, words=words)
