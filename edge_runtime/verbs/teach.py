"""The verbs of wake words and of `edge-runtime teach`: spot, learn from recordings, list, forget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_runtime.config import Settings
from edge_runtime.runtime import ExitStatus
from edge_runtime.verbs import output

if TYPE_CHECKING:
    from edge_runtime.wiring.listening import Listening
    from edge_runtime.wiring.teaching import School

teach = typer.Typer(
    help="Teach wake words, sounds and commands by recordings, and things by pictures.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What you call it; taught again, it is replaced.")]
Clips = Annotated[list[str], typer.Argument(metavar="CLIP", help="3 to 20 sound files of it and little else.")]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, YAML or TOML.")]
Force = Annotated[bool, typer.Option("--force", help="Keep it even if it is too little to rely on.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]


def wake(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Files; - reads names from standard input.")],
    word: Annotated[str, typer.Option("--word", metavar="WORDS", help="Any word or words, such as 'hey pixel'.")],
    bundle: Annotated[Path | None, typer.Option("--bundle", metavar="FOLDER", help="Model bundle; omni-nano.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Look for a wake word in sound files, whatever their length."""
    from edge_runtime.verbs import work  # noqa: PLC0415 - help and errors come faster without the models

    spotting = work.spotting(listening_of(config, bundle), word)
    if not output.each("path", paths, spotting, as_json=as_json, words=output.wake_words):
        raise typer.Exit(ExitStatus.BAD_INPUT)


@teach.command("wake")
def teach_wake(name: Name, clips: Clips, force: Force = False, config: Config = None, as_json: Json = False) -> None:
    """Teach how you say a wake word, which may be one of the settings or any sound of speech."""
    _told(_school(config, force=force).wake(name, clips), as_json=as_json)


@teach.command("sound")
def teach_sound(
    name: Name,
    clips: Clips,
    background: Annotated[
        list[str] | None,
        typer.Option(metavar="CLIP", help="A sound of this place that is another one; may be repeated."),
    ] = None,
    force: Force = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Teach a sound, such as your own doorbell."""
    _told(_school(config, force=force).sound(name, clips, background or []), as_json=as_json)


@teach.command("command")
def teach_command(
    name: Name,
    clips: Clips,
    intent: Annotated[str, typer.Option(metavar="INTENT", help="What it means, such as HassTurnOn.")],
    slot: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A slot; may be repeated.")] = None,
    force: Force = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Teach a command in your own words."""
    _told(_school(config, force=force).command(name, clips, intent, slot or []), as_json=as_json)


@teach.command("picture")
def teach_picture(
    name: Name,
    pictures: Annotated[list[str], typer.Argument(metavar="PICTURE", help="3 to 20 pictures of it and little else.")],
    others: Annotated[
        list[str] | None,
        typer.Option("--not", metavar="PICTURE", help="A picture of what is not it; may be repeated."),
    ] = None,
    force: Force = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Teach what something looks like, such as your own cat; alerts can then name it."""
    from edge_runtime.wiring.assembly import Models  # noqa: PLC0415 - help comes faster without the models
    from edge_runtime.wiring.teaching_pictures import teach_picture_files  # noqa: PLC0415

    settings = Settings.load(config)
    folder = settings.device.data_dir.expanduser()
    record = teach_picture_files(folder, Models.of(settings), name, pictures, others or [], force=force)
    _told(record, as_json=as_json)


@teach.command("list")
def list_taught(config: Config = None, as_json: Json = False) -> None:
    """Show what was taught."""
    from edge_runtime.wiring.teaching import taught  # noqa: PLC0415 - help comes faster without the models

    records = taught(listening_of(config))
    output.emit_list(records, as_json=as_json, words=output.taught_words, nothing="nothing is taught yet")


@teach.command("remove")
def remove_taught(name: Name, config: Config = None, as_json: Json = False) -> None:
    """Forget something that was taught."""
    listening_of(config).things.remove(name)
    output.emit({"name": name, "removed": True}, as_json=as_json, words=lambda _: f"{name} is forgotten")


def listening_of(config: Path | None, bundle: Path | None = None) -> Listening:
    """Return what hears with the models of `bundle`, or those of the settings."""
    from edge_runtime.wiring.assembly import Models  # noqa: PLC0415 - help comes faster without the models
    from edge_runtime.wiring.listening import Listening  # noqa: PLC0415

    settings = Settings.load(config)
    return Listening(settings, Models(bundle) if bundle else Models.of(settings))


def _school(config: Path | None, *, force: bool) -> School:
    from edge_runtime.wiring.teaching import School  # noqa: PLC0415 - help comes faster without the models

    listening = listening_of(config)
    return School(listening, force=force)


def _told(record: output.Record, *, as_json: bool) -> None:
    output.emit(record, as_json=as_json, words=output.taught_words)
    if not record["kept"]:
        raise typer.Exit(ExitStatus.BAD_INPUT)
