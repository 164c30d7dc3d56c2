"""A model folder becomes the files of a bundle: exported, compared, made INT8, compared again."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optimum.utils.logging
import transformers.utils.logging

from edge_runtime.errors import InputError
from edge_runtime.making import families, graphs
from edge_runtime.making.exporting import OPSET, export
from edge_runtime.making.writing import Facts

if TYPE_CHECKING:
    from edge_runtime.making.order import Order, Say
    from edge_runtime.making.source import Original
    from edge_runtime.making.tower import Tower

POOR_COSINE = 0.98
"""Mean cosine of INT8 with FP32 below which the owner is advised to look."""

LEAST_SAME = 0.9
"""Share of pictures that a convolutional INT8 model must see as FP32 does, or else it stays FP32."""


def transform(original: Original, order: Order, folder: Path, say: Say) -> Facts:
    """Write the files of a bundle into `folder` and return what is known about them.

    Raises:
        InputError: the model is of no known kind, or does not come out right.
    """
    for library in (optimum.utils.logging, transformers.utils.logging):
        library.set_verbosity_error()
    plan = families.plan(original, order)
    if order.int4 and not any(tower.finish for tower in plan.towers):
        raise InputError(f"{original.source}: --int4 is for language models that write; leave it out")
    numbers: dict[str, dict[str, Any]] = {}
    how: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for tower in plan.towers:
            numbers[tower.name] = {**plan.numbers.get(tower.name, {}), **export(tower, Path(scratch) / tower.file)}
            if tower.finish is None:
                how[tower.file], found = _shrink(tower, Path(scratch), folder / tower.file, order, say)
            else:
                how[tower.file], found = tower.finish(
                    tower, Path(scratch) / tower.file, folder / tower.file, order, say
                )
            numbers[tower.name] |= {**found, "measured_on": plan.measured_on[tower.name]}
    if plan.tokenizer is not None:
        (folder / "tokenizer.json").write_text(plan.tokenizer, encoding="utf-8")
    for name, text in plan.texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return Facts(
        name=original.name,
        version=original.version,
        license=original.license,
        source=f"{original.source} ({original.version})",
        parts=plan.parts,
        numbers=numbers,
        how={name: f"optimum, opset {OPSET}, {done}" for name, done in how.items()},
    )


def _shrink(tower: Tower, scratch: Path, target: Path, order: Order, say: Say) -> tuple[str, dict[str, float]]:
    """Write the file that the bundle gets; return what was done and the numbers."""
    full, small = scratch / tower.file, scratch / f"int8-{tower.file}"
    found: dict[str, float] = {}
    sizes: dict[str, float] = {"bytes_fp32": full.stat().st_size}
    static = tower.calibration is not None and graphs.convolutional(full)
    reason = kept_because(order, static=static)
    if reason is None:
        graphs.to_int8(full, small, tower.calibration if static else None)
        found = graphs.compared(full, small, tower.examples)
        if small.stat().st_size >= full.stat().st_size:
            reason = "INT8 would not be smaller"
        elif static and found["int8_same_largest"] < LEAST_SAME:
            reason = f"INT8 agrees on {found['int8_same_largest']:.0%} of the pictures only"
    if reason is not None:
        shutil.move(full, target)
        say(f"{tower.file}: FP32, {target.stat().st_size / 1e6:.1f} MB ({reason})")
        return f"FP32 ({reason})", sizes
    shutil.move(small, target)
    say(
        f"{tower.file}: INT8, {target.stat().st_size / 1e6:.1f} MB of {full.stat().st_size / 1e6:.1f} MB; "
        f"cosine with FP32 {found['int8_mean_cosine']:.4f}, at worst {found['int8_worst_cosine']:.4f}"
    )
    if found["int8_mean_cosine"] < POOR_COSINE:
        say(f"{tower.file}: INT8 changes this model a lot; try it, or keep it as it is with --fp32")
    return f"INT8 {'static' if static else 'dynamic'}", {**sizes, **found}


def kept_because(order: Order, *, static: bool) -> str | None:
    """Return why a file stays FP32, None where it becomes INT8."""
    if not order.int8:
        return "as asked"
    if static and order.calibrate is None:
        return "a convolutional model needs --calibrate FOLDER of pictures to become INT8"
    return None
