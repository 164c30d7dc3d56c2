from __future__ import annotations

import json
import time

import pytest
from cloud_rig import USED_USD, Rig, asked, worst_usd
from openai_server import Endpoint, Reply, completion, failure, serving, streamed

from edge_runtime.cloud.calls import HeldBack
from edge_runtime.cloud.replies import Folding
from edge_runtime.errors import CancelledError, CloudError, CloudProtocolError, CloudUnavailableError
from edge_runtime.types import Origin

USAGE = {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50}


def test_text_is_heard_while_the_rest_is_still_being_written(rig: Rig, endpoint: Endpoint) -> None:
    body = streamed(["The ", "ball ", "is ", "red."], USAGE)
    endpoint.script = [Reply(stream=body, gate_at=body.index(b"is "))]
    heard: list[str] = []

    def hear(text: str) -> None:
        heard.append(text)
        if not endpoint.go.is_set():
            assert "red" not in "".join(heard)
            endpoint.go.set()

    answer = rig.make(endpoint.url).answer(asked(on_text=hear))
    assert "".join(heard) == answer.text == "The ball is red."
    assert len(heard) > 1
    assert answer.cost_usd == pytest.approx(USED_USD)
    assert endpoint.requests[0]["stream"] is True
    assert endpoint.requests[0]["stream_options"] == {"include_usage": True}


def test_who_wants_no_pieces_gets_no_stream(rig: Rig, endpoint: Endpoint) -> None:
    rig.make(endpoint.url).answer(asked())
    assert "stream" not in endpoint.requests[0]


@pytest.mark.parametrize(
    ("reply", "heard", "origin"),
    [
        pytest.param(["UN", "SURE"], "", Origin.ABSTAINED, id="UNSURE is never heard"),
        pytest.param(["unsure."], "", Origin.ABSTAINED, id="nor in another case"),
        pytest.param(["Un", "til ", "noon."], "Until noon.", Origin.CLOUD, id="what began alike is heard"),
        pytest.param(["U"], "U", Origin.CLOUD, id="even where it ends there"),
        pytest.param(["Two\n\n", "lines\x1b ", " here"], "Two lines here", Origin.CLOUD, id="fit to be shown"),
    ],
)
def test_what_is_heard(rig: Rig, endpoint: Endpoint, reply: list[str], heard: str, origin: Origin) -> None:
    endpoint.script = [Reply(stream=streamed(reply, USAGE))]
    pieces: list[str] = []
    answer = rig.make(endpoint.url).answer(asked(on_text=pieces.append))
    assert ("".join(pieces), answer.origin) == (heard, origin)
    assert answer.cost_usd == pytest.approx(USED_USD)
    if origin is Origin.CLOUD:
        assert answer.text == heard


