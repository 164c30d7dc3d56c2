"""The verb `edge-runtime serve`: the box with its HTTP API, with or without cameras and microphones."""

from __future__ import annotations

import logging
import signal
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated, Any

import typer

from edge_runtime.config import Settings
from edge_runtime.errors import EdgeError
from edge_runtime.verbs import output


def serve(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE", help="Videos, cameras or sound files besides those of the settings."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, YAML or TOML.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; api.host if not given.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; api.port if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")] = False,
) -> None:
    """Answer other programs over OpenAI's HTTP API until stopped."""
    from edge_runtime import app  # noqa: PLC0415 - help and errors come faster without them
    from edge_runtime.wiring import api_door  # noqa: PLC0415 - help and errors come faster without them

    settings = app.with_sources(Settings.load(config), sources or [])
    given: dict[str, Any] = {"enabled": True, "host": host, "port": port}
    api = settings.api.model_copy(update={key: value for key, value in given.items() if value is not None})
    changed: dict[str, Any] = {"api": api}
    if config is None:
        # Whoever names no settings has named no broker either.
        changed["mqtt"] = settings.mqtt.model_copy(update={"enabled": False})
    settings = settings.model_copy(update=changed)
    logging.getLogger("edge_runtime").setLevel(settings.log_level.upper())
    _, where = api_door.token_of(settings)
    box = app.App(settings, once=False)
    assert box.api is not None  # noqa: S101 - switched on above
    # Taken before anything runs, so that a port in use is an error and not a try again.
    try:
        box.api.open()
    except EdgeError:
        box.close()
        raise
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: box.runtime.stop())
    told = {"url": box.api.url, "page": box.api.url.removesuffix("v1"), "token": where}
    output.emit(told, as_json=as_json, words=_words)
    status = box.runtime.run()
    if status:
        raise typer.Exit(status)


def _words(record: output.Record) -> str:
    return f"API:   {record['url']}\nPage:  {record['page']}\nToken: {record['token']}"
