from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from edge_runtime.bundles.manifest import Manifest, default_bundle
from edge_runtime.bundles.parts import DetectorPart, ImagePart
from edge_runtime.errors import BundleError
from edge_runtime.inference.detector import ObjectDetector
from edge_runtime.inference.session import OnnxSession

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

LABELS = ("person", "dog")
PICTURE = np.zeros((64, 64, 3), np.uint8)


class Canned:
    """Answers every picture with the same boxes and logits."""

    outputs = ("embedding", "boxes", "logits")

    def __init__(self, rows: list[tuple[tuple[float, float, float, float], tuple[float, float]]]) -> None:
        self.boxes = np.array([[box for box, _ in rows]], np.float32)
        self.logits = np.array([[logits for _, logits in rows]], np.float32)
        self.runs = 0

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: tuple[str, ...]) -> dict[str, NDArray[Any]]:
        assert feeds["image"].shape[:2] == (1, 3)
        assert outputs == self.outputs
        self.runs += 1
        embedding = np.zeros((1, 384), np.float32)
        embedding[0, 0] = 1
        return {"embedding": embedding, "boxes": self.boxes, "logits": self.logits}


def manifest(**detector: Any) -> Manifest:
    part = {
        "labels": LABELS,
        "thresholds": {"person": 0.5, "dog": 0.5},
        "calibration": {"person": (1.0, 0.0), "dog": (1.0, 0.0)},
        "presence": {"person": (1.0, 0.0), "dog": (2.0, -1.0)},
        "nms_iou": 0.5,
    }
    return Manifest.model_validate(
        {
            "folder": Path(),
            "format": 1,
            "name": "canned",
            "version": "0",
            "created": "2026-01-01",
            "license": "Apache-2.0",
            "files": {},
            "embedding_size": 384,
            "image": {"file": "image.onnx", "area": 65536, "stride": 32},
            "text": {"file": "text.onnx", "tokenizer": "tokenizer.json", "max_tokens": 64},
            "detector": part | detector,
            "classify": {"temperature": 0.02, "templates": ["a photo of a {}"]},
            "gate": {"local_threshold": 0.9, "alpha": 0.05},
            "numbers": {},
            "teachers": [],
            "sources": [],
            "built": {},
        }
    )


def detector(canned: Canned, about: Manifest | None = None, **options: Any) -> ObjectDetector:
    return ObjectDetector(cast("OnnxSession", canned), about or manifest(), **options)


LEFT = (0.1, 0.1, 0.4, 0.9)
NEARLY_LEFT = (0.11, 0.1, 0.41, 0.9)
RIGHT = (0.6, 0.1, 0.9, 0.9)


@pytest.mark.parametrize(
    ("rows", "seen", "unsure"),
    [
        pytest.param([(LEFT, (3.0, -9.0))], ["person"], [], id="a sure box is seen"),
        pytest.param([(LEFT, (-1.0, -9.0))], [], ["person"], id="a weak box is only unsure"),
        pytest.param([(LEFT, (-9.0, -9.0))], [], [], id="background is neither"),
        pytest.param([(LEFT, (3.0, -9.0)), (NEARLY_LEFT, (2.0, -9.0))], ["person"], [], id="a repeat is dropped"),
        pytest.param([(LEFT, (3.0, -9.0)), (RIGHT, (2.0, -9.0))], ["person", "person"], [], id="two places are two"),
        pytest.param(
            [(LEFT, (3.0, -9.0)), (NEARLY_LEFT, (-9.0, 2.0))], ["person", "dog"], [], id="labels do not hide each other"
        ),
        pytest.param([(RIGHT, (1.0, -9.0)), (LEFT, (-9.0, 3.0))], ["dog", "person"], [], id="the surest comes first"),
    ],
)
def test_what_is_seen(
    rows: list[tuple[tuple[float, float, float, float], tuple[float, float]]], seen: list[str], unsure: list[str]
) -> None:
    look = detector(Canned(rows)).look(PICTURE)
    assert [d.label for d in look.detections] == seen
    assert [d.label for d in look.unsure] == unsure


