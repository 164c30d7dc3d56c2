"""The verb `edge-runtime replay`: an alert decided once more from its record, and explained."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_runtime.config import Settings
from edge_runtime.errors import InputError
from edge_runtime.runtime import ExitStatus
from edge_runtime.sinks.records import Records
from edge_runtime.verbs import output, replay_words

if TYPE_CHECKING:
    from edge_runtime.wiring.replaying import Replayed

    Record = dict[str, Any]


def replay(
    event_id: Annotated[
        str | None, typer.Argument(metavar="[EVENT_ID]", help="The id of an alert, as its event tells it.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Replay every alert that is kept.")] = False,
    list_only: Annotated[bool, typer.Option("--list", help="List the alerts that are kept, the newest first.")] = False,
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Records from elsewhere; else those of this box.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", metavar="FOLDER", help="Model bundle that looks again.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, YAML or TOML.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")] = False,
) -> None:
    """Decide an alert once more from its record, say why it was raised, and whether the same comes out."""
    if (event_id is not None) + every + list_only != 1:
        raise InputError("say which: an EVENT_ID, --all or --list")
    from edge_runtime.wiring.evidence import evidence_folder  # noqa: PLC0415 - help comes faster without it

    records = Records(folder or evidence_folder(Settings.load(config)))
    if list_only:
        listed, nothing = map(_listed, records.all()), f"no alert is kept in {records.folder}"
        output.emit_list(listed, as_json=as_json, words=replay_words.listed_words, nothing=nothing)
        return
    from edge_runtime.wiring.replaying import Replayer  # noqa: PLC0415 - help and lists come faster without the models

    ids = [event_id] if event_id is not None else [record["event"]["id"] for record in records.all()]
    replayer, reproduced = Replayer(bundle), 0
    for one in ids:
        done = _replayed(replayer.replay(records, one))
        reproduced += done["reproduced"]
        output.emit(done, as_json=as_json, words=replay_words.replayed_words)
    if every:
        totals = {"alerts": len(ids), "reproduced": reproduced}
        output.emit({"summary": totals} if as_json else totals, as_json=as_json, words=replay_words.totals_words)
    if reproduced < len(ids):
        raise typer.Exit(ExitStatus.FAILURE)


def _listed(record: Record) -> Record:
    event = record["event"]
    known = {key: event[key] for key in ("id", "time", "source", "kind", "data")}
    return {**known, "what": replay_words.what_happened(record), "files": sorted(record["files"])}


def _replayed(done: Replayed) -> Record:
    record = done.record
    event = record["event"]
    return {
        **{key: event[key] for key in ("id", "time", "source", "kind", "data")},
        "what": replay_words.what_happened(record),
        "reproduced": done.reproduced,
        "look": done.look,
        "changed": list(done.changed),
        "differences": [{"at": at, "recorded": then, "now": now} for at, then, now in done.differences],
        "problem": done.problem,
        "steps": record["steps"],
        "settings": record["settings"],
        "settings_sha256": record["settings_sha256"],
        "bundle": record["bundle"],
        "program": record["program"],
    }
