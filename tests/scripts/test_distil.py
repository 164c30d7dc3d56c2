from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [build] is not installed")
distil = pytest.importorskip("scripts.distil", reason="the extra [build] is not installed")
text_teacher = pytest.importorskip("models.omni_nano.text_teacher", reason="the extra [build] is not installed")
sentences = pytest.importorskip("models.omni_nano.sentences", reason="the extra [build] is not installed")
# torch and optimum announce what they will drop one day.
pytestmark = pytest.mark.filterwarnings("ignore")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.scripts.conftest import Factory


@pytest.fixture(scope="module", autouse=True)
def little_to_learn(source: Factory, few: Callable[[pytest.MonkeyPatch], None]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        few(patch)
        patch.setattr(text_teacher, "folder", lambda: source.root / "packages" / text_teacher.PACKAGE / "model")
        yield


@pytest.fixture(scope="module")
def whole(source: Factory, tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Return the factory after one run that nothing disturbed."""
    factory = source.copy(tmp_path_factory.mktemp("whole") / "factory")
    distil.run(factory.workshop())
    return factory


@pytest.fixture
def factory(source: Factory, tmp_path: Path) -> Factory:
    return source.copy(tmp_path / "factory")


def weights(factory: Factory) -> Any:
    tower = distil.text.load(factory.folder("distil") / "text.pt")[0]
    return torch.cat([p.detach().flatten() for p in tower.parameters()]).numpy()


def same(one: Factory, other: Factory) -> bool:
    """Compare to 1e-3, weights and numbers."""
    numbers = [factory.record("distil")["numbers"] for factory in (one, other)]
    far = float(np.abs(weights(one) - weights(other)).max())
    return far < 1e-3 and bool(numbers[0] == pytest.approx(numbers[1], abs=1e-3))


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(whole: Factory, factory: Factory) -> None:
    distil.run(factory.workshop())
    assert same(factory, whole)
    factory.change("seed = 7", "seed = 8")
    distil.run(factory.workshop())
    assert not same(factory, whole)
    assert [f.record("distil")["seeds"] for f in (whole, factory)] == [{"text": 7}, {"text": 8}]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("told", "moment", "status", "resumes"),
    [
        pytest.param(signal.SIGKILL, "step 12", -signal.SIGKILL, 12, id="killed in the second epoch"),
        pytest.param(signal.SIGTERM, "step 5", 128 + signal.SIGTERM, 5, id="told to stop"),
    ],
)
def test_a_training_that_was_stopped_ends_with_the_numbers_of_one_that_was_not(
    whole: Factory, factory: Factory, told: int, moment: str, status: int, resumes: int
) -> None:
    stopped = factory.run("distil", told, moment)
    assert stopped.returncode == status, stopped.stderr
    assert ("stopped by" in stopped.stderr) == (status > 0)
    assert not (factory.folder("distil") / "stage.json").exists()
    again = factory.run("distil")
    assert again.returncode == 0, again.stderr
    assert f"distil: goes on after step {resumes}\n" in again.stderr
    assert same(factory, whole)
    assert not (factory.folder("distil") / "checkpoint.pt").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_teacher_is_not_asked_again_what_it_answered_before_a_kill(whole: Factory, factory: Factory) -> None:
    # Two answers fill a part: the first part is whole, the second half done.
    killed = factory.run("distil", signal.SIGKILL, "answer 4")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (half,) = factory.folder("distil").glob("teacher-*/partial-*")
    (done,) = set(factory.folder("distil").glob("teacher-*/*")) - {half}
    written = (done / next(done.iterdir()).name).stat().st_mtime_ns
    distil.run(factory.workshop())
    assert (done / next(done.iterdir()).name).stat().st_mtime_ns == written
    assert not half.exists()
    assert same(factory, whole)


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        pytest.param(("", ""), False, id="nothing changed"),
        pytest.param(("[text]", "[other]\nseed = 1\n[text]"), False, id="a table that it does not read"),
        pytest.param(("steps = 24", "steps = 2"), True, id="a setting"),
    ],
)
def test_it_runs_again_only_for_a_reason(
    whole: Factory, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], runs: bool
) -> None:
    factory = whole.copy(tmp_path / "factory")
    factory.change(*change)
    distil.run(factory.workshop())
    assert ("nothing has changed" in capsys.readouterr().out) is not runs


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        pytest.param("data/text", "distil needs data/text (", id="a folder"),
        pytest.param("teachers/imagenet_labels.txt", "distil needs teachers/imagenet_labels.txt (", id="a file"),
        pytest.param("recipe.toml", "give --recipe models/NAME/recipe.toml", id="the recipe"),
    ],
)
def test_what_is_missing_is_named(factory: Factory, gone: str, message: str) -> None:
    (factory.root / gone).rename(factory.root / "elsewhere")
    with pytest.raises(SystemExit, match=re.escape(message)):
        distil.run(factory.workshop())
    assert not factory.folder("distil").exists()


def test_too_few_sentences_for_a_batch_are_an_error_not_an_endless_loop() -> None:
    lesson = distil.Lesson([[1, 2]] * 3, np.zeros((6, 384), np.float16), np.arange(3) * 2, np.zeros((3, 384)))
    with pytest.raises(SystemExit, match="3 sentences do not fill a batch of 4"):
        next(distil.batches(lesson, 4, 1))


@pytest.mark.parametrize("first", [0, 1, 4, 5, 11])
def test_a_step_has_the_same_batch_wherever_one_begins(first: int) -> None:
    ids = [[1] * (1 + number % 7) for number in range(21)]
    lesson = distil.Lesson(ids, np.zeros((0, 384), np.float16), np.zeros(21), np.zeros((21, 384)))
    from_start, later = distil.batches(lesson, 4, 1), distil.batches(lesson, 4, 1, first)
    for _ in range(first):
        next(from_start)
    for _ in range(7):
        assert (next(from_start) == next(later)).all()
