from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_runtime.verbs.gate_charts import chart

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KNOWN = ("switch on the {} lamp", "how many people are in the {}", "is there a cat in the {}")
UNKNOWN = ("who wrote the book about the {}", "what is the capital near the {}", "how do I repair a {} engine")
THINGS = ("kitchen", "garden", "red", "old", "little", "garage", "hall", "blue", "big", "quiet", "far", "near")


def rows(count: int, seed: int, **more: Any) -> str:
    random = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        known = random.random() < 0.5
        prompt = str(random.choice(KNOWN if known else UNKNOWN)).format(random.choice(THINGS))
        right = random.random() < (0.98 if known else 0.05)
        row = {"prompt": prompt, "local_correct": bool(right), "cloud_correct": bool(random.random() < 0.95)}
        lines.append(json.dumps(row | more))
    return "\n".join(lines) + "\n"


def settings_file(folder: Path, **more: Any) -> str:
    path = folder / "settings.yaml"
    path.write_text(json.dumps({"device": {"data_dir": str(folder / "data")}, **more}))
    return str(path)


def test_from_rows_to_a_gate_that_is_in_force(
    tmp_path: Path, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    config = settings_file(tmp_path)
    (tmp_path / "a.jsonl").write_text(rows(300, 0))
    (tmp_path / "b.jsonl").write_text(rows(300, 1))
    code, out, err = command_line("gate", "fit", str(tmp_path / "a.jsonl"), "--config", config)
    assert (code, err) == (0, "")
    assert "stay here" in out
    assert "with probability 90%, at most 5.0%" in out
    path = tmp_path / "data" / "gate.json"
    assert path.stat().st_mode & 0o077 == 0, "it knows what was asked"
    assert path.stat().st_size < 2_000_000

    code, out, _ = command_line("gate", "eval", str(tmp_path / "b.jsonl"), "--config", config, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["risk"] <= 0.05
    assert found["coverage"] > 0.3
    assert found["aurc_oracle"] <= found["aurc"] < found["aurc_random"]
    assert found["at_cloud_quality"]["95%"]["gate"] <= 0.6 < found["at_cloud_quality"]["95%"]["random"]
    assert not found["fitted_on_these"]

    code, out, _ = command_line("gate", "eval", str(tmp_path / "a.jsonl"), "--config", config)
    assert code == 0
    assert "these very rows" in out
    assert "share wrong among the kept" in out
    assert "share right, by share sent to the cloud" in out

    code, out, _ = command_line("gate", "status", "--config", config)
    assert code == 0
    assert "no drift in 0 answers" in out
    code, out, _ = command_line("ask", "what time is it?", "--config", config, "--json")
    assert json.loads(out)["origin"] == "local", "a skill that is certain stays so"


def test_rows_come_from_standard_input_too(tmp_path: Path, command_line: Callable[..., tuple[int, str, str]]) -> None:
    config = settings_file(tmp_path)
    made = str(tmp_path / "g.json")
    code, out, _ = command_line(
        "gate", "fit", "-", "--out", made, "--config", config, "--json", stdin=rows(60, 0, score=0.5)
    )
    assert code == 0
    record = json.loads(out)
    assert record["rows"] == 60
    assert not record["in_force"]
    assert record["threshold"] > 1
    assert "at least" in record["shortage"]
    code, out, _ = command_line("gate", "eval", "-", "--gate", made, "--config", config, stdin=rows(60, 0, score=0.5))
    assert code == 0
    assert "0.0% kept" in out


def test_nothing_was_fitted_yet(tmp_path: Path, command_line: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = command_line("gate", "status", "--config", settings_file(tmp_path))
    assert code == 0
    assert "no gate was fitted" in out
    code, _, err = command_line("gate", "eval", "-", "--config", settings_file(tmp_path), stdin=rows(20, 0))
    assert code == 2
    assert "gate fit" in err


@pytest.mark.parametrize(
    ("stdin", "more", "what"),
    [
        pytest.param("", (), "no rows", id="an empty file"),
        pytest.param('{"prompt": "a", "local_correct": true}\n{', (), "line 2 is no JSON", id="half a line"),
        pytest.param("[1]", (), "line 1 is no JSON object", id="a list"),
        pytest.param('{"prompt": "a", "local_correct": "no"}', (), "line 1: local_correct is 'no'", id="no truth"),
        pytest.param('{"prompt": "a", "local_correct": 1, "score": NaN}', (), "score is nan", id="no score"),
        pytest.param("[" * 100_000, (), "line 1 is no JSON", id="a very deep line"),
        pytest.param(rows(30, 0), ("--alpha", "0"), "alpha is 0", id="nothing may be wrong"),
        pytest.param(rows(30, 0), ("--delta", "1.5"), "delta is 1.5", id="no probability"),
    ],
)
def test_what_cannot_be_fitted(
    tmp_path: Path, command_line: Callable[..., tuple[int, str, str]], stdin: str, more: tuple[str, ...], what: str
) -> None:
    code, out, err = command_line("gate", "fit", "-", "--config", settings_file(tmp_path), *more, stdin=stdin)
    assert (code, out) == (2, "")
    assert what in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("row", "status", "what"),
    [
        pytest.param({"skill": "presence"}, 2, "rows of skill 'presence' have no score", id="its score is wanted"),
        pytest.param(
            {"skill": "counting", "score": 0.9}, 0, "no rows of skill counting: 1 questions", id="a new skill"
        ),
    ],
)
def test_rows_that_a_gate_cannot_judge_are_said(
    tmp_path: Path, command_line: Callable[..., tuple[int, str, str]], row: dict[str, object], status: int, what: str
) -> None:
    made, config = str(tmp_path / "g.json"), settings_file(tmp_path)
    fitted = "".join(
        json.dumps({"prompt": f"{n}", "skill": "presence", "score": n / 30, "local_correct": n > 9}) + "\n"
        for n in range(30)
    )
    command_line("gate", "fit", "-", "--out", made, "--config", config, stdin=fitted)
    judged = json.dumps({"prompt": "is there a dog", "local_correct": True, **row})
    code, out, err = command_line("gate", "eval", "-", "--gate", made, "--config", config, stdin=judged)
    assert code == status
    assert what in out + err


def test_a_file_that_is_not_there(tmp_path: Path, command_line: Callable[..., tuple[int, str, str]]) -> None:
    code, _, err = command_line("gate", "fit", str(tmp_path / "none.jsonl"), "--config", settings_file(tmp_path))
    assert code == 2
    assert "none.jsonl" in err


@pytest.mark.parametrize("name", ["plot.png", "plot.svg"])
def test_a_plot(tmp_path: Path, name: str, command_line: Callable[..., tuple[int, str, str]]) -> None:
    pytest.importorskip("matplotlib", reason="the extra [plot] is not installed")
    made, config = str(tmp_path / "g.json"), settings_file(tmp_path)
    command_line("gate", "fit", "-", "--out", made, "--config", config, stdin=rows(40, 0))
    code, _, err = command_line(
        "gate", "eval", "-", "--gate", made, "--plot", str(tmp_path / name), "--config", config, stdin=rows(40, 1)
    )
    assert (code, err) == (0, "")
    assert (tmp_path / name).stat().st_size > 5_000


def test_a_plot_of_an_unknown_kind(tmp_path: Path, command_line: Callable[..., tuple[int, str, str]]) -> None:
    made, config = str(tmp_path / "g.json"), settings_file(tmp_path)
    command_line("gate", "fit", "-", "--out", made, "--config", config, stdin=rows(40, 0))
    code, _, err = command_line(
        "gate", "eval", "-", "--gate", made, "--plot", "x.bmp", "--config", config, stdin=rows(40, 1)
    )
    assert code == 2
    assert ".png" in err


@pytest.mark.parametrize("braille", [True, False])
def test_charts_keep_within_the_terminal(*, braille: bool) -> None:
    drawn = chart([("rising", lambda x: x), ("flat", lambda _: 0.3)], "a chart", braille=braille)
    assert max(map(len, drawn.splitlines())) <= 80
    assert drawn.isascii() is not braille
