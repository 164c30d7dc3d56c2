"""The command line: one short function per verb, results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

from edge_runtime import __version__
from edge_runtime.config import Settings
from edge_runtime.errors import BundleError, ConfigError, EdgeError, InputError
from edge_runtime.runtime import ExitStatus
from edge_runtime.settings_help import explain
from edge_runtime.verbs import output
from edge_runtime.verbs.anomaly import anomaly
from edge_runtime.verbs.ask import ask
from edge_runtime.verbs.bundle import bundles
from edge_runtime.verbs.gate import gate
from edge_runtime.verbs.intents import intents
from edge_runtime.verbs.ledger import ledger
from edge_runtime.verbs.replay import replay
from edge_runtime.verbs.say import say
from edge_runtime.verbs.serve import serve
from edge_runtime.verbs.teach import listening_of, teach, wake
from edge_runtime.verbs.transcribe import transcribe
from edge_runtime.verbs.zones import zones

if TYPE_CHECKING:
    from collections.abc import Callable

cli = typer.Typer(
    name="edge-runtime",
    help="Sees, hears and answers on the device; asks the cloud only when unsure.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.add_typer(bundles, name="bundle")
cli.add_typer(intents, name="intents")
cli.add_typer(teach, name="teach")
cli.add_typer(gate, name="gate")
cli.add_typer(anomaly, name="anomaly")

LAST_FOUND = Path("run-output/last-frame.jpg")

Paths = Annotated[list[str], typer.Argument(metavar="PATH", help="Files; - reads names from standard input.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, YAML or TOML.")]
Bundle = Annotated[
    Path | None, typer.Option("--bundle", metavar="FOLDER", help="Model bundle; omni-nano if not given.")
]


@cli.command()
def run(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE", help="Videos, cameras or sound files besides those of the settings."),
    ] = None,
    config: Config = None,
    demo: Annotated[bool, typer.Option("--demo", help="Play the embedded clip and spoken commands.")] = False,
    once: Annotated[bool, typer.Option("--once", help="End when the replayed sources have ended.")] = False,
    as_json: Json = False,
) -> None:
    """Watch, listen, answer and publish events until stopped."""
    from edge_runtime import app  # noqa: PLC0415 - the other verbs start faster without it

    with ExitStack() as stack:
        settings = app.demo_settings(stack) if demo else Settings.load(config)
        settings = app.with_sources(settings, sources or [])
        if not settings.cameras and not settings.microphones:
            raise InputError("nothing to watch or hear; name a SOURCE, use --demo, or list cameras in --config FILE")
        logging.getLogger("edge_runtime").setLevel(settings.log_level.upper())
        in_words = Console(highlight=False, markup=False, soft_wrap=True).print
        # Whoever reads the other end of a pipe wants an event when it happens.
        show: Callable[[str], None] = partial(print, flush=True) if as_json else in_words
        watched = as_json or demo or once or sys.stdout.isatty()
        box = app.App(settings, once=once, console=app.console(show, as_json=as_json) if watched else None)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: box.runtime.stop())
        status = box.runtime.run()
        summary = box.summary()
        if demo and box.save_last_found(LAST_FOUND):
            summary["picture"] = str(LAST_FOUND)
    if as_json:
        summary = {"summary": summary}
    output.emit(summary, as_json=as_json, words=output.summary_words)
    if status:
        raise typer.Exit(status)


@cli.command()
def detect(
    paths: Paths,
    bundle: Bundle = None,
    min_score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Score an object needs, for every label.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find objects in pictures."""
    from edge_runtime.verbs import work  # noqa: PLC0415 - help and errors come faster without the models
    from edge_runtime.wiring import assembly  # noqa: PLC0415 - help and errors come faster without the models

    detecting = work.detecting(assembly.Models(bundle, min_score=min_score))
    _each("path", paths, detecting, as_json=as_json, words=output.detect_words)


@cli.command()
def embed(
    values: Annotated[
        list[str],
        typer.Argument(metavar="VALUE", help="Pictures, sounds or texts; - reads them from standard input."),
    ],
    image: Annotated[bool, typer.Option("--image", help="The values are picture files.")] = False,
    text: Annotated[bool, typer.Option("--text", help="The values are texts.")] = False,
    audio: Annotated[bool, typer.Option("--audio", help="The values are sound files.")] = False,
    bundle: Bundle = None,
    as_json: Json = False,
) -> None:
    """Turn pictures, sounds or texts into vectors of the joint space."""
    from edge_runtime.verbs import work  # noqa: PLC0415 - help and errors come faster without the models
    from edge_runtime.wiring import assembly  # noqa: PLC0415 - help and errors come faster without the models

    if image + text + audio != 1:
        raise InputError("say what the values are: one of --image, --text and --audio")
    embedding = work.embedding(assembly.Models(bundle), "image" if image else "audio" if audio else "text")
    _each("input", values, embedding, as_json=as_json, words=output.embed_words)


