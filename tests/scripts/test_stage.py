from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from scripts.stage import Stage, Workshop, sha256, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('name = "tiny"\n[text]\nseed = 1\n[other]\nseed = 2\n', encoding="utf-8")
    (tmp_path / "corpus.txt").write_text("a dog", encoding="utf-8")
    (tmp_path / "maker.py").write_text("pass", encoding="utf-8")
    return Workshop(recipe, tmp_path, tmp_path, tmp_path / "build")


def open_stage(workshop: Workshop) -> Stage:
    folder = workshop.data
    return Stage(
        workshop,
        "distil",
        inputs={"corpus.txt": folder / "corpus.txt"},
        code=[folder / "maker.py"],
        tables=("text",),
        outputs=("text.pt",),
    )


def run(workshop: Workshop) -> None:
    with open_stage(workshop) as stage:
        (stage.folder / "text.pt").write_bytes(b"weights")
        stage.numbers["cosine"] = 0.9


def test_a_stage_records_what_went_in_and_what_came_out(workshop: Workshop) -> None:
    run(workshop)
    record = json.loads((workshop.folder("distil") / "stage.json").read_text(encoding="utf-8"))
    assert record["inputs"] == {"corpus.txt": sha256(workshop.data / "corpus.txt")}
    assert record["outputs"] == {"text.pt": sha256(workshop.folder("distil") / "text.pt")}
    assert record["settings"] == {"text": {"seed": 1}}
    assert record["numbers"] == {"cosine": 0.9}
    assert record["versions"]["numpy"]


@pytest.mark.parametrize(
    ("change", "fresh"),
    [
        pytest.param(lambda _: None, True, id="nothing changed"),
        pytest.param(lambda w: (w.data / "corpus.txt").write_text("a cat"), False, id="an input changed"),
        pytest.param(lambda w: (w.data / "maker.py").write_text("pass  #"), False, id="the code changed"),
        pytest.param(lambda w: (w.folder("distil") / "text.pt").write_bytes(b"x"), False, id="an output changed"),
        pytest.param(lambda w: (w.folder("distil") / "text.pt").unlink(), False, id="an output is gone"),
        pytest.param(lambda w: w.recipe.write_text('name = "tiny"\n[text]\nseed = 3'), False, id="a setting changed"),
        pytest.param(
            lambda w: w.recipe.write_text('name = "tiny"\n[text]\nseed = 1\n[other]\nseed = 3'),
            True,
            id="only another stage's setting changed",
        ),
    ],
)
def test_a_stage_runs_again_only_for_a_reason(
    workshop: Workshop, change: Callable[[Workshop], object], fresh: bool
) -> None:
    assert not open_stage(workshop).fresh()
    run(workshop)
    change(workshop)
    assert open_stage(workshop).fresh() is fresh


def test_a_stage_that_fails_leaves_no_record(workshop: Workshop) -> None:
    with pytest.raises(RuntimeError), open_stage(workshop):
        raise RuntimeError
    assert not open_stage(workshop).fresh()


def test_a_missing_input_is_named(workshop: Workshop) -> None:
    (workshop.data / "corpus.txt").unlink()
    with pytest.raises(SystemExit, match=r"distil needs corpus\.txt"):
        run(workshop)


def test_the_stage_to_run_first_is_named(workshop: Workshop) -> None:
    with pytest.raises(SystemExit, match=r"run scripts/train\.py first"):
        workshop.output("train", "image.pt")


def test_a_folder_has_one_sum_whatever_wrote_it(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_atomically(tmp_path / name / "part.txt", "same")
    assert sha256(tmp_path / "a") == sha256(tmp_path / "b")
    write_atomically(tmp_path / "b" / "part.txt", "other")
    assert sha256(tmp_path / "a") != sha256(tmp_path / "b")


def test_a_killed_distillation_goes_on_where_it_stopped(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the build extra is not installed")
    pytest.importorskip("transformers", reason="the build extra is not installed")
    script = tmp_path / "tiny.py"
    script.write_text(TINY, encoding="utf-8")
    command = [sys.executable, str(script), str(tmp_path)]
    killed = subprocess.run([*command, "die"], capture_output=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split()[0] == "resumed-at-step-3"
    assert done.stdout.split()[1] == "finished-at-step-6"


TINY = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    import numpy as np
    from scripts import distil
    from models.omni_nano import text

    folder, dies = Path(sys.argv[1]), len(sys.argv) > 2
    settings = dict(hidden=32, layers=1, heads=1, intermediate=32, max_tokens=8, seed=1, batch=4, steps=6, warm_up=1,
                    learning_rate=1e-3, loss=dict(cosine=1.0, tokens=1.0, relations=1.0))
    dice = np.random.default_rng(1)
    vectors = dice.normal(size=(8, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    lesson = distil.Lesson([[1, 2, 3]] * 8, dice.normal(size=(24, 384)).astype(np.float16), np.arange(8) * 3, vectors)
    distil.CHECKPOINT_EVERY_S = 0.0
    checkpoint = folder / "checkpoint.pt"
    before = distil.load_checkpoint(checkpoint)
    print("resumed-at-step-%d" % (before["step"] if before else 0))
    if dies:
        save = distil.save_checkpoint
        def save_and_die(path, **state):
            save(path, **state)
            if state["step"] == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        distil.save_checkpoint = save_and_die
    distil.learn(text.build(settings, 8), lesson, settings, checkpoint, "tokenizer")
    print("finished-at-step-%d" % distil.load_checkpoint(checkpoint)["step"])
    """
)
