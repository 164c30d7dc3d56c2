"""Charts of a gate: in the terminal, always, and as a picture where matplotlib is installed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    Curve = Sequence[Sequence[float]]

WIDTH, HEIGHT = 60, 12
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_SUFFIXES = {".png", ".svg", ".pdf"}


def chart(curves: Sequence[tuple[str, Callable[[float], float]]], title: str, *, braille: bool = True) -> str:
    """Return a chart of functions on 0 to 1, its y axis fitted to them; the first is drawn with dots, others thinly.

    Args:
        curves: names and functions.
        title: above the chart.
        braille: fine dots; else one character a place, for terminals that know ASCII alone.
    """
    wide, high = (2, 4) if braille else (1, 1)
    columns, rows = WIDTH * wide, HEIGHT * high
    values = [[curve(column / (columns - 1)) for column in range(columns)] for _, curve in curves]
    low = math.floor(min(map(min, values)) * 20) / 20
    top = max(math.ceil(max(map(max, values)) * 20) / 20, low + 0.05)
    grid = [[0] * WIDTH for _ in range(HEIGHT)]
    for number, line in enumerate(values):
        # The second and later curves are dotted, so that they can be told apart without colours.
        for column in range(0, columns, 1 if number == 0 else 3 * wide):
            row = min(int((top - line[column]) / (top - low) * rows), rows - 1)
            cell = _DOTS[row % high][column % wide] if braille else 2 - min(number, 1)
            grid[row // high][column // wide] |= cell
    drawn = ["".join(_mark(cell, braille=braille) for cell in row) for row in grid]
    labels = [f"{top:6.0%} ", *["       "] * (HEIGHT - 2), f"{low:6.0%} "]
    body = [f"{label}|{row}".rstrip() for label, row in zip(labels, drawn, strict=True)]
    names = f"solid: {curves[0][0]}" + "".join(f"; dotted: {name}" for name, _ in curves[1:])
    return "\n".join(
        [title, *body, " " * 7 + "+" + "-" * WIDTH, f"{'0%':>8}{'50%':>31}{'100%':>30}", f"        {names}"]
    )


def _mark(cell: int, *, braille: bool) -> str:
    if braille:
        return chr(0x2800 + cell) if cell else " "
    return " .oo"[cell]


def terminal_charts(record: Mapping[str, Any], *, braille: bool) -> str:
    """Return the charts of a report: risk by coverage, and quality by cloud share where the cloud is known."""
    wrong = 1 - record["local_accuracy"]
    drawn = [
        chart(
            [("by this gate", _function(record["curves"]["risk_by_coverage"])), ("at random", lambda _: wrong)],
            "share wrong among the kept, by share kept",
            braille=braille,
        )
    ]
    quality = record["curves"].get("quality_by_cloud_share")
    if quality:
        own, far = record["local_accuracy"], record["cloud_accuracy"]
        by_gate, by_chance = ("by this gate", _function(quality)), ("at random", lambda x: own + x * (far - own))
        drawn.append(chart([by_gate, by_chance], "share right, by share sent to the cloud", braille=braille))
    return "\n\n".join(drawn)


def _function(curve: Curve) -> Callable[[float], float]:
    def at(place: float) -> float:
        after = next((i for i, (x, _) in enumerate(curve) if x >= place), len(curve) - 1)
        (x0, y0), (x1, y1) = curve[max(after - 1, 0)], curve[after]
        return y1 if x1 == x0 else y0 + (min(max(place, x0), x1) - x0) / (x1 - x0) * (y1 - y0)

    return at


def save_plot(path: Path, record: Mapping[str, Any]) -> None:
    """Draw the report's curves into a picture.

    Raises:
        InputError: matplotlib is not installed, or the file cannot be written.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"plot {str(path)!r}: give a file that ends in {', '.join(sorted(_SUFFIXES))}")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - the extra [plot]
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise InputError("a plot needs matplotlib; install edge-runtime[plot], or leave --plot out") from None
    quality = record["curves"].get("quality_by_cloud_share")
    figure = Figure(figsize=(11 if quality else 6, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2 if quality else 1, squeeze=False)[0]
    _risk_panel(panels[0], record)
    if quality:
        _quality_panel(panels[1], record)
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise InputError(f"plot {str(path)!r} cannot be written ({error}); name another file") from None


def _risk_panel(panel: Any, record: Mapping[str, Any]) -> None:
    wrong = 1 - record["local_accuracy"]
    panel.plot(*zip(*record["curves"]["risk_by_coverage"], strict=True), label=f"gate, AURC {record['aurc']:.3f}")
    panel.axhline(wrong, linestyle=":", color="grey", label=f"random, AURC {record['aurc_random']:.3f}")
    # An oracle keeps every right answer before the first wrong one.
    places = [place / 100 for place in range(1, 101)]
    best = [max(0.0, 1 - record["local_accuracy"] / place) for place in places]
    panel.plot(places, best, linestyle="--", color="grey", label=f"oracle, AURC {record['aurc_oracle']:.3f}")
    panel.axvline(record["coverage"], color="tab:red", linewidth=1, label=f"kept: {record['coverage']:.1%}")
    panel.set(xlabel="share kept local", ylabel="share wrong among the kept", xlim=(0, 1), ylim=(0, None))
    panel.set_title(f"wrong and kept: {record['risk']:.1%} of all (at most {record['alpha']:.0%})")
    panel.legend()


def _quality_panel(panel: Any, record: Mapping[str, Any]) -> None:
    own, far = record["local_accuracy"], record["cloud_accuracy"]
    panel.plot(*zip(*record["curves"]["quality_by_cloud_share"], strict=True), label="gate")
    panel.plot([0, 1], [own, far], linestyle=":", color="grey", label="random")
    for share, need in record["at_cloud_quality"].items():
        label = f"{share} of the cloud: {need['gate']:.0%} of calls (random {need['random']:.0%})"
        panel.plot([need["gate"]], [need["quality"]], "o", label=label)
    panel.axvline(record["cloud_share"], color="tab:red", linewidth=1, label="this threshold")
    panel.set(xlabel="share sent to the cloud", ylabel="share right", xlim=(0, 1))
    panel.set_title(f"local {own:.1%}, cloud {far:.1%}")
    panel.legend()
