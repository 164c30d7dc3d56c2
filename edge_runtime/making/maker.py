"""`edge-runtime bundle make` and `show`: any model in, a bundle out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.errors import InputError
from edge_runtime.making import extra
from edge_runtime.making.writing import appearing, write_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.making.order import Order, Say

_PARTS = ("image", "text", "detector", "labels", "classify", "speech", "audio", "phones", "faces", "generator")


def make(order: Order, say: Say) -> dict[str, Any]:
    """Turn a model into a bundle and return what `show` would say of it.

    Args:
        order: what to make of what.
        say: told what is done.

    Raises:
        InputError: the source or the order cannot be used, or the extra [build] is missing.
    """
    if order.calibrate is not None and not order.calibrate.is_dir():
        raise InputError(f"{order.calibrate}: no such folder; give one with pictures like those the model will see")
    if order.int4 and not order.int8:
        raise InputError("--int4 and --fp32 exclude each other; give one of them")
    with appearing(order.out, force=order.force) as folder:
        if order.source.lower().endswith(".onnx"):
            from edge_runtime.making.detectors import detector  # noqa: PLC0415 - needs less than the rest

            facts = detector(order, folder, say)
        else:
            extra.need("making a bundle of a model folder")
            from edge_runtime.making.source import find  # noqa: PLC0415 - a wrong name is told before torch is loaded

            original = find(order.source, order.out.resolve().name)
            say(f"{original.name}: {original.config.get('model_type')}, licence {original.license}")
            from edge_runtime.making.transforming import transform  # noqa: PLC0415

            facts = transform(original, order, folder, say)
        write_manifest(folder, facts)
    return show(order.out)


def show(folder: Path) -> dict[str, Any]:
    """Return what a bundle is, after checking every file.

    Raises:
        BundleError: it is not whole.
    """
    manifest = Manifest.load(folder)
    manifest.verify()
    detector, labels, writer = manifest.detector, manifest.labels, manifest.generator
    return {
        "bundle": str(folder),
        "name": manifest.name,
        "version": manifest.version,
        "license": manifest.license,
        "sources": list(manifest.sources),
        "parts": [name for name in _PARTS if getattr(manifest, name) is not None],
        "labels": len(detector.labels) if detector else len(labels.labels) if labels else None,
        "writes": {
            "bits": writer.bits,
            "context": writer.context,
            "chat_template": writer.template is not None,
        }
        if writer
        else None,
        "bytes": sum(entry.bytes for entry in manifest.files.values()),
        "files": {name: entry.bytes for name, entry in sorted(manifest.files.items())},
        "numbers": manifest.numbers,
    }
