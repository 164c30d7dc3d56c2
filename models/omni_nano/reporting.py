"""Write the report: one plain page with tables and pictures, and the few lines of it that the model card shows."""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING, Any

from models.omni_nano import diagrams, scoring
from scripts.stage import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from models.omni_nano.diagrams import Picture

INTRODUCTION = """<p>Every picture and sentence here was kept out of training by a hash of its name, and each picture
is judged with calibrations and thresholds that were fitted without its fold, one of five. Intervals are bootstrapped
over pictures; INT8 and FP32 are compared picture by picture. No picture of the data is shown: their licences forbid
it.</p>"""
ABOUT_BOXES = """<p>The best box of a label carries the probability that there is one at all, further boxes that they
overlap by half with an object both box teachers agree on. Some pictures are asked about several times, at other sizes
or with other lists: chance then does more than is said below.</p>"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 68rem; margin: 0 auto; padding: 1rem }}
body {{ color: #222; background: #fff }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; margin: 1rem 0 }}
caption {{ text-align: left; font-weight: 600; padding: .3rem 0 }}
th, td {{ border-bottom: 1px solid #ccc; padding: .2rem .7rem; text-align: left; vertical-align: top }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }}
.pictures {{ display: flex; flex-wrap: wrap; gap: 1rem }}
figure {{ margin: 0; max-width: 30rem }}
img {{ max-width: 100%; height: auto }}
figcaption {{ font-size: .9rem }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def between(low: float, high: float, sign: str = "") -> str:
    """Return an interval in points of a hundred."""
    return f"{100 * low:{sign}.1f} to {100 * high:{sign}.1f}"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table; the first column names the row, cells that hold a number line up on the right."""

    def cell(value: object) -> str:
        text = escape(f"{value:.3f}" if isinstance(value, float) else str(value))
        numeric = bool(re.match(r"^[+-]?\d", text))
        return f'<td class="number">{text}</td>' if numeric else f"<td>{text}</td>"

    lines = [f"<table><caption>{escape(caption)}</caption>", "<thead><tr>"]
    lines += [f'<th scope="col">{escape(name)}</th>' for name in head]
    lines.append("</tr></thead><tbody>")
    for first, *rest in rows:
        lines.append(f'<tr><th scope="row">{escape(str(first))}</th>{"".join(cell(v) for v in rest)}</tr>')
    return "\n".join([*lines, "</tbody></table>"])


def pictures(drawn: Iterable[Picture]) -> str:
    """Return figures side by side."""
    parts = [
        f'<figure><img src="{escape(one.file)}" alt="{escape(one.alt)}">'
        f"<figcaption>{escape(one.caption)}</figcaption></figure>"
        for one in drawn
    ]
    return '<div class="pictures">\n' + "\n".join(parts) + "\n</div>"


