from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from scripts.stage import CHECKPOINT, Stage, Workshop, code_sha256, sha256, write_atomically

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


def again(workshop: Workshop) -> Workshop:
    """Return the same place as the next program sees it."""
    return Workshop(workshop.recipe, workshop.data, workshop.teachers, workshop.build)


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
    assert record["seeds"] == {"text": 1}
    assert record["versions"].keys() >= {"python", "numpy"}
    assert record["seconds"] >= 0


@pytest.mark.parametrize(
    ("change", "fresh"),
    [
        pytest.param(lambda _: None, True, id="nothing changed"),
        pytest.param(lambda w: (w.data / "corpus.txt").write_text("a cat"), False, id="an input changed"),
        pytest.param(lambda w: (w.data / "maker.py").write_text("import os"), False, id="the code changed"),
        pytest.param(
            lambda w: (w.data / "maker.py").write_text("'''Why.'''\npass  # so"), True, id="a comment changed"
        ),
        pytest.param(lambda w: (w.folder("distil") / "text.pt").write_bytes(b"x"), False, id="an output changed"),
        pytest.param(lambda w: (w.folder("distil") / "text.pt").unlink(), False, id="an output is gone"),
        pytest.param(lambda w: (w.folder("distil") / "stage.json").write_text("{"), False, id="the record is no JSON"),
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
    assert open_stage(again(workshop)).fresh() is fresh


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


def test_code_is_what_it_does_not_how_it_is_written(tmp_path: Path) -> None:
    sources = ("def f(x):\n    return x+1\n", '"""Add."""\ndef f(x):\n    """Add one."""\n    return x + 1  # one\n')
    sums = set()
    for number, source in enumerate((*sources, "def f(x):\n    return x + 2\n")):
        (tmp_path / f"{number}.py").write_text(source, encoding="utf-8")
        sums.add(code_sha256(tmp_path / f"{number}.py"))
    assert len(sums) == 2


def test_two_programs_do_not_run_one_stage_at_once(workshop: Workshop) -> None:
    with open_stage(workshop):
        with pytest.raises(SystemExit, match=r"distil is running already in .*; wait for it or stop it"):
            run(again(workshop))
        (workshop.folder("distil") / "text.pt").write_bytes(b"weights")
    run(again(workshop))


def test_a_stage_that_is_done_leaves_no_checkpoint_one_that_is_stopped_keeps_it(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped() -> None:
        with open_stage(workshop) as stage:
            (stage.folder / CHECKPOINT).write_bytes(b"half way")
            raise KeyboardInterrupt

    with pytest.raises(SystemExit, match="130"):
        stopped()
    assert "distil: stopped; the same command goes on" in capsys.readouterr().err
    assert (workshop.folder("distil") / CHECKPOINT).exists()
    run(workshop)
    assert not (workshop.folder("distil") / CHECKPOINT).exists()


def test_time_spent_before_a_kill_counts(workshop: Workshop) -> None:
    with open_stage(workshop) as stage:
        stage.earlier_s = 1000.0
        (stage.folder / "text.pt").write_bytes(b"weights")
    record = json.loads((workshop.folder("distil") / "stage.json").read_text(encoding="utf-8"))
    assert record["seconds"] >= 1000.0


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        pytest.param(None, r"recipe\.toml is missing; give --recipe", id="no recipe"),
        pytest.param("name = ", r"recipe\.toml is not valid TOML: ", id="half a recipe"),
        pytest.param('name = "tiny"', r"recipe\.toml has no table \[text\]", id="no table"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_named(workshop: Workshop, recipe: str | None, message: str) -> None:
    if recipe is None:
        workshop.recipe.unlink()
    else:
        workshop.recipe.write_text(recipe, encoding="utf-8")
    with pytest.raises(SystemExit, match=message):
        workshop.table("text")