def test_without_usage_in_the_stream_the_whole_reservation_counts(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [Reply(stream=streamed(["A ", "ball."]))]
    answer = rig.make(endpoint.url).answer(asked(on_text=[].append))
    assert answer.cost_usd == pytest.approx(worst_usd(endpoint.requests[0]))
    assert rig.gone_usd == pytest.approx(answer.cost_usd)


@pytest.mark.parametrize(
    "usages",
    [
        pytest.param([{"prompt_tokens": 40, "completion_tokens": 10}, {"prompt_tokens": 1}], id="less afterwards"),
        pytest.param([{"prompt_tokens": 40}, {"completion_tokens": 10}], id="one number at a time"),
        pytest.param([{"prompt_tokens": 40, "completion_tokens": n} for n in (1, 5, 10)], id="growing"),
        pytest.param([USAGE, {"prompt_tokens": -5, "completion_tokens": 0}], id="nonsense at the end"),
    ],
)
def test_of_usage_told_several_times_the_most_is_paid(
    rig: Rig, endpoint: Endpoint, usages: list[dict[str, int]]
) -> None:
    told = b"".join(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n" for usage in usages)
    endpoint.script = [Reply(stream=told + streamed(["A ", "ball."]))]
    assert rig.make(endpoint.url).answer(asked(on_text=[].append)).cost_usd == pytest.approx(USED_USD)
    assert rig.gone_usd == pytest.approx(USED_USD)


def test_an_endpoint_that_does_not_stream_is_heard_at_once(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [Reply(body=completion("A ball.").body)]
    heard: list[str] = []
    assert rig.make(endpoint.url).answer(asked(on_text=heard.append)).text == "A ball."
    assert "".join(heard) == "A ball."


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        pytest.param(Reply(stream=streamed(["A ", "red ", "ba"], done=False)), CloudUnavailableError, id="broken off"),
        pytest.param(
            Reply(stream=streamed(["A ", "red "], done=False) + b"data: {half"),
            CloudUnavailableError,
            id="garbage half-way",
        ),
        pytest.param(
            Reply(stream=streamed(["A ", "red "], done=False) + b'data: {"error": {"message": "overloaded"}}\n\n'),
            CloudUnavailableError,
            id="an error half-way",
        ),
    ],
)
def test_what_was_heard_is_not_asked_again(rig: Rig, endpoint: Endpoint, bad: Reply, error: type[CloudError]) -> None:
    endpoint.script = [bad, completion()]
    heard: list[str] = []
    with serving() as other, pytest.raises(CloudError) as caught:
        rig.make({"first": endpoint.url, "second": other.url}).answer(asked(on_text=heard.append))
    assert type(caught.value) is error
    assert heard
    assert (len(endpoint.requests), len(other.requests)) == (1, 0)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(failure(401), id="a refusal"),
        pytest.param(Reply(stream=b"data: <html>\n\n"), id="garbage"),
        pytest.param(Reply(stream=b""), id="nothing at all"),
        pytest.param(Reply(stream=streamed(["UNS"], done=False)), id="broken off while it could still be UNSURE"),
    ],
)
def test_what_nobody_heard_is_asked_again(rig: Rig, endpoint: Endpoint, bad: Reply) -> None:
    endpoint.script = [bad]
    heard: list[str] = []
    with serving() as other:
        urls = {"first": endpoint.url, "second": other.url}
        answer = rig.make(urls, attempts=1).answer(asked(on_text=heard.append))
    assert answer.model == "second/gpt-4o-mini"
    assert "".join(heard) == answer.text


def test_a_stream_without_text_is_no_answer(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [Reply(stream=streamed([""], USAGE))]
    with pytest.raises(CloudProtocolError, match="without text"):
        rig.make(endpoint.url).answer(asked(on_text=[].append))


def test_who_hangs_up_in_the_middle_closes_the_connection(rig: Rig, endpoint: Endpoint) -> None:
    body = streamed(["The ", "ball ", "is ", "red."] * 20_000, USAGE)
    endpoint.script = [Reply(stream=body, gate_at=body.index(b"is "))]
    heard: list[str] = []
    with pytest.raises(CancelledError):
        rig.make(endpoint.url).answer(asked(on_text=heard.append, cancelled=lambda: bool(heard)))
    endpoint.go.set()
    assert endpoint.broken.wait(10), "the endpoint notices that nobody listens"


def test_a_stream_that_stalls_ends_by_the_deadline(rig: Rig, endpoint: Endpoint) -> None:
    body = streamed(["The ", "ball ", "is ", "red."], USAGE)
    endpoint.script = [Reply(stream=body, gate_at=body.index(b"is "))]
    start = time.monotonic()
    with pytest.raises(CloudUnavailableError):
        rig.make(endpoint.url).answer(asked(wait_s=1.0, on_text=[].append))
    assert time.monotonic() - start < 3


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        pytest.param(["a  b", "c"], ["a b", "c"], id="a word goes on in the next piece"),
        pytest.param(["a ", " b"], ["a", " b"], id="white space on both sides is one space"),
        pytest.param(["a ", "", "b"], ["a", "", " b"], id="an empty piece changes nothing"),
        pytest.param([" \n", "a"], ["", "a"], id="none at the beginning"),
        pytest.param(["a\x07", " "], ["a", ""], id="none at the end"),
        pytest.param(["abcdef", "ghijk", "l"], ["abcdef", "ghij", ""], id="no more than there may be"),
    ],
)
def test_text_is_folded_as_it_comes(pieces: list[str], shown: list[str]) -> None:
    folding = Folding(longest=10)
    assert [folding.fold(piece) for piece in pieces] == shown


def test_text_is_held_back_as_long_as_it_may_be_unsure() -> None:
    held = HeldBack()
    assert [held.let(piece) for piece in ("Un", "sur", "e about it", " all")] == ["", "", "Unsure about it", " all"]
