from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import soundfile

from edge_runtime.decision.anomaly_levels import LevelMemory
from edge_runtime.errors import BundleError, InputError
from edge_runtime.sources.files import read_picture
from edge_runtime.wiring.anomalies import Inspector, Learning, expanded
from edge_runtime.wiring.anomaly_store import AnomalyStore, Normal
from edge_runtime.wiring.assembly import Models

if TYPE_CHECKING:
    from numpy.typing import NDArray


def plate(seed: int, *, hole: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Return a brushed plate, with a dark hole around a place (x, y) if one is given."""
    dice = np.random.default_rng(seed)
    grey = 140 + 25 * cv2.GaussianBlur(dice.normal(size=(160, 200)), (0, 0), sigmaX=20, sigmaY=0.7) * 6
    if hole is not None:
        cv2.circle(grey, hole, 9, 35, -1, cv2.LINE_AA)
    return np.clip(grey, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(None, threads=1)


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plates")
    for seed in range(30):
        cv2.imwrite(str(folder / f"{seed:02}.png"), plate(seed))
    return folder


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory, models: Models, plates: Path) -> Inspector:
    inspector = Inspector(AnomalyStore(tmp_path_factory.mktemp("data")), models)
    inspector.learn("plates", expanded([str(plates)]), refuse)
    return inspector


def refuse(path: str, error: InputError) -> None:
    raise AssertionError(path) from error


def test_holes_are_found_good_plates_are_not_and_the_heat_is_where_the_hole_is(
    inspector: Inspector, tmp_path: Path
) -> None:
    score = inspector.scoring("plates", tmp_path / "heat")
    found, place = [], (150, 50)
    for seed in range(100, 110):
        for name, hole in (("good", None), ("bad", place)):
            cv2.imwrite(str(tmp_path / f"{name}-{seed}.png"), plate(seed, hole=hole))
        good, bad = (score(str(tmp_path / f"{name}-{seed}.png")) for name in ("good", "bad"))
        assert set(bad) == {"score", "threshold", "anomalous", "heatmap"}
        found.append((good["anomalous"], bad["anomalous"], bad["score"] > good["score"]))
        shown = read_picture(Path(bad["heatmap"])).astype(np.float64).max(2) - plate(seed, hole=place)
        top, left = np.unravel_index(cv2.GaussianBlur(shown, (0, 0), 6).argmax(), shown.shape)
        assert np.hypot(left - place[0], top - place[1]) < 14, "pixels from the hole"
    good_alarms, found_holes, told_apart = np.array(found).sum(0)
    assert good_alarms <= 2
    assert found_holes == told_apart == 10


def levels(dice: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a thing in fine and in coarse detail."""
    return dice.normal(size=(4, 4, 8)).astype(np.float32), dice.normal(size=(2, 2, 5)).astype(np.float32)


def test_what_scores_a_file_has_not_learnt_it() -> None:
    dice = np.random.default_rng(3)
    memory, lessons = LevelMemory([1, 1]), [levels(dice) for _ in range(12)]
    learning = Learning(memory)
    for lesson in lessons:
        learning.add(lesson)
    learning.judge()
    assert memory.scores.shape == (12, 3)
    assert max(memory.each(lesson)[0] for lesson in lessons) < 0.01, "what was learnt is known by heart"
    fresh = [memory.each(levels(dice)) for _ in range(50)]
    assert np.median(memory.scores, 0) == pytest.approx(np.median(fresh, 0), rel=0.25)


def test_many_files_are_judged_by_a_sample_of_every_fold() -> None:
    memory = LevelMemory([1], 20)
    learning = Learning(memory)
    for number in range(700):
        learning.add([np.full((1, 3), number % 7, np.float32)])
    learning.judge()
    assert 150 <= len(memory.scores) <= 300
    assert memory.count == 700


def test_learning_again_adds(models: Models, plates: Path, tmp_path: Path) -> None:
    inspector = Inspector(AnomalyStore(tmp_path), models)
    files = expanded([str(plates)])
    first = inspector.learn("plates", files[:12], refuse)
    second = inspector.learn("plates", files[12:], refuse)
    assert (first["files"], second["learnt"], second["files"]) == (12, 18, 30)
    assert second["cells"] == pytest.approx(30 / 12 * first["cells"])
    assert [record["files"] for record in inspector.known()] == [30]


def test_a_file_that_cannot_be_used_is_told_and_the_others_are_learnt(
    models: Models, plates: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    told = []
    inspector = Inspector(AnomalyStore(tmp_path), models)
    files = [*expanded([str(plates)])[:6], str(tmp_path / "notes.png"), str(tmp_path / "gone.png")]
    assert inspector.learn("plates", files, lambda path, error: told.append((path, str(error))))["learnt"] == 6
    assert [path for path, _ in told] == files[6:]


def sound(path: Path, seed: int, *, bang: bool = False) -> str:
    dice = np.random.default_rng(seed)
    samples = 0.02 * dice.normal(size=32_000)
    if bang:
        samples[16_000:16_800] += dice.normal(size=800) * np.exp(-np.arange(800) / 200)
    soundfile.write(path, samples, 16_000)
    return str(path)


def test_the_same_memory_works_on_sound(models: Models, tmp_path: Path) -> None:
    inspector = Inspector(AnomalyStore(tmp_path), models)
    learnt = inspector.learn("fan", [sound(tmp_path / f"{seed}.wav", seed) for seed in range(20)], refuse)
    assert learnt["kind"] == "sound"
    score = inspector.scoring("fan", None)
    assert not score(sound(tmp_path / "steady.wav", 77))["anomalous"]
    assert score(sound(tmp_path / "bang.wav", 78, bang=True))["anomalous"]
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(32_000), 16_000)
    assert score(str(silence))["anomalous"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../../etc/cron", "letters a to z"),
        (".hidden", "letters a to z"),
        ("", "letters a to z"),
        ("a/b", "letters a to z"),
        ("x" * 65, "letters a to z"),
        ("nobody", "nothing is learnt under 'nobody'; learnt: plates"),
    ],
)
def test_names_are_checked(inspector: Inspector, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        inspector.scoring(name, None)


def test_too_few_files_are_refused_and_nothing_is_kept(models: Models, plates: Path, tmp_path: Path) -> None:
    store = AnomalyStore(tmp_path)
    with pytest.raises(InputError, match="4 files can be used; learn plates from 5 or more"):
        Inspector(store, models).learn("plates", expanded([str(plates)])[:4], refuse)
    assert store.names() == []


def test_another_kind_of_file_is_refused(inspector: Inspector, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a picture, as those are that were learnt"):
        inspector.scoring("plates", None)(sound(tmp_path / "fan.wav", 1))


def test_another_model_makes_it_useless_and_that_is_said(models: Models, tmp_path: Path) -> None:
    store = AnomalyStore(tmp_path)
    memory = LevelMemory([1])
    memory.learn([np.ones((3, 160), np.float32)])
    store.save("plates", Normal(memory, "picture", "0" * 64, 9))
    inspector = Inspector(store, models)
    with pytest.raises(BundleError, match=r"plates was learnt with another model \(000000000000, now .*learn it again"):
        inspector.scoring("plates", None)
    with pytest.raises(BundleError, match="another model"):
        inspector.learn("plates", [], refuse)
    assert [record["usable"] for record in inspector.known()] == [False]


@pytest.mark.parametrize("content", [b"", b"PK no zip", b"\x93NUMPY"])
def test_a_damaged_file_is_named_and_can_be_forgotten(models: Models, tmp_path: Path, content: bytes) -> None:
    store = AnomalyStore(tmp_path)
    (tmp_path / "anomaly").mkdir()
    (tmp_path / "anomaly" / "plates.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"plates.npz is damaged"):
        store.find("plates")
    assert ["error" in record for record in Inspector(store, models).known()] == [True]
    store.forget("plates")
    assert store.names() == []
    with pytest.raises(InputError, match="learnt: nothing"):
        store.forget("plates")


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    (tmp_path / "anomaly").mkdir()
    arrays: dict[str, Any] = {"facts": np.array([print], dtype=object)}
    np.savez(tmp_path / "anomaly" / "trap.npz", **arrays)
    with pytest.raises(InputError, match="is damaged"):
        AnomalyStore(tmp_path).find("trap")


def test_a_folder_stands_for_the_files_in_it(plates: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    assert expanded(["one.png", str(plates)])[:2] == ["one.png", str(plates / "00.png")]
    with pytest.raises(InputError, match="holds no pictures and no sounds"):
        expanded([str(tmp_path)])
