from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_runtime.bundles.manifest import default_bundle
from edge_runtime.config import Settings
from edge_runtime.decision.scene import Scene
from edge_runtime.errors import BundleError, ConfigError, InputError
from edge_runtime.types import Observation, Origin, Question
from edge_runtime.verbs import work
from edge_runtime.wiring.answers import make_answerer
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.gates import CAUTIOUS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PICTURE = np.random.default_rng(5).integers(0, 256, (90, 120, 3), dtype=np.uint8)


def cut(folder: Path, *parts: str, **changes: Any) -> Path:
    """Return a copy of the shipped bundle that lacks some parts."""
    target = folder / "cut"
    shutil.copytree(default_bundle(), target)
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    for name in parts:
        del manifest[name]
    (target / "manifest.json").write_text(json.dumps(manifest | {"name": "cut"} | changes), encoding="utf-8")
    return target


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), PICTURE)
    return str(path)


def settings(bundle: Path, **sections: Any) -> Settings:
    return Settings.model_validate({"vision": {"bundle": str(bundle)}, "mqtt": {"enabled": False}, **sections})


@pytest.mark.parametrize(
    ("gone", "use", "lacks"),
    [
        pytest.param(("detector",), lambda m: m.detector, "object detector", id="detect"),
        pytest.param(("image", "detector"), lambda m: m.detector, "picture model", id="detect without a picture model"),
        pytest.param(("image",), lambda m: m.embedder.embed_image(PICTURE), "picture model", id="embed a picture"),
        pytest.param(("text",), lambda m: m.embedder.embed_text(["dog"]), "text model", id="embed a text"),
        pytest.param(
            ("classify",),
            lambda m: m.embedder.classify(np.ones(384, np.float32), ["cat"]),
            "zero-shot labels",
            id="classify",
        ),
        pytest.param(
            ("classify",), lambda m: work.classifying(m, ["cat"], None), "zero-shot labels", id="the verb, too"
        ),
        pytest.param((), lambda m: m.classifier, "list of fixed labels", id="fixed labels"),
    ],
)
def test_a_part_that_is_not_there_is_named_with_those_that_are(
    tmp_path: Path, gone: tuple[str, ...], use: Callable[[Models], Any], lacks: str
) -> None:
    models = Models(cut(tmp_path, *gone), threads=1)
    with pytest.raises(BundleError) as caught:
        use(models)
    message = str(caught.value)
    assert f"bundle cut ({tmp_path / 'cut'}) has no {lacks}; it has: " in message
    assert message.endswith("name another with --bundle or in vision.bundle")
    assert "\n" not in message


def test_texts_need_no_picture_model(tmp_path: Path) -> None:
    models = Models(cut(tmp_path, "image", "detector"), threads=1)
    assert len(work.embedding(models, "text")("a dog")["embedding"]) == 384


def test_pictures_need_no_text_model(tmp_path: Path, picture: str) -> None:
    models = Models(cut(tmp_path, "text", "classify", "gate"), threads=1)
    assert "detections" in work.detecting(models)(picture)
    assert len(work.embedding(models, "image")(picture)["embedding"]) == 384


def test_labels_of_a_bundle_without_a_detector_cannot_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="has no object detector"):
        Models(cut(tmp_path, "detector"), labels=["person"])
    with pytest.raises(ConfigError, match="no label 'persn'; did you mean 'person'"):
        Models(labels=["persn"])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        pytest.param({"input": "pixels"}, "has no input 'pixels', it has image; correct", id="input"),
        pytest.param({"embedding": "vector"}, "has no output 'vector', it has ", id="output"),
    ],
)
def test_names_that_the_model_does_not_have_are_found_when_it_is_loaded(
    tmp_path: Path, image: dict[str, str], message: str
) -> None:
    shipped = json.loads((default_bundle() / "manifest.json").read_text(encoding="utf-8"))["image"]
    models = Models(cut(tmp_path, image=shipped | image), threads=1)
    with pytest.raises(BundleError) as caught:
        models.detector.look(PICTURE)
    assert message in str(caught.value)


