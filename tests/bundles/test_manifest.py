from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from edge_runtime.bundles.manifest import Manifest, default_bundle
from edge_runtime.bundles.parts import ClassifyPart, DetectorPart, ImagePart, TextPart
from edge_runtime.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


SPEECH = {
    "encoder": "a.onnx",
    "decoder": "b.onnx",
    "tokenizer": "tokenizer.json",
    "features": "log_mel",
    "prompt": [1],
    "end_id": 2,
    "max_tokens": 9,
    "layers": 1,
    "heads": 1,
    "head_size": 8,
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    shutil.copytree(default_bundle(), folder)
    return folder


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def test_the_shipped_bundle_is_whole_and_fits_its_budget() -> None:
    manifest = Manifest.load(default_bundle())
    manifest.verify()
    assert manifest.embedding_size == 384
    assert sum(path.stat().st_size for path in default_bundle().iterdir()) <= 25_000_000
    assert {path.name for path in default_bundle().iterdir()} == {*manifest.files, "manifest.json"}


def test_the_shipped_manifest_agrees_with_itself() -> None:
    manifest = Manifest.load(default_bundle())
    detector, image, text = manifest.part(DetectorPart), manifest.part(ImagePart), manifest.part(TextPart)
    labels = set(detector.labels)
    assert len(labels) == len(detector.labels)
    assert labels == set(detector.thresholds) == set(detector.calibration)
    assert set(detector.presence) <= labels
    assert all(template.count("{}") == 1 for template in manifest.part(ClassifyPart).templates)
    assert {image.file, text.file, text.tokenizer} <= set(manifest.files)


def test_a_changed_byte_is_named_with_both_sums(bundle: Path) -> None:
    path = bundle / "tokenizer.json"
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    with pytest.raises(BundleError, match=rf"tokenizer\.json has sha256 {found}, the manifest says {expected}"):
        Manifest.load(bundle).verify()


def test_a_missing_file_is_named(bundle: Path) -> None:
    (bundle / "text.onnx").unlink()
    with pytest.raises(BundleError, match=r"text\.onnx is missing; reinstall"):
        Manifest.load(bundle).verify()


def test_a_file_that_nothing_vouches_for_is_not_handed_out() -> None:
    with pytest.raises(BundleError, match=r"other\.onnx is not listed"):
        Manifest.load(default_bundle()).path("other.onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda d: d.pop("license"), "license: field required", id="missing key"),
        pytest.param(
            lambda d: d["image"].pop("area"), "image: value error, fit 'area' needs area and stride", id="half a part"
        ),
        pytest.param(lambda d: d.update(extra=1), "extra: extra inputs are not permitted", id="unknown key"),
        pytest.param(lambda d: d.update(format=2), "format: input should be 1", id="format of another time"),
        pytest.param(
            lambda d: d["image"].update(fit="crop", size=[8, 8]), "fit 'crop' needs size and shorter", id="crop to what"
        ),
        pytest.param(lambda d: d["image"].update(fit="stretch"), "fit 'stretch' needs size", id="stretch to what"),
        pytest.param(
            lambda d: d["detector"]["thresholds"].pop("person"),
            "label 'person' has no threshold",
            id="a label left out",
        ),
        pytest.param(
            lambda d: d["detector"]["presence"].update(person=[0, 1]), "detector.presence.person.0: ", id="scale of 0"
        ),
        pytest.param(lambda d: d.update(speech=SPEECH), "'log_mel' need mels and seconds", id="bands of what"),
        pytest.param(lambda d: d["image"].update(area="big"), "image.area: input should be", id="wrong type"),
        pytest.param(lambda d: d["classify"].update(temperature=0), "classify.temperature", id="divides by zero"),
        pytest.param(lambda d: d["files"].update({"../x": {"sha256": "0" * 64, "bytes": 1}}), "files", id="outside"),
    ],
)
def test_a_wrong_manifest_is_refused_in_one_line(bundle: Path, change: Callable[[Any], None], message: str) -> None:
    rewrite(bundle, change)
    with pytest.raises(BundleError) as caught:
        Manifest.load(bundle)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_part_may_be_left_out(bundle: Path) -> None:
    def strip(data: dict[str, Any]) -> None:
        for part in ("image", "text", "detector", "classify", "audio", "phones", "faces", "gate"):
            del data[part]

    rewrite(bundle, strip)
    manifest = Manifest.load(bundle)
    with pytest.raises(BundleError, match=r"bundle omni-nano \(.*\) has no text model; it has: nothing; name another"):
        manifest.part(TextPart)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"{", "is not a JSON object", id="cut off"),
        pytest.param(b"[]", "is not a JSON object", id="a list"),
        pytest.param(b"", "is not a JSON object", id="empty"),
        pytest.param(b"\xff\xfe", "is not a JSON object", id="not text"),
        pytest.param(None, "has no readable manifest.json", id="missing"),
    ],
)
def test_what_is_no_manifest_is_refused_in_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError) as caught:
        Manifest.load(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
