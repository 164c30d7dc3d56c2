"""Draw the report's pictures, reliability and risk-coverage, with the words for those who cannot see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Dark enough to be told apart in grey, and by all kinds of colour blindness (Okabe and Ito, 2008).
INK, BLUE, ORANGE, PALE = "#222222", "#0072b2", "#d55e00", "#b8cfe0"
DOTS_PER_INCH = 110


@dataclass(frozen=True)
class Picture:
    """A drawn picture: its file name, its caption, and what it shows in words."""

    file: str
    caption: str
    alt: str


def reliability(name: str, seen: Mapping[str, Any], folder: Path) -> Picture:
    """Draw how often answers were right against how sure they were, with the number of answers below."""
    figure = _figure(4.4, 4.8)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    chance, right = seen["chance"], seen["right"]
    upper.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--", label="as sure as right")
    # The interval is Wilson's and always holds the share itself, but for rounding.
    below = [max(0.0, r - low) for r, low in zip(right, seen["low"], strict=True)]
    above = [max(0.0, high - r) for r, high in zip(right, seen["high"], strict=True)]
    upper.errorbar(chance, right, yerr=[below, above], color=BLUE, marker="o", capsize=3, linewidth=1.2, label="seen")
    upper.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), ylabel="share that was right", title=name)
    upper.legend(loc="upper left", frameon=False)
    lower.bar(chance, seen["count"], width=0.06, color=PALE, edgecolor=INK, linewidth=0.6)
    for x, count in zip(chance, seen["count"], strict=True):
        lower.annotate(
            str(count), (x, count), ha="center", va="bottom", fontsize=7, xytext=(0, 1), textcoords="offset points"
        )
    lower.set(xlabel="how sure the model was", ylabel="answers")
    lower.margins(y=0.3)
    _plain(upper)
    _plain(lower)
    bins = "; ".join(
        f"{100 * c:.0f} % sure: {100 * r:.0f} % right of {n}"
        for c, r, n in zip(chance, right, seen["count"], strict=True)
    )
    caption = (
        f"{name}: expected calibration error {100 * seen['error']:.1f} % (ten bins of equal width), "
        f"{100 * seen['equal_mass']:.1f} % (ten of equal size), {100 * seen['debiased']:.1f} % without chance's share. "
        f"True scores would show {100 * seen['by_chance']:.1f} % on as many answers, "
        f"and less than {100 * seen['by_chance_95']:.1f} % 19 times in 20."
    )
    return Picture(_save(figure, f"reliability-{name}", folder), caption, f"Reliability diagram of {name}. {bins}.")


def risk(name: str, seen: Mapping[str, Any], folder: Path) -> Picture:
    """Draw which share of answers is wrong when only the surest are given, and where the gate stands."""
    figure = _figure(4.4, 3.4)
    axes = figure.subplots()
    kept = seen["kept"]
    axes.plot(seen["coverage"], seen["risk"], color=BLUE, linewidth=1.5)
    axes.axhline(0.05, color=INK, linewidth=0.8, linestyle=":")
    axes.annotate("5 %", (0.0, 0.05), xytext=(2, 2), textcoords="offset points", fontsize=8)
    axes.plot([kept["coverage"]], [kept["risk"]], color=ORANGE, marker="D", linestyle="")
    axes.annotate(
        f"gate: confidence {kept['limit']:.2f}",
        (kept["coverage"], kept["risk"]),
        xytext=(0.97, 0.9),
        textcoords="axes fraction",
        ha="right",
        arrowprops={"arrowstyle": "-", "color": ORANGE},
        color=ORANGE,
    )
    top = max(0.12, 1.15 * max(seen["risk"]))
    axes.set(xlim=(0, 1), ylim=(0, top), xlabel="share of questions answered", ylabel="share wrong", title=name)
    _plain(axes)
    caption = (
        f"{name}: at the gate's confidence of {kept['limit']:.2f}, {100 * kept['coverage']:.0f} % are answered and "
        f"{100 * kept['risk']:.1f} % of those answers are wrong."
    )
    all_wrong = f"Answering everything, {100 * seen['risk'][-1]:.1f} % would be wrong."
    return Picture(_save(figure, f"risk-{name}", folder), caption, f"Risk-coverage curve. {caption} {all_wrong}")


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415  # the build extra; a report without pictures needs none

    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)


def _save(figure: Figure, name: str, folder: Path) -> str:
    file = "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")
    while "--" in file:
        file = file.replace("--", "-")
    # No version in the file: the same numbers give the same picture.
    figure.savefig(folder / f"{file}.png", metadata={"Software": None}, pil_kwargs={"optimize": True})
    return f"{file}.png"
