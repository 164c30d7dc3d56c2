"""Detectors that come as ONNX files: what they see and how their boxes lie, told from the file itself."""

from __future__ import annotations

import ast
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.bundles.parts import DetectorPart, ImagePart
from edge_runtime.errors import BundleError, InputError
from edge_runtime.inference.detector import ObjectDetector
from edge_runtime.inference.layouts import read_cells
from edge_runtime.inference.session import OnnxSession
from edge_runtime.making import extra
from edge_runtime.making.coco import COCO
from edge_runtime.making.order import UNKNOWN_LICENCE
from edge_runtime.making.samples import Pictures
from edge_runtime.making.writing import Facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from edge_runtime.making.order import Order, Say
    from edge_runtime.types import Box, Image

LAYOUTS = ("yolox", "yolov8")
LEAST_FOUND = 0.9
"""Share of FP32's objects that INT8 must find, or else the detector stays FP32."""

_SAME = 0.5
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_BEFORE_CLASSES = {"yolox": 5, "yolov8": 4}
# How each family prepares pictures and drops repeated boxes, in the manifest's words.
_PREPARED: dict[str, dict[str, Any]] = {
    "yolox": {"order": "bgr"},
    "yolov8": {"order": "rgb", "centred": True, "std": (255.0, 255.0, 255.0)},
}
_NMS_IOU = {"yolox": 0.45, "yolov8": 0.7}


@dataclass(frozen=True, slots=True)
class _File:
    """A detector's file, looked into.

    Attributes:
        path: of the file.
        session: to run it.
        input: name of its only input.
        size: rows and columns of the pictures.
        notes: what the exporter wrote into it.
    """

    path: Path
    session: OnnxSession
    input: str
    size: tuple[int, int]
    notes: Mapping[str, str]


def detector(order: Order, folder: Path, say: Say) -> Facts:
    """Write the files of a detector's bundle into `folder` and return what is known about them.

    Raises:
        InputError: the file is no such detector, or the labels do not fit it.
    """
    if order.calibrate is not None and order.int8:
        extra.need("making INT8 of a detector")
    file = _open(order)
    layout, output, classes = _layout(file, order.layout)
    labels = _labels(order.labels, file.notes, classes)
    image = ImagePart.model_validate(
        {"file": "image.onnx", "input": file.input, "fit": "letterbox", "size": file.size, "embedding": None}
        | _PREPARED[layout]
    )
    pictures = Pictures(order.calibrate)
    values = [file.session.run(feeds)[output] for feeds in pictures.compared(image)]
    part = DetectorPart.model_validate(
        {
            "labels": labels,
            "layout": layout,
            "output": output,
            "decoded": layout == "yolox" and _decoded(values[0], file.size),
            "thresholds": dict.fromkeys(labels, order.min_score),
            "nms_iou": _NMS_IOU[layout],
        }
    )
    _check_scores(values, part, file)
    say(f"{file.path.name}: {layout}, {len(labels)} labels, {file.size[0]} x {file.size[1]}")
    how, numbers = _place(file, (image, part), order, folder / "image.onnx", say)
    return Facts(
        name=file.path.stem,
        version=file.notes.get("version", "local"),
        license=file.notes.get("license", UNKNOWN_LICENCE),
        source=file.path.name,
        parts={
            "image": {**image.model_dump(mode="json", exclude_none=True), "embedding": None},
            "detector": part.model_dump(mode="json"),
        },
        numbers={"image": {**numbers, "measured_on": pictures.words}},
        how={"image.onnx": how},
    )


