"""The verbs of `edge-runtime anomaly`: learn what is normal, tell what is not, list, forget."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_runtime.config import Settings
from edge_runtime.runtime import ExitStatus
from edge_runtime.verbs import output

if TYPE_CHECKING:
    from edge_runtime.errors import InputError
    from edge_runtime.wiring.anomalies import Inspector
    from edge_runtime.wiring.anomaly_store import AnomalyStore

anomaly = typer.Typer(help="Learn what is normal from pictures or sounds, and tell what is not.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What you call that which is normal.")]
Paths = Annotated[
    list[str], typer.Argument(metavar="PATH", help="Files and folders; - reads names from standard input.")
]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, YAML or TOML.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]


@anomaly.command()
def learn(name: Name, paths: Paths, config: Config = None, as_json: Json = False) -> None:
    """Learn normal pictures or sounds; again under the same name adds to them."""
    from edge_runtime.wiring.anomalies import expanded  # noqa: PLC0415 - help comes faster without the models

    failed = []

    def notice(path: str, error: InputError) -> None:
        failed.append({"path": path, "error": str(error)})
        print(f"edge-runtime: {error}", file=sys.stderr)

    record = _inspector(config).learn(name, expanded(list(output.expanded(paths))), notice)
    output.emit({**record, "failed": failed}, as_json=as_json, words=output.learnt_words)
    if failed:
        raise typer.Exit(ExitStatus.BAD_INPUT)


@anomaly.command()
def score(
    name: Name,
    paths: Paths,
    heatmap: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write each picture there, what is unusual in warm colours.")
    ] = None,
    false_alarms: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="Share of normal ones that may be called unusual.")
    ] = 0.05,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Tell how unusual pictures or sounds are."""
    from edge_runtime.wiring.anomalies import expanded  # noqa: PLC0415 - help comes faster without the models

    scoring = _inspector(config).scoring(name, heatmap, false_alarms)
    files = expanded(list(output.expanded(paths)))
    if not output.each("path", files, scoring, as_json=as_json, words=output.score_words):
        raise typer.Exit(ExitStatus.BAD_INPUT)


@anomaly.command("list")
def list_learnt(config: Config = None, as_json: Json = False) -> None:
    """Show what was learnt."""
    records = _inspector(config).known()
    output.emit_list(records, as_json=as_json, words=output.normal_words, nothing="nothing is learnt yet")


@anomaly.command()
def forget(name: Name, config: Config = None, as_json: Json = False) -> None:
    """Forget what was learnt under a name, or what a camera or microphone of that name has learnt by itself."""
    from edge_runtime.wiring.live_anomalies import forget_usual  # noqa: PLC0415 - help comes faster without the models

    settings = Settings.load(config)
    store = _store(settings)
    if not forget_usual(settings, name) or name in store.names():
        store.forget(name)
    output.emit({"name": name, "forgotten": True}, as_json=as_json, words=lambda _: f"{name} is forgotten")


def _inspector(config: Path | None) -> Inspector:
    from edge_runtime.wiring.anomalies import Inspector  # noqa: PLC0415 - help comes faster without the models
    from edge_runtime.wiring.assembly import Models  # noqa: PLC0415

    settings = Settings.load(config)
    return Inspector(_store(settings), Models.of(settings))


def _store(settings: Settings) -> AnomalyStore:
    from edge_runtime.wiring.anomaly_store import AnomalyStore  # noqa: PLC0415 - help comes faster without the models

    return AnomalyStore(settings.device.data_dir.expanduser())
