from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edge_runtime.errors import InputError
from edge_runtime.skills.labelled import Sentence, read_labelled

if TYPE_CHECKING:
    from pathlib import Path

CLINC = {
    "train": [["wake me", "alarm"], ["hello", "greeting"]],
    "oos_train": [["who won", "oos"]],
    "val": [["get me up", "alarm"]],
    "oos_val": [],
    "test": [["hi", "greeting"]],
    "oos_test": [["why", "oos"]],
}


def written(folder: Path, text: str) -> Path:
    path = folder / "sentences.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("none", ["null", '""', '"oos"'], ids=["null", "empty", "oos"])
def test_lines(tmp_path: Path, none: str) -> None:
    path = written(tmp_path, f'{{"text": "wake me", "intent": "alarm"}}\n\n{{"text": " why ", "intent": {none}}}\n')
    assert read_labelled(path) == [Sentence("wake me", "alarm"), Sentence("why", None)]


def test_a_single_line_is_no_other_layout(tmp_path: Path) -> None:
    assert read_labelled(written(tmp_path, '{"text": "hi", "intent": "greeting"}')) == [Sentence("hi", "greeting")]


@pytest.mark.parametrize(
    ("split", "default", "found"),
    [
        (None, ("train",), ["wake me", "hello", "who won"]),
        (None, ("test", "val", "train"), ["hi", "why"]),
        ("val", ("test",), ["get me up"]),
    ],
    ids=["fit takes train", "eval takes test", "the one named"],
)
def test_parts_of_clinc150(tmp_path: Path, split: str | None, default: tuple[str, ...], found: list[str]) -> None:
    path = written(tmp_path, json.dumps(CLINC))
    assert [sentence.text for sentence in read_labelled(path, split, default=default)] == found


def test_eval_takes_val_where_there_is_no_test(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps({name: part for name, part in CLINC.items() if "test" not in name}))
    assert [sentence.text for sentence in read_labelled(path, default=("test", "val", "train"))] == ["get me up"]


@pytest.mark.parametrize(
    ("text", "split", "said"),
    [
        pytest.param("", None, "no sentences", id="empty file"),
        pytest.param('{"text": "a", "intent": "b"}\n{"text": ', None, "line 2 is not JSON", id="broken line"),
        pytest.param('["a", "b"]', None, 'line 1 needs "text" and "intent"', id="not an object"),
        pytest.param('{"text": "a"}', None, 'line 1 needs "text" and "intent"', id="no intent"),
        pytest.param('{"text": "", "intent": "b"}', None, "line 1: the text is ''", id="no text"),
        pytest.param('{"text": 3, "intent": "b"}', None, "line 1: the text is 3", id="a number for a text"),
        pytest.param('{"text": "a", "intent": 3}', None, "line 1: the intent is 3", id="a number for an intent"),
        pytest.param('{"text": "a", "intent": "b"}', "test", "--split test", id="a split of lines"),
        pytest.param(json.dumps(CLINC), "dev", "no split 'dev'; it has train, val, test", id="no such split"),
        pytest.param('{"oos_train": []}', None, "none of train, val and test", id="no split at all"),
        pytest.param('{"train": [["a", "b"], ["a"]]}', None, "train, entry 2 is not", id="half a pair"),
        pytest.param(json.dumps({"text": "a" * 3000, "intent": "b"}), None, "3000 characters", id="a document"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, split: str | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_labelled(written(tmp_path, text), split)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_labelled(tmp_path / "nope.jsonl")
    binary = tmp_path / "binary.jsonl"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_labelled(binary)
