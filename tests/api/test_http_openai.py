"""OpenAI's own client against a whole box, and against a cloud that is a loopback server."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import openai
import pytest
import soundfile
from http_box import TOKEN, data_url, open_box, until, written
from openai_server import Reply, completion, serving, streamed
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from http_box import Api
    from openai_server import Endpoint

FREE = "Write a short poem about the sea."
SPEAKS = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")


def asked(text: Any) -> list[Any]:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module", name="box")
def whole_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with open_box(tmp_path_factory.mktemp("box")) as box:
        yield box


@pytest.fixture(scope="module")
def cloud() -> Iterator[Endpoint]:
    with serving() as endpoint:
        yield endpoint


@pytest.fixture(scope="module", name="clouded")
def box_with_cloud(tmp_path_factory: pytest.TempPathFactory, cloud: Endpoint) -> Iterator[Api]:
    settings = {
        "enabled": True,
        "providers": [{"name": "fake", "base_url": cloud.url}],
        "attempts": 1,
        "cache": {"enabled": False},
        "budget": {"usd_per_minute": 1, "usd_per_day": 1, "usd_per_month": 1},
    }
    with open_box(tmp_path_factory.mktemp("clouded"), cloud=settings) as box:
        yield box


def test_a_local_answer_says_who_gave_it_in_body_and_headers(box: Api) -> None:
    with box.client() as client:
        raw = client.chat.completions.with_raw_response.create(model="edge", messages=asked("What is 2 + 3?"))
        reply = raw.parse()
    assert reply.choices[0].message.content == "That is 5."
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 0
    edge = reply.model_extra["edge"] if reply.model_extra else {}
    assert edge["origin"] == raw.headers["x-edge-origin"] == "local"
    assert edge["cost_usd"] == float(raw.headers["x-edge-cost-usd"]) == 0
    assert edge["confidence"] == pytest.approx(float(raw.headers["x-edge-confidence"]), abs=1e-4)
    assert edge["model"] == raw.headers["x-edge-model"]
    assert edge["skill"]
    assert edge["prompt"]
    assert reply._request_id


def test_a_stream_says_the_same_and_who_gave_it_in_its_last_chunk(box: Api) -> None:
    with box.client() as client:
        chunks = list(
            client.chat.completions.create(
                model="edge", messages=asked("What is 2 + 3?"), stream=True, stream_options={"include_usage": True}
            )
        )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "That is 5."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage
    assert chunks[-1].model_extra
    assert chunks[-1].model_extra["edge"]["origin"] == "local"


def test_what_nobody_knows_is_an_honest_abstention_and_no_error(box: Api) -> None:
    with box.client() as client:
        reply = client.chat.completions.create(model="edge", messages=asked(FREE))
    assert reply.model_extra
    assert reply.model_extra["edge"]["origin"] == "abstained"
    assert reply.choices[0].message.content


def test_a_picture_is_looked_at_here(box: Api) -> None:
    picture = np.full((240, 320, 3), 200, np.uint8)
    content = [
        {"type": "text", "text": "How many people are there?"},
        {"type": "image_url", "image_url": {"url": data_url(written(picture)), "detail": "low"}},
    ]
    with box.client() as client:
        reply = client.chat.completions.create(model="local", messages=asked(content))
    assert reply.model_extra
    assert reply.model_extra["edge"]["skill"] == "counting"
    assert "no people" in (reply.choices[0].message.content or "")


@SPEAKS
@pytest.mark.parametrize("kind", ["wav", "mp3", "flac"])
def test_what_the_box_says_it_also_understands(box: Api, kind: Any) -> None:
    with box.client() as client:
        spoken = client.audio.speech.create(
            model="tts-1", voice="alloy", input="Turn on the kitchen light.", response_format=kind
        ).read()
        heard = client.audio.transcriptions.create(model="whisper-1", file=(f"speech.{kind}", spoken))
        plain = client.audio.transcriptions.create(
            model="whisper-1", file=(f"speech.{kind}", spoken), response_format="text"
        )
        long = client.audio.transcriptions.create(
            model="whisper-1", file=(f"speech.{kind}", spoken), response_format="verbose_json"
        )
    assert heard.text == long.text == plain.strip() == "turn on the kitchen light"
    assert 0.5 < float(long.duration) < 5


@SPEAKS
def test_a_spoken_question_is_written_down_here_and_answered(box: Api) -> None:
    with box.client() as client:
        spoken = client.audio.speech.create(
            model="tts-1", voice="nova", input="What time is it?", response_format="wav"
        ).read()
        sound = {"data": base64.b64encode(spoken).decode(), "format": "wav"}
        reply = client.chat.completions.create(
            model="edge", messages=asked([{"type": "input_audio", "input_audio": sound}])
        )
    assert reply.model_extra
    assert reply.model_extra["edge"]["skill"] == "clock"


@SPEAKS
@pytest.mark.parametrize("kind", ["wav", "mp3", "flac", "opus", "pcm"])
def test_every_kind_of_sound_file_is_one(box: Api, kind: Any) -> None:
    with (
        box.client() as client,
        client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input="One. Two. Three.", response_format=kind, speed=1.5
        ) as reply,
    ):
        data = reply.read()
    if kind == "pcm":
        samples = np.frombuffer(data, "<i2")
        rate = 24_000
    else:
        samples, rate = soundfile.read(io.BytesIO(data))
    assert rate == 24_000
    assert 0.5 < len(samples) / rate < 6
    assert np.abs(samples).max() > 0


def test_vectors_are_those_of_the_bundle_in_both_forms(box: Api) -> None:
    with box.client() as client:
        packed = client.embeddings.create(model="edge", input=["a dog", "a puppy", "a tax form"])
        plain = client.embeddings.create(model="edge", input="a dog", encoding_format="float", dimensions=384)
    dog, puppy, tax = (np.asarray(one.embedding) for one in packed.data)
    assert dog @ puppy > dog @ tax
    np.testing.assert_allclose(plain.data[0].embedding, dog, atol=1e-5)
    assert np.linalg.norm(dog) == pytest.approx(1, abs=1e-4)


def test_pictures_and_words_share_a_space(box: Api) -> None:
    red, url = np.zeros((64, 64, 3), np.uint8), ""
    red[..., 2] = 255
    url = data_url(written(red))
    with box.client() as client:
        found = client.embeddings.create(model="omni-nano", input=[url, "a red square", "a flock of sheep"])
        # The client's types know no pictures; its wire does.
        pictures: list[Any] = [{"image": url}]
        named = client.embeddings.create(model="omni-nano", input=pictures)
    picture, square, sheep = (np.asarray(one.embedding) for one in found.data)
    np.testing.assert_allclose(named.data[0].embedding, picture, atol=1e-5)
    assert picture @ square > picture @ sheep


def test_models_are_listed_and_found(box: Api) -> None:
    with box.client() as client:
        assert [model.id for model in client.models.list()] == ["edge", "local", "omni-nano"]
        assert client.models.retrieve("local").owned_by == "edge-runtime"


WRONG: dict[str, tuple[type[openai.APIStatusError], Any]] = {
    "a model that is not here": (openai.NotFoundError, {"model": "gpt-4o", "messages": asked("hello")}),
    "no messages": (openai.BadRequestError, {"model": "edge", "messages": []}),
    "two answers": (openai.BadRequestError, {"model": "edge", "messages": asked("hello"), "n": 2}),
    "a remote picture": (
        openai.BadRequestError,
        {
            "model": "edge",
            "messages": asked([{"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest"}}]),
        },
    ),
    "a tool that must be called": (
        openai.BadRequestError,
        {"model": "edge", "messages": asked("hello"), "tool_choice": "required"},
    ),
    "a question as long as a book": (openai.BadRequestError, {"model": "edge", "messages": asked("word " * 10_000)}),
    "a schema that is none": (
        openai.BadRequestError,
        {
            "model": "edge",
            "messages": asked("hello"),
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "nothing"}}},
        },
    ),
    "speech that is no sound": (
        openai.BadRequestError,
        {
            "model": "edge",
            "messages": asked([{"type": "input_audio", "input_audio": {"data": "YWJj", "format": "wav"}}]),
        },
    ),
    "nothing asked": (openai.BadRequestError, {"model": "edge", "messages": asked("  ")}),
    "the assistant has the last word": (
        openai.BadRequestError,
        {"model": "edge", "messages": [*asked("hello"), {"role": "assistant", "content": "hi"}]},
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_refusal_is_the_clients_own_exception_and_says_why(box: Api, case: str) -> None:
    kind, body = WRONG[case]
    with box.client() as client, pytest.raises(kind) as caught:
        client.chat.completions.create(**body)
    assert isinstance(caught.value.body, dict)
    assert set(caught.value.body) == {"message", "type", "param", "code"}
    assert caught.value.body["message"]


@pytest.mark.parametrize("tokens", [[1, 2, 3], [[1, 2], [3]]], ids=["one text", "two texts"])
def test_token_numbers_are_refused_in_plain_words(box: Api, tokens: Any) -> None:
    with box.client() as client, pytest.raises(openai.BadRequestError, match="send the text"):
        client.embeddings.create(model="edge", input=tokens)


def test_a_wrong_token_is_an_authentication_error(box: Api) -> None:
    with box.client(api_key="wrong") as client, pytest.raises(openai.AuthenticationError) as caught:
        client.models.list()
    assert "wrong" not in str(caught.value.body)
    assert TOKEN not in str(caught.value)


def test_tools_and_what_else_clients_send_by_habit_do_no_harm(box: Api) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    habits: dict[str, Any] = {
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Hello", "name": "someone"},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": [{"type": "text", "text": "What is 2 + 3?"}]},
        ],
        "tools": [tool],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "temperature": 0.3,
        "top_p": 0.9,
        "seed": 7,
        "user": "someone",
        "presence_penalty": 0.1,
        "logprobs": False,
        "metadata": {"a": "b"},
    }
    with box.client() as client:
        reply = client.chat.completions.create(model="edge", **habits)
    assert reply.choices[0].message.content == "That is 5."
    assert reply.choices[0].message.tool_calls is None


def test_the_text_ends_at_stop_words_and_at_the_most_tokens(box: Api) -> None:
    with box.client() as client:
        stopped = client.chat.completions.create(model="edge", messages=asked("What is 2 + 3?"), stop=["is"])
        short = client.chat.completions.create(model="edge", messages=asked("What is 2 + 3?"), max_tokens=1)
    assert stopped.choices[0].message.content == "That "
    assert stopped.choices[0].finish_reason == "stop"
    assert short.choices[0].message.content == "That"
    assert short.choices[0].finish_reason == "length"


def test_many_at_once_are_all_answered_by_the_asynchronous_client(box: Api) -> None:
    async def story() -> list[str | None]:
        async with box.async_client() as client:
            replies = await asyncio.gather(
                *(client.chat.completions.create(model="edge", messages=asked(f"What is {n} + 1?")) for n in range(20))
            )
            stream = await client.chat.completions.create(model="edge", messages=asked("What is 5 + 5?"), stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        return [*(reply.choices[0].message.content for reply in replies), text]

    assert asyncio.run(story()) == [*(f"That is {n + 1}." for n in range(20)), "That is 10."]


def test_what_the_box_does_not_know_the_cloud_is_asked_and_local_never(clouded: Api, cloud: Endpoint) -> None:
    cloud.script, before = [completion("The sea is wide.")], len(cloud.requests)
    with clouded.client() as client:
        told = client.chat.completions.create(model="edge", messages=asked(FREE))
        kept = client.chat.completions.create(model="local", messages=asked(FREE))
    assert told.choices[0].message.content == "The sea is wide."
    assert told.model_extra
    assert told.model_extra["edge"]["origin"] == "cloud"
    assert told.model_extra["edge"]["cost_usd"] > 0
    assert kept.model_extra
    assert kept.model_extra["edge"]["origin"] == "abstained"
    assert len(cloud.requests) == before + 1


def events(*pieces: str, whole: bool) -> Reply:
    """Return the cloud's own stream, which breaks off where it is not `whole`."""
    body = streamed(pieces, {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50}, done=whole)
    # A length that is not reached: the connection breaks in the middle.
    sent = {"Content-Type": "text/event-stream", "Content-Length": str(len(body) + (0 if whole else 1000))}
    return Reply(body=body, headers={**sent, "Connection": "close"})