def _open(order: Order) -> _File:
    path = Path(order.source)
    try:
        session = OnnxSession(path)
    except BundleError as error:
        raise InputError(f"{path}: no ONNX file that runs here ({str(error).split('; reinstall')[0]})") from None
    if len(session.inputs) != 1:
        raise InputError(f"{path}: has the inputs {', '.join(session.inputs)}; a detector takes a picture alone")
    ((name, shape),) = session.inputs.items()
    facts = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    kind = facts.get_inputs()[0].type
    if len(shape) != 4 or shape[1] != 3 or kind != "tensor(float)":
        raise InputError(f"{path}: its input is {kind} {list(shape)}; a picture is tensor(float) [1, 3, rows, columns]")
    if isinstance(shape[0], int) and shape[0] != 1:
        raise InputError(f"{path}: takes {shape[0]} pictures at once; export it for one")
    fixed = tuple(side for side in shape[2:] if isinstance(side, int))
    size = fixed if len(fixed) == 2 else (order.size, order.size)
    if size[0] is None or size[1] is None:
        raise InputError(f"{path}: leaves the size of its pictures open; name it, for example --size 640")
    if len(fixed) == 2 and order.size not in (None, *fixed):
        raise InputError(f"{path}: takes pictures of {fixed[0]} x {fixed[1]}; leave --size {order.size} out")
    return _File(path, session, name, (size[0], size[1]), facts.get_modelmeta().custom_metadata_map)