@pytest.mark.parametrize(
    ("rows", "scores"),
    [
        pytest.param([(LEFT, (-9.0, 1.0))], [("dog", 0.731)], id="the only box has the presence of its label"),
        pytest.param(
            [(LEFT, (-9.0, 1.5)), (RIGHT, (-9.0, 1.0))], [("dog", 0.881), ("dog", 0.5)], id="the next asks for another"
        ),
        pytest.param(
            [(LEFT, (-9.0, 1.0)), (RIGHT, (-9.0, 1.5))], [("dog", 0.881), ("dog", 0.5)], id="rank counts, not order"
        ),
        pytest.param(
            [(LEFT, (-0.2, -9.0)), (RIGHT, (-0.25, -9.0))],
            [("person", 0.354), ("person", 0.354)],
            id="no box is surer than the one before it",
        ),
        pytest.param([(LEFT, (-1.5, -9.0))], [], id="a label that is hardly there has no box"),
        pytest.param([(LEFT, (-9.0, -0.5))], [("dog", 0.119)], id="a box that is weak alone shows that one is there"),
        pytest.param(
            [(LEFT, (-9.0, 1.5)), (NEARLY_LEFT, (-9.0, 1.4)), (RIGHT, (-9.0, 1.0))],
            [("dog", 0.881), ("dog", 0.5)],
            id="a repeat has no rank",
        ),
    ],
)
def test_the_best_box_carries_presence_and_the_others_their_own(
    rows: list[tuple[tuple[float, float, float, float], tuple[float, float]]], scores: list[tuple[str, float]]
) -> None:
    scales = {"calibration": {"person": (1.0, 0.5), "dog": (1.0, -1.0)}, "presence": {"person": (2.0, -0.2)}}
    scales["presence"]["dog"] = (2.0, -1.0)
    look = detector(Canned(rows), manifest(**scales)).look(PICTURE)
    found = [*look.detections, *look.unsure]
    assert [(d.label, round(d.score, 3)) for d in found] == scores
    for d in found[:1]:
        assert d.score == pytest.approx(look.presence[d.label])


def test_scores_without_calibration_are_taken_as_they_are() -> None:
    about = manifest(calibration={}, presence={})
    look = detector(Canned([(LEFT, (0.0, 1.0)), (RIGHT, (-0.5, -9.0))]), about).look(PICTURE)
    assert [round(d.score, 3) for d in (*look.detections, *look.unsure)] == [0.731, 0.5, 0.378]


class CannedYolo:
    """Answers with one output of one cell per row: centre, sides, objectness, person, dog."""

    outputs = ("output",)

    def __init__(self, *rows: tuple[float, ...]) -> None:
        self.output = np.array([rows], np.float32)

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: tuple[str, ...]) -> dict[str, NDArray[Any]]:
        assert feeds["images"].shape == (1, 3, 64, 128)
        assert outputs == self.outputs
        return {"output": self.output}


YOLO_IMAGE = {"file": "y.onnx", "input": "images", "fit": "letterbox", "size": (64, 128), "embedding": None}


@pytest.mark.parametrize(
    ("centred", "row"),
    [
        # A square picture fills 64 of the 128 columns.
        pytest.param(False, (32.0, 32.0, 64.0, 64.0, 0.8, 0.9, 0.1), id="top left"),
        pytest.param(True, (64.0, 32.0, 64.0, 64.0, 0.8, 0.9, 0.1), id="centred"),
    ],
)
def test_boxes_in_a_letterbox_become_fractions_of_the_picture(centred: bool, row: tuple[float, ...]) -> None:
    about = manifest(layout="yolox", decoded=True, calibration={}, presence={})
    about = Manifest.model_validate(
        {**about.model_dump(), "folder": Path(), "image": {**YOLO_IMAGE, "centred": centred}}
    )
    eyes = ObjectDetector(cast("OnnxSession", CannedYolo(row)), about)
    look = eyes.look(np.zeros((30, 30, 3), np.uint8))
    assert [(d.label, round(d.score, 4)) for d in look.detections] == [("person", 0.72)]
    assert look.detections[0].box == pytest.approx((0.0, 0.0, 1.0, 1.0))
    assert look.embedding is None
    assert look.presence == pytest.approx({"person": 0.72, "dog": 0.08}, abs=1e-5)


