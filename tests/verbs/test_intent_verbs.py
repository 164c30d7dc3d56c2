from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INTENTS = {
    "alarm": "wake me at {}|set an alarm for {}|get me up at {}|i need an alarm at {}",
    "weather": "will it rain at {}|what is the weather at {}|is it sunny at {}|do i need an umbrella at {}",
    "taxi": "order me a taxi for {}|i need a cab at {}|call a taxi to come at {}|book a ride for {}",
}
STRANGE = (
    "who painted this ceiling", "what does my dog think", "seven times eight", "how do volcanoes work",
    "tell me about napoleon", "i like turtles", "what is the price of gold", "sing me something",
)  # fmt: skip


def lines(hours: tuple[str, ...], strange: tuple[str, ...]) -> str:
    rows: list[dict[str, Any]] = [
        {"text": pattern.format(hour), "intent": intent}
        for intent, patterns in INTENTS.items()
        for pattern in patterns.split("|")
        for hour in hours
    ]
    rows += [{"text": text, "intent": None} for text in strange]
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in a folder of its own, with its own data folder and two files of sentences."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "box.yaml").write_text(json.dumps({"device": {"data_dir": str(tmp_path / "data")}}))
    (tmp_path / "train.jsonl").write_text(lines(("seven", "noon", "ten"), STRANGE[:6]))
    (tmp_path / "test.jsonl").write_text(lines(("six", "half past nine"), STRANGE[6:]))
    return lambda *arguments, **more: command_line(*arguments, "--config", "box.yaml", **more)


def test_fit_eval_classify(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    status, out, err = run("intents", "fit", "train.jsonl", "--json")
    fitted = json.loads(out)
    assert status == 0, err
    assert (fitted["intents"], fitted["examples"], fitted["out_of_scope_examples"]) == (3, 42, 6)
    assert fitted["model"] == str(tmp_path / "data" / "intents.npz")
    assert fitted["cross_validation"]["in_scope_accuracy"] > 0.8

    status, out, err = run("intents", "eval", "test.jsonl", "--json")
    figures = json.loads(out)
    assert status == 0, err
    assert figures["in_scope_accuracy"] > 0.8
    assert (figures["in_scope"], figures["out_of_scope"]) == (24, 2)

    status, out, err = run(
        "intents", "classify", "-", "--json", stdin="please wake me at eight\nwhy is gold so heavy\n"
    )
    assert status == 0, err
    assert [json.loads(line)["intent"] for line in out.splitlines()] == ["alarm", None]


def test_the_words_say_the_same(run: Callable[..., tuple[int, str, str]]) -> None:
    status, out, _ = run("intents", "fit", "train.jsonl", "--out", "mine.npz")
    assert status == 0
    assert "3 intents from 42 sentences, 6 of them out of scope" in out
    assert "in-scope accuracy" in out
    status, out, _ = run("intents", "eval", "test.jsonl", "--model", "mine.npz")
    assert status == 0
    assert "out-of-scope recall" in out
    status, out, _ = run("intents", "classify", "a taxi at five please", "--model", "mine.npz")
    assert "taxi (" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["fit", "nope.jsonl"], "nope.jsonl cannot be read", id="missing file"),
        pytest.param(["fit", "broken.jsonl"], "broken.jsonl, line 2 is not JSON", id="broken line"),
        pytest.param(["fit", "one.jsonl"], "two classes at least", id="one intent"),
        pytest.param(["eval", "test.jsonl"], "intents fit", id="nothing fitted yet"),
        pytest.param(["eval", "test.jsonl", "--model", "test.jsonl"], "is no model of intents", id="not a model"),
        pytest.param(["classify", "hello"], "there is no model", id="no model to classify with"),
        pytest.param(["eval", "test.jsonl", "--split", "val"], "--split val", id="a split of lines"),
    ],
)
def test_mistakes_are_one_line(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "broken.jsonl").write_text('{"text": "a", "intent": "b"}\n{"text"\n')
    (tmp_path / "one.jsonl").write_text('{"text": "a", "intent": "b"}\n{"text": "c", "intent": "b"}\n')
    status, out, err = run("intents", *arguments)
    said_lines = [line for line in err.splitlines() if line.startswith("edge-runtime:")]
    assert (status, out) == (2, "")
    assert len(said_lines) == 1
    assert said in said_lines[0]


def test_an_intent_that_the_model_never_saw_is_named(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    assert run("intents", "fit", "train.jsonl")[0] == 0
    (tmp_path / "more.jsonl").write_text('{"text": "play jazz", "intent": "music"}\n')
    status, _, err = run("intents", "eval", "more.jsonl")
    assert status == 2
    assert "knows no intent 'music'" in err
