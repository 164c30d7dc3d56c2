from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.errors import BundleError, InputError
from edge_runtime.inference.classifier import Classifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge_runtime.inference.session import OnnxSession

PICTURE = np.zeros((20, 30, 3), np.uint8)


class Canned:
    def __init__(self, *logits: float) -> None:
        self.logits = np.array([logits], np.float32)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        assert feeds["pixels"].shape == (1, 3, 8, 8)
        return {"scores": self.logits}


def classifier(*logits: float, **labels: Any) -> Classifier:
    image = {"file": "image.onnx", "input": "pixels", "fit": "stretch", "size": (8, 8), "embedding": None}
    manifest = Manifest.model_validate(
        {
            "folder": Path(),
            "format": 1,
            "name": "canned",
            "version": "0",
            "created": "2026-01-01",
            "license": "Apache-2.0",
            "files": {},
            "image": image,
            "labels": {"labels": ("cat", "dog", "truck"), "output": "scores", **labels},
            "numbers": {},
            "teachers": [],
            "sources": [],
            "built": {},
        }
    )
    return Classifier(cast("OnnxSession", Canned(*logits)), manifest)


@pytest.mark.parametrize(
    ("logits", "options", "chosen", "wanted"),
    [
        pytest.param((0, np.log(3), 0), {}, [], {"cat": 0.2, "dog": 0.6, "truck": 0.2}, id="all"),
        pytest.param((0, np.log(3), 9), {}, ["dog", "cat"], {"dog": 0.75, "cat": 0.25}, id="some rule out the others"),
        pytest.param((0, 2 * np.log(3), 0), {"temperature": 2}, [], {"dog": 0.6}, id="temperature"),
        pytest.param((0, 0, 5000), {}, [], {"truck": 1.0}, id="a huge logit is no overflow"),
        pytest.param((0, 0, 5), {}, ["cat"], {"cat": 1.0}, id="one label is sure"),
    ],
)
def test_probabilities(
    logits: tuple[float, ...], options: dict[str, Any], chosen: Sequence[str], wanted: dict[str, float]
) -> None:
    scores = classifier(*logits, **options).classify(PICTURE, chosen)
    assert sum(scores.values()) == pytest.approx(1)
    assert {label: scores[label] for label in wanted} == pytest.approx(wanted)


def test_a_label_of_another_model_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="'trucks' is none of them; did you mean 'truck'"):
        classifier(0, 0, 0).classify(PICTURE, ["cat", "trucks"])
    with pytest.raises(InputError, match="it knows 3, such as 'cat'"):
        classifier(0, 0, 0).classify(PICTURE, ["xylophone"])


def test_a_model_with_more_outputs_than_labels_is_refused() -> None:
    with pytest.raises(BundleError, match=r"names 3 labels, the model gives the shape \(4,\)"):
        classifier(0, 0, 0, 0).classify(PICTURE)