def test_the_clouds_stream_is_passed_on_piece_by_piece(clouded: Api, cloud: Endpoint) -> None:
    cloud.script = [events("The sea ", "is ", "wide.", whole=True)]
    with clouded.client() as client:
        chunks = list(client.chat.completions.create(model="edge", messages=asked(FREE), stream=True))
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert "".join(pieces) == "The sea is wide."
    assert len(pieces) > 1
    assert chunks[-1].model_extra
    assert chunks[-1].model_extra["edge"]["origin"] == "cloud"


def test_a_stream_that_breaks_in_the_cloud_ends_with_an_error(clouded: Api, cloud: Endpoint) -> None:
    cloud.script = [events("The sea ", "is ", whole=False)]
    with clouded.client() as client:
        stream = client.chat.completions.create(model="edge", messages=asked(FREE), stream=True)
        with pytest.raises(openai.APIError, match="broke off"):
            list(stream)


class Dimensions(BaseModel):
    width: int
    height: int


def test_an_answer_in_a_schema_is_parsed_by_the_client(clouded: Api, cloud: Endpoint) -> None:
    cloud.script = [completion(json.dumps({"width": 3, "height": 4}))]
    with clouded.client() as client:
        reply = client.chat.completions.parse(
            model="edge", messages=asked("Give me any size."), response_format=Dimensions
        )
    assert reply.choices[0].message.parsed == Dimensions(width=3, height=4)


def test_a_box_that_cannot_answer_in_a_schema_refuses(box: Api) -> None:
    with box.client() as client:
        reply = client.chat.completions.parse(model="edge", messages=asked(FREE), response_format=Dimensions)
    assert reply.choices[0].message.parsed is None
    assert reply.choices[0].message.refusal


def test_a_client_that_gives_up_waits_no_longer_than_it_said(clouded: Api, cloud: Endpoint) -> None:
    cloud.script, before = [Reply(hang_s=60)], len(cloud.requests)
    with clouded.client(timeout=1.0) as client, pytest.raises(openai.APITimeoutError):
        client.post("/chat/completions", body={"model": "edge", "messages": asked(FREE)}, cast_to=dict[str, Any],
                    options={"headers": {"x-stainless-read-timeout": "50"}})  # fmt: skip
    assert until(lambda: len(cloud.requests) == before + 1)
    with clouded.client(timeout=2.0) as client:
        # The client says how long it waits, and gets an honest abstention in that time.
        reply = client.chat.completions.create(model="edge", messages=asked(FREE))
    assert reply.model_extra
    assert reply.model_extra["edge"]["origin"] == "abstained"
