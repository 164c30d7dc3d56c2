"""The verbs of `edge-runtime gate`: fit a gate to rows of who was right, judge it by others, show what is in force."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_runtime.config import Settings
from edge_runtime.errors import InputError
from edge_runtime.verbs import gate_words, output

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.decision.gate_table import GateTable

gate = typer.Typer(help="When the box answers by itself: fit, judge and show the gate.", no_args_is_help=True)

Rows = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help='JSON lines {"prompt", "skill"?, "score"?, "local_correct", "cloud_correct"?}; - reads standard input.',
    ),
]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, YAML or TOML.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]
GateFile = Annotated[
    Path | None, typer.Option("--gate", metavar="GATE", help="What `gate fit` wrote; the one in force if not given.")
]


@gate.command("fit")
def fit(
    rows: Rows,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="GATE", help="Where it goes; where `run` looks if not given.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Share of all questions that may be wrong and kept local.")] = 0.05,
    delta: Annotated[float, typer.Option(help="How often it may be more.")] = 0.10,
    horizon: Annotated[
        int | None,
        typer.Option(min=1, help="Questions over which the share is counted, at least; a quarter of the rows."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Learn from rows of who was right when the box may answer by itself."""
    from edge_runtime.decision.gate_fitting import Promise, fit_gate  # noqa: PLC0415
    from edge_runtime.wiring import gate_tables, gates  # noqa: PLC0415 - help and errors come faster without the models
    from edge_runtime.wiring.assembly import Models  # noqa: PLC0415

    settings = Settings.load(config)
    promise = Promise(alpha, delta, horizon).checked()
    table, mark = gate_tables.table_of(rows)
    models = Models.of(settings)
    start = time.monotonic()
    vectors = _vectors(models, table)
    facts = {
        "table": rows,
        "table_sha256": mark,
        "model": gate_tables.model_mark(models),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    made = fit_gate(table, vectors, promise, facts)
    path = out or gates.gate_path(settings)
    gate_tables.save_gate(path, made)
    record = {"gate": str(path), "in_force": path.absolute() == gates.gate_path(settings).absolute(), **made.facts}
    record |= {"threshold": made.threshold, "seconds": round(time.monotonic() - start, 2)}
    record |= {"shortage": _shortage(record, promise.least_rows())}
    output.emit(record, as_json=as_json, words=gate_words.fit_words)


@gate.command("eval")
def evaluate(
    rows: Rows,
    gate_file: GateFile = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="PNG", help="Draw the curves, .png, .svg or .pdf; extra [plot].")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Judge a gate by rows that it has not seen."""
    from edge_runtime.decision.gate_report import report  # noqa: PLC0415
    from edge_runtime.verbs import gate_charts  # noqa: PLC0415 - help comes faster without the models
    from edge_runtime.wiring import gate_tables, gates  # noqa: PLC0415 - help comes faster without the models
    from edge_runtime.wiring.assembly import Models  # noqa: PLC0415

    settings = Settings.load(config)
    path = gate_file or gates.gate_path(settings)
    learned, _ = gate_tables.load_gate(path)
    table, mark = gate_tables.table_of(rows)
    models = Models.of(settings)
    if not gates.suits(learned, models):
        raise InputError(f"gate {str(path)!r} was fitted with another text model; run `edge-runtime gate fit` again")
    vectors = _vectors(models, table) if learned.needs_vectors else None
    seen = mark == learned.facts.get("table_sha256")
    record = {"gate": str(path), "table": rows, "fitted_on_these": seen, **report(learned, table, vectors)}
    if plot is not None:
        gate_charts.save_plot(plot, record)
        record["plot"] = str(plot)
    braille = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    output.emit(
        record,
        as_json=as_json,
        words=lambda it: f"{gate_words.eval_words(it)}\n\n{gate_charts.terminal_charts(it, braille=braille)}",
    )


@gate.command("status")
def status(config: Config = None, as_json: Json = False) -> None:
    """Show the gate in force, and whether answers are still like those it was fitted to."""
    from edge_runtime.wiring import gates  # noqa: PLC0415 - help comes faster without the models
    from edge_runtime.wiring.assembly import Models  # noqa: PLC0415

    settings = Settings.load(config)
    output.emit(gates.status(settings, Models.of(settings)), as_json=as_json, words=gate_words.status_words)


def _vectors(models: Any, table: GateTable) -> NDArray[np.float32] | None:
    """Return the prompts' embeddings, None where the bundle cannot read and scores have to do."""
    from edge_runtime.wiring import gate_tables  # noqa: PLC0415 - help comes faster without the models

    if models.manifest.text is None and bool(table.scored.all()):
        return None
    shown = sys.stderr.isatty()

    def progress(done: int, of: int) -> None:
        bar = "#" * (30 * done // of)
        print(
            f"\rreading prompts [{bar:<30}] {done} of {of}", end="\n" if done == of else "", file=sys.stderr, flush=True
        )

    return gate_tables.embed_all(models, table.prompts, progress if shown else None)


def _shortage(record: Mapping[str, Any], least: int) -> str | None:
    if record["threshold"] <= 1:
        return None
    if record["rows"] < least:
        advice = ", some hundreds are good" if least < 100 else ""
        return f"{record['rows']} rows prove nothing yet: at least {least} are needed{advice}"
    if record["local_accuracy"] == 0:
        return "not one local answer was right"
    return "the surest local answers are wrong too often, so no threshold keeps the promise"
