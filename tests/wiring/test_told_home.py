from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_runtime.wiring.told_home import ToldHome

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_gone_is_known_after_a_restart_until_it_is_back(tmp_path: Path) -> None:
    assert not ToldHome(tmp_path).known
    assert ToldHome(tmp_path).gone({"a": "sensor", "b": "switch"}) == {}
    assert ToldHome(tmp_path).known
    assert ToldHome(tmp_path).gone({"b": "switch"}) == {"a": "sensor"}
    assert ToldHome(tmp_path).gone({"b": "switch"}) == {"a": "sensor"}, "a home that was away would have missed it"
    assert ToldHome(tmp_path).gone({"a": "sensor"}) == {"b": "switch"}


def test_topics_that_hold_something_no_more_are_emptied_once(tmp_path: Path) -> None:
    assert ToldHome(tmp_path).empty(["x", "y"]) == []
    assert ToldHome(tmp_path).empty(["y"]) == ["x"]
    assert ToldHome(tmp_path).empty(["y"]) == []


@pytest.mark.parametrize("content", ["", "[]", '{"components": 3}', '{"components": {}, "topics": 3}', "[" * 10**5])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "homeassistant.json").write_text(content)
    told = ToldHome(tmp_path)
    assert not told.known
    told.gone({"a": "sensor"})
    assert ToldHome(tmp_path).gone({}) == {"a": "sensor"}


def test_a_recording_leaves_nothing_on_disk() -> None:
    told = ToldHome(None)
    told.gone({"a": "sensor"})
    assert told.gone({}) == {"a": "sensor"}