def quality(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the table of INT8 beside FP32."""
    head = ("what", "INT8", "95 % interval", "bar", "FP32", "INT8 - FP32", "95 % interval", "at most a point", "count")
    lines = [
        (
            row["what"],
            f"{100 * row['int8']:.1f}",
            between(row["low"], row["high"]),
            scoring.judged(row),
            f"{100 * row['fp32']:.1f}",
            f"{100 * row['difference']:+.1f}",
            between(row["difference_low"], row["difference_high"], "+"),
            scoring.loss(row),
            row["count"],
        )
        for row in rows
    ]
    return table("Quality in percent, INT8 beside FP32 on the same pictures and sentences", head, lines)


def calibration(detector: Mapping[str, Any], curves: Mapping[str, Any]) -> str:
    """Return thresholds, calibration by size and by length of list."""
    limits = [
        (label, f"{detector['thresholds'][label]:.2f}", *detector["presence"][label], *detector["calibration"][label])
        for label in detector["labels"]
    ]
    head = ("label", "threshold", "presence scale", "presence bias", "further boxes scale", "further boxes bias")
    sizes = [tuple(row.values()) for row in curves["cameras"]]
    size_head = ("photographs", "count", "person right", "with and without alike", "ECE", "ECE less chance")
    lengths = [tuple(row.values()) for row in curves["lengths"]]
    length_head = ("labels", "answers", "right", "mean confidence", "ECE", "ECE less chance", "true scores stay below")
    clips = [tuple(row.values()) for row in curves["clips"]]
    clip_head = ("clip", "frames", "F1 of person boxes", "people in them", "person seen where nobody is, frames")
    return "\n".join(
        [
            table("People and boxes by size of picture", (*size_head, "true scores stay below", "F1 of boxes"), sizes),
            table("Person boxes on video frames, which training has seen", clip_head, clips),
            table("Zero-shot at 32 x 32 by number of labels, one temperature for all", length_head, lengths),
            table("Thresholds and calibrations as shipped", head, limits),
        ]
    )


def confusions(pairs: Iterable[Mapping[str, Any]], template: str) -> str:
    """Return the nouns most often taken for one another."""
    rows = [
        (
            f"{one['true']} taken for {one['taken_for']}",
            f"{one['count']} of {one['of']}",
            one["back"],
            f"\u201c{template.format(one['taken_for'])}\u201d before \u201c{template.format(one['true'])}\u201d",
        )
        for one in pairs
    ]
    return table(
        "The ten worst confusions among all nouns, 32 x 32", ("pair", "pictures", "the other way", "said"), rows
    )


def speed(measured: Mapping[str, Any] | None) -> str:
    """Return what bench/model.py measured, if it has."""
    if measured is None:
        return "<p>Not measured with this build; <code>bench/model.py --output</code> does.</p>"
    times = [(n, t, measured["milliseconds_median"][n]) for n, t in measured["milliseconds"].items()]
    bars = [
        (row["name"], row["value"], scoring.verdict(row["bar"], reached=row["reached"], least=False))
        for row in measured["rows"]
    ]
    head = f"Milliseconds of one run, {measured['threads']} threads"
    return table(head, ("what", "best run", "median run"), times) + table("Ratios", ("what", "value", "bar"), bars)


def page(found: Mapping[str, Any], about: Mapping[str, Any], drawn: Sequence[Picture]) -> str:
    """Return the whole page.

    Args:
        found: what scripts/evaluate.py measured.
        about: the manifest's name and version, detector and templates, and speed if measured.
        drawn: pictures, reliability first.
    """
    sizes = [
        (f"{row['name']}, MB", row["mb"], scoring.verdict(row["bar"], reached=row["reached"], least=False))
        for row in found["sizes"]
    ]
    body = [
        INTRODUCTION,
        "<h2>Quality</h2>",
        quality(found["rows"]),
        "<h2>How sure, how right</h2>",
        ABOUT_BOXES,
        pictures(one for one in drawn if one.file.startswith("reliability")),
        "<h2>Answering only when sure</h2>",
        pictures(one for one in drawn if one.file.startswith("risk")),
        "<h2>What is taken for what</h2>",
        confusions(found["curves"]["confused"], about["template"]),
        "<h2>Calibration</h2>",
        calibration(about["detector"], found["curves"]),
        "<h2>Speed and size</h2>",
        speed(about.get("speed")),
        table("Size of the bundle", ("part", "size", "bar"), sizes),
    ]
    return PAGE.format(title=escape(f"{about['name']} {about['version']}: what it is worth"), body="\n".join(body))


def summary(found: Mapping[str, Any], folder: str) -> str:
    """Return the model card's few lines about calibration."""
    curves = found["curves"]
    lines = ["| score | ECE | without chance's share | true scores stay below | answers |", "|---|---|---|---|---|"]
    for name, seen in curves["reliability"].items():
        errors = " | ".join(f"{100 * seen[key]:.1f} %" for key in ("error", "debiased", "by_chance_95"))
        lines.append(f"| {name} | {errors} | {sum(seen['count'])} |")
    kept = curves["risk"]["is there a ...?"]["kept"]
    said = [
        (
            f"At the gate's confidence of {kept['limit']:.2f} the box answers {100 * kept['coverage']:.0f} % of "
            f'"is there a ...?" by itself, {100 * kept["risk"]:.1f} % of those wrongly.'
        )
    ]
    if curves["confused"]:
        worst = [f"{o['true']} for {o['taken_for']} ({o['count']} of {o['of']})" for o in curves["confused"][:3]]
        said.append(f"Most often mistaken: {', '.join(worst)}.")
    said.append(f"All diagrams and tables: [{folder}/index.html]({folder}/index.html).")
    return "\n".join([*lines, "", " ".join(said)])


def write(folder: Path, found: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Draw and write the report into a folder, in place of an older one."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    curves = found["curves"]
    drawn = [diagrams.reliability(name, seen, folder) for name, seen in curves["reliability"].items()]
    drawn += [diagrams.risk(name, seen, folder) for name, seen in curves["risk"].items() if seen["coverage"]]
    write_atomically(folder / "index.html", page(found, about, drawn))


def read_speed(path: Path) -> dict[str, Any] | None:
    """Return what bench/model.py wrote, if it has."""
    measured: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return measured
