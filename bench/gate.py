"""What the gate promises and costs: risk over random splits of real tables, cloud calls saved, time for one answer.

The tables are made of public questions. "Local" is a classifier of intents that knows three to twenty examples of each,
in one table of every second intent alone; "cloud" is one that knows all examples. Both read omni-nano's embedding; an
answer is right where the intent is. Questions out of scope are wrong for both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.decision.confidence import ConfidenceGate
from edge_runtime.decision.gate_fitting import Promise, fit_gate
from edge_runtime.decision.gate_report import report
from edge_runtime.decision.gate_table import ANY_SKILL, GateTable
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.gate_tables import embed_all
from edge_runtime.wiring.gates import remembering

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rows = list[tuple[str, str]]
    Made = tuple[GateTable, NDArray[np.float32]]

TEXTS = Path(__file__).parents[2] / "shared" / "data" / "text"
FITTED = (0.5, 0.8)


def tables(models: Models, clinc_file: Path, home_file: Path) -> dict[str, Made]:
    """Return the tables by name, each with its prompts' vectors.

    Args:
        models: whose text model reads the prompts.
        clinc_file: CLINC150 in its authors' layout.
        home_file: lines of intent, tab, text.
    """
    clinc = json.loads(clinc_file.read_text(encoding="utf-8"))
    known, asked = clinc["train"], [*clinc["val"], *clinc["oos_train"], *clinc["oos_val"]]
    lines = home_file.read_text(encoding="utf-8").splitlines()
    home = [(text, intent) for intent, text in (line.split("\t") for line in lines)]
    order = np.random.default_rng(0).permutation(len(home))
    first, second = [home[row] for row in order[:6500]], [home[row] for row in order[6500:]]
    made = {}
    for name, train, rows, few in (("clinc150", known, asked, 3), ("nlu_home", first, second, 8)):
        vectors = embed_all(models, [text for text, _ in train])
        there = embed_all(models, [text for text, _ in rows])
        cloud = everything(vectors, [intent for _, intent in train], there)
        for half in (False, True):
            names = sorted({intent for _, intent in train})[:: 2 if half else 1]
            own = centroids(vectors, train, names, 20 if half else few)
            made[f"{name}, half known" if half else name] = (table(rows, there, names, own, cloud), there)
    return made


def centroids(vectors: NDArray[np.float32], train: Rows, names: Sequence[str], few: int) -> NDArray[np.float32]:
    """Return the mean direction of a few examples of each intent, shape (intents, d)."""
    intents = np.array([intent for _, intent in train])
    means = np.stack([vectors[np.flatnonzero(intents == name)[:few]].mean(0) for name in names])
    unit: NDArray[np.float32] = means / np.linalg.norm(means, axis=1, keepdims=True)
    return unit


def everything(vectors: NDArray[np.float32], intents: Sequence[str], there: NDArray[np.float32]) -> list[str]:
    """Return what a ridge classifier that knows all examples says."""
    names = sorted(set(intents))
    wanted = np.eye(len(names))[[names.index(intent) for intent in intents]]
    weights = np.linalg.solve(vectors.T @ vectors + np.eye(vectors.shape[1]), vectors.T @ wanted)
    return [names[place] for place in (there @ weights).argmax(1)]


def table(
    rows: Rows, there: NDArray[np.float32], names: Sequence[str], own: NDArray[np.float32], cloud: Sequence[str]
) -> GateTable:
    """Return who is right about each row."""
    near = there @ own.T
    said = [names[place] for place in near.argmax(1)]
    return GateTable(
        tuple(text for text, _ in rows),
        (ANY_SKILL,) * len(rows),
        near.max(1).astype(np.float64),
        np.array([answer == intent for answer, (_, intent) in zip(said, rows, strict=True)]),
        np.array([answer == intent for answer, (_, intent) in zip(cloud, rows, strict=True)]),
    )


def splits(made: Made, fitted: float, times: int, rows: int, *, scored: bool) -> dict[str, Any]:
    """Return what gates fitted to one part of a table do on the other, over random splits."""
    whole, vectors = made
    random = np.random.default_rng(7)
    found = []
    start = time.perf_counter()
    for _ in range(times):
        order = random.permutation(len(whole))[:rows]
        cut = int(len(order) * fitted)
        learned = fit_gate(part(whole, order[:cut], scored=scored), vectors[order[:cut]], Promise())
        found.append(report(learned, part(whole, order[cut:], scored=scored), vectors[order[cut:]]))
    means = {key: statistics.mean(one[key] for one in found) for key in MEANS}
    need = [one["at_cloud_quality"]["95%"] for one in found]
    return {
        "exceeded": statistics.mean(not one["risk_within_alpha"] for one in found),
        **means,
        **{f"calls_{who}": statistics.mean(one[who] for one in need) for who in ("gate", "random", "oracle")},
        "seconds": (time.perf_counter() - start) / times,
    }


MEANS = ("risk", "coverage", "local_accuracy", "cloud_accuracy", "aurc", "aurc_random", "aurc_oracle")


def part(whole: GateTable, rows: NDArray[np.int64], *, scored: bool) -> GateTable:
    """Return some rows, with or without their scores."""
    chosen = whole.chosen(rows)
    scores = chosen.scores if scored else np.full(len(chosen), np.nan)
    return GateTable(chosen.prompts, chosen.skills, scores, chosen.local, chosen.cloud)


def cost(models: Models, made: Made, repeat: int = 500) -> dict[str, float]:
    """Return milliseconds of judging an answer by the largest head, prompt read before or not."""
    whole, vectors = made
    learned = fit_gate(part(whole, np.arange(min(3_000, len(whole))), scored=True), vectors[:3_000], Promise())
    gate = ConfidenceGate(0.95, learned=learned, embed=remembering(models.embedder.embed_text))
    found: dict[str, float] = {}
    for name, known in (("read before", vectors), ("not read yet", None)):
        times = []
        for row in range(repeat):
            start = time.perf_counter()
            gate.judge("mind", 0.5, whole.prompts[row], vector=None if known is None else known[row])
            times.append((time.perf_counter() - start) * 1e3)
        found |= {f"{name}, p50": statistics.median(times), f"{name}, p95": sorted(times)[int(repeat * 0.95)]}
    return found


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=500)
    parser.add_argument("--rows", type=int, default=1_000, help="rows of each split, drawn anew")
    parser.add_argument("--only", help="tables whose name contains this")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--clinc", type=Path, default=TEXTS / "clinc150_train_val.json", help="CLINC150 in its authors' layout"
    )
    parser.add_argument(
        "--home", type=Path, default=TEXTS / "nlu_home_train.tsv", help="what people say at home: intent, tab, text"
    )
    options = parser.parse_args()
    for name, file in (("--clinc", options.clinc), ("--home", options.home)):
        if not file.is_file():
            sys.exit(f"{file} is not there; the tables are made of it, name another with {name}")
    models = Models()
    made = {
        name: one for name, one in tables(models, options.clinc, options.home).items() if (options.only or "") in name
    }
    if not made:
        sys.exit(f"--only {options.only!r} is in no table's name; clinc150 and nlu_home are")
    emit = partial(print, flush=True)
    times = cost(models, next(iter(made.values())))
    if not options.json:
        emit("milliseconds to judge one answer:", "  ".join(f"{name} {ms:.2f}" for name, ms in times.items()))
    for name, one in made.items():
        for fitted in FITTED:
            for scored in (False, True):
                figures = splits(one, fitted, options.splits, options.rows, scored=scored)
                kind = f"{name}; {fitted:.0%} fitted; {'prompt and score' if scored else 'prompt alone'}"
                shown = "  ".join(f"{key} {value:.3f}" for key, value in figures.items())
                emit(json.dumps({"table": kind, **figures}) if options.json else f"{kind}\n    {shown}")
    if options.json:
        emit(json.dumps({"judging_ms": times}))


if __name__ == "__main__":
    main()
