from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cloud_rig import USED_USD, Rig, asked
from openai_server import Endpoint, completion, failure

from edge_runtime.answer_sections import BudgetSettings
from edge_runtime.cloud.answer_format import AnswerFormat
from edge_runtime.errors import BudgetExceededError, CloudProtocolError
from edge_runtime.prompts.book import PromptBook
from edge_runtime.types import Origin

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["colour", "count"],
    "additionalProperties": False,
}
GOOD = '{\n  "colour": "dark  red",\n  "count": 2\n}'
BAD = '{"colour": "red", "count": "two"}'


def test_json_comes_back_as_it_was_sent(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [completion(GOOD)]
    heard: list[str] = []
    answer = rig.make(endpoint.url).answer(asked(schema=SCHEMA, on_text=heard.append))
    assert answer.text == GOOD, "white space within strings is part of them"
    assert heard == [GOOD], "heard once it has been checked"
    sent = endpoint.requests[0]["response_format"]
    assert sent == {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}


@pytest.mark.parametrize(
    ("replies", "requests"),
    [
        pytest.param([GOOD], 1, id="right at once"),
        pytest.param([BAD, GOOD], 2, id="right once it was told what is wrong"),
        pytest.param(["red, two", GOOD], 2, id="words first"),
    ],
)
def test_a_wrong_shape_is_corrected_once(rig: Rig, endpoint: Endpoint, replies: list[str], requests: int) -> None:
    endpoint.script = [completion(reply) for reply in replies]
    answer = rig.make(endpoint.url).answer(asked(schema=SCHEMA))
    assert (answer.text, answer.origin) == (GOOD, Origin.CLOUD)
    assert len(endpoint.requests) == requests
    assert answer.cost_usd == pytest.approx(requests * USED_USD)
    assert rig.gone_usd == pytest.approx(answer.cost_usd)
    assert sum(entry["kind"] == "send" for entry in rig.ledger) == requests
    if requests == 2:
        *_, reply, complaint = endpoint.requests[1]["messages"]
        assert reply == {"role": "assistant", "content": replies[0]}
        assert "not valid" in complaint["content"]


def test_twice_wrong_is_no_answer(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [completion(BAD)]
    with pytest.raises(CloudProtocolError, match=r"twice: at \$\.count: 'two' is not of type 'integer'"):
        rig.make(endpoint.url).answer(asked(schema=SCHEMA))
    assert len(endpoint.requests) == 2
    assert rig.gone_usd == pytest.approx(2 * USED_USD)


def test_a_correction_has_to_fit_under_the_cap(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [completion(BAD)]
    rig.budget = BudgetSettings(usd_per_minute=0.0004)
    with pytest.raises(BudgetExceededError):
        rig.make(endpoint.url, max_output_tokens=400).answer(asked(schema=SCHEMA))
    assert len(endpoint.requests) == 1


def test_the_correction_survives_a_passing_failure(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [completion(BAD), failure(429), completion(GOOD)]
    assert rig.make(endpoint.url).answer(asked(schema=SCHEMA)).text == GOOD


@pytest.mark.parametrize("reply", ["UNSURE", '{"colour": "UNSURE", "count": 0}'])
def test_not_to_know_is_an_answer_of_any_shape(rig: Rig, endpoint: Endpoint, reply: str) -> None:
    endpoint.script = [completion(reply)]
    assert rig.make(endpoint.url).answer(asked(schema=SCHEMA)).origin is Origin.ABSTAINED


def test_the_prompt_of_a_skill_may_want_a_shape(rig: Rig, endpoint: Endpoint, tmp_path: Path) -> None:
    own = tmp_path / "prompts"
    own.mkdir()
    (own / "plants.toml").write_text(
        'version = 1\nskills = ["plants"]\ntext = "Name the plant."\n'
        '[output]\ntype = "object"\nrequired = ["plant"]\nproperties = {plant = {type = "string"}}\n'
    )
    rig.prompts = PromptBook(own)
    endpoint.script = [completion('{"plant": "fern"}')]
    responder = rig.make(endpoint.url)
    assert json.loads(responder.answer(asked(skill="plants")).text) == {"plant": "fern"}
    assert endpoint.requests[0]["response_format"]["json_schema"]["strict"] is False
    responder.answer(asked())
    assert "response_format" not in endpoint.requests[1]


@pytest.mark.parametrize(
    ("schema", "text", "complaint"),
    [
        pytest.param(SCHEMA, GOOD, None, id="right"),
        pytest.param(SCHEMA, "[" * 100_000, "not JSON", id="endless nesting"),
        pytest.param(SCHEMA, '{"colour": "red"}', "'count' is a required property", id="something is missing"),
        pytest.param({"enum": ["a"]}, '"b"', "'b' is not one of", id="another word"),
        pytest.param({"$ref": "http://127.0.0.1:1/schema"}, "{}", "cannot be followed", id="nothing is fetched"),
        pytest.param({"$ref": "#"}, "{}", "cannot be followed", id="a schema that is its own"),
    ],
)
def test_what_is_wrong_is_told(schema: dict[str, Any], text: str, complaint: str | None) -> None:
    said = AnswerFormat(schema).complaint(text)
    assert (said is None) is (complaint is None)
    if complaint is not None:
        assert said is not None
        assert complaint in said
        assert len(said) <= 300


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"properties": 3}, {"required": "a"}])
def test_what_is_no_schema_is_refused_before_anything_is_asked(
    rig: Rig, endpoint: Endpoint, schema: dict[str, Any]
) -> None:
    with pytest.raises(CloudProtocolError, match="no JSON schema"):
        rig.make(endpoint.url).answer(asked(schema=schema))
    assert endpoint.requests == []


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        pytest.param(SCHEMA, True, id="all properties required and no others"),
        pytest.param(SCHEMA | {"required": ["count"]}, False, id="an optional property"),
        pytest.param({**SCHEMA, "additionalProperties": True}, False, id="others allowed"),
        pytest.param({"type": "array", "items": SCHEMA}, True, id="a list of them"),
        pytest.param({"type": "array", "items": {"type": "object"}}, False, id="any object within"),
    ],
)
def test_strict_decoding_is_asked_for_where_endpoints_allow_it(schema: dict[str, Any], strict: bool) -> None:
    assert AnswerFormat(schema).wire()["json_schema"]["strict"] is strict


