from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts import build_model
from scripts.stage import Workshop

if TYPE_CHECKING:
    from collections.abc import Callable

EARS = ("lexicon", "speak", "listen", "train_sounds", "calibrate_ears", "calibrate_sounds")
# A stage that leaves a record, or waits until it is told to stop, or fails: as its recipe says.
SCRIPT = """
import signal, sys, time
from pathlib import Path
from scripts.stage import Stage, Workshop

workshop = Workshop.from_arguments("")
name = Path(__file__).stem
settings = workshop.settings.get(name, {})
if "fails" in settings:
    raise SystemExit(3)
stage = Stage(workshop, name, {}, tables=(name,), outputs=("out.txt",), part=settings.get("part", ""))
if stage.fresh():
    raise SystemExit
with stage:
    if "waits" in settings:
        def stop(number, _):
            (stage.folder / "saved.txt").write_text("a last checkpoint")
            raise SystemExit(128 + number)
        signal.signal(signal.SIGTERM, stop)
        (stage.folder / "ready.txt").touch()
        time.sleep(60)
    (stage.folder / "out.txt").write_text("out")
    stage.numbers |= {"loss": 0.123456, "bytes": 1234567, "int8": {"recall": 0.5}}
"""


@pytest.fixture
def build(tmp_path: Path) -> Callable[[str], subprocess.Popen[str]]:
    """Return a function that starts the real build_model.py on stages that only pretend."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    source = Path(build_model.__file__)
    for name in ("stage.py", "writing.py", "build_model.py"):
        (scripts / name).write_bytes(source.with_name(name).read_bytes())
    for stage in build_model.STAGES:
        (scripts / f"{stage}.py").write_text(SCRIPT, encoding="utf-8")

    def start(recipe: str) -> subprocess.Popen[str]:
        (tmp_path / "recipe.toml").write_text(f'name = "tiny"\n{recipe}', encoding="utf-8")
        command = [sys.executable, str(scripts / "build_model.py")]
        command += [f"--recipe={tmp_path / 'recipe.toml'}", f"--build={tmp_path / 'build'}"]
        environment = {"PYTHONPATH": str(tmp_path)}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return start


def rows(output: str) -> list[list[str]]:
    lines = output.splitlines()
    return [line.split() for line in lines[next(i for i, line in enumerate(lines) if line.startswith("stage ")) + 1 :]]


def test_a_table_says_what_ran_what_was_fresh_and_what_came_out(build: Callable[[str], subprocess.Popen[str]]) -> None:
    recipe = 'stages = ["distil", "export"]\n[export]\npart = "text"\n'
    first = rows(build(recipe).communicate(timeout=60)[0])
    assert [row[:-7] for row in first] == [["distil", "run"], ["export", "text", "run"]]
    assert " ".join(first[0][-6:]) == "bytes 1234567, int8.recall 0.5, loss 0.1235"
    second = rows(build(f"{recipe}new = 1\n").communicate(timeout=60)[0])
    assert [row[:-7] for row in second] == [["distil", "fresh"], ["export", "text", "run"]]


@pytest.mark.parametrize(
    ("tables", "ears"),
    [
        pytest.param((), (), id="no table of theirs"),
        pytest.param(("lexicon", "spoken"), ("lexicon", "speak"), id="some"),
        pytest.param(
            ("lexicon", "spoken", "phones", "trials"),
            ("lexicon", "speak", "listen", "calibrate_ears"),
            id="all of those for speech",
        ),
        pytest.param(("sounds",), ("train_sounds", "calibrate_sounds"), id="those for sounds"),
    ],
)
def test_a_recipe_without_ears_is_built_without_them(
    tmp_path: Path, tables: tuple[str, ...], ears: tuple[str, ...]
) -> None:
    (tmp_path / "recipe.toml").write_text("\n".join(f"[{table}]" for table in ("name", *tables)), encoding="utf-8")
    made = build_model.chosen(Workshop(tmp_path / "recipe.toml", tmp_path, tmp_path, tmp_path))
    always = [name for name in build_model.STAGES if name not in build_model.NEEDED]
    assert [name for name in made if name in always] == always
    assert tuple(name for name in made if name in build_model.NEEDED and name in EARS) == ears


def test_records_of_the_ears_lie_beside_those_of_the_eyes(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('name = "tiny"', encoding="utf-8")
    workshop = Workshop(tmp_path / "recipe.toml", tmp_path, tmp_path, tmp_path)
    folder = workshop.folder("calibrate")
    folder.mkdir(parents=True)
    for name in ("stage.json", "stage.ears.json", "stage.sounds.json"):
        (folder / name).write_text('{"numbers": {}, "seconds": 1.0}', encoding="utf-8")
    assert list(build_model.records(workshop, "calibrate")) == [folder / "stage.json"]
    assert list(build_model.records(workshop, "calibrate_ears")) == [folder / "stage.ears.json"]
    assert list(build_model.records(workshop, "calibrate_sounds")) == [folder / "stage.sounds.json"]
    assert build_model.row(folder / "stage.ears.json", "calibrate_ears", fresh=True).startswith("calibrate ears ")


def test_it_stops_at_the_first_stage_that_fails(build: Callable[[str], subprocess.Popen[str]]) -> None:
    done = build('stages = ["train", "distil", "export"]\n[distil]\nfails = true\n')
    output, _ = done.communicate(timeout=60)
    assert [row[:2] for row in rows(output)] == [["train", "run"], ["distil", "failed"]]
    assert done.returncode == 3


@pytest.mark.parametrize("told", [signal.SIGTERM])
def test_a_stage_may_save_before_the_build_ends(
    tmp_path: Path, build: Callable[[str], subprocess.Popen[str]], told: int
) -> None:
    running = build('stages = ["train", "export"]\n[train]\nwaits = true\n')
    folder = tmp_path / "build" / "tiny" / "train"
    deadline = time.monotonic() + 60
    while not (folder / "ready.txt").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(told)
    output, _ = running.communicate(timeout=60)
    assert (folder / "saved.txt").exists()
    assert rows(output) == [["train", "stopped"]]
    assert running.returncode == 128 + told


def test_stages_run_in_their_own_order_and_strange_ones_are_named(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    workshop = [Workshop(recipe, tmp_path, tmp_path, tmp_path) for _ in range(3)]
    tables = "".join(f"[{table}]\n" for table in set(build_model.NEEDED.values()))
    recipe.write_text(f'name = "tiny"\n{tables}', encoding="utf-8")
    assert build_model.chosen(workshop[0]) == build_model.STAGES
    recipe.write_text('stages = ["export", "distil"]', encoding="utf-8")
    assert build_model.chosen(workshop[1]) == ("distil", "export")
    recipe.write_text('stages = ["bake"]', encoding="utf-8")
    with pytest.raises(SystemExit, match="there is no stage bake; choose from faces, lexicon, speak"):
        build_model.chosen(workshop[2])


def test_a_long_row_is_cut(tmp_path: Path) -> None:
    record = {"numbers": {f"number_{n}": n for n in range(50)}, "seconds": 1.0}
    (tmp_path / "stage.json").write_text(json.dumps(record), encoding="utf-8")
    line = build_model.row(tmp_path / "stage.json", "evaluate", fresh=False)
    assert len(line) <= build_model.WIDTH
    assert line.endswith(" …")
