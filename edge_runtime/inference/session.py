"""Run one ONNX model on whatever this box has, without wasting its processor."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import onnxruntime

from edge_runtime.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_ERRORS_ONLY = 3


@dataclass(slots=True)
class Timing:
    """How often a model ran and how long that took."""

    runs: int = 0
    total_s: float = 0.0
    last_s: float = 0.0


class OnnxSession:
    """One loaded model.

    Args:
        path: the .onnx file.
        threads: processor threads of one run.
        providers: onnxruntime execution providers, the preferred first; those this box lacks are passed over.
        warm_up: inputs of a first run, so that the first picture is not slower than the next.

    Raises:
        BundleError: the file is missing or is not a model that onnxruntime can run.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int = 2,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        warm_up: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        if not path.is_file():
            raise BundleError(f"model {path} is missing; reinstall the bundle")
        available = onnxruntime.get_available_providers()
        chosen = [name for name in providers if name in available] or ["CPUExecutionProvider"]
        try:
            self._session = onnxruntime.InferenceSession(str(path), _options(threads), providers=chosen)
        except _LOAD_ERRORS as error:
            reason = str(error).splitlines()[0]
            raise BundleError(f"model {path} cannot be loaded ({reason}); reinstall the bundle") from None
        self._path = path
        self.timing = Timing()
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())
        self.inputs: dict[str, tuple[int | str, ...]] = {i.name: tuple(i.shape) for i in self._session.get_inputs()}
        self.outputs: tuple[str, ...] = tuple(o.name for o in self._session.get_outputs())
        if warm_up is not None:
            self.run(warm_up)
            self.timing = Timing()

    def expect(self, inputs: Iterable[str], outputs: Iterable[str]) -> None:
        """Check that the model has these inputs and no others, and at least these outputs.

        Raises:
            BundleError: naming the first that is missing or too many.
        """
        wanted = set(inputs)
        for kind, missing, names in (
            ("no input", sorted(wanted - set(self.inputs)), list(self.inputs)),
            ("an unforeseen input", sorted(set(self.inputs) - wanted), sorted(wanted)),
            ("no output", sorted(set(outputs) - set(self.outputs)), self.outputs),
        ):
            if missing:
                but = "the manifest has" if kind.startswith("an") else "it has"
                raise BundleError(
                    f"model {self._path} has {kind} {missing[0]!r}, {but} {', '.join(names)}; correct the manifest"
                )

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
        """Return the model's outputs by name for its inputs by name.

        Args:
            feeds: the inputs.
            outputs: those that are wanted; what the others alone need is not computed. All when empty.
        """
        start = time.perf_counter()
        wanted = outputs or self.outputs
        results = self._session.run(wanted, dict(feeds), _needed_alone() if outputs else None)
        elapsed = time.perf_counter() - start
        self.timing = Timing(self.timing.runs + 1, self.timing.total_s + elapsed, elapsed)
        return dict(zip(wanted, results, strict=True))

    def pinned(self, *, past: Mapping[str, NDArray[Any]], present: Mapping[str, NDArray[Any]]) -> Pinned:
        """Return the model with some inputs and outputs that stay where they are."""
        return Pinned(self._session.io_binding(), self._session, past, present)


class Pinned:
    """A model with arrays that it reads and writes in place: none of them is copied from run to run.

    Args:
        binding: what the session reads and writes.
        session: the model.
        past: arrays that it reads, by the inputs' names.
        present: arrays that it writes, by the outputs' names; the same ones for an operator that can work in place.
    """

    def __init__(
        self,
        binding: onnxruntime.IOBinding,
        session: onnxruntime.InferenceSession,
        past: Mapping[str, NDArray[Any]],
        present: Mapping[str, NDArray[Any]],
    ) -> None:
        self._binding, self._session = binding, session
        # The addresses alone would not keep them alive.
        self._kept = (dict(past), dict(present))
        for name, array in past.items():
            self._binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, array in present.items():
            self._write_to(name, array)

    def run(self, feeds: Mapping[str, NDArray[Any]], into: Mapping[str, NDArray[Any]]) -> None:
        """Run the model on further inputs and write further outputs into arrays of their exact shape."""
        for name, array in feeds.items():
            self._binding.bind_cpu_input(name, array)
        for name, array in into.items():
            self._write_to(name, array)
        self._session.run_with_iobinding(self._binding)

    def _write_to(self, name: str, array: NDArray[Any]) -> None:
        self._binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _ERRORS_ONLY
    # Spinning threads cost 20 times the processor time at 6 pictures a second.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def _needed_alone() -> onnxruntime.RunOptions:
    options = onnxruntime.RunOptions()
    options.only_execute_path_to_fetches = True
    return options


_state = onnxruntime.capi.onnxruntime_pybind11_state
_LOAD_ERRORS: tuple[type[Exception], ...] = (
    _state.Fail,
    _state.InvalidArgument,
    _state.InvalidGraph,
    _state.InvalidProtobuf,
    _state.NoSuchFile,
    _state.NotImplemented,
    _state.RuntimeException,
)
