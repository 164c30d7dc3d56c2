"""Results of the verbs: JSON lines for programs, words for people."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Record = dict[str, Any]


def each(
    key: str, values: Iterable[str], work: Callable[[str], Record], *, as_json: bool, words: Callable[[Record], str]
) -> bool:
    """Do `work` for every value, print a record each, and return whether all went well.

    A value that fails gets a record with "error", and the rest go on.
    """
    well = True
    for value in expanded(values):
        try:
            emit({key: value, **work(value)}, as_json=as_json, words=words)
        except InputError as error:
            well = False
            if as_json:
                emit({key: value, "error": str(error)}, as_json=True, words=words)
            print(f"edge-runtime: {error}", file=sys.stderr)
    return well


def emit(record: Record, *, as_json: bool, words: Callable[[Record], str]) -> None:
    """Print one record as a JSON line or in words."""
    print(json.dumps(record, ensure_ascii=False, allow_nan=False) if as_json else words(record), flush=True)


def emit_list(records: Iterable[Record], *, as_json: bool, words: Callable[[Record], str], nothing: str) -> None:
    """Print records as JSON lines or in words; in words, `nothing` is said where there are none."""
    there = False
    for record in records:
        there = True
        emit(record, as_json=as_json, words=words)
    if not there and not as_json:
        print(nothing, flush=True)


def expanded(values: Iterable[str]) -> Iterator[str]:
    """Yield values, those of standard input, one a line, in the place of "-"."""
    for value in values:
        if value == "-":
            yield from (line.rstrip("\r\n") for line in sys.stdin if line.strip())
        else:
            yield value


def detect_words(record: Record) -> str:
    """Say which objects were found."""
    found = ", ".join(f"{d['label']} {d['score']:.0%}" for d in record["detections"])
    return f"{record['path']}: {found or 'nothing'}"


def command_words(record: Record) -> str:
    """Say what was heard and meant."""
    slots = "".join(f" {name}={value}" for name, value in record["slots"].items())
    return f"{record['path']}: {record['transcript']!r} -> {record['intent']}{slots} ({record['confidence']:.0%})"


def answer_words(record: Record) -> str:
    """Say the answer, who gave it and how sure it is."""
    price = f", {record['cost_usd']:.6f} USD" if record["cost_usd"] else ", bought before" if record["cached"] else ""
    by = f" by {record['skill'] or record['model']}" if record["skill"] or record["model"] else ""
    quoted = "".join(f"\n  from {source}" for source in record["sources"])
    sure = f"{record['confidence']:.0%} sure, {record['elapsed_s']:.2f} s{price}"
    return f"{record['text']} [{record['origin']}{by}, {sure}]{quoted}"


def dry_run_words(record: Record) -> str:
    """Say what of a question would leave the box, before and after the gate, and where to."""
    off = "" if record["cloud"] else " (cloud.enabled is false: nothing leaves at all)"
    lines = ["nothing was sent. If the box asked the cloud, this would leave:" + off]
    if record.get("refused"):
        return f"{lines[0]}\n  nothing: {record['refused']}"
    lines += [f"      to  {one}" for one in record["to"]]
    lines.append(f"  policy  {record['policy']} (source {record['source']})")
    for text in record["texts"]:
        lines += [f"  before  {text['before']}", f"   after  {text['after']}"]
    masked = ", ".join(f"{count} {kind}" for kind, count in record["masked"].items())
    lines.append(f"  masked  {masked or 'nothing'}")
    if picture := record["picture"]:
        hidden = ", ".join(f"{count} {kind}" for kind, count in picture["hidden"].items())
        size = f"{picture['width']} x {picture['height']}, {picture['bytes']} bytes"
        lines += [
            f" picture  {size}, blurred: {hidden or 'nothing'}",
            f"          {picture['before']}, {picture['after']}",
        ]
    elif "dropped" in record:
        lines.append(f" picture  none: {record['dropped']}")
    return "\n".join(
        [*lines, f"  prompt  {record['prompt']}, {len(record['instructions'])} characters; --json shows it"]
    )


def say_words(record: Record) -> str:
    """Say how long it spoke, and where to."""
    where = "" if record["path"] is None else f" into {record['path']}"
    return f"{record['voice']} spoke for {record['seconds']:.1f} s{where}"


def finding_words(record: Record) -> str:
    """Say what the doctor found and what to do."""
    advice = f"\n      {record['advice']}" if record["advice"] else ""
    return f"{record['status']:>4}  {record['check']}: {record['detail']}{advice}"


def summary_words(summary: Mapping[str, Any]) -> str:
    """Say what a run has done."""
    return "\n" + "\n".join(f"{name.replace('_', ' '):>22}  {value}" for name, value in summary.items())


def embed_words(record: Record) -> str:
    """Say how an embedding begins."""
    first = ", ".join(f"{number:.3f}" for number in record["embedding"][:4])
    return f"{record['input']}: {len(record['embedding'])} numbers, {first}, ..."


def classify_words(record: Record) -> str:
    """Say which label won, and how clearly."""
    return f"{record['path']}: {record['label']} ({record['scores'][record['label']]:.0%})"


def hear_words(record: Record) -> str:
    """Say which sounds were heard, and when."""
    found = "".join(
        f"\n{e['start_s']:8.2f} to {e['end_s']:.2f} s  {e['label']} {e['score']:.0%}" for e in record["events"]
    )
    return f"{record['path']}:{found or ' nothing'}"


def transcribe_words(record: Record) -> str:
    """Say what was said."""
    return f"{record['path']}: {record['text']}"


def wake_words(record: Record) -> str:
    """Say whether a wake word was heard, where, and how far from counting it was."""
    place = f"{record['start_s']:.2f} to {record['end_s']:.2f} s" if record["heard"] else "not heard"
    return f"{record['path']}: {record['word']!r} {place} ({record['score']:.3f}, needs {record['threshold']:.3f})"


def taught_words(record: Record) -> str:
    """Say what was taught, how well it will do, and what is wrong with it."""
    meaning = f" -> {record['intent']}" if "intent" in record else ""
    own = f"{record['found']} of {record['clips']} would be found by the others"
    others = "pictures" if record["kind"] == "picture" else "sounds"
    false = f"{record['false']} of {record['background']} other {others} taken for it"
    line = f"{record['kind']} {record['name']!r}{meaning}: {own}, {false}"
    if record.get("shortage"):
        line += f"\n  not enough data: {record['shortage']}"
        line += "" if record["kept"] else "\n  not kept; --force keeps it"
    return line if record.get("usable", True) else f"{line}\n  taught with another model; teach it again"


def learnt_words(record: Record) -> str:
    """Say what was learnt as normal."""
    more = "" if record["files"] == record["learnt"] else f", {record['files']} in all"
    failed = f"; {len(record['failed'])} files could not be used" if record["failed"] else ""
    return f"{record['name']}: learnt {record['learnt']} {record['kind']} files{more}{failed}"


def score_words(record: Record) -> str:
    """Say whether something is unusual, and by how much."""
    verdict = "UNUSUAL" if record["anomalous"] else "normal"
    drawn = f", {record['heatmap']}" if "heatmap" in record else ""
    return f"{record['path']}: {verdict} ({record['score']:.3f}, threshold {record['threshold']:.3f}{drawn})"


def normal_words(record: Record) -> str:
    """Say what is known as normal."""
    if "error" in record:
        return f"{record['name']}: {record['error']}"
    line = f"{record['name']}: {record['files']} {record['kind']} files, threshold {record['threshold']:.3f}"
    return line if record["usable"] else f"{line}\n  learnt with another model; forget it and learn it again"


def bundle_words(record: Record) -> str:
    """Say what a bundle is, where it came from and what was measured."""
    parts = [*record["parts"], *([f"{record['labels']} labels"] if record["labels"] else [])]
    size = f"{record['bytes'] / 1e6:.1f} MB"
    files = [f"  {name:<16} {size / 1e6:8.2f} MB" for name, size in record["files"].items()]
    writes = record["writes"]
    chats = writes and (
        "its own chat template" if writes["chat_template"] else "no chat template: it answers in a line"
    )
    return "\n".join(
        [
            f"{record['bundle']}: {record['name']} ({', '.join(parts)}), {size}",
            f"  licence: {record['license']}; source: {', '.join(record['sources']) or 'not named'}",
            *(
                [f"  writes: {writes['bits']}-bit weights, {writes['context']} tokens at most, {chats}"]
                if writes
                else []
            ),
            *files,
            *(f"  {line}" for line in _flat(record["numbers"])),
        ]
    )


def _flat(numbers: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in numbers.items():
        label = f"{above}{name}".replace("_", " ")
        if isinstance(value, dict):
            yield from _flat(value, f"{label}: ")
        else:
            yield f"{label} = {value}"
