from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.errors import InputError
from edge_runtime.making import detectors, maker
from edge_runtime.making.coco import COCO
from edge_runtime.making.order import Order
from edge_runtime.wiring.assembly import Models

onnx = pytest.importorskip("onnx", reason="the build extra is not installed")
onnx_detectors = pytest.importorskip("onnx_detectors", reason="the build extra is not installed")
# torch and onnx announce what they will drop one day.
pytestmark = pytest.mark.filterwarnings("ignore")

if TYPE_CHECKING:
    from pathlib import Path

SQUARE = np.zeros((128, 128, 3), np.uint8)
NAMES = ("cat", "dog", "parcel")


def bundle(tmp_path: Path, source: Path, **wishes: Any) -> Manifest:
    maker.make(Order(str(source), tmp_path / "bundle", **wishes), print)
    return Manifest.load(tmp_path / "bundle")


@pytest.mark.parametrize(
    ("values", "layout", "decoded"),
    [
        pytest.param(lambda: onnx_detectors.yolox(3), "yolox", False, id="yolox, steps from the cell"),
        pytest.param(lambda: onnx_detectors.yolox(3, decoded=True), "yolox", True, id="yolox, decoded to pixels"),
        pytest.param(lambda: onnx_detectors.yolov8(3), "yolov8", False, id="yolov8"),
    ],
)
def test_the_layout_is_told_and_the_object_found(tmp_path: Path, values: Any, layout: str, *, decoded: bool) -> None:
    source = onnx_detectors.write(tmp_path / "nano.onnx", {"output": values()})
    part = bundle(tmp_path, source, labels=NAMES).detector
    assert part is not None
    assert (part.layout, part.decoded, part.labels) == (layout, decoded, NAMES)
    (found,) = Models(tmp_path / "bundle").detector.detect(SQUARE)
    assert (found.label, round(found.score, 3)) == ("parcel", 0.72)
    assert found.box == pytest.approx((12 / 64, 0, 28 / 64, 24 / 64), abs=1e-4)


@pytest.mark.parametrize(
    ("classes", "wishes", "notes", "labels"),
    [
        pytest.param(80, {"layout": "yolov8"}, {}, COCO, id="80 classes are COCO's"),
        pytest.param(3, {"labels": NAMES}, {"names": "{0: 'x', 1: 'y', 2: 'z'}"}, NAMES, id="the owner's go first"),
        pytest.param(3, {}, {"names": "{0: 'x', 1: 'y', 2: 'z'}"}, ("x", "y", "z"), id="the file's own"),
    ],
)
def test_labels(
    tmp_path: Path, classes: int, wishes: dict[str, Any], notes: dict[str, str], labels: tuple[str, ...]
) -> None:
    source = onnx_detectors.write(tmp_path / "nano.onnx", {"output": onnx_detectors.yolov8(classes)}, notes=notes)
    manifest = bundle(tmp_path, source, min_score=0.4, **wishes)
    assert manifest.detector is not None
    assert manifest.detector.labels == labels
    assert manifest.detector.thresholds == dict.fromkeys(labels, 0.4)


def test_what_the_file_says_of_itself_is_kept(tmp_path: Path) -> None:
    notes = {"license": "AGPL-3.0", "version": "8.3.1", "names": str(dict(enumerate(NAMES)))}
    source = onnx_detectors.write(tmp_path / "nano.onnx", {"output": onnx_detectors.yolov8(3)}, notes=notes)
    manifest = bundle(tmp_path, source)
    assert (manifest.name, manifest.version, manifest.license) == ("nano", "8.3.1", "AGPL-3.0")
    assert manifest.sources == ("nano.onnx",)


def test_the_output_with_the_boxes_is_found_among_others(tmp_path: Path) -> None:
    outputs = {"masks": np.zeros((1, 32, 16, 16), np.float32), "output0": onnx_detectors.yolov8(3)}
    part = bundle(tmp_path, onnx_detectors.write(tmp_path / "nano.onnx", outputs), labels=NAMES).detector
    assert part is not None
    assert part.output == "output0"
    assert len(Models(tmp_path / "bundle").detector.detect(SQUARE)) == 1


def test_a_file_that_takes_any_size_gets_the_one_that_is_named(tmp_path: Path) -> None:
    source = onnx_detectors.write(
        tmp_path / "nano.onnx", {"output": onnx_detectors.yolov8(3)}, shape=("batch", 3, "height", "width")
    )
    manifest = bundle(tmp_path, source, labels=NAMES, size=64)
    assert manifest.image is not None
    assert manifest.image.size == (64, 64)


