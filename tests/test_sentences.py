from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_runtime.decision.intents import IntentMatcher
from edge_runtime.errors import InputError
from edge_runtime.sentences import home, load

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
language: en
intents:
  Answer:
    data:
      - sentences: [yes, no, on, off]
  Scene:
    data:
      - sentences:
          - "{scene} [mode] <end>"
lists:
  scene:
    values:
      - in: "(film|movie)"
        out: cinema
      - in: on
        out: off
      - 7
expansion_rules:
  end: please
"""


def test_words_that_yaml_would_take_for_truth_values_stay_words(tmp_path: Path) -> None:
    path = tmp_path / "home.yaml"
    path.write_text(GOOD)
    matcher = IntentMatcher(home(path, (), (), builtin=False))
    for word in ("yes", "no", "on", "off"):
        match = matcher.match(word)
        assert match is not None
        assert match.intent == "Answer"
    match = matcher.match("on please")
    assert match is not None
    assert match.slots == {"scene": "off"}
    assert matcher.match("7 mode please") is not None


def test_a_folder_of_files_is_one_set(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("intents: {A: {data: [{sentences: ['alpha <end>']}]}}")
    (tmp_path / "b.yml").write_text("intents: {A: {data: [{sentences: [beta]}]}}\nexpansion_rules: {end: now}")
    (tmp_path / "notes.txt").write_text("{{{")
    matcher = IntentMatcher([load(tmp_path, {})])
    assert matcher.match("alpha now") == matcher.match("beta") is not None


def test_the_homes_own_lists_may_be_used(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("intents: {Wake: {data: [{sentences: ['wake the {area}']}]}}")
    match = IntentMatcher(home(path, ("attic",), (), builtin=True)).match("wake the attic")
    assert match is not None
    assert (match.intent, match.slots) == ("Wake", {"area": "attic"})


HEAD = "intents:\n  Go:\n    data:\n      - sentences:\n"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        pytest.param("", None, "no sentences", id="empty"),
        pytest.param("lists: {x: {values: [a]}}", None, "no sentences", id="lists alone"),
        pytest.param("intents: [", 1, "not YAML", id="not YAML"),
        pytest.param("a: b\n  c: d", 2, "not YAML", id="wrong indentation"),
        pytest.param("- just\n- a list", 1, "mapping", id="a list instead of a mapping"),
        pytest.param("intents: 5", 1, "mapping", id="a number for the intents"),
        pytest.param("language: de\nintents: {}", 1, "only 'en'", id="another language"),
        pytest.param("intents:\n  Go: {}", 2, "Go: data", id="an intent without data"),
        pytest.param("intents:\n  Go: {data: [{sentences: []}]}", 2, "Go: sentences", id="no sentence in the list"),
        pytest.param(HEAD + "          - go\n          - ''\n", 6, "not a sentence", id="an empty sentence"),
        pytest.param(HEAD + "          - go\n          - go (now\n", 6, "bracket", id="an open bracket"),
        pytest.param(HEAD + "          - go to {moon}\n", 5, "{moon}", id="a list that is nowhere"),
        pytest.param(HEAD + "          - <soon>\n", 5, "<soon>", id="a rule that is nowhere"),
        pytest.param(
            HEAD + "          - <a>\nexpansion_rules:\n  a: <a>\n", 5, "refers to itself", id="a rule in itself"
        ),
        pytest.param(HEAD + "          - '{x}'\nlists:\n  x: {}\n", 7, "values, range or wildcard", id="an empty list"),
        pytest.param(
            HEAD + "          - '{x}'\nlists:\n  x: {range: {from: 9, to: 1}}\n", 7, "range", id="a range upside down"
        ),
        pytest.param(
            HEAD + "          - '{x}'\nlists:\n  x:\n    values:\n      - '(a'\n", 9, "bracket", id="a bad value"
        ),
    ],
)
def test_bad_files_say_where_and_why(tmp_path: Path, text: str, line: int | None, reason: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load(path, {})
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: " if line else f"{path}:")
    assert reason in message
    assert "\n" not in message


@pytest.mark.parametrize("make", ["missing", "folder", "bytes"])
def test_unreadable_files(tmp_path: Path, make: str) -> None:
    path = tmp_path / "x.yaml"
    if make == "folder":
        path.mkdir()
    if make == "bytes":
        path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"x\.yaml"):
        load(path, {})


def test_names_from_the_settings_are_checked() -> None:
    with pytest.raises(InputError, match=r"voice\.names: 'lamp \(big': .*bracket"):
        home(None, (), ("lamp (big",), builtin=True)