def test_a_bundle_without_a_detector_says_so() -> None:
    about = Manifest.model_validate({**manifest().model_dump(), "folder": Path("here"), "detector": None})
    with pytest.raises(BundleError, match=r"bundle canned \(here\) has no object detector; it has: picture model, "):
        detector(Canned([]), about)


def test_scores_and_presence_are_calibrated_apart() -> None:
    look = detector(Canned([(LEFT, (0.0, 1.0))])).look(PICTURE)
    assert {d.label: round(d.score, 3) for d in look.detections} == {"dog": 0.731, "person": 0.5}
    assert {label: round(p, 3) for label, p in look.presence.items()} == {"person": 0.5, "dog": 0.731}
    assert look.embedding is not None
    assert look.embedding.shape == (384,)


def test_one_look_is_one_pass() -> None:
    canned = Canned([(LEFT, (3.0, -9.0))])
    detector(canned).look(PICTURE)
    assert canned.runs == 1


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        pytest.param({"min_score": 0.2}, ["person"], id="a lower threshold sees more"),
        pytest.param({"min_score": 0.9}, [], id="a higher one sees less"),
        pytest.param({"min_score": 0.2, "labels": ("dog",)}, [], id="labels not asked for are left out"),
        pytest.param({"min_score": 0.2, "floor": 0.6}, [], id="the floor is under everything"),
    ],
)
def test_options(options: dict[str, Any], seen: list[str]) -> None:
    assert [d.label for d in detector(Canned([(LEFT, (-1.0, -9.0))]), **options).detect(PICTURE)] == seen


def test_boxes_stay_inside_the_picture() -> None:
    found = detector(Canned([((-0.2, -0.1, 1.3, 0.9), (3.0, -9.0))])).detect(PICTURE)
    assert found[0].box == pytest.approx((0.0, 0.0, 1.0, 0.9))


def test_unknown_label_is_named_with_what_the_model_knows() -> None:
    with pytest.raises(BundleError, match="cannot detect 'unicorn'; it knows person, dog"):
        detector(Canned([]), labels=("unicorn",))


@pytest.mark.parametrize("shape", [(480, 640), (96, 96), (32, 32), (1080, 1920), (7, 500)])
def test_the_shipped_model_looks_at_any_picture(shape: tuple[int, int]) -> None:
    about = Manifest.load(default_bundle())
    eyes = ObjectDetector(OnnxSession(about.path(about.part(ImagePart).file), threads=1), about, min_score=0.1)
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    look = eyes.look(picture)
    assert look.embedding is not None
    assert np.linalg.norm(look.embedding) == pytest.approx(1, abs=1e-3)
    assert set(look.presence) == set(about.part(DetectorPart).labels)
    assert all(0 <= p <= 1 for p in look.presence.values())
    for found in (*look.detections, *look.unsure):
        assert 0 <= found.box[0] <= found.box[2] <= 1
        assert 0 <= found.box[1] <= found.box[3] <= 1


def test_feature_maps_come_from_fine_to_coarse_and_change_nothing_else() -> None:
    about = Manifest.load(default_bundle())
    eyes = ObjectDetector(OnnxSession(about.path(about.part(ImagePart).file), threads=1), about, min_score=0.1)
    picture = np.random.default_rng(2).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    plain, deep = eyes.look(picture), eyes.look(picture, features=True)
    assert plain.patches == ()
    assert [one.shape for one in deep.patches] == [
        (24, 64, 64),
        (32, 32, 32),
        (64, 16, 16),
        (96, 16, 16),
        (160, 8, 8),
    ]
    assert all(one.dtype == np.float32 and one.std() > 0 for one in deep.patches)
    assert (plain.detections, plain.unsure, plain.presence) == (deep.detections, deep.unsure, deep.presence)
    assert plain.embedding is not None
    assert deep.embedding is not None
    assert (plain.embedding == deep.embedding).all()
