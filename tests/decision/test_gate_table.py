from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from edge_runtime.decision.gate_table import ANY_SKILL, read_table
from edge_runtime.errors import InputError

ROW: dict[str, Any] = {"prompt": "what time is it", "local_correct": True}


def test_rows_become_a_table() -> None:
    rows = [
        ROW | {"skill": "clock", "score": 1, "cloud_correct": False},
        {"prompt": "who is the pope", "local_correct": 0, "cloud_correct": 1.0, "more": "is not read"},
    ]
    table = read_table(enumerate(rows, 1))
    assert table.prompts == ("what time is it", "who is the pope")
    assert table.skills == ("clock", ANY_SKILL)
    assert table.local.tolist() == [True, False]
    assert table.cloud is not None
    assert table.cloud.tolist() == [False, True]
    assert table.scores[0] == 1
    assert math.isnan(table.scores[1])
    assert table.scored.tolist() == [True, False]


def test_some_rows_of_a_table() -> None:
    table = read_table(enumerate([ROW | {"prompt": str(number)} for number in range(5)], 1)).chosen(np.array([3, 1]))
    assert table.prompts == ("3", "1")
    assert len(table) == 2
    assert table.cloud is None


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        pytest.param([], "no rows", id="no rows"),
        pytest.param([ROW, {"local_correct": True}], "line 2: prompt is None", id="no prompt"),
        pytest.param([ROW | {"prompt": " "}], "line 1: prompt is ' '", id="an empty prompt"),
        pytest.param([ROW | {"prompt": 5}], "line 1: prompt is 5", id="a prompt that is no text"),
        pytest.param([{"prompt": "a"}], "line 1 has no local_correct", id="nobody knows who was right"),
        pytest.param([ROW | {"local_correct": "yes"}], "line 1: local_correct is 'yes'", id="right in words"),
        pytest.param([ROW | {"local_correct": 0.7}], "local_correct is 0.7", id="half right"),
        pytest.param([ROW | {"cloud_correct": []}], "cloud_correct is ", id="a list"),
        pytest.param(
            [ROW | {"cloud_correct": True}, ROW], "line 2 has no cloud_correct", id="cloud known of one alone"
        ),
        pytest.param([ROW | {"score": math.nan}], "line 1: score is nan", id="a score that is no number"),
        pytest.param([ROW | {"score": math.inf}], "line 1: score is inf", id="an endless score"),
        pytest.param([ROW | {"score": 10**400}], "line 1: score is 1000", id="a score beyond every float"),
        pytest.param([ROW | {"score": True}], "line 1: score is True", id="a score that is a truth"),
        pytest.param([ROW | {"score": "0.5"}], "line 1: score is '0.5'", id="a score that is a text"),
        pytest.param([ROW | {"score": 0.5}, ROW], "line 2 has no score", id="a score is missing"),
        pytest.param([ROW, ROW | {"score": 0.5}], "line 1 has no score", id="scores begin too late"),
        pytest.param([ROW | {"skill": ""}], "line 1: skill is ''", id="a skill without a name"),
    ],
)
def test_rows_that_cannot_be_used(rows: list[dict[str, Any]], what: str) -> None:
    with pytest.raises(InputError, match=what):
        read_table(enumerate(rows, 1))