@pytest.mark.parametrize(
    ("file", "wishes", "said"),
    [
        pytest.param({"values": np.zeros((1, 252, 8))}, {}, "looks like YOLOv5", id="three anchors a cell"),
        pytest.param({"values": np.zeros((1, 300, 6))}, {}, "export it without NMS", id="repeated boxes dropped"),
        pytest.param({"values": np.zeros((1, 7))}, {}, "fit no layout for 64 x 64", id="not a detector's output"),
        pytest.param({"layout": "yolov8"}, {"layout": "yolox"}, "fit no layout", id="not the layout asked for"),
        pytest.param({"values": np.zeros((1, 84, 84))}, {}, "choose one with --layout", id="fits both layouts"),
        pytest.param({}, {"layout": "detr"}, "--layout 'detr' is not known", id="unknown layout"),
        pytest.param({}, {"labels": ()}, "3 classes, but nothing says what they are", id="no labels"),
        pytest.param({}, {"labels": ("a", "b")}, "3 classes, but --labels has 2", id="too few labels"),
        pytest.param({"notes": {"names": "{0: 'x'}"}}, {"labels": ()}, "own list has 1", id="file names too few"),
        pytest.param({"notes": {"names": "{0:"}}, {"labels": ()}, "nothing says", id="file's names are no list"),
        pytest.param({}, {"labels": ("a", "a", "b")}, "names a label twice", id="label twice"),
        pytest.param({"score": 4.0}, {}, "which are no probabilities", id="logits for scores"),
        pytest.param({"score": np.nan}, {}, "which are no probabilities", id="not numbers"),
        pytest.param({"inputs": ("images", "sizes")}, {}, "takes a picture alone", id="two inputs"),
        pytest.param({"kind": 10}, {}, "tensor(float16)", id="half precision"),
        pytest.param({"shape": (1, 1, 64, 64)}, {}, "[1, 1, 64, 64]", id="grey pictures"),
        pytest.param({"shape": (4, 3, 64, 64)}, {}, "takes 4 pictures at once", id="a batch of four"),
        pytest.param({"shape": (1, 3, "h", "w")}, {}, "--size 640", id="any size, none named"),
        pytest.param({}, {"size": 96}, "leave --size 96 out", id="size that it does not take"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, file: dict[str, Any], wishes: dict[str, Any], said: str
) -> None:
    values = onnx_detectors.yolov8(3) if file.pop("layout", None) else onnx_detectors.yolox(3)
    values = np.asarray(file.pop("values", values), np.float32)
    if "score" in file:
        values[0, 3, 4] = file.pop("score")
    source = onnx_detectors.write(tmp_path / "nano.onnx", {"output": values}, **file)
    with pytest.raises(InputError) as caught:
        bundle(tmp_path, source, **{"labels": NAMES, **wishes})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nano.onnx"]


def test_a_file_whose_weights_lie_elsewhere_is_refused(tmp_path: Path) -> None:
    source = onnx_detectors.write(tmp_path / "nano.onnx", {"output": onnx_detectors.yolox(3)})
    apart = {"save_as_external_data": True, "location": "nano.data", "size_threshold": 0}
    onnx.save(onnx.load(source), source, **apart)
    with pytest.raises(InputError, match="its weights lie in another file"):
        bundle(tmp_path, source, labels=NAMES)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    cv2 = pytest.importorskip("cv2")
    folder = tmp_path / "pictures"
    folder.mkdir()
    dice = np.random.default_rng(0)
    for index in range(16):
        small = dice.integers(0, 255, (6, 6, 3), np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), cv2.resize(small, (80, 60), interpolation=cv2.INTER_CUBIC))
    return folder


@pytest.mark.parametrize(
    ("least", "how"),
    [
        pytest.param(0.5, "INT8 static", id="sees nearly the same: INT8"),
        pytest.param(1.01, "FP32 (INT8 finds only", id="sees too little of it: stays FP32"),
    ],
)
def test_int8_is_kept_if_it_sees_what_fp32_sees(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, least: float, how: str
) -> None:
    monkeypatch.setattr(detectors, "LEAST_FOUND", least)
    source = onnx_detectors.write_convolutions(tmp_path / "nano.onnx")
    manifest = bundle(tmp_path, source, labels=NAMES, calibrate=pictures)
    numbers = manifest.numbers["image"]
    assert manifest.built["how"]["image.onnx"].startswith(how)
    assert numbers["objects"] > 0
    assert 0.5 < numbers["int8_found"] <= 1
    assert numbers["measured_on"] == "4 pictures of pictures"
    assert (manifest.files["image.onnx"].bytes < numbers["bytes_fp32"]) == (least < 1)


@pytest.mark.parametrize(
    ("a", "b", "share"),
    [
        pytest.param((0, 0, 1, 1), (0, 0, 1, 1), 1.0, id="the same"),
        pytest.param((0, 0, 1, 1), (0.5, 0, 1.5, 1), 1 / 3, id="half of each"),
        pytest.param((0, 0, 1, 1), (2, 2, 3, 3), 0.0, id="apart"),
        pytest.param((1, 1, 1, 1), (1, 1, 1, 1), 0.0, id="of no area"),
    ],
)
def test_overlap(a: Any, b: Any, share: float) -> None:
    assert detectors.overlap(a, b) == pytest.approx(share)