@cli.command()
def classify(
    paths: Paths,
    labels: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="Names to choose from, or @FILE with one a line; any words for omni-nano."),
    ] = None,
    template: Annotated[
        str | None, typer.Option(help="Sentence around a label, for example 'a photo of a {}'.")
    ] = None,
    bundle: Bundle = None,
    as_json: Json = False,
) -> None:
    """Choose the label that fits a picture or a sound best, among any words or those that the bundle knows."""
    from edge_runtime.verbs import work  # noqa: PLC0415 - help and errors come faster without the models
    from edge_runtime.wiring import assembly  # noqa: PLC0415 - help and errors come faster without the models

    chosen = [] if labels is None else work.label_list(labels)
    classifying = work.classifying(assembly.Models(bundle), chosen, template)
    _each("path", paths, classifying, as_json=as_json, words=output.classify_words)


@cli.command()
def hear(
    paths: Paths,
    bundle: Bundle = None,
    min_score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Probability a sound needs, for every label.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Find sounds in sound files, those you taught too: what, and from when to when."""
    from edge_runtime.verbs import work  # noqa: PLC0415 - help and errors come faster without the models

    hearing = work.hearing(listening_of(config, bundle), min_score)
    _each("path", paths, hearing, as_json=as_json, words=output.hear_words)


@cli.command()
def command(
    paths: Paths,
    sentences: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Sentences in Home Assistant's format; they replace the built-in ones."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Understand spoken commands in sound files."""
    from edge_runtime.verbs import work  # noqa: PLC0415 - help and errors come faster without the models

    settings = Settings.load(config)
    if sentences:
        own = settings.voice.model_copy(update={"sentences": sentences, "builtin_sentences": False})
        settings = settings.model_copy(update={"voice": own})
    _each("path", paths, work.commanding(settings), as_json=as_json, words=output.command_words)


cli.command()(ask)
cli.command()(ledger)
cli.command()(replay)
cli.command()(serve)
cli.command()(say)
cli.command()(wake)
cli.command()(transcribe)
cli.command()(zones)


@cli.command()
def doctor(config: Config = None, as_json: Json = False) -> None:
    """Check cameras, microphones, speech, gate, minds, broker, clock, disk, model and key."""
    from edge_runtime.verbs.doctor import examine  # noqa: PLC0415

    failed = False
    for finding in examine(Settings.load(config)):
        failed |= finding["status"] == "fail"
        output.emit(finding, as_json=as_json, words=output.finding_words)
    if failed:
        raise typer.Exit(ExitStatus.FAILURE)


@cli.command("config")
def show_config(
    config: Config = None,
    all_keys: Annotated[bool, typer.Option("--explain", help="Show every key, its default and what it does.")] = False,
    as_json: Json = False,
) -> None:
    """Check a settings file and show what is in force, passwords masked, or explain every key."""
    settings = Settings.load(config)
    if not all_keys:
        from edge_runtime.wiring.evidence import masked  # noqa: PLC0415 - it needs much that this verb does not

        shown = masked(settings.model_dump(mode="json", exclude={"secrets"}))
        print(json.dumps(shown, indent=None if as_json else 2, ensure_ascii=False))
        return
    rows = list(explain(Settings))
    if as_json:
        for key, default, description in rows:
            output.emit({"key": key, "default": default, "description": description}, as_json=True, words=str)
        return
    table = Table("key", "default", "what it does", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 160, markup=False, highlight=False).print(table)


@cli.command()
def version() -> None:
    """Show the version."""
    print(__version__)


def _each(
    key: str,
    values: list[str],
    work: Callable[[str], output.Record],
    *,
    as_json: bool,
    words: Callable[[output.Record], str],
) -> None:
    if not output.each(key, values, work, as_json=as_json, words=words):
        raise typer.Exit(ExitStatus.BAD_INPUT)


def main() -> None:
    """Run the command line; errors made on purpose are one line on stderr."""
    # A journal wants one line a message, a terminal colours and a width.
    on_terminal = sys.stderr.isatty()
    show = RichHandler(console=Console(stderr=True), show_path=False) if on_terminal else logging.StreamHandler()
    # Ours alone says more than warnings: an HTTP library's log would name every address it calls.
    logging.basicConfig(
        level="WARNING", format="%(message)s" if on_terminal else "%(levelname)s: %(message)s", handlers=[show]
    )
    try:
        cli()
    except (ConfigError, InputError, BundleError) as error:
        print(f"edge-runtime: {error}", file=sys.stderr)
        sys.exit(ExitStatus.BAD_INPUT)
    except EdgeError as error:
        print(f"edge-runtime: {error}", file=sys.stderr)
        sys.exit(ExitStatus.FAILURE)
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does; Python would complain once more while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitStatus.FAILURE)


if __name__ == "__main__":
    main()
