from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_runtime.bundles.manifest import Manifest, default_bundle
from edge_runtime.bundles.parts import ImagePart, TextPart
from edge_runtime.errors import BundleError
from edge_runtime.inference.session import OnnxSession

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FEEDS: dict[str, NDArray[np.int64]] = {
    "input_ids": np.ones((1, 4), np.int64),
    "attention_mask": np.ones((1, 4), np.int64),
}


@pytest.fixture(scope="module")
def model() -> Path:
    manifest = Manifest.load(default_bundle())
    return manifest.path(manifest.part(TextPart).file)


def test_outputs_come_by_name_and_every_run_is_timed(model: Path) -> None:
    session = OnnxSession(model, threads=1)
    outputs = session.run(FEEDS)
    session.run(FEEDS)
    assert outputs["embedding"].shape == (1, 384)
    assert session.timing.runs == 2
    assert 0 < session.timing.last_s <= session.timing.total_s


def test_only_the_outputs_that_are_asked_for_are_computed() -> None:
    manifest = Manifest.load(default_bundle())
    session = OnnxSession(manifest.path(manifest.part(ImagePart).file), threads=1)
    feeds = {"image": np.random.default_rng(1).integers(0, 256, (1, 3, 64, 96)).astype(np.float32)}
    everything = session.run(feeds)
    assert set(everything) == set(session.outputs)
    for name in session.outputs:
        alone = session.run(feeds, (name,))
        assert set(alone) == {name}
        assert (alone[name] == everything[name]).all()


def test_the_warm_up_is_not_counted(model: Path) -> None:
    assert OnnxSession(model, warm_up=FEEDS).timing.runs == 0


def test_a_provider_this_box_lacks_is_passed_over(model: Path) -> None:
    session = OnnxSession(model, providers=("NoSuchExecutionProvider", "CPUExecutionProvider"))
    assert session.providers == ("CPUExecutionProvider",)


def test_an_idle_session_costs_no_processor_time(model: Path) -> None:
    session = OnnxSession(model, threads=2)
    session.run(FEEDS)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1, "onnxruntime's threads spin"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "is missing", id="missing"),
        pytest.param(b"", "cannot be loaded", id="empty"),
        pytest.param(os.urandom(64), "cannot be loaded", id="not a model"),
    ],
)
def test_a_file_that_is_no_model_is_refused_in_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError) as caught:
        OnnxSession(path)
    assert message in str(caught.value)
    assert "reinstall the bundle" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_cut_short_is_refused(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model.read_bytes()[:-1000])
    with pytest.raises(BundleError, match="cannot be loaded"):
        OnnxSession(path)
