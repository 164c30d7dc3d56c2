from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from cloud_rig import asked
from openai_server import KEY, completion, serving

from edge_runtime.cloud.responder import CloudResponder
from edge_runtime.config import Settings
from edge_runtime.prompts.book import PromptBook
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.cloud import make_cloud, make_spending

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(threads=1)


def settings(folder: Path, **cloud: Any) -> Settings:
    return Settings.model_validate({"device": {"data_dir": folder}, "cloud": {"enabled": True, **cloud}})


def made(models: Models, wanted: Settings) -> CloudResponder:
    responder = make_cloud(wanted, models, PromptBook())
    assert isinstance(responder, CloudResponder)
    return responder


@pytest.mark.parametrize(
    ("cloud", "why"),
    [
        pytest.param({"enabled": False}, "switched off", id="switched off"),
        pytest.param({}, "EDGE_CLOUD_API_KEY is not set", id="no key"),
        pytest.param(
            {"providers": [{"name": "a"}, {"name": "b", "key_env": "EDGE_B"}]},
            "EDGE_CLOUD_API_KEY and EDGE_B are not set",
            id="none of two keys",
        ),
    ],
)
def test_why_nobody_is_asked(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: dict[str, Any], why: str
) -> None:
    monkeypatch.delenv("EDGE_CLOUD_API_KEY", raising=False)
    said = make_cloud(settings(tmp_path, **cloud), models, PromptBook())
    assert isinstance(said, str)
    assert why in said


def test_a_provider_without_a_key_is_left_out_with_a_warning(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EDGE_OTHER_KEY", KEY)
    monkeypatch.delenv("EDGE_CLOUD_API_KEY", raising=False)
    with serving() as endpoint:
        providers = [{"name": "mute"}, {"name": "other", "base_url": endpoint.url, "key_env": "EDGE_OTHER_KEY"}]
        answer = made(models, settings(tmp_path, providers=providers)).answer(asked())
        assert endpoint.authorizations == [f"Bearer {KEY}"]
    assert answer.model == "other/gpt-4o-mini"
    assert "mute is left out: set its key in EDGE_CLOUD_API_KEY" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param("http://example.org/v1", True, id="far and open"),
        pytest.param("https://example.org/v1", False, id="far and encrypted"),
        pytest.param("http://192.168.1.20:11434/v1", False, id="in the house"),
        pytest.param("http://nas.local:8080/v1", False, id="in the house, by name"),
        pytest.param("http://localhost:8080/v1", False, id="on the box"),
    ],
)
def test_questions_sent_in_the_open_are_told_of(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    url: str, told: bool,
) -> None:  # fmt: skip
    monkeypatch.setenv("EDGE_CLOUD_API_KEY", KEY)
    caplog.set_level(logging.WARNING)
    made(models, settings(tmp_path, providers=[{"base_url": url}]))
    assert ("without encryption" in caplog.text) is told


def test_money_and_answers_are_kept_in_the_data_folder_and_questions_in_other_words_found(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_CLOUD_API_KEY", KEY)
    with serving() as endpoint:
        endpoint.script = [completion("Paris."), completion("Madrid.")]
        wanted = settings(tmp_path, providers=[{"base_url": endpoint.url, "limit_key": "max_completion_tokens"}])
        responder = made(models, wanted)
        texts = ("what is the capital of France?", "what's the capital of france", "what is the capital of Spain?")
        answers = [responder.answer(asked(text)) for text in texts]
        assert "max_tokens" not in endpoint.requests[0]
        assert endpoint.requests[0]["max_completion_tokens"] == 200
    assert [(answer.text, answer.cached) for answer in answers] == [
        ("Paris.", False), ("Paris.", True), ("Madrid.", False),
    ]  # fmt: skip
    day = make_spending(wanted).summary()[1]
    assert day.spent == pytest.approx(sum(answer.cost_usd for answer in answers))


def test_the_cache_can_be_switched_off(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_CLOUD_API_KEY", KEY)
    with serving() as endpoint:
        wanted = settings(tmp_path, providers=[{"base_url": endpoint.url}], cache={"enabled": False})
        responder = made(models, wanted)
        assert not any(responder.answer(asked("how old is the oldest tree?")).cached for _ in range(2))
        assert len(endpoint.requests) == 2
    assert not list(tmp_path.glob("answers*"))