def _layout(file: _File, wanted: str | None) -> tuple[str, str, int]:
    """Return the layout, the output that has it, and the number of classes, all told from the shapes."""
    if wanted not in (None, *LAYOUTS):
        raise InputError(f"--layout {wanted!r} is not known; choose {' or '.join(LAYOUTS)}")
    rows, columns = file.size
    cells = [sum((rows // stride) * (columns // stride) for stride in strides) for strides in _STRIDES]
    shapes = {name: v.shape for name, v in file.session.run({file.input: _blank(file.size)}).items()}
    found = []
    for name, shape in shapes.items():
        if len(shape) == 3 and shape[0] == 1:
            found += [("yolox", name, shape[2] - 5)] if shape[1] in cells and shape[2] > 5 else []
            found += [("yolov8", name, shape[1] - 4)] if shape[2] in cells and shape[1] > 4 else []
    found = [one for one in found if wanted in (None, one[0])]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{file.path}: {' and '.join(f'{n} as {k}' for k, n, _ in found)} fit; choose one with --layout"
        )
    said = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    hint = f"it needs [1, {cells[0]}, 5 + classes] (yolox) or [1, 4 + classes, {cells[0]}] (yolov8)"
    if any(3 * count in shape for count in cells for shape in shapes.values()):
        hint = "it looks like YOLOv5, which is not supported; YOLOv8 and YOLOX are"
    elif any(len(shape) > 1 and shape[-1] in (6, 7) for shape in shapes.values()):
        hint = "it seems to drop repeated boxes itself; export it without NMS"
    raise InputError(f"{file.path}: outputs {said} fit no layout for {rows} x {columns} pictures; {hint}")


def _labels(given: tuple[str, ...], notes: Mapping[str, str], classes: int) -> tuple[str, ...]:
    labels, where = given, "--labels"
    if not labels and "names" in notes:
        labels, where = _noted(notes["names"]), "the file's own list"
    if not labels and classes == len(COCO):
        return COCO
    if len(labels) != classes:
        said = f"{where} has {len(labels)}" if labels else "nothing says what they are"
        raise InputError(f"the detector has {classes} classes, but {said}; name all with --labels A,B,C or @FILE")
    if len(set(labels)) != classes:
        raise InputError(f"{where} names a label twice; give each class a name of its own with --labels")
    return labels


def _noted(names: str) -> tuple[str, ...]:
    """Return the names that Ultralytics notes as {0: 'person', ...}, nothing where they are noted otherwise."""
    try:
        table = ast.literal_eval(names)
    except (ValueError, SyntaxError):
        return ()
    values = table.values() if isinstance(table, dict) else table if isinstance(table, list | tuple) else ()
    return tuple(str(name) for name in values)


def _decoded(values: NDArray[Any], size: tuple[int, int]) -> bool:
    """Say whether centres are in pixels: they then spread over the picture, where steps from a cell stay small."""
    return bool(np.abs(values[0, :, :2]).max() > min(size) / 2)


def _check_scores(values: list[NDArray[Any]], part: DetectorPart, file: _File) -> None:
    first = _BEFORE_CLASSES[part.layout]
    for value in values:
        table = value[0].T if part.layout == "yolov8" else value[0]
        scores = table[:, 4 if part.layout == "yolox" else first :]
        if not (np.isfinite(table).all() and scores.min() >= 0 and scores.max() <= 1):
            raise InputError(
                f"{file.path}: scores from {scores.min():.3g} to {scores.max():.3g}, which are no probabilities; "
                "export it with its last sigmoid"
            )
        read_cells({str(part.output): value}, part, file.size)


def _place(
    file: _File, parts: tuple[ImagePart, DetectorPart], order: Order, target: Path, say: Say
) -> tuple[str, dict[str, float]]:
    """Copy the file, or write its INT8 twin where that sees the same; return what was done, and the numbers."""
    numbers: dict[str, float] = {"bytes_fp32": file.path.stat().st_size}
    reason = "as asked" if not order.int8 else "a detector needs --calibrate FOLDER of pictures to become INT8"
    if order.int8 and order.calibrate is not None:
        from edge_runtime.making import graphs  # noqa: PLC0415 - needs the extra [build]

        pictures = Pictures(order.calibrate)
        graphs.to_int8(file.path, target, pictures.calibration(parts[0]))
        numbers |= agreement(_seeing(file.session, parts), _seeing(OnnxSession(target), parts), pictures.images())
        found = f"{numbers['int8_found']:.0%} of the {numbers['objects']} objects that FP32 finds"
        if numbers["int8_found"] >= LEAST_FOUND:
            sizes = f"{target.stat().st_size / 1e6:.1f} MB of {numbers['bytes_fp32'] / 1e6:.1f} MB"
            say(f"image.onnx: INT8, {sizes}; finds {found}, in {numbers['int8_time_share']:.2f} of the time")
            return "INT8 static", numbers
        reason = f"INT8 finds only {found}" if numbers["objects"] else "it finds nothing in the calibration pictures"
    shutil.copyfile(file.path, target)
    try:
        OnnxSession(target)
    except BundleError:
        raise InputError(f"{file.path}: its weights lie in another file; export it as one file") from None
    say(f"image.onnx: FP32, {target.stat().st_size / 1e6:.1f} MB ({reason})")
    return f"FP32 ({reason})", numbers


def _seeing(session: OnnxSession, parts: tuple[ImagePart, DetectorPart]) -> tuple[OnnxSession, ObjectDetector]:
    empty: dict[str, Any] = dict.fromkeys(("name", "version", "created", "license"), "")
    empty |= {"format": 1, "files": {}, "numbers": {}, "teachers": (), "sources": (), "built": {}, "folder": Path()}
    manifest = Manifest.model_validate({**empty, "image": parts[0], "detector": parts[1]})
    return session, ObjectDetector(session, manifest)


def agreement(
    full: tuple[OnnxSession, ObjectDetector], small: tuple[OnnxSession, ObjectDetector], images: Iterable[Image]
) -> dict[str, float]:
    """Return how far an INT8 detector sees what its FP32 twin sees, each at its own threshold.

    "objects" that FP32 finds, the share of them that INT8 finds too ("int8_found": same label, overlap of a half), what
    INT8 finds besides as a share of them ("int8_extra"), and the share of FP32's time that INT8 takes.
    """
    objects = extra_objects = common = 0
    before = [session.timing.total_s for session, _ in (full, small)]
    for image in images:
        wanted, got = full[1].detect(image), list(small[1].detect(image))
        objects += len(wanted)
        for one in wanted:
            match = next((o for o in got if o.label == one.label and overlap(o.box, one.box) >= _SAME), None)
            if match is not None:
                common += 1
                got.remove(match)
        extra_objects += len(got)
    spent = [session.timing.total_s - start for (session, _), start in zip((full, small), before, strict=True)]
    return {
        "objects": objects,
        "int8_found": common / max(1, objects),
        "int8_extra": extra_objects / max(1, objects),
        "int8_time_share": spent[1] / spent[0],
    }


def overlap(a: Box, b: Box) -> float:
    """Return the intersection of two boxes over their union."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(0.0, wide) * max(0.0, high)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return common / max(areas - common, 1e-12)


def _blank(size: tuple[int, int]) -> NDArray[np.float32]:
    return np.zeros((1, 3, *size), np.float32)
