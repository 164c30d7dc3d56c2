"""What making needs beyond the device: found before the work begins, and named when it is not there."""

from __future__ import annotations

from importlib.util import find_spec

from edge_runtime.errors import InputError

_NEEDED = ("torch", "transformers", "optimum", "onnx", "PIL", "safetensors")


def need(purpose: str) -> None:
    """Check that the extra [build] is installed.

    Raises:
        InputError: naming what lacks and how to install it.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(f"{purpose} needs {', '.join(missing)}; run: pip install 'edge-runtime[build]'")
