from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edge_runtime.bundles.manifest import default_bundle
from edge_runtime.sources.files import read_picture
from edge_runtime.wiring.assembly import Models

pytest.importorskip("torch", reason="the extra [build] is not installed")
pytest.importorskip("onnx", reason="the extra [build] is not installed")
torch = importlib.import_module("torch")
own = importlib.import_module("models.omni_nano.own")
own_looks = importlib.import_module("models.omni_nano.own_looks")
own_memory = importlib.import_module("models.omni_nano.own_memory")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

COLOURS = {"zorblat": (40, 60, 220), "quibbish": (220, 40, 40)}
QUICK = ["--views", "2", "--steps", "40"]


def shape(kind: str, seed: int) -> NDArray[np.uint8]:
    """A disc of one colour or a square of another, somewhere on grey noise."""
    dice = np.random.default_rng([seed, len(kind)])
    picture = dice.integers(90, 170, (96, 128, 3), dtype=np.uint8)
    x, y, size = int(dice.integers(30, 98)), int(dice.integers(30, 66)), int(dice.integers(14, 28))
    if kind == "quibbish":
        cv2.circle(picture, (x, y), size, COLOURS[kind][::-1], -1)
    else:
        cv2.rectangle(picture, (x - size, y - size), (x + size, y + size), COLOURS[kind][::-1], -1)
    return picture


@pytest.fixture(scope="module", autouse=True)
def little_to_look_at() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_looks, "DEMO_VIEWS", 1)
        patch.setattr(own_memory, "PULLS", (3.0, 30.0))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mine")
    for kind in COLOURS:
        (made / kind).mkdir()
        for seed in range(12):
            cv2.imwrite(str(made / kind / f"{seed}.png"), shape(kind, seed))
    (made / "zorblat" / "broken.jpg").write_bytes(b"no picture")
    return made


@pytest.fixture(scope="module")
def taught(folder: Path) -> Path:
    out: Path = folder.parent / "own-output" / "bundle"
    own.main(["--data", str(folder), "--out", str(out), *QUICK])
    return out


def chances_of_the_right_word(bundle: Path | None) -> NDArray[np.float64]:
    embedder = Models(bundle).embedder
    pictures = [(kind, shape(kind, seed)[..., ::-1]) for kind in COLOURS for seed in range(100, 110)]
    return np.array([embedder.classify(embedder.embed_image(p), list(COLOURS))[kind] for kind, p in pictures])


def test_new_words_are_learned_for_pictures_never_seen(taught: Path) -> None:
    before, after = chances_of_the_right_word(None), chances_of_the_right_word(taught)
    assert (after > 0.5).mean() > 0.8
    assert after.mean() > before.mean(), "made-up words may by chance fit before, but not as surely"


def test_the_detector_is_bit_for_bit_the_same(taught: Path, folder: Path) -> None:
    old, new = Models(None), Models(taught)
    picture = read_picture(folder / "zorblat" / "3.png")
    one, other = (models.detector.look(picture) for models in (old, new))
    assert one.detections == other.detections
    assert one.presence == other.presence
    assert one.embedding is not None
    assert other.embedding is not None
    assert not np.array_equal(one.embedding, other.embedding)
    assert np.linalg.norm(other.embedding) == pytest.approx(1, abs=1e-5)


def test_the_manifest_says_what_was_taught_and_measured(taught: Path) -> None:
    base, new = Models(None).manifest, Models(taught).manifest
    assert new.name == f"{base.name}-own"
    assert new.version.startswith(f"{base.version}+own.")
    assert "24 pictures with 2 labels" in new.sources[-1]
    measured = new.numbers["own"]
    assert measured["held_out"] == 4
    assert measured["after"]["top_1"] >= measured["before"]["top_1"]
    assert new.built["base"]["version"] == base.version
    assert new.detector == base.detector
    assert new.files["text.onnx"] == base.files["text.onnx"]


def test_the_same_seed_gives_the_same_bundle_and_looks_are_remembered(
    taught: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = json.loads((taught / "manifest.json").read_text(encoding="utf-8"))["files"]

    def look_again(*_: Any) -> None:
        raise AssertionError("looked again")

    # The looks of a run before, or of one that was killed, are on disk.
    monkeypatch.setattr(own_looks, "view", look_again)
    own.main(["--data", str(folder), "--out", str(taught), *QUICK])
    assert json.loads((taught / "manifest.json").read_text(encoding="utf-8"))["files"] == before
    assert "1 unreadable" in capsys.readouterr().out


def test_nothing_is_written_when_it_is_not_better(
    taught: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own.Score, "better_than", lambda *_: False)
    place = taught.parent / "refused"
    with pytest.raises(SystemExit, match="not better on the held-out pictures: nothing written"):
        own.main(["--data", str(folder), "--out", str(place), *QUICK])
    assert not place.exists()
    assert not list(place.parent.glob(".refused*"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("before", "after", "better"),
    [
        pytest.param((0.5, 1.0), (0.6, 0.9), True, id="more are right, and chances are better"),
        pytest.param((0.5, 1.0), (0.6, 1.1), False, id="more are right by luck: chances are worse"),
        pytest.param((0.5, 1.0), (0.4, 0.1), False, id="fewer are right, however sure"),
        pytest.param((1.0, 0.5), (1.0, 0.2), True, id="as many, and surer"),
        pytest.param((1.0, 0.5), (1.0, 0.5), False, id="nothing gained"),
    ],
)
def test_better_means_more_right_or_surer(
    before: tuple[float, float], after: tuple[float, float], better: bool
) -> None:
    assert own.Score(after[0], 1.0, after[1]).better_than(own.Score(before[0], 1.0, before[1])) is better


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--data", "{bundle}/nowhere"], "is not a folder", id="no pictures"),
        pytest.param(["--data", "{mine}", "--out", "{bundle}"], "the bundle to start from", id="over the base"),
        pytest.param(["--data", "{mine}", "--out", "{mine}"], "holds something else", id="over the pictures"),
        pytest.param(["--data", "{mine}", "--bundle", "{mine}"], "no readable manifest.json", id="no bundle"),
        pytest.param(["--data", "{mine}", "--bundle", "{taught}"], "start from the bundle it came from", id="twice"),
    ],
)
def test_a_mistake_is_one_line_and_costs_nothing(
    arguments: list[str], says: str, folder: Path, taught: Path, tmp_path: Path
) -> None:
    places = {"{bundle}": default_bundle(), "{mine}": folder, "{taught}": taught}
    given = []
    for word in arguments:
        for mark, path in places.items():
            word = word.replace(mark, str(path))  # noqa: PLW2901  # filled in place
        given.append(word)
    if "--out" not in given:
        given += ["--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match=says) as caught:
        own.main([*given, *QUICK])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_what_is_far_from_every_key_stays() -> None:
    keys = torch.eye(8)[:2]
    memory = own_memory.Memory(keys, torch.ones(2, 8))
    near, far = torch.eye(8)[:1], -torch.eye(8)[:1]
    assert float((memory.move(near) * near).sum()) < 0.9
    assert float((memory.move(far) * far).sum()) > 0.99


def test_landmarks_are_far_apart() -> None:
    looks = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0], [1.0, 0.02]]), dim=1)
    assert own_memory.landmarks(looks, 2).tolist() == looks[[0, 2]].tolist()