def test_a_correction_passes_the_egress_gate_too(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [completion('{"name": "ann@example.com"}'), completion('{"number": 3}')]
    schema = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    rig.make(endpoint.url).answer(asked("how many?", schema=schema))
    sent = [entry for entry in rig.ledger if entry["kind"] == "send"]
    for entry, request in zip(sent, endpoint.requests, strict=True):
        assert "ann@example.com" not in json.dumps(request)
        said = [str(message["content"]) for message in request["messages"][-3:] if message["role"] != "system"]
        assert [text for text in said if text in entry["texts"]], "what left stands in the ledger"
    assert '{"name": "[email]"}' in sent[1]["texts"]


@pytest.mark.parametrize(
    ("pattern", "taken"),
    [
        pytest.param("^(a+)+$", False, id="a repetition repeated"),
        pytest.param("(?:a|aa)*b", False, id="a choice repeated"),
        pytest.param("(a?){30}a{30}", False, id="maybe, many times"),
        pytest.param("((ab)*c)+", False, id="a repeated group repeated"),
        pytest.param("^[(a+)]+$", True, id="signs that mean nothing in brackets"),
        pytest.param(r"\(+(?:red|blue)\)+", True, id="signs that mean nothing behind a backslash"),
        pytest.param(r"^(\d{1,3}\.){3}\d{1,3}$", True, id="an address"),
        pytest.param(r"^\d{4}-\d{2}(?:T\d+)?$", True, id="a date"),
        pytest.param("(?:ab)+", True, id="a plain group repeated"),
    ],
)
@pytest.mark.parametrize("place", ["pattern", "patternProperties"])
def test_patterns_that_could_stop_the_whole_box_are_not_taken(place: str, pattern: str, taken: bool) -> None:
    schema = {"items": {"anyOf": [{place: pattern if place == "pattern" else {pattern: {}}}]}}
    if taken:
        AnswerFormat(schema)
        return
    with pytest.raises(CloudProtocolError, match="can take for ever"):
        AnswerFormat(schema)


def test_a_text_too_long_for_its_pattern_is_not_held_against_it() -> None:
    checked = AnswerFormat({"type": "string", "pattern": "^.*,.*,.*$"})
    assert checked.complaint('"a,b,c"') is None
    assert "does not match" in str(checked.complaint('"a,b"'))
    assert "too many" in str(checked.complaint(json.dumps("a" * 4_000)))


def test_references_that_multiply_are_not_followed_for_ever() -> None:
    twice = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    checked = AnswerFormat({"$ref": "#/$defs/d0", "$defs": twice | {"d40": {"type": "string"}}})
    for _ in range(2):
        assert "more than 5000 references" in str(checked.complaint('"a"'))
    tree = AnswerFormat({"type": "object", "additionalProperties": {"$ref": "#"}})
    assert tree.complaint('{"a": {"b": {"c": {}}}}') is None
    assert "at $.a.b" in str(tree.complaint('{"a": {"b": 1}}'))
