from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="the extra [build] is not installed")
train = pytest.importorskip("scripts.train", reason="the extra [build] is not installed")
text_teacher = pytest.importorskip("models.omni_nano.text_teacher", reason="the extra [build] is not installed")
# torch announces what it will drop one day.
pytestmark = pytest.mark.filterwarnings("ignore")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.scripts.conftest import Factory

KEPT = ("boxes.pt", "cutouts.pt", "opinions.pt", "words.pt")


@pytest.fixture(scope="module", autouse=True)
def teachers(album: Factory, made_up: Callable[[pytest.MonkeyPatch], None]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        made_up(patch)
        patch.setattr(text_teacher, "folder", lambda: album.root / "packages" / text_teacher.PACKAGE / "model")
        yield


@pytest.fixture(scope="module")
def whole(album: Factory, tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Return the factory after one run that nothing disturbed."""
    factory = album.copy(tmp_path_factory.mktemp("whole") / "factory")
    train.run(factory.workshop())
    return factory


@pytest.fixture
def factory(album: Factory, tmp_path: Path) -> Factory:
    return album.copy(tmp_path / "factory")


def weights(factory: Factory) -> Any:
    state = torch.load(factory.folder("train") / "image.pt", weights_only=True)["model"]
    return torch.cat([value.flatten().float() for value in state.values()])


def same(one: Factory, other: Factory) -> bool:
    """Compare to 1e-3, weights and numbers."""
    numbers = [factory.record("train")["numbers"] for factory in (one, other)]
    far = float((weights(one) - weights(other)).abs().max())
    return far < 1e-3 and bool(numbers[0] == pytest.approx(numbers[1], abs=1e-3))


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(whole: Factory, factory: Factory) -> None:
    train.run(factory.workshop())
    assert same(factory, whole)
    factory.change("seed = 5", "seed = 6")
    train.run(factory.workshop())
    assert not same(factory, whole)
    assert [f.record("train")["seeds"] for f in (whole, factory)] == [{"vision": 5}, {"vision": 6}]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("told", "step", "status"),
    [
        pytest.param(signal.SIGKILL, 3, -signal.SIGKILL, id="killed"),
        pytest.param(signal.SIGTERM, 6, 128 + signal.SIGTERM, id="told to stop, when layers are rounded"),
    ],
)
def test_a_training_that_was_stopped_ends_with_the_numbers_of_one_that_was_not(
    whole: Factory, factory: Factory, told: int, step: int, status: int
) -> None:
    stopped = factory.run("train", told, f"step {step}")
    assert stopped.returncode == status, stopped.stderr
    assert not (factory.folder("train") / "stage.json").exists()
    again = factory.run("train")
    assert again.returncode == 0, again.stderr
    assert f"train: goes on after step {step}\n" in again.stderr
    assert same(factory, whole)
    assert not (factory.folder("train") / "checkpoint.pt").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_teachers_are_not_asked_again_what_they_answered_before_a_kill(whole: Factory, factory: Factory) -> None:
    killed = factory.run("train", signal.SIGKILL, "answer 3")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    cache = factory.folder("train") / "cache"
    before = {path.name: path.stat().st_mtime_ns for path in cache.glob("*.pt")}
    assert before.keys() == set(KEPT) - {"cutouts.pt"}
    train.run(factory.workshop())
    assert {name: (cache / name).stat().st_mtime_ns for name in before} == before
    assert same(factory, whole)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_detectors_go_on_in_the_middle_of_the_pictures(whole: Factory, factory: Factory) -> None:
    killed = factory.run("train", signal.SIGKILL, "picture 25")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    cache = factory.folder("train") / "cache"
    assert len(torch.load(cache / "boxes-part.pt", weights_only=False)[0]) == 20
    again = factory.run("train")
    assert "boxes:  50%" in again.stderr
    assert not (cache / "boxes-part.pt").exists()
    assert same(factory, whole)


def test_answers_about_other_pictures_are_forgotten(whole: Factory, tmp_path: Path) -> None:
    factory = whole.copy(tmp_path / "factory")
    (factory.root / "data" / "vision" / "new.txt").write_text("more", encoding="utf-8")
    cache = factory.folder("train") / "cache"
    before = {name: (cache / name).stat().st_mtime_ns for name in KEPT}
    train.run(factory.workshop())
    assert all((cache / name).stat().st_mtime_ns > before[name] for name in KEPT)
    assert same(factory, whole)