def fixed(folder: Path, **more: Any) -> Path:
    """Return a bundle whose fixed labels are the first numbers of the shipped model's vector."""
    return cut(folder, "text", "detector", "gate", labels={"labels": NAMES, "output": "embedding"}, **more)


NAMES = [f"kind {number}" for number in range(384)]


def test_a_bundle_with_fixed_labels_classifies_by_them(tmp_path: Path, picture: str) -> None:
    models = Models(fixed(tmp_path, classify=None), threads=1)
    every = work.classifying(models, [], None)(picture)
    assert set(every["scores"]) == set(NAMES)
    some = work.classifying(models, NAMES[:2], None)(picture)
    assert set(some["scores"]) == set(NAMES[:2])
    assert some["label"] in NAMES[:2]
    with pytest.raises(InputError, match="'cat' is none of them"):
        work.classifying(models, ["cat"], None)(picture)
    with pytest.raises(InputError, match=r"template 'a \{\}' has no use"):
        work.classifying(models, [], "a {}")


def test_words_to_choose_from_go_to_the_towers_where_there_are_both(tmp_path: Path, picture: str) -> None:
    both = cut(tmp_path, "detector", labels={"labels": NAMES, "output": "embedding"})
    models = Models(both, threads=1)
    assert set(work.classifying(models, ["cat", "dog"], None)(picture)["scores"]) == {"cat", "dog"}
    assert set(work.classifying(models, [], None)(picture)["scores"]) == set(NAMES)


def test_without_labels_the_towers_have_nothing_to_choose_from(picture: str) -> None:
    with pytest.raises(InputError, match="at least one label"):
        work.classifying(Models(threads=1), [], None)(picture)


@pytest.mark.parametrize(
    ("gone", "chosen", "score", "origin"),
    [
        pytest.param((), None, 0.93, Origin.LOCAL, id="the bundle's threshold"),
        pytest.param(("gate",), None, CAUTIOUS - 0.01, Origin.ABSTAINED, id="the cautious one where it has none"),
        pytest.param(("gate",), None, CAUTIOUS + 0.01, Origin.LOCAL, id="which can be reached"),
        pytest.param(("gate", "text"), 0.5, 0.6, Origin.LOCAL, id="the owner's, and no text model needed"),
    ],
)
def test_how_sure_a_local_answer_must_be(
    tmp_path: Path,
    gone: tuple[str, ...],
    chosen: float | None,
    score: float,
    origin: Origin,
) -> None:
    bundle = cut(tmp_path, *gone, gate={"local_threshold": 0.9, "alpha": 0.05}) if not gone else cut(tmp_path, *gone)
    about = settings(bundle, answering={"local_threshold": chosen})
    scene = Scene()
    scene.observe(Observation("door", 0.0, ()), evidence={"person": score})
    answerer, _ = make_answerer(about, Models.of(about), scene)
    answer = answerer.answer(Question("is there a person", "test", 0.0))
    assert answer.confidence == pytest.approx(score)
    assert (answer.origin, answer.model) == (origin, Models.of(about).manifest.name)


@pytest.mark.parametrize(
    ("device", "cameras", "threads"),
    [
        pytest.param({}, 1, 2, id="one camera: a run is over sooner with two"),
        pytest.param({}, 2, 1, id="two cameras share the processor anyway"),
        pytest.param({"threads": 2}, 2, 2, id="who sets it has it so"),
    ],
)
def test_several_cameras_take_one_thread_a_run(device: dict[str, int], cameras: int, threads: int) -> None:
    asked = []

    class Asked(Models):
        def __init__(self, _bundle: object, *, threads: int, **_others: object) -> None:
            asked.append(threads)

    watched = [{"name": f"c{number}", "url": "rtsp://127.0.0.1/a"} for number in range(cameras)]
    Asked.of(Settings.model_validate({"device": device, "cameras": watched}))
    assert asked == [threads]
