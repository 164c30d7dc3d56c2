"""The verbs of `edge-runtime bundle`: make a bundle of any model, and look into one."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from edge_runtime.verbs import output

bundles = typer.Typer(help="Make a bundle of another model, or look into one.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]


@bundles.command("make")
def make_bundle(
    source: Annotated[str, typer.Argument(help="Model folder, hub id such as owner/name, or a detector's .onnx file.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The bundle; a new or empty folder.")],
    labels: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="What a detector's classes are called, or @FILE with one a line."),
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="Of a detector: yolox or yolov8; told from its output if not given.")
    ] = None,
    size: Annotated[int | None, typer.Option(min=32, help="Rows and columns, for a detector that takes any.")] = None,
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Score a detector's objects need.")] = 0.3,
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Pictures like those it will see; convolutions need them for INT8."),
    ] = None,
    language: Annotated[str, typer.Option(help="Of speech, for recognisers of many.")] = "en",
    fp32: Annotated[bool, typer.Option("--fp32", help="Leave the weights as they are.")] = False,
    int4: Annotated[bool, typer.Option("--int4", help="Weights of 4 bits, for language models that write.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the bundle that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Turn a model into a bundle: export, compare, INT8, compare, manifest."""
    from edge_runtime.making import maker  # noqa: PLC0415
    from edge_runtime.making.order import Order  # noqa: PLC0415
    from edge_runtime.verbs import work  # noqa: PLC0415 - help and errors come faster without the models

    names = () if labels is None else tuple(work.label_list(labels))
    order = Order(source, out, force, not fp32, calibrate, names, layout, size, min_score, language, int4)
    made = maker.make(order, lambda line: print(line, file=sys.stderr, flush=True))
    output.emit(made, as_json=as_json, words=output.bundle_words)


@bundles.command("show")
def show_bundle(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A bundle.")], as_json: Json = False
) -> None:
    """Check a bundle's files and say what it holds."""
    from edge_runtime.making import maker  # noqa: PLC0415 - the other verbs do without

    output.emit(maker.show(folder), as_json=as_json, words=output.bundle_words)
