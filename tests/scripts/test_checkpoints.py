from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from scripts.stage import CHECKPOINT, Stage, Workshop, load_checkpoint

torch = pytest.importorskip("torch", reason="the extra [build] is not installed")
checkpoints = pytest.importorskip("scripts.checkpoints", reason="the extra [build] is not installed")

if TYPE_CHECKING:
    from pathlib import Path


def stage(folder: Path, seed: int = 1, source: str = "pass", corpus: str = "a dog") -> Stage:
    (folder / "recipe.toml").write_text(f'name = "tiny"\n[text]\nseed = {seed}\n', encoding="utf-8")
    (folder / "maker.py").write_text(source, encoding="utf-8")
    (folder / "corpus.txt").write_text(corpus, encoding="utf-8")
    workshop = Workshop(folder / "recipe.toml", folder, folder, folder / "build")
    return Stage(workshop, "distil", {"corpus": folder / "corpus.txt"}, [folder / "maker.py"], ("text",))


def dice() -> list[float]:
    return [random.random(), float(np.random.random()), float(torch.rand(1))]  # noqa: NPY002  # a library may use it


def test_a_training_goes_on_with_its_state_its_dice_and_its_clock(tmp_path: Path) -> None:
    first, second = stage(tmp_path), stage(tmp_path)
    first.earlier_s = 100.0
    checkpoints.Checkpoints(first).save(5, {"weights": [1, 2]})
    wanted = dice()
    dice()
    assert checkpoints.Checkpoints(second).restore() == (5, {"weights": [1, 2]})
    assert dice() == wanted
    assert second.seconds >= first.earlier_s


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"seed": 2}, "setting text.seed", id="other settings"),
        pytest.param({"corpus": "a cat"}, "input corpus", id="other inputs"),
        pytest.param({"source": "import os"}, "code maker.py", id="other code"),
        pytest.param({"source": "pass  # why"}, None, id="another comment is the same code"),
    ],
)
def test_a_checkpoint_of_something_else_is_put_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], named: str | None
) -> None:
    checkpoints.Checkpoints(stage(tmp_path)).save(5, {})
    found = checkpoints.Checkpoints(stage(tmp_path, **change)).restore()
    assert (found is None) is (named is not None)
    said = capsys.readouterr().err
    if named:
        assert f"belongs to another {named}; it is kept as {CHECKPOINT}.old and the training starts anew" in said
    assert (tmp_path / f"build/tiny/distil/{CHECKPOINT}.old").exists() is (named is not None)


@pytest.mark.parametrize("told", checkpoints.SIGNALS)
def test_being_told_to_stop_ends_the_step_saves_and_leaves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], told: signal.Signals
) -> None:
    before = signal.getsignal(told)
    one = stage(tmp_path)
    steps: list[int] = []

    def train() -> None:
        with checkpoints.Checkpoints(one) as saving:
            for step in range(10):
                if step == 3:
                    signal.raise_signal(told)
                steps.append(step)
                saving.reached(step + 1, lambda: {"steps": list(steps)})

    with pytest.raises(SystemExit, match=str(128 + told)):
        train()
    assert steps == [0, 1, 2, 3]
    saved = load_checkpoint(one.folder / CHECKPOINT)
    assert saved is not None
    assert (saved["step"], saved["state"]) == (4, {"steps": steps})
    assert f"distil: stopped by {told.name} after step 4; the same command goes on" in capsys.readouterr().err
    assert signal.getsignal(told) == before


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    with checkpoints.Checkpoints(stage(tmp_path)):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(SystemExit, match="130"):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("every_s", "saved"), [pytest.param(0.0, 3, id="each step"), pytest.param(1e9, 0, id="rarely")]
)
def test_it_saves_as_often_as_it_should(tmp_path: Path, every_s: float, saved: int) -> None:
    asked: list[int] = []

    def state() -> dict[str, int]:
        asked.append(1)
        return {}

    with checkpoints.Checkpoints(stage(tmp_path), every_s) as saving:
        for step in range(3):
            saving.reached(step + 1, state)
    assert len(asked) == saved
