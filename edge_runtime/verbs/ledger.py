"""The verb `edge-runtime ledger`: what left the box, when, why, to whom, at what price; and whether that is all."""

from __future__ import annotations

import re
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_runtime.cloud.ledger_check import Fault, check, entries
from edge_runtime.config import Settings
from edge_runtime.errors import InputError
from edge_runtime.runtime import ExitStatus
from edge_runtime.verbs import output
from edge_runtime.wiring.egress import ledger_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    Record = dict[str, Any]

_AGO = re.compile(r"(\d{1,6})\s?([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHOWN_TEXT = 300


def ledger(
    verify: Annotated[bool, typer.Option("--verify", help="Check that nothing in it was changed or removed.")] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only what left since: 2026-11-23, 2026-11-23T14:00, 24h, 7d."),
    ] = None,
    last: Annotated[int, typer.Option(min=0, metavar="N", help="Show the last N; the totals count all.")] = 20,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, YAML or TOML.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")] = False,
) -> None:
    """Show what left the box: what, when, why, to whom, at what price."""
    folder = ledger_folder(Settings.load(config))
    sent, totals = read(folder, None if since is None else moment(since), last)
    for record in sent:
        output.emit(record, as_json=as_json, words=sent_words)
    faults = check(folder) if verify else []
    for fault in faults:
        output.emit(
            {"fault": fault.what, "file": fault.file, "line": fault.line}, as_json=as_json,
            words=lambda record: str(Fault(record["file"], record["line"], record["fault"])),
        )  # fmt: skip
    summary = {**totals, "folder": str(folder), "whole": not faults if verify else None, "faults": len(faults)}
    output.emit({"summary": summary} if as_json else summary, as_json=as_json, words=totals_words)
    if faults:
        raise typer.Exit(ExitStatus.FAILURE)


def read(folder: Path, since: str | None, last: int) -> tuple[list[Record], Record]:
    """Return the last sendings, each with what became of it, and totals of all since then."""
    sent: deque[Record] = deque(maxlen=last)
    waiting: dict[str, Record] = {}
    totals: Record = {"entries": 0, "sent": 0, "pictures": 0, "cost_usd": 0.0, "unsettled_usd": 0.0, "to": {}}
    for entry in entries(folder):
        totals["entries"] += 1
        if entry.get("kind") == "send" and (since is None or str(entry.get("at")) >= since):
            record = {key: value for key, value in entry.items() if key not in {"kind", "prev"}}
            sent.append(waiting.setdefault(str(entry.get("id")), record))
            totals["sent"] += 1
            totals["pictures"] += entry.get("picture") is not None
        elif entry.get("kind") == "settle" and (record := waiting.pop(str(entry.get("of")), {})):
            record |= {"cost_usd": entry.get("cost_usd"), "outcome": entry.get("outcome")}
            _count(totals, record)
    totals["unsettled_usd"] = round(sum(record.get("worst_case_usd", 0.0) for record in waiting.values()), 9)
    totals["unsettled"] = len(waiting)
    totals["cost_usd"] = round(totals["cost_usd"], 9)
    return list(sent), totals


def _count(totals: Record, record: Mapping[str, Any]) -> None:
    cost = float(record.get("cost_usd") or 0.0)
    totals["cost_usd"] += cost
    name = _whom(record)
    totals["to"][name] = round(totals["to"].get(name, 0.0) + cost, 9)


def moment(text: str) -> str:
    """Return "24h", "7d", a date or a time as the ledger writes times.

    Raises:
        InputError: it is none of these.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            then = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            then = datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(f"--since {text!r} is no time; give 2026-11-23, 2026-11-23T14:00, 24h or 7d") from None
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sent_words(record: Record) -> str:
    """Say what left, when, why, to whom and at what price."""
    price = f"at most {record['worst_case_usd']:.6f} USD, no outcome"
    if record.get("outcome") is not None:
        price = f"{record['cost_usd']:.6f} USD, {record['outcome']}"
    masked = "".join(f", {count} {kind}" for kind, count in record["masked"].items())
    lines = [
        f"{record['at'].replace('T', ' ')}  {record['source']} -> {_whom(record)} at {record['to']['host']}: {price}",
        f"    {record['why']}; policy {record['policy']}" + (f"; taken out: {masked[2:]}" if masked else ""),
        *(f"    > {_short(text)}" for text in record["texts"]),
    ]
    picture = record.get("picture")
    if picture:
        hidden = "".join(f", {count} {kind}" for kind, count in picture["hidden"].items())
        size = f"{picture['width']} x {picture['height']}, {picture['bytes']} bytes"
        lines.append(
            f"    picture {size}{'; blurred: ' + hidden[2:] if hidden else ''}; sha256 {picture['sha256'][:16]}"
        )
    return "\n".join(lines)


def totals_words(record: Record) -> str:
    """Say what left in all, and whether the ledger is whole."""
    if not record["entries"] and not record["faults"]:
        return f"nothing has left this box ({record['folder']} holds no entry)"
    each = "".join(f"\n  {name}: {cost:.6f} USD" for name, cost in record["to"].items())
    total = f"{record['sent']} sent, {record['pictures']} with a picture, {record['cost_usd']:.6f} USD"
    if record["unsettled"]:
        total += f", and {record['unsettled']} without an outcome, at most {record['unsettled_usd']:.6f} USD"
    whole = {
        None: "not checked; --verify does",
        True: f"every one of {record['entries']} entries is as it was written",
        False: f"{record['faults']} things are wrong, see above",
    }[record["whole"]]
    return f"{total}{each}\nledger {record['folder']}: {whole}"


def _whom(record: Mapping[str, Any]) -> str:
    to = record.get("to") or {}
    return f"{to.get('provider')}/{to.get('model')}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_TEXT else f"{line[:_SHOWN_TEXT]}... ({len(text)} characters)"
